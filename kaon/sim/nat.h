// A network address translator with the behaviours that RFC 4787 tells apart.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "kaon/base/random.h"
#include "kaon/base/time.h"
#include "kaon/net/address.h"

namespace kaon::sim {

/// RFC 4787 §4.1 (mapping) and §5 (filtering) use the same three kinds.
enum class NatBehavior : uint8_t { EndpointIndependent, AddressDependent, AddressAndPortDependent };

/// RFC 4787 §4.2. Preserve takes the inner port where it is free, else a random one.
enum class PortAssignment : uint8_t { Preserve, Sequential, Random };

/// The default is the friendliest of translators: a "full cone" as RFC 4787 would like it.
struct NatConfig {
  NatBehavior mapping = NatBehavior::EndpointIndependent;
  NatBehavior filtering = NatBehavior::EndpointIndependent;
  PortAssignment ports = PortAssignment::Preserve;
  /// A mapping unused for this long is forgotten (RFC 4787 §4.3 asks for two minutes at least; 30 s is common).
  Duration timeout = std::chrono::minutes(2);
  /// Packets from outside keep the mapping alive too (RFC 4787 §4.3, REQ-6).
  bool inbound_refreshes = false;
  /// Hosts inside reach each other by the outer address (RFC 4787 §6, REQ-9).
  bool hairpin = false;
};

inline NatConfig port_restricted_cone() { return {.filtering = NatBehavior::AddressAndPortDependent}; }
inline NatConfig symmetric_nat() {
  return {.mapping = NatBehavior::AddressAndPortDependent,
          .filtering = NatBehavior::AddressAndPortDependent,
          .ports = PortAssignment::Random};
}

class Nat {
 public:
  /// Mappings alive at once; further ones are refused (the packet is dropped).
  static constexpr size_t kMaxMappings = 16384;

  Nat(const NatConfig& config, net::IpAddress outside, uint64_t seed)
      : config_(config), outside_(outside), random_(seed) {}

  /// The outer endpoint for a packet from `inner` to `remote`; makes or refreshes the mapping. Nothing if the table is
  /// full.
  std::optional<net::Endpoint> outbound(const net::Endpoint& inner, const net::Endpoint& remote, Time now);
  /// The inner endpoint for a packet from `remote` to our `port`; nothing if unmapped or filtered.
  std::optional<net::Endpoint> inbound(uint16_t port, const net::Endpoint& remote, Time now);

  /// Forgets all mappings, as a restart does; new ones get other ports than before. With `outside` also a new address
  /// (use Network::rebind, which keeps the routes right).
  void rebind(std::optional<net::IpAddress> outside = std::nullopt);

  const net::IpAddress& outside() const { return outside_; }
  const NatConfig& config() const { return config_; }
  size_t mappings() const { return mappings_.size(); }

 private:
  struct Key {
    net::Endpoint inner;
    net::Endpoint remote;  // as far as the mapping depends on it
    auto operator<=>(const Key&) const = default;
  };
  struct Mapping {
    Key key;
    Time used;
    std::map<net::Endpoint, Time> permitted;  // when we last sent there
  };

  static net::Endpoint part_of(const net::Endpoint& remote, NatBehavior behavior);
  bool expired(Time used, Time now) const { return now - used > config_.timeout; }
  void forget_expired(Time now);
  std::optional<uint16_t> free_port(uint16_t wanted);

  NatConfig config_;
  net::IpAddress outside_;
  SeededRandom random_;
  std::map<Key, uint16_t> ports_;
  std::map<uint16_t, Mapping> mappings_;  // by outer port
  uint16_t next_port_ = 1024;
  Time last_sweep_{};
  bool preserving_ = true;
};

}  // namespace kaon::sim
