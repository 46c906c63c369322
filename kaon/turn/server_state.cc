// The life of allocations and of relays.
#include "kaon/base/assert.h"
#include "kaon/turn/server.h"

namespace kaon::turn {

using internal::kNoIndex;

namespace {

uint64_t mix_ip(uint64_t state, const net::IpAddress& ip) {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15ULL;
  const ByteView bytes = ip.bytes();
  const auto mix = [](uint64_t x) { return (x ^ (x >> 32)) * kOdd; };
  if (bytes.size() == 4) return mix(state ^ load_be32(bytes.data()));
  if (bytes.size() == 16) return mix(mix(state ^ load_be64(bytes.data())) ^ load_be64(bytes.data() + 8));
  return state;
}

}  // namespace

ServerStats& ServerStats::operator+=(const ServerStats& other) {
  using S = ServerStats;
  for (const auto member : {&S::requests, &S::bindings, &S::allocations, &S::refreshes, &S::unauthenticated, &S::errors,
                            &S::packets_to_peers, &S::bytes_to_peers, &S::packets_to_clients, &S::bytes_to_clients,
                            &S::peer_errors, &S::connections}) {
    this->*member += other.*member;
  }
  return *this;
}

size_t Server::PathHash::operator()(const ClientPath& path) const {
  const uint64_t ports =
      uint64_t{path.local.port} << 32 | uint64_t{path.remote.port} << 8 | static_cast<uint64_t>(path.protocol);
  const uint64_t mixed = mix_ip(mix_ip(mix_ip(seed, {}) ^ ports, path.remote.ip), path.local.ip);
  return mixed ^ (mixed >> 32);
}

Server::Allocation* Server::find(const ClientPath& client) {
  const auto it = by_client_.find(client);
  if (it == by_client_.end()) return nullptr;
  Allocation* allocation = allocations_[it->second].get();
  return allocation->request.answered ? allocation : nullptr;
}

RelayId Server::id_of(uint32_t index) const { return RelayId(uint64_t{relays_[index].generation} << 32 | index); }

Server::Relay* Server::relay_at(RelayId id) {
  const auto index = static_cast<uint32_t>(id.value());
  if (index >= relays_.size()) return nullptr;
  Relay& relay = relays_[index];
  return relay.state == Relay::State::Free || relay.generation != id.value() >> 32 ? nullptr : &relay;
}

uint32_t Server::new_relay(net::Family family, uint32_t allocation) {
  const uint32_t index = internal::take_place(relays_, free_relays_);
  Relay& relay = relays_[index];
  relay.state = Relay::State::Opening;
  relay.family = family;
  relay.allocation = allocation;
  return index;
}

void Server::free_relay(uint32_t index) {
  Relay next;
  next.generation = relays_[index].generation + 1;
  relays_[index] = next;
  free_relays_.push_back(index);
}

// Also of one that is being opened: then the owner closes it as soon as it is open.
void Server::close_relay(uint32_t index) {
  tell(CloseRelay{id_of(index)});
  free_relay(index);
}

void Server::new_ticket(uint32_t index) {
  internal::Ticket ticket{};
  env_.random.fill(ticket);
  store_be32(ticket.data(), index);
  allocations_[index]->ticket = ticket;
}

void Server::expire_at(uint32_t index, Time when) {
  Allocation& allocation = *allocations_[index];
  deadlines_.erase({allocation.expires, index});
  allocation.expires = when;
  deadlines_.emplace(when, index);
}

void Server::close_relays(Allocation& allocation) {
  for (uint32_t& relay : allocation.relays) {
    if (relay != kNoIndex) close_relay(std::exchange(relay, kNoIndex));
  }
  if (allocation.next_relay == kNoIndex) return;
  by_token_.erase(allocation.token);
  close_relay(std::exchange(allocation.next_relay, kNoIndex));
}

void Server::leave_usage(const Allocation& allocation) {
  KAON_ASSERT(allocation.usage->allocations > 0);
  if (config_.count != nullptr) config_.count->remove(allocation.usage_name);
  if (--allocation.usage->allocations == 0) usage_.erase(allocation.usage_name);
}

void Server::close(uint32_t index, CloseReason reason, Time now) {
  Allocation& allocation = *allocations_[index];
  close_connections(allocation, net::Family::None);
  close_relays(allocation);
  if (allocation.request.answered) {
    tell(AllocationClosed{allocation.client, allocation.user, reason, now - allocation.opened,
                          allocation.packets_to_peers, allocation.bytes_to_peers, allocation.packets_to_client,
                          allocation.bytes_to_client});
  }
  leave_usage(allocation);
  by_client_.erase(allocation.client);
  deadlines_.erase({allocation.expires, index});
  allocations_[index].reset();
  free_allocations_.push_back(index);
}

void Server::client_gone(const ClientPath& client, Time now) {
  const auto it = by_client_.find(client);
  if (it == by_client_.end() || allocations_[it->second]->ticket) return;
  close(it->second, CloseReason::ClientGone, now);
}

}  // namespace kaon::turn
