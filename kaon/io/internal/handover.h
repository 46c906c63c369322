// Datagrams on their way from the loop where they arrived to the loop where their connection lives.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "kaon/base/buffer.h"
#include "kaon/base/spsc_ring.h"
#include "kaon/net/datagram.h"

namespace kaon::io {

/// A datagram is copied once, into a buffer of the producer's pool, which finds its way home when the consumer is done.
class Handover {
 public:
  explicit Handover(size_t slots) : ring_(slots) {}

  // --- The producer's loop.

  /// False if the ring is full. The consumer sees it after publish().
  bool push(const net::Datagram& datagram, BufferPool& pool) {
    Slot slot{datagram, pool.copy(datagram.bytes)};
    slot.datagram.bytes = slot.buffer.bytes();
    return ring_.push(std::move(slot));
  }
  /// True if the consumer has to be woken.
  bool publish() { return ring_.publish(); }

  // --- The consumer's loop.

  /// Appends up to `limit` datagrams; they are valid until release().
  void peek(std::vector<net::Datagram>& out, size_t limit) {
    shown_ = std::min(limit, ring_.ready());
    for (size_t i = 0; i < shown_; ++i) out.push_back(ring_[i].datagram);
  }
  /// Gives back what peek() showed.
  void release() { ring_.release(std::exchange(shown_, 0)); }

 private:
  struct Slot {
    net::Datagram datagram;
    Buffer buffer;
  };

  SpscRing<Slot> ring_;
  size_t shown_ = 0;
};

}  // namespace kaon::io
