// TCP connections with peers (RFC 6062): asked for by Connect or made by the peer, then bound to a connection of the
// client.
#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/turn/server.h"

namespace kaon::turn {

using internal::kNoIndex;
using stun::Attribute;
using stun::ErrorNumber;

using State = internal::PeerConnection::State;

// RFC 6062 §5.2.
void Server::connect(Request& request) {
  const Allocation* allocation = find(request.client);
  if (allocation == nullptr || !allocation->tcp) return refuse(request, ErrorNumber::AllocationMismatch);
  if (allocation->user != request.credential.user) return refuse(request, ErrorNumber::WrongCredentials);
  const auto peer = request.message.xor_address(Attribute::XorPeerAddress);
  if (!peer) return refuse(request, ErrorNumber::BadRequest);
  if (const auto error = connection_refusal(*allocation, *peer)) return refuse(request, *error);
  const ConnectionId id = new_connection(by_client_.at(request.client), *peer, State::Connecting, request.now);
  PeerConnection& made = *connection(id);
  made.request = request.message.transaction_id();
  made.credential = request.credential;
  made.fingerprint = request.message.has_fingerprint();
  tell(ConnectPeer{id, id_of(allocation->relay_of(peer->ip.family())), *peer});
}

std::optional<ErrorNumber> Server::connection_refusal(const Allocation& allocation, const net::Endpoint& peer) const {
  // Also of connections that the peer has made: a second one between two addresses cannot be.
  const bool there =
      std::ranges::any_of(allocation.connections, [&](ConnectionId id) { return connections_.at(id).peer == peer; });
  if (there) return ErrorNumber::ConnectionAlreadyExists;
  if (const auto error = peer_refusal(allocation, peer.ip)) return error;
  // A relay that connects to itself would talk to itself.
  const bool itself = relays_[allocation.relay_of(peer.ip.family())].address == peer;
  if (itself || !config_.peers.allows_port(peer)) return ErrorNumber::Forbidden;
  return no_room_for_connection(allocation);
}

std::optional<ErrorNumber> Server::no_room_for_connection(const Allocation& allocation) const {
  if (allocation.usage->connections >= config_.max_connections_per_user) return ErrorNumber::AllocationQuotaReached;
  const bool room = allocation.connections.size() < kMaxConnections && connections_.size() < config_.max_connections &&
                    events_.size() < kMaxEvents;
  return room ? std::nullopt : std::optional(ErrorNumber::InsufficientCapacity);
}

Server::PeerConnection* Server::connection(ConnectionId id) {
  const auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : &it->second;
}

ConnectionId Server::new_connection(uint32_t allocation, const net::Endpoint& peer, State state, Time now) {
  ConnectionId id;
  while (id == ConnectionId() || connections_.contains(id)) id = ConnectionId(env_.random.u32());
  PeerConnection& made = connections_[id];
  made.state = state;
  made.allocation = allocation;
  made.peer = peer;
  allocations_[allocation]->connections.push_back(id);
  ++allocations_[allocation]->usage->connections;
  connection_expires_at(id, made, now + (state == State::Connecting ? kConnectTimeout : kBindTimeout));
  return id;
}

void Server::connection_expires_at(ConnectionId id, PeerConnection& connection, Time when) {
  connection_deadlines_.erase({connection.expires, id});
  connection.expires = when;
  if (when != kNever) connection_deadlines_.emplace(when, id);
}

// With the id, or with 447.
void Server::answer_connect(const PeerConnection& connection, std::optional<ConnectionId> id, Time now) {
  const Allocation& allocation = *allocations_[connection.allocation];
  const auto message_class = id ? stun::Class::Success : stun::Class::Error;
  std::array<uint8_t, kMaxAnswer> memory{};
  stun::Builder builder(memory, stun::Method::Connect, message_class, connection.request);
  if (id) {
    builder.add_u32(Attribute::ConnectionId, id->value());
    ++stats_.connections;
  } else {
    constexpr auto kError = ErrorNumber::ConnectionTimeoutOrFailure;
    builder.add_error(kError);
    ++stats_.errors;
    tell_refused(allocation.client, stun::Method::Connect, kError, allocation.user, now);
  }
  send_answer(allocation.client, builder, &connection.credential, connection.fingerprint);
}

void Server::peer_connected(ConnectionId id, Time now) {
  PeerConnection* made = connection(id);
  if (made == nullptr || made->state != State::Connecting) return;
  made->state = State::Pending;
  connection_expires_at(id, *made, now + kBindTimeout);
  answer_connect(*made, id, now);
}

void Server::peer_failed(ConnectionId id, Time now) {
  const PeerConnection* made = connection(id);
  if (made == nullptr || made->state != State::Connecting) return;
  answer_connect(*made, std::nullopt, now);
  forget_connection(id);
}

// RFC 6062 §5.3.
std::optional<ConnectionId> Server::accept_peer(RelayId id, const net::Endpoint& peer, Time now) {
  const Relay* relay = relay_at(id);
  if (relay == nullptr || relay->state != Relay::State::Open) return drop(ServerDrop::NoRelay);
  const Allocation& allocation = *allocations_[relay->allocation];
  if (!allocation.request.answered) return drop(ServerDrop::NoRelay);
  if (!allocation.permitted(peer.ip, now)) return drop(ServerDrop::NoPermission);
  if (no_room_for_connection(allocation)) return drop(ServerDrop::TooManyPeers);
  const ConnectionId made = new_connection(relay->allocation, peer, State::Pending, now);
  ++stats_.connections;
  std::array<uint8_t, kMaxAnswer> memory{};
  stun::Builder builder(memory, stun::Method::ConnectionAttempt, stun::Class::Indication, new_indication());
  builder.add_xor_address(Attribute::XorPeerAddress, peer).add_u32(Attribute::ConnectionId, made.value());
  send_answer(allocation.client, builder, nullptr, false);
  return made;
}

// Whose credentials are good although they have ended: a data connection is one more of an allocation that lives on.
std::string_view Server::user_to_bind(const stun::Message& message) const {
  if (message.method() != stun::Method::ConnectionBind) return {};
  const auto it = connections_.find(ConnectionId(message.u32(Attribute::ConnectionId).value_or(0)));
  return it == connections_.end() ? std::string_view() : allocations_[it->second.allocation]->user;
}

// RFC 6062 §5.4.
void Server::bind_connection(Request& request) {
  const ConnectionId id(request.message.u32(Attribute::ConnectionId).value_or(0));
  PeerConnection* made = connection(id);
  const bool fresh = is_stream(request.client.protocol) && !by_client_.contains(request.client);
  if (!fresh || made == nullptr || made->state != State::Pending) return refuse(request, ErrorNumber::BadRequest);
  if (allocations_[made->allocation]->user != request.credential.user) {
    return refuse(request, ErrorNumber::WrongCredentials);
  }
  made->state = State::Bound;
  connection_expires_at(id, *made, kNever);
  answer_plainly(request);
  tell(BindPeer{id, request.client});
}

bool Server::carry(ConnectionId id, bool to_peer, size_t bytes, Time now) {
  const PeerConnection* made = connection(id);
  if (made == nullptr) return false;
  Allocation& allocation = *allocations_[made->allocation];
  if (!within_rate(allocation, bytes, now)) return false;
  (to_peer ? allocation.bytes_to_peers : allocation.bytes_to_client) += bytes;
  (to_peer ? stats_.bytes_to_peers : stats_.bytes_to_clients) += bytes;
  return true;
}

void Server::peer_closed(ConnectionId id) {
  if (connection(id) != nullptr) forget_connection(id);
}

void Server::expire_connection(ConnectionId id, Time now) {
  const PeerConnection& made = connections_.at(id);
  if (made.state == State::Connecting) answer_connect(made, std::nullopt, now);
  forget_connection(id);
  tell(ClosePeer{id});
}

void Server::forget_connection(ConnectionId id) {
  PeerConnection& made = connections_.at(id);
  connection_expires_at(id, made, kNever);
  Allocation& allocation = *allocations_[made.allocation];
  std::erase(allocation.connections, id);
  KAON_ASSERT(allocation.usage->connections > 0);
  --allocation.usage->connections;
  connections_.erase(id);
}

// Those with peers of one family, or all.
void Server::close_connections(Allocation& allocation, net::Family family) {
  const std::vector<ConnectionId> all = allocation.connections;
  for (const ConnectionId id : all) {
    if (family != net::Family::None && connections_.at(id).peer.ip.family() != family) continue;
    forget_connection(id);
    tell(ClosePeer{id});
  }
}

}  // namespace kaon::turn
