// Requests that want an allocation: Refresh, CreatePermission, ChannelBind (RFC 8656 §8, §10, §12).
#include <algorithm>

#include "kaon/turn/server.h"

namespace kaon::turn {

using internal::Channel;
using internal::kNoIndex;
using internal::Permission;
using stun::Attribute;
using stun::ErrorNumber;

void Server::answer_plainly(const Request& request) {
  std::array<uint8_t, kMaxAnswer> memory{};
  stun::Builder builder(memory, request.message.method(), stun::Class::Success, request.message.transaction_id());
  send_answer(request.client, builder, &request.credential, request.message.has_fingerprint());
}

void Server::refresh(Request& request) {
  if (find(request.client) == nullptr) {
    if (const auto error = move_here(request)) return refuse(request, *error);
  }
  Allocation& allocation = *find(request.client);
  if (allocation.user != request.credential.user) return refuse(request, ErrorNumber::WrongCredentials);
  net::Family family = net::Family::None;
  if (request.message.has(Attribute::RequestedAddressFamily)) {
    family = address_family_of(request.message.u32(Attribute::RequestedAddressFamily).value_or(0));
    if (family == net::Family::None) return refuse(request, ErrorNumber::BadRequest);
    if (allocation.relay_of(family) == kNoIndex) return refuse(request, ErrorNumber::PeerAddressFamilyMismatch);
  }
  refresh_until(request, allocation, family);
}

// Of `family` only, if one is named and the lifetime is zero.
void Server::refresh_until(Request& request, Allocation& allocation, net::Family family) {
  using Seconds = std::chrono::seconds;
  const uint32_t index = by_client_.at(request.client);
  const Duration asked = Seconds(request.message.u32(Attribute::Lifetime).value_or(600));
  const bool end = asked == Duration::zero();
  const Duration granted = end ? asked : std::min(std::max(asked, kDefaultLifetime), config_.max_lifetime);
  ++stats_.refreshes;
  if (!end) {
    expire_at(index, request.now + granted);
    if (allocation.ticket && request.message.has(Attribute::MobilityTicket)) new_ticket(index);
  }
  std::array<uint8_t, kMaxAnswer> memory{};
  stun::Builder builder(memory, stun::Method::Refresh, stun::Class::Success, request.message.transaction_id());
  builder.add_u32(Attribute::Lifetime, static_cast<uint32_t>(std::chrono::duration_cast<Seconds>(granted).count()));
  if (allocation.ticket && !end) builder.add(Attribute::MobilityTicket, *allocation.ticket);
  send_answer(request.client, builder, &request.credential, request.message.has_fingerprint());
  if (!end) return;
  const bool other =
      family != net::Family::None && allocation.relays[0] != kNoIndex && allocation.relays[1] != kNoIndex;
  if (!other) return close(index, CloseReason::Refreshed, request.now);
  close_connections(allocation, family);
  close_relay(std::exchange(allocation.relays[Allocation::place(family)], kNoIndex));
}

// RFC 8016 §3.2: the client has another address and shows its ticket.
std::optional<ErrorNumber> Server::move_here(const Request& request) {
  const auto value = request.message.find(Attribute::MobilityTicket);
  if (!value || by_client_.contains(request.client)) return ErrorNumber::AllocationMismatch;
  if (!config_.mobility) return ErrorNumber::MobilityForbidden;
  if (value->size() != sizeof(internal::Ticket)) return ErrorNumber::BadRequest;
  const uint32_t index = load_be32(value->data());
  Allocation* allocation = index < allocations_.size() ? allocations_[index].get() : nullptr;
  if (allocation == nullptr || !allocation->ticket || !allocation->request.answered ||
      !equal_in_constant_time(*value, *allocation->ticket)) {
    return ErrorNumber::BadRequest;
  }
  if (allocation->user != request.credential.user) return ErrorNumber::WrongCredentials;
  tell(AllocationMoved{allocation->client, request.client});
  by_client_.erase(allocation->client);
  allocation->client = request.client;
  by_client_.emplace(request.client, index);
  return std::nullopt;
}

std::optional<ErrorNumber> Server::peer_refusal(const Allocation& allocation, const net::IpAddress& ip) const {
  if (allocation.relay_of(ip.family()) == kNoIndex) return ErrorNumber::PeerAddressFamilyMismatch;
  if (!config_.peers.allows(ip)) return ErrorNumber::Forbidden;
  return std::nullopt;
}

// All of them or none; false if there is no room.
bool Server::permit(Allocation& allocation, std::span<const net::IpAddress> ips, Time now) {
  auto& permissions = allocation.permissions;
  const auto of = [&](const net::IpAddress& ip) { return std::ranges::find(permissions, ip, &Permission::ip); };
  const auto fresh =
      static_cast<size_t>(std::ranges::count_if(ips, [&](const auto& ip) { return of(ip) == permissions.end(); }));
  if (permissions.size() + fresh > kMaxPermissions) {
    std::erase_if(permissions, [&](const Permission& p) { return p.expires <= now; });
    const auto missing =
        static_cast<size_t>(std::ranges::count_if(ips, [&](const auto& ip) { return of(ip) == permissions.end(); }));
    if (permissions.size() + missing > kMaxPermissions) return false;
  }
  for (const net::IpAddress& ip : ips) {
    const auto it = of(ip);
    if (it == permissions.end()) {
      permissions.push_back({ip, now + kPermissionLifetime});
    } else {
      it->expires = now + kPermissionLifetime;
    }
  }
  return true;
}

// RFC 8656 §10.2.
void Server::create_permission(Request& request) {
  Allocation* allocation = find(request.client);
  if (allocation == nullptr) return refuse(request, ErrorNumber::AllocationMismatch);
  if (allocation->user != request.credential.user) return refuse(request, ErrorNumber::WrongCredentials);
  std::vector<net::IpAddress> ips;
  std::optional<ErrorNumber> error;
  request.message.for_each([&](Attribute type, ByteView value) {
    if (type != Attribute::XorPeerAddress || error) return;
    const auto peer = request.message.decode_xor_address(value);
    error = !peer ? ErrorNumber::BadRequest : peer_refusal(*allocation, peer->ip);
    if (peer && !error) ips.push_back(peer->ip);
  });
  if (!error && ips.empty()) error = ErrorNumber::BadRequest;
  if (!error && (ips.size() > kMaxPeersPerRequest || !permit(*allocation, ips, request.now))) {
    error = ErrorNumber::InsufficientCapacity;
  }
  if (error) return refuse(request, *error);
  answer_plainly(request);
}

// RFC 8656 §12.2.
void Server::bind_channel(Request& request) {
  Allocation* allocation = find(request.client);
  if (allocation == nullptr) return refuse(request, ErrorNumber::AllocationMismatch);
  if (allocation->user != request.credential.user) return refuse(request, ErrorNumber::WrongCredentials);
  if (allocation->tcp) return refuse(request, ErrorNumber::Forbidden);
  const auto value = request.message.u32(Attribute::ChannelNumber);
  const auto peer = request.message.xor_address(Attribute::XorPeerAddress);
  const auto number = static_cast<uint16_t>(value.value_or(0) >> 16);
  if (!value || !peer || !is_channel(number)) return refuse(request, ErrorNumber::BadRequest);
  if (const auto error = peer_refusal(*allocation, peer->ip)) return refuse(request, *error);
  if (!config_.peers.allows_port(*peer)) return refuse(request, ErrorNumber::Forbidden);
  auto& channels = allocation->channels;
  std::erase_if(channels, [&](const Channel& c) { return c.expires <= request.now; });
  Channel* channel = allocation->channel(number);
  if (channel != allocation->channel(*peer)) return refuse(request, ErrorNumber::BadRequest);
  if (channel == nullptr && channels.size() >= kMaxChannels) return refuse(request, ErrorNumber::InsufficientCapacity);
  if (!permit(*allocation, {&peer->ip, 1}, request.now)) return refuse(request, ErrorNumber::InsufficientCapacity);
  if (channel == nullptr) channel = &channels.emplace_back(Channel{number, *peer, {}});
  channel->expires = request.now + kChannelLifetime;
  answer_plainly(request);
}

}  // namespace kaon::turn
