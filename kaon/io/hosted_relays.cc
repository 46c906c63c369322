#include "kaon/io/internal/hosted_relays.h"

#include <algorithm>
#include <utility>

namespace kaon::io {

void HostedRelays::add(const RelayServer& server, Tell tell) {
  entries_.push_back({.server = server, .tell = std::move(tell), .relay = nullptr});
  open(entries_.size() - 1);
}

void HostedRelays::open(size_t index) {
  Relay::Handlers handlers;
  handlers.on_data = handlers_.on_data;
  handlers.on_event = [this, index](const turn::ClientEvent& event) { on_event(index, event); };
  entries_[index].unreached = false;
  entries_[index].relay = Relay::open(loop_, entries_[index].server, env_, std::move(handlers));
}

void HostedRelays::on_event(size_t index, const turn::ClientEvent& event) {
  const Tell tell = entries_[index].tell;
  if (const auto* allocated = std::get_if<turn::Allocated>(&event); allocated != nullptr && !use(index, *allocated)) {
    lose(entries_[index]);
    return tell(turn::ClientFailed{.error = turn::ClientError::BadResponse, .reason = "the relayed address is taken"});
  }
  if (const auto* failed = std::get_if<turn::ClientFailed>(&event)) {
    lose(entries_[index]);
    entries_[index].unreached = failed->error == turn::ClientError::Timeout;
  }
  tell(event);
}

bool HostedRelays::use(size_t index, const turn::Allocated& allocated) {
  Entry& entry = entries_[index];
  for (const auto& relayed : {std::optional(allocated.relayed), allocated.second}) {
    if (!relayed || !exits_.add(*relayed, *entry.relay)) continue;
    entry.relayed.push_back(*relayed);
    handlers_.on_address(*relayed, allocated, entry.server, index);
  }
  return !entry.relayed.empty();
}

void HostedRelays::lose(Entry& entry) {
  if (!entry.relay) return;
  exits_.remove(*entry.relay);
  std::exchange(entry.relay, nullptr)->close();
  for (const net::Endpoint& relayed : std::exchange(entry.relayed, {})) handlers_.on_lost(relayed);
}

// A socket whose address is gone sends to nobody: the old allocation is given back if that still gets through, and ends
// by its lifetime if not.
void HostedRelays::network_changed(std::span<const Interface> interfaces) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    const auto local = entry.relay ? entry.relay->local() : std::nullopt;
    const bool gone = local && std::ranges::find(interfaces, *local, &Interface::ip) == interfaces.end();
    if (gone) lose(entry);
    if (gone || entry.unreached) open(i);
  }
}

void HostedRelays::close() {
  for (Entry& entry : entries_) {
    if (!entry.relay) continue;
    exits_.remove(*entry.relay);
    entry.relay->close();
  }
  entries_.clear();
}

}  // namespace kaon::io
