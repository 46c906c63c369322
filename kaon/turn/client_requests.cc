// Requests of the TURN client and their answers.
#include <algorithm>
#include <utility>

#include "kaon/stun/builder.h"
#include "kaon/turn/client.h"

namespace kaon::turn {

namespace {

using std::chrono::seconds;
using stun::Attribute;
using stun::ErrorNumber;

// New nonces for one request; a server that has always another one is no server.
constexpr int kMaxNonces = 3;
// What RTCPeerConnectionIceErrorEvent tells where nobody has answered.
constexpr uint16_t kNoAnswer = 701;
// The server may wait 30 s for the peer (RFC 6062 §5.2), and then has to tell us.
constexpr stun::Timing kConnectTiming{.reliable = true};
constexpr Duration kRefreshBefore = seconds(60);
constexpr Duration kRenewPermission = kPermissionLifetime - seconds(60);
constexpr Duration kRenewChannel = kChannelLifetime - seconds(60);

ClientError error_of(uint16_t number) {
  switch (static_cast<ErrorNumber>(number)) {
    case ErrorNumber::Unauthenticated:
    case ErrorNumber::WrongCredentials: return ClientError::Unauthorized;
    case ErrorNumber::Forbidden: return ClientError::Forbidden;
    case ErrorNumber::AllocationMismatch: return ClientError::AllocationMismatch;
    case ErrorNumber::AllocationQuotaReached: return ClientError::QuotaReached;
    case ErrorNumber::InsufficientCapacity: return ClientError::InsufficientCapacity;
    case ErrorNumber::UnknownAttribute:
    case ErrorNumber::AddressFamilyNotSupported:
    case ErrorNumber::UnsupportedTransport: return ClientError::Unsupported;
    case ErrorNumber::TryAlternate: return ClientError::TryAlternate;
    default: return ClientError::ServerError;
  }
}

std::string printable(std::string_view text) {
  std::string result(text.substr(0, 128));
  std::erase_if(result, [](char c) { return c < ' ' || c > '~'; });
  return result;
}

// RFC 8489 §14.16: a domain that can be none takes the server along, or its certificate would be checked for another.
Alternate alternate_of(const stun::Message& message) {
  Alternate result{.server = message.address(Attribute::AlternateServer).value_or(net::Endpoint{})};
  const auto domain = message.text(Attribute::AlternateDomain);
  if (!domain) return result;
  const auto part_of_a_name = [](char c) { return (c >= '-' && c <= '~' && c != '/') || (c & 0x80) != 0; };
  if (domain->empty() || domain->size() > Client::kMaxDomain || !std::ranges::all_of(*domain, part_of_a_name))
    return {};
  result.domain = *domain;
  return result;
}

}  // namespace

stun::Method Client::method_of(Kind kind) {
  switch (kind) {
    case Kind::Allocate: return stun::Method::Allocate;
    case Kind::Refresh: return stun::Method::Refresh;
    case Kind::Permission: return stun::Method::CreatePermission;
    case Kind::Connect: return stun::Method::Connect;
    case Kind::Channel: break;
  }
  return stun::Method::ChannelBind;
}

Client::Permission* Client::permission(const net::IpAddress& ip) {
  const auto it = std::ranges::find(permissions_, ip, &Permission::ip);
  return it == permissions_.end() ? nullptr : &*it;
}

Client::Channel* Client::channel(const net::Endpoint& peer) {
  const auto it = std::ranges::find(channels_, peer, &Channel::peer);
  return it == channels_.end() ? nullptr : &*it;
}

void Client::ask(Kind kind, const net::Endpoint& peer, Time now, int nonces) {
  const auto timing = kind == Kind::Connect ? kConnectTiming : config_.timing;
  requests_.push_back({.kind = kind,
                       .clock = stun::Transaction(stun::TransactionId::random(env_.random), timing, now),
                       .peer = peer,
                       .authentic = credential_.has_value(),
                       .nonces = nonces});
}

void Client::tick(Request& request, Time now) {
  switch (request.clock.handle_timeout(now)) {
    case stun::Transaction::Step::Wait: return;
    case stun::Transaction::Step::Send: request.send = true; return;
    case stun::Transaction::Step::TimedOut: break;
  }
  const Request lost = request;
  std::erase_if(requests_, [&](const Request& r) { return r.clock.id() == lost.clock.id(); });
  refuse(lost, kNoAnswer, {});
}

size_t Client::write(const Request& request, Bytes out) const {
  stun::Builder builder(out, method_of(request.kind), stun::Class::Request, request.clock.id());
  switch (request.kind) {
    case Kind::Allocate:
      builder.add_u32(Attribute::RequestedTransport, requested_transport(config_.tcp ? kTransportTcp : kTransportUdp));
      // Servers of RFC 5766 do not know the first of these attributes, and IPv4 is what they give; they skip the
      // second.
      if (asked_ == RelayFamilies::V6) {
        builder.add_u32(Attribute::RequestedAddressFamily, address_family_value(net::Family::V6));
      } else if (asked_ == RelayFamilies::Both) {
        builder.add_u32(Attribute::AdditionalAddressFamily, address_family_value(net::Family::V6));
      }
      break;
    case Kind::Refresh:
      if (state_ == State::Closing) builder.add_u32(Attribute::Lifetime, 0);
      break;
    case Kind::Connect:
    case Kind::Permission: builder.add_xor_address(Attribute::XorPeerAddress, request.peer); break;
    case Kind::Channel: {
      const auto it = std::ranges::find(channels_, request.peer, &Channel::peer);
      builder.add_u32(Attribute::ChannelNumber, it == channels_.end() ? 0 : uint32_t{it->number} << 16);
      builder.add_xor_address(Attribute::XorPeerAddress, request.peer);
      break;
    }
  }
  if (credential_) credential_->sign(builder);
  return builder.finish().size();
}

void Client::handle_answer(const stun::Message& message, Time now) {
  const auto it = std::ranges::find_if(
      requests_, [&](const Request& r) { return r.clock.sent() > 0 && r.clock.id() == message.transaction_id(); });
  if (it == requests_.end() || message.method() != method_of(it->kind))
    return drops_.add(ClientDrop::UnknownTransaction);
  const bool success = message.message_class() == stun::Class::Success;
  // Errors may come unsigned: some servers do not sign them, and whoever can see our transaction ids can keep answers
  // from us anyway.
  const bool is_signed = message.has_integrity() || message.has_integrity_sha256();
  if (it->authentic && (success || is_signed) && credential_ && !credential_->verify(message))
    return drops_.add(ClientDrop::BadIntegrity);
  const Request request = *it;
  requests_.erase(it);
  if (success) {
    handle_success(request, message, now);
  } else {
    handle_error(request, message, now);
  }
}

void Client::handle_success(const Request& request, const stun::Message& message, Time now) {
  switch (request.kind) {
    case Kind::Allocate: return handle_allocated(request, message, now);
    case Kind::Refresh: return plan_refresh(message, now);
    case Kind::Connect: {
      const auto id = message.u32(Attribute::ConnectionId);
      return id ? tell_peer(PeerConnected{request.peer, ConnectionId(*id), true})
                : tell_peer(ConnectFailed{request.peer});
    }
    case Kind::Channel:
      if (Channel* c = channel(request.peer)) {
        c->grant = Grant::Given;
        c->given = now;
        c->renew = now + kRenewChannel;
      }
      [[fallthrough]];  // which is a permission too (RFC 8656 §12)
    case Kind::Permission:
      if (Permission* p = permission(request.peer.ip)) {
        p->grant = Grant::Given;
        p->given = now;
        p->renew = now + kRenewPermission;
      }
      return;
  }
}

void Client::handle_allocated(const Request& request, const stun::Message& message, Time now) {
  const auto mapped = message.xor_address(Attribute::XorMappedAddress);
  if (!mapped || !take_relayed(message)) return fail_with({.error = ClientError::BadResponse});
  state_ = State::Allocated;
  plan_refresh(message, now);
  Allocated allocated{*relayed(), *mapped, request.clock.sent() == 1 ? request.clock.age(now) : Duration::zero()};
  if (relayed_[0]) allocated.second = relayed_[1];
  events_.push_back(allocated);
}

// One of each family that was asked for, or one of two (RFC 8656 §7.3); one that nobody wanted is left alone.
bool Client::take_relayed(const stun::Message& message) {
  bool good = true;
  message.for_each([&](Attribute type, ByteView value) {
    if (type != Attribute::XorRelayedAddress) return;
    const auto address = message.decode_xor_address(value);
    if (!address || address->port == 0 || address->ip.is_any()) {
      good = false;
      return;
    }
    const auto unwanted = address->ip.is_v4() ? RelayFamilies::V6 : RelayFamilies::V4;
    if (asked_ == unwanted) return;
    auto& place = relayed_[address->ip.is_v4() ? 0 : 1];
    good = good && !place;
    place = *address;
  });
  return good && relayed().has_value();
}

// A minute before the end (RFC 8656 §8.1), or at half of it if it comes sooner.
void Client::plan_refresh(const stun::Message& message, Time now) {
  const Duration lifetime = seconds(message.u32(Attribute::Lifetime).value_or(600));
  refresh_at_ = now + std::max({lifetime - kRefreshBefore, lifetime / 2, Duration(seconds(1))});
}

void Client::handle_error(const Request& request, const stun::Message& message, Time now) {
  const auto error = message.error_code();
  if (!error) return fail_with({.error = ClientError::BadResponse});
  const auto number = static_cast<ErrorNumber>(error->number);
  const bool first = number == ErrorNumber::Unauthenticated && !request.authentic;
  const bool stale = number == ErrorNumber::StaleNonce && request.nonces < kMaxNonces;
  if (first || stale) {
    if (config_.username.empty()) return refuse(request, error->number, error->reason);
    credential_ = internal::ClientCredential::of(message, config_.username, config_.password);
    if (!credential_) return fail_with({.error = ClientError::BadResponse, .number = error->number});
    ask(request.kind, request.peer, now, request.nonces + 1);
    return tick(requests_.back(), now);
  }
  if (request.kind == Kind::Allocate && ask_for_less(error->number)) {
    ask(Kind::Allocate, {}, now);
    return tick(requests_.back(), now);
  }
  refuse(request, error->number, error->reason, alternate_of(message));
}

// RFC 8656 §7.4 has 440 for families. What else may be said of a second address, by servers that do not know it or
// count it, is tried again with one.
bool Client::ask_for_less(uint16_t number) {
  const auto error = static_cast<ErrorNumber>(number);
  const bool of_family = error == ErrorNumber::AddressFamilyNotSupported;
  if (asked_ == RelayFamilies::Both) {
    const bool of_number = error == ErrorNumber::BadRequest || error == ErrorNumber::UnknownAttribute ||
                           error == ErrorNumber::AllocationQuotaReached || error == ErrorNumber::InsufficientCapacity;
    if (!of_family && !of_number) return false;
    asked_ = RelayFamilies::V4;
    return true;
  }
  if (asked_ != RelayFamilies::V4 || config_.families != RelayFamilies::Both || !of_family) return false;
  asked_ = RelayFamilies::V6;
  return true;
}

// What a request that came to nothing means. An allocation outlives the refusal of a peer, nothing else.
void Client::refuse(const Request& request, uint16_t number, std::string_view reason, Alternate alternate) {
  const bool lost = number == static_cast<uint16_t>(ErrorNumber::AllocationMismatch);
  if (request.kind == Kind::Allocate || request.kind == Kind::Refresh || (lost && state_ == State::Allocated)) {
    const ClientError error = number == kNoAnswer ? ClientError::Timeout : error_of(number);
    return fail_with(
        {.error = error, .number = number, .reason = printable(reason), .alternate = std::move(alternate)});
  }
  if (request.kind == Kind::Connect) return tell_peer(ConnectFailed{request.peer, number});
  if (request.kind == Kind::Channel) {
    // Data goes on by Send indications; the permission has a request of its own.
    if (Channel* c = channel(request.peer)) c->grant = Grant::Refused;
    return;
  }
  Permission* p = permission(request.peer.ip);
  if (p == nullptr) return;
  p->grant = Grant::Refused;
  if (events_.size() < kMaxEvents) events_.push_back(PeerRefused{request.peer.ip, number});
}

}  // namespace kaon::turn
