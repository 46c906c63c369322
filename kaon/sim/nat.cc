#include "kaon/sim/nat.h"

#include <algorithm>

namespace kaon::sim {
namespace {

constexpr uint16_t kFirstPort = 1024;

}  // namespace

net::Endpoint Nat::part_of(const net::Endpoint& remote, NatBehavior behavior) {
  switch (behavior) {
    case NatBehavior::EndpointIndependent: return {};
    case NatBehavior::AddressDependent: return {remote.ip, 0};
    case NatBehavior::AddressAndPortDependent: break;
  }
  return remote;
}

// Once per instant, and only when there is reason to: a sweep looks at every mapping.
void Nat::forget_expired(Time now) {
  const bool due = now - last_sweep_ > config_.timeout || (mappings_.size() >= kMaxMappings && now > last_sweep_);
  if (!due) return;
  last_sweep_ = now;
  std::erase_if(mappings_, [&](const auto& entry) {
    if (!expired(entry.second.used, now)) return false;
    ports_.erase(entry.second.key);
    return true;
  });
}

std::optional<uint16_t> Nat::free_port(uint16_t wanted) {
  if (mappings_.size() >= kMaxMappings) return std::nullopt;
  const auto is_free = [&](uint16_t port) { return !mappings_.contains(port); };
  if (config_.ports == PortAssignment::Preserve && preserving_ && is_free(wanted)) return wanted;
  // The table fills a quarter of the ports at most, so both searches end soon.
  if (config_.ports == PortAssignment::Sequential) {
    while (next_port_ < kFirstPort || !is_free(next_port_)) ++next_port_;
    return next_port_++;
  }
  while (true) {
    const auto port = static_cast<uint16_t>(kFirstPort + random_.below(65536 - kFirstPort));
    if (port != wanted && is_free(port)) return port;
  }
}

std::optional<net::Endpoint> Nat::outbound(const net::Endpoint& inner, const net::Endpoint& remote, Time now) {
  const Key key{inner, part_of(remote, config_.mapping)};
  auto known = ports_.find(key);
  if (known != ports_.end() && expired(mappings_.at(known->second).used, now)) {
    mappings_.erase(known->second);
    ports_.erase(known);
    known = ports_.end();
  }
  if (known == ports_.end()) {
    forget_expired(now);
    const auto port = free_port(inner.port);
    if (!port) return std::nullopt;
    known = ports_.emplace(key, *port).first;
    mappings_.emplace(*port, Mapping{key, now, {}});
  }
  Mapping& mapping = mappings_.at(known->second);
  mapping.used = std::max(mapping.used, now);
  if (config_.filtering != NatBehavior::EndpointIndependent) {
    mapping.permitted.insert_or_assign(part_of(remote, config_.filtering), now);
  }
  return net::Endpoint{outside_, known->second};
}

std::optional<net::Endpoint> Nat::inbound(uint16_t port, const net::Endpoint& remote, Time now) {
  const auto found = mappings_.find(port);
  if (found == mappings_.end() || expired(found->second.used, now)) return std::nullopt;
  Mapping& mapping = found->second;
  if (config_.filtering != NatBehavior::EndpointIndependent) {
    const auto permitted = mapping.permitted.find(part_of(remote, config_.filtering));
    if (permitted == mapping.permitted.end() || expired(permitted->second, now)) return std::nullopt;
    if (config_.inbound_refreshes) permitted->second = std::max(permitted->second, now);
  }
  if (config_.inbound_refreshes) mapping.used = std::max(mapping.used, now);
  return mapping.key.inner;
}

void Nat::rebind(std::optional<net::IpAddress> outside) {
  ports_.clear();
  mappings_.clear();
  preserving_ = false;
  if (outside) outside_ = *outside;
}

}  // namespace kaon::sim
