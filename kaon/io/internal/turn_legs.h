// The legs of a TURN server that are connections: TCP, TLS and DTLS.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "kaon/io/turn_host.h"
#include "kaon/io/udp.h"
#include "kaon/turn/server_types.h"

namespace kaon::io {

/// What a leg tells its host.
class TurnLegHost {
 public:
  virtual ~TurnLegHost() = default;
  /// One whole message, mutable for the call.
  virtual void leg_message(const turn::ClientPath& client, Bytes message) = 0;
  virtual void leg_closed(const turn::ClientPath& client) = 0;
  virtual bool has_allocation(const turn::ClientPath& client) const = 0;
  /// Counts one more connection; false if there are too many.
  virtual bool may_connect() = 0;
  virtual void disconnected() = 0;
  virtual TurnHostStats& leg_stats() = 0;
  /// Whether so many bytes of a data connection (RFC 6062) may go on now.
  virtual bool may_carry(turn::ConnectionId id, bool to_peer, size_t bytes) = 0;
  virtual void pipe_closed(turn::ConnectionId id) = 0;
};

/// A client's data connection and its peer's.
class TurnPipe {
 public:
  virtual ~TurnPipe() = default;
  /// Ends both; told by pipe_closed().
  virtual void close() = 0;
};

/// All connections of one listener.
class TurnLeg {
 public:
  virtual ~TurnLeg() = default;
  virtual net::Endpoint bound() const = 0;
  /// A message for one of its clients; false if it was dropped.
  virtual bool send(const turn::ClientPath& client, ByteView message) = 0;
  /// From now on this client's connection carries the bytes of a peer, behind what waits for it already. To be called
  /// within leg_message() of that client. Nothing, and `peer` is left alone, if it has no such connection.
  virtual std::shared_ptr<TurnPipe> join(const turn::ClientPath& client, turn::ConnectionId id,
                                         boost::asio::ip::tcp::socket& peer) = 0;
  /// Called once a second: closes what is too slow.
  virtual void sweep(Time now) = 0;
  virtual void close() = 0;
};

Result<std::unique_ptr<TurnLeg>, std::string> listen_tcp(Loop& loop, const net::Endpoint& local, PortSharing sharing,
                                                         TurnLegHost& host);
Result<std::unique_ptr<TurnLeg>, std::string> listen_tls(Loop& loop, const net::Endpoint& local, PortSharing sharing,
                                                         const TurnTls& tls, TurnLegHost& host);
Result<std::unique_ptr<TurnLeg>, std::string> listen_dtls(Loop& loop, const net::Endpoint& local, PortSharing sharing,
                                                          const TurnTls& tls, TurnLegHost& host);

}  // namespace kaon::io
