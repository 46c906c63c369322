// Candidates: what they are, how they are ranked, how they look in SDP.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/net/datagram.h"

namespace kaon::ice {

enum class CandidateType : uint8_t { Host, ServerReflexive, PeerReflexive, Relayed };
/// RFC 6544 §4.5; None for UDP.
enum class TcpType : uint8_t { None, Active, Passive, SimultaneousOpen };

/// "host", "srflx", "prflx", "relay".
std::string_view to_text(CandidateType type);
/// "active", "passive", "so"; empty for None.
std::string_view to_text(TcpType type);

enum class CandidateError : uint8_t {
  Syntax,
  BadFoundation,
  BadComponent,
  BadTransport,
  BadPriority,
  BadAddress,
  BadType,
  TooLong
};

/// One candidate as it is signalled, RFC 8839 §5.1.
struct Candidate {
  /// Longer lines are refused.
  static constexpr size_t kMaxText = 1024;

  std::string foundation;
  uint16_t component = 1;
  net::Protocol protocol = net::Protocol::Udp;
  TcpType tcp_type = TcpType::None;
  CandidateType type = CandidateType::Host;
  uint32_t priority = 0;
  /// The address; its IP is none while `hostname` waits to be resolved.
  net::Endpoint address;
  /// A name instead of an address, as mDNS candidates have it ("uuid.local"); otherwise empty. Where it is known what
  /// it stands for, that is in `address`; the name is what is told.
  std::string hostname;
  /// raddr and rport.
  std::optional<net::Endpoint> related;
  std::optional<uint16_t> network_id;
  std::optional<uint16_t> network_cost;
  /// The generation it belongs to, if the line says so; may be empty.
  std::string ufrag;
  /// Extension attributes that we know nothing about, kept in order.
  std::vector<std::pair<std::string, std::string>> extensions;

  /// From "candidate:…", with or without "a=" before it. Unknown types and transports are errors, unknown attributes
  /// are not.
  static Result<Candidate, CandidateError> parse(std::string_view line);
  /// "candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host"; no "a=", no line end.
  std::string to_string() const;
  bool operator==(const Candidate&) const = default;
};

/// RFC 8445 §5.1.2.2, Table in §5.1.2.1.
constexpr uint32_t type_preference(CandidateType type) {
  switch (type) {
    case CandidateType::Host: return 126;
    case CandidateType::PeerReflexive: return 110;
    case CandidateType::ServerReflexive: return 100;
    case CandidateType::Relayed: return 0;
  }
  return 0;
}

/// RFC 8445 §5.1.2.1. Candidates over TCP stand behind all but the relayed ones over UDP (RFC 6544 §4.2).
constexpr uint32_t candidate_priority(CandidateType type, uint16_t local_preference, uint16_t component = 1,
                                      net::Protocol protocol = net::Protocol::Udp) {
  constexpr uint32_t kBehindUdp = 40;
  const uint32_t full = type_preference(type);
  const uint32_t preference = protocol == net::Protocol::Udp || full < kBehindUdp ? full : full - kBehindUdp;
  return (preference << 24) | (uint32_t{local_preference} << 8) | (256u - component);
}

/// RFC 8445 §6.1.2.3: `controlling` is the priority of the controlling agent's candidate.
constexpr uint64_t pair_priority(uint32_t controlling, uint32_t controlled) {
  const uint64_t low = controlling < controlled ? controlling : controlled;
  const uint64_t high = controlling < controlled ? controlled : controlling;
  return (low << 32) + 2 * high + (controlling > controlled ? 1 : 0);
}

/// A local preference that ranks cheap networks first and interleaves IPv6 and IPv4 of equal cost (RFC 8421 §4):
/// `index` counts the addresses of the same family, `cost` is that of GOOG-NETWORK-INFO (0 to 999).
uint16_t local_preference(net::Family family, uint16_t cost, size_t index);

/// Candidates with equal type, base IP, protocol and server share it (RFC 8445 §5.1.1.3).
std::string foundation(CandidateType type, const net::IpAddress& base, net::Protocol protocol,
                       const net::IpAddress& server = {});

}  // namespace kaon::ice
