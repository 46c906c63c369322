#include "kaon/ice/mux.h"

#include <algorithm>

#include "kaon/stun/message.h"

namespace kaon::ice {

namespace {

constexpr size_t kMinSlots = 4;  // most ports carry one connection

// The finaliser of splitmix64: every input bit reaches every output bit.
uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

void split(const net::IpAddress& ip, uint64_t& high, uint64_t& low, uint32_t& scope) {
  const ByteView bytes = ip.bytes();
  if (ip.is_v4()) {
    low = load_be32(bytes.data());
  } else if (ip.is_v6()) {
    high = load_be64(bytes.data());
    low = load_be64(bytes.data() + 8);
    scope = ip.scope();
  }
}

}  // namespace

Mux::Key::Key(const net::Endpoint& local, const net::Endpoint& remote, net::Protocol protocol)
    : ports(uint64_t{remote.port} | uint64_t{local.port} << 16 | static_cast<uint64_t>(protocol) << 32 |
            static_cast<uint64_t>(remote.ip.family()) << 40 | static_cast<uint64_t>(local.ip.family()) << 48) {
  split(remote.ip, remote_high, remote_low, remote_scope);
  split(local.ip, local_high, local_low, local_scope);
}

Mux::Mux(uint64_t seed) : seed_(seed), slots_(kMinSlots) {}

Result<void, MuxError> Mux::add(ConnectionId id, std::string_view ufrag, uint32_t tag) {
  if (const auto owner = by_ufrag_.find(ufrag); owner != by_ufrag_.end()) return fail(MuxError::DuplicateUfrag);
  auto it = connections_.find(id);
  if (it == connections_.end()) {
    if (connections_.size() >= kMaxConnections) return fail(MuxError::TooManyConnections);
    if (!by_tag_.try_emplace(tag, id).second) return fail(MuxError::DuplicateTag);
    it = connections_.try_emplace(id).first;
    it->second.tag = tag;
  }
  auto& ufrags = it->second.ufrags;
  if (ufrags.size() == kMaxUfrags) {
    by_ufrag_.erase(ufrags.front());
    ufrags.erase(ufrags.begin());
  }
  ufrags.emplace_back(ufrag);
  by_ufrag_.emplace(ufrag, id);
  return {};
}

void Mux::remove(ConnectionId id) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return;
  for (const std::string& ufrag : it->second.ufrags) by_ufrag_.erase(ufrag);
  for (const Key& key : it->second.paths) erase(key);
  for (const uint32_t ssrc : it->second.ssrcs) by_ssrc_.erase(ssrc);
  by_tag_.erase(it->second.tag);
  connections_.erase(it);
}

Result<void, MuxError> Mux::bind(ConnectionId id, const Path& path) {
  const auto it = connections_.find(id);
  if (it == connections_.end()) return fail(MuxError::UnknownConnection);
  const Key key(path);
  if (const size_t slot = find_slot(key); slots_[slot].used) {
    if (slots_[slot].id == id) return {};
    // The address has moved to another peer, for example through a NAT that reuses ports.
    if (const auto former = connections_.find(slots_[slot].id); former != connections_.end()) {
      std::erase(former->second.paths, key);
    }
    erase(key);
  }
  auto& paths = it->second.paths;
  if (paths.size() == kMaxPaths) {
    erase(paths.front());
    paths.erase(paths.begin());
  }
  paths.push_back(key);
  insert(key, id);
  return {};
}

void Mux::bind_ssrc(ConnectionId id, uint32_t ssrc) {
  const auto it = connections_.find(id);
  if (it == connections_.end() || it->second.ssrcs.size() == kMaxSsrcs) return;
  if (by_ssrc_.try_emplace(ssrc, id).second) it->second.ssrcs.push_back(ssrc);
}

std::optional<ConnectionId> Mux::owner(const Path& path) const {
  const Slot& slot = slots_[find_slot(Key(path))];
  return slot.used ? std::optional(slot.id) : std::nullopt;
}

