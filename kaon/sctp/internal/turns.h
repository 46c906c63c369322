// Which stream sends next: weighted fair queueing over streams, RFC 8260 §3.6.
#pragma once

#include <algorithm>
#include <tuple>
#include <vector>

#include "kaon/sctp/types.h"

namespace kaon::sctp {

/// Each stream pays for what it sends with virtual time, the less the greater its weight; who has paid least is next.
/// Who was silent begins at the present virtual time: silence earns no credit. Constant memory per stream, logarithmic
/// time.
class Turns {
 public:
  /// Streams keep this between their turns.
  struct Share {
    uint64_t due = 0;
    uint16_t weight = 256;
  };

  bool empty() const { return heap_.empty(); }
  /// The stream has something to send and no turn yet. `bytes`: it counts as if it had paid for so many already.
  void enter(StreamId stream, Share& share, size_t bytes = 0) {
    share.due = std::max(share.due, now_);
    heap_.push_back({share.due + price(share, bytes), share.weight, stream});
    std::push_heap(heap_.begin(), heap_.end());
  }
  /// Whom leave() would give; there must be one.
  StreamId first() const { return heap_.front().stream; }
  StreamId leave() {
    std::pop_heap(heap_.begin(), heap_.end());
    const StreamId stream = heap_.back().stream;
    heap_.pop_back();
    return stream;
  }
  /// The virtual time is that of the stream which is being served.
  void pay(Share& share, size_t bytes) {
    now_ = std::max(now_, share.due);
    share.due += price(share, bytes);
  }
  /// Whether somebody waits who has paid less.
  bool another_is_before(const Share& share) const { return !heap_.empty() && heap_.front().due < share.due; }
  void trim() {
    if (heap_.empty()) heap_ = {};
  }

 private:
  static constexpr uint64_t kScale = 1024;
  static uint64_t price(const Share& share, size_t bytes) {
    return bytes * kScale / std::max<uint16_t>(share.weight, 1);
  }
  struct Entry {
    uint64_t due;
    uint16_t weight;
    StreamId stream;
    // The heap's greatest is the earliest; at the same time, the heaviest.
    bool operator<(const Entry& other) const {
      return std::tuple(due, other.weight, stream) > std::tuple(other.due, weight, other.stream);
    }
  };
  std::vector<Entry> heap_;  // each stream once: at most 65,536
  uint64_t now_ = 0;
};

}  // namespace kaon::sctp
