// The deadlines of all connections of a loop as one heap.
#pragma once

#include <cstdint>
#include <vector>

#include "kaon/base/assert.h"
#include "kaon/base/strong.h"
#include "kaon/base/time.h"

namespace kaon::io {

using TimerId = Strong<struct TimerIdTag, uint32_t>;

/// A binary heap that knows where each timer stands in it: moving a deadline costs O(log n) and leaves nothing stale
/// behind. Bounded by the number of timers added; allocates only while that number grows.
class TimerHeap {
 public:
  /// A new timer without a deadline. Ids of removed timers are used again.
  TimerId add();
  void remove(TimerId id);
  /// kNever takes the deadline away.
  void schedule(TimerId id, Time deadline);
  Time deadline(TimerId id) const { return timers_[id.value()].deadline; }
  /// The soonest deadline of all; kNever if there is none.
  Time next() const { return heap_.empty() ? kNever : timers_[heap_.front()].deadline; }
  /// Takes the soonest timer off the heap if it is due; false if none is.
  bool pop_due(Time now, TimerId& id);

 private:
  static constexpr uint32_t kNowhere = ~uint32_t{0};
  struct Timer {
    Time deadline = kNever;
    uint32_t place = kNowhere;
  };

  bool sooner(uint32_t a, uint32_t b) const { return timers_[heap_[a]].deadline < timers_[heap_[b]].deadline; }
  void swap(uint32_t a, uint32_t b);
  void sift_up(uint32_t place);
  void sift_down(uint32_t place);
  void take_out(uint32_t place);

  std::vector<Timer> timers_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> heap_;  // timers by index
};

}  // namespace kaon::io