std::optional<ConnectionId> Mux::owner_of_tag(uint32_t tag) const {
  const auto it = by_tag_.find(tag);
  return it == by_tag_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<uint32_t> Mux::ssrc_of(ByteView packet) {
  if (packet.size() < 12 || packet[0] < 128 || packet[0] > 191) return std::nullopt;
  if (packet[1] >= 192 && packet[1] <= 223) return std::nullopt;
  return load_be32(packet.data() + 8);
}

std::optional<ConnectionId> Mux::route(const net::Datagram& packet) {
  if (stun::is_stun(packet.bytes)) {
    bool decided = false;
    const auto id = route_stun(packet.bytes, decided);
    if (decided) return id;
  }
  const Slot& slot = slots_[find_slot(Key(packet.local, packet.remote, packet.protocol))];
  if (slot.used) return slot.id;
  if (const auto ssrc = ssrc_of(packet.bytes)) {
    const auto it = by_ssrc_.find(*ssrc);
    if (it != by_ssrc_.end()) return it->second;
  }
  drops_.add(MuxDrop::UnknownSource);
  return std::nullopt;
}

// STUN names its connection itself; only indications are left to the addresses.
std::optional<ConnectionId> Mux::route_stun(ByteView bytes, bool& decided) {
  decided = true;
  const auto drop = [this](MuxDrop reason) -> std::optional<ConnectionId> {
    drops_.add(reason);
    return std::nullopt;
  };
  const auto message = stun::Message::parse(bytes);
  if (!message || message->method() != stun::Method::Binding) return drop(MuxDrop::MalformedStun);
  switch (message->message_class()) {
    case stun::Class::Request: {
      const auto username = message->text(stun::Attribute::Username);
      if (!username) return drop(MuxDrop::NoUsername);
      const auto it = by_ufrag_.find(username->substr(0, username->find(':')));
      return it == by_ufrag_.end() ? drop(MuxDrop::UnknownUfrag) : it->second;
    }
    case stun::Class::Success:
    case stun::Class::Error: {
      const auto owner = owner_of_tag(load_be32(message->transaction_id().bytes.data()));
      return owner ? owner : drop(MuxDrop::UnknownTransaction);
    }
    case stun::Class::Indication: break;
  }
  decided = false;
  return std::nullopt;
}

// What the peer chooses goes through mix() word by word, what we have chosen is just added.
uint64_t Mux::hash(const Key& key) const {
  uint64_t state = mix(seed_ ^ key.ports) ^ key.remote_low;
  if (key.remote_high != 0) state = mix(state) ^ key.remote_high;
  return mix(state + key.local_low + key.local_high);
}

// The slot of this key, or the free one where it belongs. Never full: grow() keeps a quarter free.
size_t Mux::find_slot(const Key& key) const {
  const size_t mask = slots_.size() - 1;
  size_t i = hash(key) & mask;
  while (slots_[i].used && !(slots_[i].key == key)) i = (i + 1) & mask;
  return i;
}

void Mux::insert(const Key& key, ConnectionId id) {
  if ((path_count_ + 1) * 4 > slots_.size() * 3) grow();
  slots_[find_slot(key)] = {key, id, true};
  ++path_count_;
}

// Closes the gap by moving later entries of the same run back, so that no tombstones pile up.
void Mux::erase(const Key& key) {
  size_t hole = find_slot(key);
  if (!slots_[hole].used) return;
  const size_t mask = slots_.size() - 1;
  for (size_t i = (hole + 1) & mask; slots_[i].used; i = (i + 1) & mask) {
    const size_t home = hash(slots_[i].key) & mask;
    if (((i - home) & mask) >= ((i - hole) & mask)) {
      slots_[hole] = slots_[i];
      hole = i;
    }
  }
  slots_[hole] = {};
  --path_count_;
}

void Mux::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.used) slots_[find_slot(slot.key)] = slot;
  }
}

}  // namespace kaon::ice
