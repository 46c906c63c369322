// Allocations on TURN servers, each with a socket of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kaon/base/env.h"
#include "kaon/io/http_proxy.h"
#include "kaon/io/sender.h"
#include "kaon/turn/client.h"

namespace kaon::io {

class Loop;

/// A TURN server to be asked, and how it is reached.
struct RelayServer {
  /// With a proxy the IP may be none: then the proxy looks for `host`.
  net::Endpoint address;
  net::Protocol protocol = net::Protocol::Udp;
  /// Tls and Dtls: the certificate must be for this name (or address). What the system trusts is trusted, or
  /// SSL_CERT_FILE.
  std::string host{};
  std::string username{};
  std::string password{};
  turn::RelayFamilies families = turn::RelayFamilies::V4;
  /// A relay for TCP (RFC 6062), over Tcp and Tls: connections with peers in the place of packets.
  bool tcp = false;
  /// Of Tcp and Tls: connections go through it, those to servers that this one names too.
  std::optional<HttpProxy> proxy{};
};

/// Packets and bytes of peers' data, and what was lost on our side of the server.
struct RelayStats {
  uint64_t sent = 0;
  uint64_t sent_bytes = 0;
  uint64_t received = 0;
  uint64_t received_bytes = 0;
  uint64_t unreachable = 0;  ///< ICMP messages about our packets to peers, as the server tells them
  uint64_t dropped = 0;      ///< the socket was full, or the server's answer is awaited or was a refusal
};

/// A TCP connection with a peer by a relay: bytes in order, both ways. The loop's thread.
class RelayedStream {
 public:
  /// Bytes that wait to be sent.
  static constexpr size_t kMaxWaiting = 1 << 20;

  /// Called on the loop, not after close(); on_end() is the last.
  struct Handlers {
    std::function<void()> on_open{};
    std::function<void(ByteView)> on_data{};
    /// After send() has said no: now there is room.
    std::function<void()> on_writable{};
    /// The connection with the peer, or that with the server, has ended, or there was never one.
    std::function<void(const std::string& reason)> on_end{};
  };

  virtual ~RelayedStream() = default;
  /// All or nothing: false before on_open() and where more would wait than kMaxWaiting.
  virtual bool send(ByteView data) = 0;
  /// Nothing more is read until resumed: then the peer waits, too.
  virtual void pause(bool paused) = 0;
  /// Sends what waits, and ends.
  virtual void close() = 0;
};

/// One allocation: a relayed address, or one of each family, that packets are sent from and received on as on a socket.
/// The loop's thread.
///
/// Each has a port of its own, because a TURN server knows one allocation per address of a client. Nothing is copied
/// on the way out over UDP: header and packet leave by one gathering call.
class Relay {
 public:
  /// Bytes that wait for a TCP or TLS connection; packets beyond are dropped.
  static constexpr size_t kMaxWaiting = 1 << 20;

  struct Handlers {
    /// Called on the loop, never inside a call of ours, not after close().
    std::function<void(const turn::ClientEvent&)> on_event;
    /// A peer's packets: `local` is the relayed address of its family. Valid, and mutable, for the call.
    std::function<void(std::span<const net::Datagram>, Time)> on_data;
  };

  /// Begins to connect and to allocate; how that ends is an event. A server that cannot be reached at all is the error
  /// Timeout of turn::ClientFailed; a proxy that refuses is ProxyRefused, with its HTTP status as the number. Follows a
  /// server that names another one (RFC 8489 §10) as turn::Redirects allows, by the same protocol; over TLS and DTLS
  /// the certificate must be for `host` there too, or for the domain that was named.
  static std::shared_ptr<Relay> open(Loop& loop, const RelayServer& server, Env env, Handlers handlers);
  virtual ~Relay() = default;

  /// Sends a packet or run to `outgoing.transmit.remote`; what cannot be sent is dropped and counted. Its DSCP is that
  /// of the packets to the server, over UDP and DTLS.
  virtual void send(const Outgoing& outgoing) = 0;
  // With RelayServer::tcp, once allocated.
  /// Connects to a peer from the relayed address: turn::PeerConnected or turn::ConnectFailed tells. False if too many
  /// are under way.
  virtual bool connect(const net::Endpoint& peer) = 0;
  /// Peers of this address may connect from now on, of which turn::PeerConnected tells. False if there are too many.
  virtual bool let_in(const net::IpAddress& peer) = 0;
  /// Takes a connection that an event told of less than 30 s ago; it ends with the relay.
  virtual std::shared_ptr<RelayedStream> take(const turn::PeerConnected& connected,
                                              RelayedStream::Handlers handlers) = 0;
  /// Gives the allocation back and closes the socket.
  virtual void close() = 0;
  /// While there is one; of two the IPv4 one.
  virtual const std::optional<net::Endpoint>& relayed() const = 0;
  /// The machine's address that it speaks to the server from, once the system has chosen one.
  virtual std::optional<net::IpAddress> local() const = 0;
  virtual const RelayStats& stats() const = 0;
};

}  // namespace kaon::io
