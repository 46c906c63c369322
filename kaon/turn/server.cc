#include "kaon/turn/server.h"

#include <algorithm>

#include "kaon/base/assert.h"

namespace kaon::turn {

using stun::Attribute;
using stun::Class;
using stun::ErrorNumber;
using stun::Method;

namespace {

// What requests may hold that must be understood; what belongs to another method is passed over.
constexpr std::array kKnown{Attribute::Username,
                            Attribute::Userhash,
                            Attribute::Realm,
                            Attribute::Nonce,
                            Attribute::PasswordAlgorithm,
                            Attribute::RequestedTransport,
                            Attribute::Lifetime,
                            Attribute::XorPeerAddress,
                            Attribute::ChannelNumber,
                            Attribute::RequestedAddressFamily,
                            Attribute::EvenPort,
                            Attribute::ReservationToken,
                            Attribute::DontFragment,
                            Attribute::ConnectionId,
                            Attribute::Priority,
                            Attribute::UseCandidate};

bool is_turn(Method method) {
  return method == Method::Allocate || method == Method::Refresh || method == Method::CreatePermission ||
         method == Method::ChannelBind || method == Method::Connect || method == Method::ConnectionBind;
}

ServerConfig checked(ServerConfig config) {
  KAON_ASSERT(!config.realm.empty() && config.realm.size() <= Server::kMaxText);
  KAON_ASSERT(config.software.size() <= Server::kMaxText);
  return config;
}

}  // namespace

Server::Server(Env env, ServerConfig config)
    : env_(env),
      config_(checked(std::move(config))),
      authenticator_(config_, env_.random),
      limiter_(config_.unauthenticated_answers_per_second, env_.random.u64()),
      bucket_(config_.max_rate),
      by_client_(0, PathHash{env_.random.u64()}),
      indications_(env_.random.u64()) {}

void Server::handle_packet(const net::Datagram& packet, Time now) {
  Queued queued;
  queued.bytes.resize(packet.bytes.size());
  const auto forwarded = forward(packet, now, queued.bytes);
  if (!forwarded) return;
  queued.bytes.resize(forwarded->transmit.size);
  enqueue(forwarded->transmit, queued.bytes);
}

std::optional<Forwarded> Server::forward(const net::Datagram& packet, Time now, Bytes out) {
  if (is_channel_data(packet.bytes)) return from_channel(packet, now, out);
  const auto message = stun::Message::parse(packet.bytes);
  if (!message) return drop(ServerDrop::Malformed);
  const ClientPath client{packet.local, packet.remote, packet.protocol};
  if (message->is(Method::Send, Class::Indication)) return from_send(*message, client, now, out);
  handle_message(*message, client, now);
  return std::nullopt;
}

void Server::handle_message(const stun::Message& message, const ClientPath& client, Time now) {
  const bool binding = message.method() == Method::Binding;
  if (message.message_class() != Class::Request || (!binding && !is_turn(message.method()))) {
    return drops_.add(ServerDrop::NoRequest);
  }
  ++stats_.requests;
  Request request{message, client, now};
  if (binding) return answer_binding(request);
  const Allocation* known = find(client);
  auto credential = authenticator_.check(message, client, known ? known->user : user_to_bind(message), now);
  if (!credential) return refuse(request, credential.error());
  request.credential = std::move(*credential);
  request.authentic = true;
  if (!message.unknown_required(kKnown).empty()) return refuse(request, ErrorNumber::UnknownAttribute);
  dispatch(request);
}

void Server::dispatch(Request& request) {
  switch (request.message.method()) {
    case Method::Allocate: return allocate(request);
    case Method::Refresh: return refresh(request);
    case Method::CreatePermission: return create_permission(request);
    case Method::ChannelBind: return bind_channel(request);
    case Method::Connect: return connect(request);
    case Method::ConnectionBind: return bind_connection(request);
    default: break;
  }
}

// Over UDP the source may be forged, so strangers get few answers.
bool Server::may_answer(const Request& request) {
  if (request.client.protocol != net::Protocol::Udp) return true;
  const bool allowed = limiter_.allow(request.client.remote.ip, request.now);
  if (!allowed) drops_.add(ServerDrop::TooMany);
  return allowed;
}

// RFC 8489 §6.3.1.
void Server::answer_binding(Request& request) {
  if (!request.message.unknown_required(kKnown).empty()) return refuse(request, ErrorNumber::UnknownAttribute);
  if (!may_answer(request)) return;
  std::array<uint8_t, kMaxAnswer> memory{};
  stun::Builder builder(memory, Method::Binding, Class::Success, request.message.transaction_id());
  ++stats_.bindings;
  builder.add_xor_address(Attribute::XorMappedAddress, request.client.remote);
  send_answer(request.client, builder, nullptr, request.message.has_fingerprint());
}

void Server::refuse(Request& request, ErrorNumber error) {
  ++stats_.errors;
  const bool challenge =
      !request.authentic && (error == ErrorNumber::Unauthenticated || error == ErrorNumber::StaleNonce);
  stats_.unauthenticated += challenge;
  // The first request of every client has no credentials: that is nothing to tell of.
  if (const auto user = request.message.text(Attribute::Username)) {
    tell_refused(request.client, request.message.method(), error, *user, request.now);
  }
  if (!request.authentic && !may_answer(request)) return;
  std::array<uint8_t, kMaxAnswer> memory{};
  stun::Builder builder(memory, request.message.method(), Class::Error, request.message.transaction_id());
  builder.add_error(error);
  if (error == ErrorNumber::UnknownAttribute) {
    builder.add_unknown_attributes(request.message.unknown_required(kKnown).view());
  }
  if (error == ErrorNumber::TryAlternate) {
    builder.add_address(Attribute::AlternateServer, *alternate_for(request.client));
    const bool certified =
        request.client.protocol == net::Protocol::Tls || request.client.protocol == net::Protocol::Dtls;
    if (certified && !config_.alternate_domain.empty()) {
      builder.add_text(Attribute::AlternateDomain, config_.alternate_domain);
    }
  }
  if (challenge) authenticator_.add_challenge(builder, request.client, request.now);
  if (!request.authentic && !challenge && builder.finish().size() > request.message.size()) return;
  send_answer(request.client, builder, request.authentic ? &request.credential : nullptr,
              request.message.has_fingerprint());
}

void Server::tell_refused(const ClientPath& client, Method method, ErrorNumber error, std::string_view user, Time now) {
  if (now >= refused_window_ + std::chrono::seconds(1)) {
    refused_window_ = now;
    refused_in_window_ = 0;
  }
  if (++refused_in_window_ > kMaxRefusedPerSecond || events_.size() >= kMaxEvents) return;
  tell(Refused{client, method, error, std::string(user.substr(0, kMaxText))});
}

void Server::send_answer(const ClientPath& to, stun::Builder& builder, const Credential* credential, bool fingerprint) {
  if (credential != nullptr) {
    if (!config_.software.empty()) builder.add_text(Attribute::Software, config_.software);
    const auto hash = credential->sha256 ? crypto::HashAlgorithm::Sha256 : crypto::HashAlgorithm::Sha1;
    const crypto::Hmac hmac(hash, credential->key.view());
    credential->sha256 ? builder.add_integrity_sha256(hmac) : builder.add_integrity(hmac);
  }
  if (fingerprint) builder.add_fingerprint();
  const ByteView bytes = builder.finish();
  KAON_ASSERT(!bytes.empty());
  net::Transmit transmit;
  transmit.local = to.local;
  transmit.remote = to.remote;
  transmit.protocol = to.protocol;
  transmit.size = bytes.size();
  enqueue(transmit, bytes);
}

void Server::enqueue(const net::Transmit& transmit, ByteView bytes) {
  if (queue_.size() >= kMaxQueued) return drops_.add(ServerDrop::QueueFull);
  queue_.push_back({transmit, {bytes.begin(), bytes.end()}});
}

void Server::handle_timeout(Time now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    close(deadlines_.begin()->second, CloseReason::Expired, now);
  }
  while (!connection_deadlines_.empty() && connection_deadlines_.begin()->first <= now) {
    expire_connection(connection_deadlines_.begin()->second, now);
  }
}

Time Server::next_timeout() const {
  const Time allocations = deadlines_.empty() ? kNever : deadlines_.begin()->first;
  return connection_deadlines_.empty() ? allocations : std::min(allocations, connection_deadlines_.begin()->first);
}

std::optional<net::Transmit> Server::poll_transmit(Bytes out) {
  if (queue_.empty()) return std::nullopt;
  const Queued queued = queue_.pop_front();
  KAON_ASSERT(out.size() >= queued.bytes.size());
  std::ranges::copy(queued.bytes, out.begin());
  return queued.transmit;
}

std::optional<ServerEvent> Server::poll_event() {
  if (events_.empty()) return std::nullopt;
  return events_.pop_front();
}

}  // namespace kaon::turn
