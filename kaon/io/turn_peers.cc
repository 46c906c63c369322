#include "kaon/io/internal/turn_peers.h"

#include <boost/asio.hpp>

#include "kaon/io/internal/endpoints.h"
#include "kaon/io/internal/loop_access.h"

namespace kaon::io {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

namespace {

net::Endpoint from_tcp(const tcp::endpoint& endpoint) { return {from_asio(endpoint.address()), endpoint.port()}; }
tcp::endpoint to_tcp(const net::Endpoint& endpoint) { return {to_asio(endpoint.ip), endpoint.port}; }

}  // namespace

struct TurnPeers::Listener {
  Listener(Loop& loop, turn::RelayId relay, const net::Endpoint& address)
      : acceptor(LoopAccess::context(loop)), id(relay), local(address) {}
  tcp::acceptor acceptor;
  turn::RelayId id;
  net::Endpoint local;
  bool open = false;  // false: its owner may be gone
  bool stalled = false;
};

struct TurnPeers::Peer {
  tcp::socket socket;
  bool open = true;  // false: its owner may be gone
};

TurnPeers::~TurnPeers() {
  while (!listeners_.empty()) close(listeners_.begin()->first);
  while (!peers_.empty()) close(peers_.begin()->first);
}

bool TurnPeers::listen(turn::RelayId id, const net::Endpoint& local) {
  auto listener = std::make_shared<Listener>(loop_, id, local);
  tcp::acceptor& acceptor = listener->acceptor;
  const tcp::endpoint endpoint = to_tcp(local);
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  // Connections of an earlier relay that the system still remembers are no hindrance.
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error && local.ip.is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  // Only now: nobody else shares the port, but our own connections do.
  if (!error) acceptor.set_option(ReusePort(true), error);
  if (error) return false;
  listener->open = true;
  listeners_[id] = listener;
  LoopAccess::watch(loop_, acceptor.native_handle());
  accept(listener);
  return true;
}

std::optional<net::Endpoint> TurnPeers::local(turn::RelayId id) const {
  const auto it = listeners_.find(id);
  return it == listeners_.end() ? std::nullopt : std::optional(it->second->local);
}

void TurnPeers::accept(const std::shared_ptr<Listener>& listener) {
  listener->acceptor.async_accept([this, listener](const error_code& error, tcp::socket socket) {
    if (!listener->open || error == asio::error::operation_aborted) return;
    // No descriptors left, usually: tried again when some have been closed.
    if (error) {
      listener->stalled = true;
      return;
    }
    accepted(listener->id, std::move(socket));
    if (listener->open) accept(listener);
  });
}

void TurnPeers::accepted(turn::RelayId relay, tcp::socket socket) {
  error_code error;
  const auto remote = socket.remote_endpoint(error);
  if (error) return;
  const auto id = host_.peer_accepted(relay, from_tcp(remote));
  if (!id) return;
  socket.set_option(tcp::no_delay(true), error);
  peers_[*id] = std::make_shared<Peer>(Peer{std::move(socket)});
}

bool TurnPeers::prepare(tcp::socket& socket, const net::Endpoint& local) {
  const tcp::endpoint from = to_tcp(local);
  error_code error;
  socket.open(from.protocol(), error);
  if (!error) socket.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) socket.set_option(ReusePort(true), error);
  if (!error) socket.set_option(tcp::no_delay(true), error);
  if (!error) socket.bind(from, error);
  return !error;
}

void TurnPeers::connect(const turn::ConnectPeer& order) {
  const auto from = local(order.relay);
  auto peer = std::make_shared<Peer>(Peer{tcp::socket(LoopAccess::context(loop_))});
  if (!from || !prepare(peer->socket, *from)) return host_.peer_failed(order.id);
  peers_[order.id] = peer;
  LoopAccess::watch(loop_, peer->socket.native_handle());
  LoopAccess::watch_writable(loop_, peer->socket.native_handle(), true);
  peer->socket.async_connect(to_tcp(order.peer), [this, peer, id = order.id](const error_code& error) {
    if (!peer->open) return;
    LoopAccess::unwatch(loop_, peer->socket.native_handle());
    if (!error) return host_.peer_connected(id);
    peers_.erase(id);
    host_.peer_failed(id);
  });
}

std::optional<tcp::socket> TurnPeers::take(turn::ConnectionId id) {
  const auto it = peers_.find(id);
  if (it == peers_.end()) return std::nullopt;
  it->second->open = false;
  std::optional socket(std::move(it->second->socket));
  peers_.erase(it);
  return socket;
}

void TurnPeers::close(turn::ConnectionId id) {
  auto socket = take(id);
  if (!socket) return;
  LoopAccess::unwatch(loop_, socket->native_handle());
  error_code ignored;
  socket->close(ignored);
}

void TurnPeers::close(turn::RelayId id) {
  const auto it = listeners_.find(id);
  if (it == listeners_.end()) return;
  const auto listener = it->second;
  listener->open = false;
  listeners_.erase(it);
  LoopAccess::unwatch(loop_, listener->acceptor.native_handle());
  error_code ignored;
  listener->acceptor.close(ignored);
}

void TurnPeers::sweep() {
  for (const auto& [id, listener] : listeners_) {
    if (std::exchange(listener->stalled, false)) accept(listener);
  }
}

}  // namespace kaon::io
