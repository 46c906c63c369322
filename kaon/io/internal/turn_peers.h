// The sockets of TCP relays (RFC 6062): listeners, and connections with peers until their clients are bound.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <unordered_map>

#include "kaon/io/loop.h"
#include "kaon/turn/server_types.h"

namespace kaon::io {

/// What the relays tell their host.
class TurnPeersHost {
 public:
  virtual ~TurnPeersHost() = default;
  /// Nothing if the connection shall be closed.
  virtual std::optional<turn::ConnectionId> peer_accepted(turn::RelayId relay, const net::Endpoint& peer) = 0;
  virtual void peer_connected(turn::ConnectionId id) = 0;
  virtual void peer_failed(turn::ConnectionId id) = 0;
};

/// A relayed address is a listener and the local end of what connects from it: they share the port (SO_REUSEPORT),
/// which is ours alone. Nothing is read here: what a peer sends waits in the system's memory, whose bound makes the
/// peer wait.
class TurnPeers {
 public:
  /// Connections that the system holds for one relay before they are accepted.
  static constexpr int kBacklog = 16;

  TurnPeers(Loop& loop, TurnPeersHost& host) : loop_(loop), host_(host) {}
  ~TurnPeers();
  TurnPeers(const TurnPeers&) = delete;
  TurnPeers& operator=(const TurnPeers&) = delete;

  /// False if the port is taken.
  bool listen(turn::RelayId id, const net::Endpoint& local);
  /// Its local address; nothing if it is no relay of ours.
  std::optional<net::Endpoint> local(turn::RelayId id) const;
  void close(turn::RelayId id);
  void connect(const turn::ConnectPeer& order);
  /// Its socket, not watched any more; nothing if it is gone.
  std::optional<boost::asio::ip::tcp::socket> take(turn::ConnectionId id);
  void close(turn::ConnectionId id);
  /// Called once a second: listeners that had no descriptors left try again.
  void sweep();

 private:
  struct Listener;
  struct Peer;
  bool prepare(boost::asio::ip::tcp::socket& socket, const net::Endpoint& local);
  void accept(const std::shared_ptr<Listener>& listener);
  void accepted(turn::RelayId relay, boost::asio::ip::tcp::socket socket);

  Loop& loop_;
  TurnPeersHost& host_;
  std::unordered_map<turn::RelayId, std::shared_ptr<Listener>> listeners_;
  std::unordered_map<turn::ConnectionId, std::shared_ptr<Peer>> peers_;
};

}  // namespace kaon::io
