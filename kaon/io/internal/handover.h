// Datagrams on their way from the loop where they arrived to the loop where their connection lives.
#pragma once

#include <atomic>
#include <bit>
#include <span>
#include <vector>

#include "kaon/base/buffer.h"
#include "kaon/net/datagram.h"

namespace kaon::io {

/// A bounded ring with one producing and one consuming loop; neither ever waits for the other. A datagram is copied
/// once, into a buffer of the producer's pool, which finds its way home when the consumer is done.
class Handover {
 public:
  explicit Handover(size_t slots) : slots_(std::bit_ceil(slots)) {}

  // --- The producer's loop.

  /// False if the ring is full. The consumer sees it after publish().
  bool push(const net::Datagram& datagram, BufferPool& pool) {
    if (tail_ - seen_head_ == slots_.size()) {
      seen_head_ = head_.load(std::memory_order_acquire);
      if (tail_ - seen_head_ == slots_.size()) return false;
    }
    Slot& slot = slots_[tail_ & (slots_.size() - 1)];
    slot.buffer = pool.copy(datagram.bytes);
    slot.datagram = datagram;
    slot.datagram.bytes = slot.buffer.bytes();
    ++tail_;
    return true;
  }
  /// True if the consumer has to be woken: it took everything published before.
  bool publish() {
    const size_t before = published_.exchange(tail_, std::memory_order_acq_rel);
    return before != tail_;
  }

  // --- The consumer's loop.

  /// Appends up to `limit` datagrams; they are valid until release().
  void peek(std::vector<net::Datagram>& out, size_t limit) {
    const size_t end = published_.load(std::memory_order_acquire);
    for (next_ = head_.load(std::memory_order_relaxed); next_ != end && limit-- > 0; ++next_) {
      out.push_back(slots_[next_ & (slots_.size() - 1)].datagram);
    }
  }
  /// Gives back what peek() showed.
  void release() {
    for (size_t i = head_.load(std::memory_order_relaxed); i != next_; ++i) {
      slots_[i & (slots_.size() - 1)].buffer = Buffer();
    }
    head_.store(next_, std::memory_order_release);
  }

 private:
  struct Slot {
    net::Datagram datagram;
    Buffer buffer;
  };

  std::vector<Slot> slots_;
  alignas(64) std::atomic<size_t> published_{0};  // written by the producer
  size_t tail_ = 0;                               // the producer's, ahead of published_
  size_t seen_head_ = 0;                          // the producer's last look at head_
  alignas(64) std::atomic<size_t> head_{0};       // written by the consumer
  size_t next_ = 0;                               // the consumer's, ahead of head_
};

}  // namespace kaon::io
