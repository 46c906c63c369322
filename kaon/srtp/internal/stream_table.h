// State by SSRC.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "kaon/base/assert.h"

namespace kaon::srtp::internal {

/// Sorted by SSRC: a connection has few streams and looks them up for every packet. Adding one moves those behind it.
template <class State>
class StreamTable {
 public:
  struct Entry {
    uint32_t ssrc;
    uint64_t last_use;
    State state;
  };

  size_t size() const { return entries_.size(); }

  /// Null if there is none. Valid until the next add() or remove_oldest().
  Entry* find(uint32_t ssrc) {
    const auto at = lower_bound(ssrc);
    return at == entries_.end() || at->ssrc != ssrc ? nullptr : &*at;
  }
  /// Of an SSRC that is not in it.
  Entry& add(uint32_t ssrc) {
    const auto at = lower_bound(ssrc);
    KAON_ASSERT(at == entries_.end() || at->ssrc != ssrc);
    return *entries_.insert(at, Entry{ssrc, ++uses_, State()});
  }
  /// Makes it the one used last.
  void touch(Entry& entry) { entry.last_use = ++uses_; }

  void for_each(auto change) {
    for (Entry& entry : entries_) change(entry.state);
  }
  /// Takes out the stream that was unused for longest.
  void remove_oldest() {
    Entry* oldest = oldest_where([](const State&) { return true; });
    KAON_ASSERT(oldest != nullptr);
    entries_.erase(entries_.begin() + (oldest - entries_.data()));
  }
  /// The stream unused for longest among those for which `predicate` holds; null if it holds for none.
  template <class Predicate>
  Entry* oldest_where(Predicate predicate) {
    Entry* oldest = nullptr;
    for (Entry& entry : entries_) {
      if (predicate(entry.state) && (oldest == nullptr || entry.last_use < oldest->last_use)) oldest = &entry;
    }
    return oldest;
  }

 private:
  auto lower_bound(uint32_t ssrc) {
    return std::lower_bound(entries_.begin(), entries_.end(), ssrc,
                            [](const Entry& entry, uint32_t key) { return entry.ssrc < key; });
  }

  std::vector<Entry> entries_;
  uint64_t uses_ = 0;
};

}  // namespace kaon::srtp::internal
