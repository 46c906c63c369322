// Peer connections on loops, all behind one UDP port.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/ice/mux.h"
#include "kaon/io/http_proxy.h"
#include "kaon/io/interfaces.h"
#include "kaon/io/relay.h"
#include "kaon/io/udp.h"
#include "kaon/peer/connection.h"

namespace kaon::io {

class HostedPeer;
class Loop;
class PeerShard;

/// Receives what happens on one hosted connection, on its loop, once per turn. May do anything there, also destroy its
/// own connection.
class PeerHandler {
 public:
  virtual ~PeerHandler() = default;
  virtual void on_event(HostedPeer& peer, peer::Event event, Time now) = 0;
  /// After the events of a turn: the place to poll media, frames and channel events.
  virtual void on_drain(HostedPeer& peer, Time now) = 0;
};

/// An address that a 1:1 NAT in front of us maps to one of ours, port for port.
struct PublicAddress {
  net::IpAddress told;
  /// The one it is told instead of; none for all of its family.
  net::IpAddress local = {};
};

struct PeerPortOptions {
  UdpOptions udp;
  std::vector<PublicAddress> public_addresses;
  /// Which addresses of the machine are told and used; empty for all. Called on the loops, also later when the network
  /// changes.
  std::function<bool(const Interface&)> use_interface;
  /// Tell names of Multicast DNS instead of addresses (draft-ietf-mmusic-mdns-ice-candidates), new ones for this port;
  /// not instead of public addresses.
  bool hide_addresses = false;
  /// Offer loopback addresses too; otherwise only if there is no other.
  bool loopback = false;
  /// ICE over TCP (RFC 6544) beside UDP: listen on the same port number and offer passive candidates; offer active
  /// ones, which connect to the peer's passive ones.
  bool tcp_passive = false;
  bool tcp_active = false;
  /// Connections of active candidates go through it.
  std::optional<HttpProxy> http_proxy = {};
};

/// One connection on its loop. Everything on the loop's thread.
class HostedPeer {
 public:
  static constexpr size_t kMaxRelays = 8;

  virtual ~HostedPeer() = default;
  virtual peer::Connection& connection() = 0;
  virtual const peer::Connection& connection() const = 0;
  virtual ice::ConnectionId id() const = 0;
  virtual PeerShard& shard() = 0;
  /// Asks a TURN server for a relay; with its answer comes one more local candidate. `tell` is called on the loop,
  /// later, until close(): with turn::Allocated or turn::ClientFailed once, and with what happens to the allocation
  /// afterwards. When the machine loses the address that the server was asked from, the relayed one goes and the server
  /// is asked again, which is told in the same way. False beyond kMaxRelays.
  virtual bool add_relay(const RelayServer& server, std::function<void(const turn::ClientEvent&)> tell) = 0;
  /// Whether one of the port's addresses is of IPv6 and of use beyond its link.
  virtual bool has_ipv6() const = 0;
  /// After commands: the connection may have something to send or to tell.
  virtual void touch() = 0;
  /// Says goodbye and destroys the connection at the end of the turn; the handler is not called any more.
  virtual void close() = 0;
};

/// Whether PeerShard::create() ends the gathering of local addresses, or its caller does, who wants to add STUN servers
/// and relays first. RelayOnly: as Continues, but the port's own addresses are neither told nor used.
enum class Gathering : uint8_t { Ended, Continues, RelayOnly };

/// One loop's connections. Addresses that appear or vanish while they last are told to them
/// (NetworkMonitor), and so to their peers.
class PeerShard {
 public:
  virtual ~PeerShard() = default;
  virtual Loop& loop() = 0;
  virtual size_t index() const = 0;
  /// A connection with all local candidates of the port. `config.ufrag_prefix` and `unix_time_at_zero` are set here.
  /// `handler` must stay until close(). Null only when the id space is at its end. The loop's thread.
  virtual HostedPeer* create(peer::Config config, PeerHandler& handler, Gathering gathering = Gathering::Ended) = 0;
  virtual size_t connections() const = 0;
  virtual const Counters<ice::MuxDrop>& drops() const = 0;
  virtual const UdpStats& udp_stats() const = 0;
};

/// The first character of a connection's ufrag names its loop, so that any loop finds the home of a Binding request;
/// answers to our own checks and everything else are found by tables that the home loop fills on all loops once a path
/// is authenticated.
class PeerPort {
 public:
  /// One ice-char names a loop.
  static constexpr size_t kMaxLoops = 64;
  /// Paths, and SSRCs, of other loops' connections that a loop remembers; packets on further ones are lost until old
  /// ones go.
  static constexpr size_t kMaxForeignPaths = 1 << 20;

  /// From outside the loops; the loops must be running, or be one that the caller steps. The loops outlive the port.
  static Result<std::unique_ptr<PeerPort>, IoError> open(std::span<Loop* const> loops, PeerPortOptions options,
                                                         Env env);
  virtual ~PeerPort() = default;

  virtual uint16_t port() const = 0;
  virtual size_t size() const = 0;
  virtual PeerShard& shard(size_t index) = 0;
};

}  // namespace kaon::io
