#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/interceptor/frame_assembler.h"

namespace kaon::interceptor {

std::optional<ReorderBuffer::Drop> ReorderBuffer::push(int64_t sequence, rtp::Packet packet) {
  if (!started_) {
    started_ = true;
    next_ = sequence;
  }
  if (sequence < next_) return Drop::Late;
  const auto distance = static_cast<size_t>(sequence - next_);
  if (distance >= kMaxPackets) return Drop::TooFarAhead;
  if (distance >= slots_.size()) grow(distance + 1);
  Slot& to = slot(sequence);
  if (to.used) return Drop::Duplicate;
  to = {.used = true, .packet = std::move(packet)};
  ++count_;
  return std::nullopt;
}

void ReorderBuffer::grow(size_t needed) {
  size_t size = std::max<size_t>(slots_.size(), 16);
  while (size < needed) size *= 2;
  std::vector<Slot> bigger(size);
  for (size_t i = 0; i < slots_.size(); ++i) {
    const auto sequence = static_cast<size_t>(next_) + i;
    bigger[sequence & (size - 1)] = std::move(slots_[sequence & (slots_.size() - 1)]);
  }
  slots_ = std::move(bigger);
}

const rtp::Packet* ReorderBuffer::front() const {
  if (count_ == 0 || !slot(next_).used) return nullptr;
  return &slot(next_).packet;
}

rtp::Packet ReorderBuffer::pop() {
  KAON_ASSERT(front() != nullptr);
  Slot taken = std::exchange(slot(next_), Slot());
  ++next_;
  --count_;
  return std::move(taken.packet);
}

Time ReorderBuffer::behind_gap() const {
  KAON_ASSERT(count_ != 0);
  int64_t sequence = next_;
  while (!slot(sequence).used) ++sequence;
  return slot(sequence).packet.time;
}

void ReorderBuffer::skip_gap() {
  KAON_ASSERT(count_ != 0);
  while (!slot(next_).used) ++next_;
}

void ReorderBuffer::clear() {
  if (count_ != 0) std::ranges::fill(slots_, Slot());
  count_ = 0;
  started_ = false;
}

}  // namespace kaon::interceptor
