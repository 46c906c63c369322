// A bounded queue between two loops; neither ever waits for the other.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <span>

namespace kaon {

/// One loop fills slots, one loop empties them. All slots are made at once and allocate nothing afterwards. T needs a
/// default constructor and a move assignment.
template <class T>
class SpscRing {
 public:
  /// At least one slot; rounded up to a power of two.
  explicit SpscRing(size_t slots) : size_(std::bit_ceil(slots)), slots_(std::make_unique<T[]>(size_)) {}

  // --- The producer's loop.

  /// False if the ring is full. The consumer sees it after publish().
  bool push(T&& value) {
    if (tail_ - seen_head_ == size_) {
      seen_head_ = head_.load(std::memory_order_acquire);
      if (tail_ - seen_head_ == size_) return false;
    }
    slot(tail_++) = std::move(value);
    return true;
  }
  /// True if that made something visible, so that the consumer has to be woken.
  bool publish() { return published_.exchange(tail_, std::memory_order_acq_rel) != tail_; }

  // --- The consumer's loop.

  /// How many wait.
  size_t ready() const { return published_.load(std::memory_order_acquire) - head_.load(std::memory_order_relaxed); }
  /// The i-th of those.
  T& operator[](size_t i) { return slot(head_.load(std::memory_order_relaxed) + i); }
  /// The first of those that lie side by side.
  std::span<T> run() {
    const size_t head = head_.load(std::memory_order_relaxed);
    return {&slot(head), std::min(ready(), size_ - (head & (size_ - 1)))};
  }
  /// Empties the first `count` slots and gives them back.
  void release(size_t count) {
    const size_t head = head_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < count; ++i) slot(head + i) = T();
    head_.store(head + count, std::memory_order_release);
  }

 private:
  T& slot(size_t i) { return slots_[i & (size_ - 1)]; }

  size_t size_;
  std::unique_ptr<T[]> slots_;
  alignas(64) std::atomic<size_t> published_{0};  // written by the producer
  size_t tail_ = 0;                               // the producer's, ahead of published_
  size_t seen_head_ = 0;                          // the producer's last look at head_
  alignas(64) std::atomic<size_t> head_{0};       // written by the consumer
};

}  // namespace kaon
