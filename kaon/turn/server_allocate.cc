// Allocate (RFC 8656 §7): from the request over the opening of relays to the answer.
#include "kaon/base/assert.h"
#include "kaon/turn/server.h"

namespace kaon::turn {

using internal::AllocateRequest;
using internal::kNoIndex;
using stun::Attribute;
using stun::ErrorNumber;

namespace {

using Seconds = std::chrono::seconds;

// Whose quota it is: time-limited names of one user differ by their time only.
std::string_view usage_name(std::string_view user) {
  const size_t colon = user.find(':');
  if (colon == std::string_view::npos || colon + 1 == user.size() || !stun::time_limited_expiry(user)) return user;
  return user.substr(colon + 1);
}

// RFC 6062 §5.1: what a relay for TCP is not asked for with, and over.
bool fits_tcp(const stun::Message& message, const ClientPath& client) {
  return is_stream(client.protocol) && !message.has(Attribute::EvenPort) && !message.has(Attribute::DontFragment) &&
         !message.has(Attribute::ReservationToken);
}

}  // namespace

// What a client asks for.
struct Server::Wish {
  bool tcp = false;
  bool v4 = false;
  bool v6 = false;
  bool even = false;
  bool pair = false;
  bool mobile = false;
  std::optional<uint64_t> token{};
  net::Family refused = net::Family::None;  // the one of two that we do not have
  Duration lifetime{};
};

// RFC 8656 §7.2, steps 4 to 10.
Result<Server::Wish, ErrorNumber> Server::wish_of(const Request& request) const {
  const stun::Message& message = request.message;
  const auto transport = message.u32(Attribute::RequestedTransport);
  if (!transport) return fail(ErrorNumber::BadRequest);
  Wish wish;
  wish.tcp = *transport >> 24 == kTransportTcp && config_.tcp_relays;
  if (*transport >> 24 != kTransportUdp && !wish.tcp) return fail(ErrorNumber::UnsupportedTransport);
  if (wish.tcp && !fits_tcp(message, request.client)) return fail(ErrorNumber::BadRequest);
  if (const auto even = message.find(Attribute::EvenPort)) {
    if (even->size() != 1) return fail(ErrorNumber::BadRequest);
    wish.even = true;
    wish.pair = (even->front() & 0x80) != 0;
  }
  if (const auto ticket = message.find(Attribute::MobilityTicket)) {
    if (!ticket->empty()) return fail(ErrorNumber::BadRequest);
    // The data connections of a client do not move with it.
    if (!config_.mobility || wish.tcp) return fail(ErrorNumber::MobilityForbidden);
    wish.mobile = true;
  }
  const Duration asked = Seconds(message.u32(Attribute::Lifetime).value_or(0));
  wish.lifetime = std::min(std::max(asked, kDefaultLifetime), config_.max_lifetime);
  return with_families(message, wish);
}

Result<Server::Wish, ErrorNumber> Server::with_families(const stun::Message& message, Wish wish) const {
  const bool one = message.has(Attribute::RequestedAddressFamily);
  const bool two = message.has(Attribute::AdditionalAddressFamily);
  if (message.has(Attribute::ReservationToken)) {
    wish.token = message.u64(Attribute::ReservationToken);
    if (!wish.token || wish.even || one || two) return fail(ErrorNumber::BadRequest);
    return wish;
  }
  if (one && two) return fail(ErrorNumber::BadRequest);
  net::Family family = net::Family::V4;
  if (one) {
    const auto value = message.u32(Attribute::RequestedAddressFamily);
    if (!value) return fail(ErrorNumber::BadRequest);
    family = address_family_of(*value);
  }
  wish.v4 = family == net::Family::V4 && config_.relay_v4;
  wish.v6 = family == net::Family::V6 && config_.relay_v6;
  if (two) {
    const auto value = message.u32(Attribute::AdditionalAddressFamily);
    if (!value || address_family_of(*value) != net::Family::V6 || wish.pair) return fail(ErrorNumber::BadRequest);
    wish.v6 = config_.relay_v6;
    if (wish.v4 != wish.v6) wish.refused = wish.v4 ? net::Family::V6 : net::Family::V4;
  }
  if (!wish.v4 && !wish.v6) return fail(ErrorNumber::AddressFamilyNotSupported);
  return wish;
}

// RFC 8489 §14.15: of the family that the request came by.
const net::Endpoint* Server::alternate_for(const ClientPath& client) const {
  for (const net::Endpoint& alternate : config_.alternates) {
    if (alternate.ip.family() == client.remote.ip.family() && alternate != client.local) return &alternate;
  }
  return nullptr;
}

ErrorNumber Server::full_for(const ClientPath& client) const {
  return alternate_for(client) != nullptr ? ErrorNumber::TryAlternate : ErrorNumber::InsufficientCapacity;
}

// RFC 8656 §7.2, steps 11 and 12, and what we have no room for.
std::optional<ErrorNumber> Server::refusal(const Request& request, const Wish& wish) const {
  const bool full = config_.count == nullptr && by_client_.size() >= config_.max_allocations;
  if (full || draining_ || events_.size() >= kMaxEvents) return full_for(request.client);
  if (wish.pair && !config_.reservations) return ErrorNumber::InsufficientCapacity;
  const std::string name(usage_name(request.credential.user));
  if (wish.token) {
    const auto it = by_token_.find(*wish.token);
    if (it == by_token_.end() || allocations_[it->second]->usage_name != name) return ErrorNumber::InsufficientCapacity;
  }
  if (config_.count != nullptr) return std::nullopt;
  const auto it = usage_.find(name);
  if (config_.max_allocations_per_user == 0 ||
      (it != usage_.end() && it->second->allocations >= config_.max_allocations_per_user)) {
    return ErrorNumber::AllocationQuotaReached;
  }
  return std::nullopt;
}

// Nothing once it is counted, where several servers are counted together.
std::optional<ErrorNumber> Server::count_in(const Request& request) {
  if (config_.count == nullptr) return std::nullopt;
  switch (config_.count->add(usage_name(request.credential.user))) {
    case AllocationCount::Verdict::Counted: return std::nullopt;
    case AllocationCount::Verdict::Full: return full_for(request.client);
    case AllocationCount::Verdict::UserFull: break;
  }
  return ErrorNumber::AllocationQuotaReached;
}

void Server::allocate(Request& request) {
  if (const auto it = by_client_.find(request.client); it != by_client_.end()) {
    Allocation& present = *allocations_[it->second];
    const bool again =
        present.request.id == request.message.transaction_id() && present.user == request.credential.user;
    if (!again) return refuse(request, ErrorNumber::AllocationMismatch);
    if (present.request.answered) answer_allocate(present, request.now);
    return;
  }
  const auto wish = wish_of(request);
  if (!wish) return refuse(request, wish.error());
  if (const auto error = refusal(request, *wish)) return refuse(request, *error);
  if (const auto error = count_in(request)) return refuse(request, *error);
  const uint32_t index = begin_allocation(request, *wish);
  if (wish->token) {
    take_reserved(index, *wish->token);
    settle(index, request.now);
  } else {
    open_relays(index, *wish);
  }
}

uint32_t Server::begin_allocation(const Request& request, const Wish& wish) {
  const uint32_t index = internal::take_place(allocations_, free_allocations_);
  allocations_[index] = std::make_unique<Allocation>();
  Allocation& allocation = *allocations_[index];
  allocation.client = request.client;
  allocation.user = request.credential.user;
  allocation.usage_name = usage_name(allocation.user);
  allocation.opened = request.now;
  allocation.tcp = wish.tcp;
  allocation.request = {request.message.transaction_id(), request.credential, request.message.has_fingerprint()};
  allocation.request.pair = wish.pair;
  allocation.request.refused = wish.refused;
  allocation.request.refusal = ErrorNumber::AddressFamilyNotSupported;
  auto& usage = usage_[allocation.usage_name];
  if (usage == nullptr) usage = std::make_unique<internal::Usage>(config_.max_rate_per_user);
  ++usage->allocations;
  allocation.usage = usage.get();
  by_client_.emplace(allocation.client, index);
  expire_at(index, request.now + wish.lifetime);
  if (wish.mobile) new_ticket(index);
  return index;
}

// RFC 8656 §7.2, step 5: the port that another allocation of this user has put aside.
void Server::take_reserved(uint32_t index, uint64_t token) {
  const auto it = by_token_.find(token);
  Allocation& giver = *allocations_[it->second];
  const uint32_t relay = std::exchange(giver.next_relay, kNoIndex);
  by_token_.erase(it);
  relays_[relay].reserved = false;
  relays_[relay].allocation = index;
  allocations_[index]->relays[Allocation::place(relays_[relay].family)] = relay;
}

void Server::open_relays(uint32_t index, const Wish& wish) {
  Allocation& allocation = *allocations_[index];
  for (const net::Family family : {net::Family::V4, net::Family::V6}) {
    if (!(family == net::Family::V4 ? wish.v4 : wish.v6)) continue;
    const uint32_t relay = new_relay(family, index);
    allocation.relays[Allocation::place(family)] = relay;
    OpenRelay order{id_of(relay), family, wish.tcp, wish.even};
    if (wish.pair) {
      allocation.next_relay = new_relay(family, index);
      relays_[allocation.next_relay].reserved = true;
      order.next = id_of(allocation.next_relay);
    }
    tell(order);
  }
}

void Server::relay_opened(RelayId id, const net::Endpoint& address, Time now) {
  Relay* relay = relay_at(id);
  if (relay == nullptr || relay->state != Relay::State::Opening) return;
  relay->state = Relay::State::Open;
  relay->address = address;
  settle(relay->allocation, now);
}

void Server::relay_failed(RelayId id, Time now) {
  Relay* relay = relay_at(id);
  if (relay == nullptr || relay->state != Relay::State::Opening) return;
  const uint32_t index = relay->allocation;
  Allocation& allocation = *allocations_[index];
  if (relay->reserved) {
    allocation.next_relay = kNoIndex;
  } else {
    allocation.relays[Allocation::place(relay->family)] = kNoIndex;
    allocation.request.refused = relay->family;
    allocation.request.refusal = ErrorNumber::InsufficientCapacity;
  }
  free_relay(static_cast<uint32_t>(relay - relays_.data()));
  settle(index, now);
}

// Once all relays are open or have failed.
void Server::settle(uint32_t index, Time now) {
  Allocation& allocation = *allocations_[index];
  const auto opening = [&](uint32_t relay) {
    return relay != kNoIndex && relays_[relay].state == Relay::State::Opening;
  };
  if (opening(allocation.relays[0]) || opening(allocation.relays[1]) || opening(allocation.next_relay)) return;
  const bool none = allocation.relays[0] == kNoIndex && allocation.relays[1] == kNoIndex;
  AllocateRequest& request = allocation.request;
  if (none || (request.pair && allocation.next_relay == kNoIndex)) {
    std::array<uint8_t, kMaxAnswer> memory{};
    stun::Builder builder(memory, stun::Method::Allocate, stun::Class::Error, request.id);
    builder.add_error(ErrorNumber::InsufficientCapacity);
    ++stats_.errors;
    tell_refused(allocation.client, stun::Method::Allocate, ErrorNumber::InsufficientCapacity, allocation.user, now);
    send_answer(allocation.client, builder, &request.credential, request.fingerprint);
    return close(index, CloseReason::NoRelay, now);
  }
  if (allocation.next_relay != kNoIndex) {
    allocation.token = env_.random.u64();
    by_token_[allocation.token] = index;
  }
  request.answered = true;
  ++stats_.allocations;
  AllocationOpened opened{allocation.client, allocation.user, {}, allocation.expires - now};
  for (const uint32_t relay : allocation.relays) {
    if (relay != kNoIndex) opened.relayed.push_back(relays_[relay].address);
  }
  tell(std::move(opened));
  answer_allocate(allocation, now);
}

// RFC 8656 §7.2, the end.
void Server::answer_allocate(Allocation& allocation, Time now) {
  const AllocateRequest& request = allocation.request;
  std::array<uint8_t, kMaxAnswer> memory{};
  stun::Builder builder(memory, stun::Method::Allocate, stun::Class::Success, request.id);
  for (const uint32_t relay : allocation.relays) {
    if (relay != kNoIndex) builder.add_xor_address(Attribute::XorRelayedAddress, relays_[relay].address);
  }
  const auto left = std::chrono::duration_cast<Seconds>(allocation.expires - now).count();
  builder.add_u32(Attribute::Lifetime, static_cast<uint32_t>(left));
  builder.add_xor_address(Attribute::XorMappedAddress, allocation.client.remote);
  if (allocation.next_relay != kNoIndex) builder.add_u64(Attribute::ReservationToken, allocation.token);
  if (request.refused != net::Family::None) {
    builder.add_u32(Attribute::AddressErrorCode,
                    address_error_value({request.refused, static_cast<uint16_t>(request.refusal)}));
  }
  if (allocation.ticket) builder.add(Attribute::MobilityTicket, *allocation.ticket);
  send_answer(allocation.client, builder, &request.credential, request.fingerprint);
}

}  // namespace kaon::turn
