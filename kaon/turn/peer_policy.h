// Which peers a TURN server relays to.
#pragma once

#include <cstdint>
#include <vector>

#include "kaon/net/ip_range.h"

namespace kaon::turn {

/// Ports that relays are opened on, both included.
struct PortRange {
  uint16_t first = 49152;
  uint16_t last = 65535;
  bool contains(uint16_t port) const { return port >= first && port <= last; }
  bool operator==(const PortRange&) const = default;
};

/// A relay is a way into the network that the server stands in, so only public unicast addresses are reached by
/// default. Refused are: "this network", private, shared (RFC 6598), loopback, link-local, documentation, benchmarking,
/// multicast and reserved addresses, the metadata services of clouds, and for IPv6 all outside of 2000::/3 (so IPv4
/// addresses mapped into IPv6, NAT64, loopback, unique and link-local) as well as Teredo, 6to4 and documentation, in
/// which an IPv4 address can hide (RFC 6890).
class PeerPolicy {
 public:
  /// What is refused stays refused, whatever else is said.
  void deny(const net::IpRange& range) { denied_.push_back(range); }
  /// Reached although refused by default.
  void allow(const net::IpRange& range) { allowed_.push_back(range); }
  /// Addresses of our relays, where only other relays are reached, that is, ports of the range; and all others of this
  /// machine, which are refused: its services trust what comes from its own address.
  void set_own(std::vector<net::IpAddress> relays, PortRange ports, std::vector<net::IpAddress> others = {});
  /// One port of all those addresses is reached nevertheless: of a service that is there for the clients.
  void open_own_port(uint16_t port) { open_port_ = port; }

  /// Whether a permission for this address may be made.
  bool allows(const net::IpAddress& ip) const;
  /// Whether datagrams may be sent to this port of an address that is allowed. Cheap: asked per packet.
  bool allows_port(const net::Endpoint& peer) const;

 private:
  enum class Verdict : uint8_t { Denied, Allowed, Unsaid };
  Verdict said(const net::IpAddress& ip) const;

  std::vector<net::IpRange> denied_;
  std::vector<net::IpRange> allowed_;
  std::vector<net::IpAddress> relays_;
  PortRange ports_;
  std::vector<net::IpAddress> others_;
  uint16_t open_port_ = 0;  // 0: none
};

}  // namespace kaon::turn
