// Peer connections of many loops behind one UDP port.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kaon/base/counters.h"
#include "kaon/base/env.h"
#include "kaon/base/result.h"
#include "kaon/ice/mux.h"
#include "kaon/io/error.h"
#include "kaon/io/udp.h"
#include "kaon/peer/connection.h"

namespace kaon::io {

class HostedPeer;
class PeerShard;

/// Who owns a hosted connection. Called on its loop, at the end of a turn; never inside a call of HostedPeer, never
/// after HostedPeer::close(). May do anything, also close the connection.
class PeerHandler {
 public:
  virtual ~PeerHandler() = default;
  virtual void on_event(HostedPeer& peer, peer::Event event, Time now) = 0;
  /// After the events of each turn in which the connection was touched: the place to poll channels and media.
  virtual void on_drain(HostedPeer& peer, Time now) = 0;
};

/// A connection that the port feeds and drains. The loop's thread only.
class HostedPeer {
 public:
  virtual ~HostedPeer() = default;
  virtual peer::Connection& connection() = 0;
  virtual ice::ConnectionId id() const = 0;
  virtual PeerShard& shard() = 0;
  /// After commands to connection(): it may have something to send, or another deadline.
  virtual void touch() = 0;
  /// Says goodbye and ends; the object is gone after this turn.
  virtual void close() = 0;
};

/// Whether PeerShard::create() ends the gathering of local addresses, or its caller does, who wants to add STUN servers
/// first.
enum class Gathering : uint8_t { Ended, Continues };

/// One loop's connections. The loop's thread only, except loop() and index().
class PeerShard {
 public:
  /// Paths of other loops' connections that a loop remembers; packets of further ones stay where they arrive and are
  /// dropped there.
  static constexpr size_t kMaxForeignPaths = 1 << 18;

  virtual ~PeerShard() = default;
  virtual Loop& loop() = 0;
  virtual size_t index() const = 0;
  /// A connection with all addresses of the port. `handler` must stay until HostedPeer::close(). The prefix of the user
  /// fragment and the wall clock of `config` are set here. Null when the port is full.
  virtual HostedPeer* create(peer::Config config, PeerHandler& handler, Gathering gathering = Gathering::Ended) = 0;
  virtual size_t connections() const = 0;
  virtual const Counters<ice::MuxDrop>& drops() const = 0;
  virtual const UdpStats& udp_stats() const = 0;
};

struct PeerPortOptions {
  UdpOptions udp;
  /// Announced instead of the machine's own addresses of the same family: what a NAT in front maps to us.
  std::vector<net::IpAddress> public_addresses;
  /// Announce loopback addresses too; without any other address they are announced anyway.
  bool loopback = false;
};

/// One UDP port for the connections of all loops: each lives on one loop, which its ICE user fragment names.
class PeerPort {
 public:
  /// One character of the user fragment.
  static constexpr size_t kMaxLoops = 64;

  /// From outside the loops, or from the only one. `env` must outlive the port; its parts are used on all loops.
  static Result<std::unique_ptr<PeerPort>, IoError> open(std::span<Loop* const> loops, PeerPortOptions options,
                                                         Env env);
  /// Ends all connections without a word: close them before. From outside the loops, or from the only one.
  virtual ~PeerPort() = default;

  virtual uint16_t port() const = 0;
  virtual size_t size() const = 0;
  virtual PeerShard& shard(size_t index) = 0;
};

}  // namespace kaon::io
