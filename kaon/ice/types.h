// What the ICE agent takes and gives.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kaon/base/time.h"
#include "kaon/ice/candidate.h"
#include "kaon/ice/credentials.h"
#include "kaon/net/ip_range.h"

namespace kaon::ice {

enum class Role : uint8_t { Controlling, Controlled };

/// RTCIceTransportState, W3C webrtc §5.6.4.
enum class State : uint8_t { New, Checking, Connected, Completed, Disconnected, Failed, Closed };
enum class FailReason : uint8_t { None, ChecksFailed, ConsentExpired };
std::string_view to_text(State state);

/// Which remote addresses we are willing to send checks to. Multicast, unspecified and broadcast addresses and port 0
/// never are.
struct AddressPolicy {
  /// Loopback and link-local (also 169.254.169.254) are only ever paired with local addresses of the same kind.
  bool loopback = true;
  bool link_local = true;
  bool private_networks = true;
  /// Lower ports are refused: 1 permits all, 1024 keeps us from knocking at well-known services.
  uint16_t min_port = 1;
  /// If there are any, only addresses in these.
  std::vector<net::IpRange> only;
  /// Never an address in these.
  std::vector<net::IpRange> refused;

  bool permits(const net::Endpoint& remote) const;
};

struct Config {
  Role role = Role::Controlled;
  /// RFC 8445 §2.5: answers checks and sends none, except to verify a changed address before it gets media.
  bool lite = false;
  /// Empty: drawn at random. A server encodes the connection's loop in the ufrag.
  std::string ufrag;
  std::string password;
  /// Send a nomination number with each nomination (option "renomination" of both sides).
  bool renomination = false;
  /// Distance between two checks (RFC 8445 §14.2), at least kMinPace; shorter once a short round trip is known. The
  /// first checks of the pairs follow each other in a quarter of it.
  Duration pace = std::chrono::milliseconds(20);
  /// No pair found for so long, counted from the latest candidate that was signalled: Failed (RFC 8863 §3).
  Duration patience = std::chrono::milliseconds(39500);
  /// A pair whose checks went unanswered is checked anew after so long while none is found; zero: never. For peers that
  /// begin minutes later, because a person carries the descriptions: it also keeps the translators in between open.
  Duration recheck{};
  /// Mean distance of consent checks, drawn ±20 % each time (RFC 7675 §5.1).
  Duration consent_interval = std::chrono::seconds(5);
  /// No answer for so long: no more sending (RFC 7675 §5.1).
  Duration consent_expiry = std::chrono::seconds(30);
  /// Silence of the peer and of our checks for so long: Disconnected.
  Duration disconnected_after = std::chrono::seconds(5);
  AddressPolicy remote_policy;
  /// The peer may send handshake packets in its checks (SPED) before Agent::begin_embedding() says what was agreed.
  bool sped = false;
};

/// Handshake packets in checks and answers (SPED).
struct SpedStats {
  uint64_t sent = 0;
  uint64_t received = 0;
};

/// A local address that can send: a socket, a mapped address of one, or a relayed address.
struct LocalAddress {
  CandidateType type = CandidateType::Host;
  /// What the peer is told.
  net::Endpoint address;
  /// Datagram::local and Transmit::local of its packets; default: `address`. A relayed address is its own base.
  net::Endpoint base;
  std::optional<net::Endpoint> related;
  net::Protocol protocol = net::Protocol::Udp;
  TcpType tcp_type = TcpType::None;
  /// Told to the peer instead of the IP address (mDNS).
  std::string hostname;
  uint16_t network_id = 0;
  uint16_t network_cost = 0;
  /// RFC 8445 §5.1.2.1; default: local_preference() by family, cost and order of addition.
  std::optional<uint16_t> preference;

  bool operator==(const LocalAddress&) const = default;
};

/// What is told as raddr and rport of a candidate whose base is nobody's business: the unspecified address, port 9 (RFC
/// 8839 §9.1).
net::Endpoint hidden(net::Family family);

/// Two ends that packets travel between. `local` is a base: what goes into Transmit.
struct Path {
  net::Endpoint local;
  net::Endpoint remote;
  net::Protocol protocol = net::Protocol::Udp;
  bool operator==(const Path&) const = default;
};

/// How far an address is to be trusted.
enum class Source : uint8_t {
  Unknown,    ///< nothing known: drop
  Known,      ///< signalled or being checked: hold what it sends (early DTLS) until it is validated
  Validated,  ///< an authenticated STUN message came over exactly this path
};

enum class Error : uint8_t {
  Closed,
  BadCredentials,
  RestartNeeded,  ///< other remote credentials within one generation: call restart() first
  Unresolved,     ///< a host name: resolve it, then add it again
  Refused,        ///< by the AddressPolicy
  Unsupported,    ///< component other than 1, TCP of a type that fits none of ours, or of none
  TooMany,
  BadAddress,
};

/// A local candidate to be signalled.
struct LocalCandidate {
  Candidate candidate;
};
/// All local candidates are known (W3C: "complete").
struct GatheringDone {};
struct StateChanged {
  State state;
  FailReason reason = FailReason::None;
};
/// Data goes over another pair from now on.
struct SelectedPairChanged {
  Candidate local;
  Candidate remote;
  Path path;
  Duration rtt;
  bool nominated;
};
/// The first authenticated STUN message of this path: a Mux may bind it, held packets of it may be let in.
struct PathValidated {
  Path path;
};
/// 487 made us change sides.
struct RoleChanged {
  Role role;
};
using Event =
    std::variant<LocalCandidate, GatheringDone, StateChanged, SelectedPairChanged, PathValidated, RoleChanged>;

/// Why a packet was dropped.
enum class Drop : uint8_t {
  NotStun,
  Malformed,
  NotBinding,
  UnknownLocalAddress,
  NoUsername,
  UnknownUfrag,
  BadIntegrity,
  UnknownTransaction,
  WrongSource,
  UnknownAttribute,
  BadRequest,
  RoleConflict,
  TooManyCandidates,
  QueueFull,
  RefusedAddress,
  OldNomination,
  BadEmbedding,  ///< in an authenticated message: a list of acknowledgements that is none, or a packet that is not DTLS
  Inert,
  Count,
};

enum class PairState : uint8_t { Waiting, InProgress, Succeeded, Failed };

struct PairCounters {
  uint64_t packets_sent = 0;
  uint64_t packets_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t requests_sent = 0;
  uint64_t requests_received = 0;
  uint64_t responses_sent = 0;
  uint64_t responses_received = 0;
  uint64_t consent_requests_sent = 0;
  Duration total_rtt = Duration::zero();
  std::optional<Time> last_packet_sent;
  std::optional<Time> last_packet_received;
};

/// RTCIceCandidatePairStats, W3C webrtc-stats §8.15.
struct PairStats : PairCounters {
  uint32_t id = 0;
  Candidate local;
  Candidate remote;
  PairState state = PairState::Waiting;
  uint64_t priority = 0;
  bool nominated = false;
  bool selected = false;
  Duration current_rtt = Duration::zero();  ///< smoothed
};

}  // namespace kaon::ice
