#include "kaon/dtls/internal/partial_hellos.h"

namespace kaon::dtls {

std::optional<HandshakeMessage> PartialHellos::add(const Fragment& fragment, const net::Endpoint& remote,
                                                   Counters<DropReason>& drops) {
  auto entry = entries_.begin();
  while (entry != entries_.end() && (entry->remote != remote || entry->sequence != fragment.sequence)) ++entry;
  if (entry == entries_.end()) {
    if (entries_.size() == CookieGate::kMaxPartialHellos) {
      drops.add(DropReason::ReassemblyFull);
      entries_.erase(entries_.begin());
    }
    entry = entries_.insert(entries_.end(), {remote, fragment.sequence, Reassembler(fragment.sequence)});
  }
  if (const auto added = entry->reassembler.add(fragment); !added) drops.add(added.error());
  auto whole = entry->reassembler.take();
  if (whole) entries_.erase(entry);
  return whole;
}

size_t PartialHellos::bytes() const {
  size_t all = 0;
  for (const Entry& entry : entries_) all += entry.reassembler.memory();
  return all;
}

}  // namespace kaon::dtls
