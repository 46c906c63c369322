#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/interceptor/frame_assembler.h"

namespace kaon::interceptor {

std::optional<ReorderBuffer::Drop> ReorderBuffer::push(int64_t sequence, rtp::Packet&& packet) {
  if (!started_) {
    started_ = true;
    fixed_ = false;
    next_ = highest_ = sequence;
  }
  if (sequence < next_ && fixed_) return Drop::Late;
  const int64_t first = std::min(next_, sequence);
  const int64_t last = std::max(highest_, sequence);
  if (last - first >= static_cast<int64_t>(kMaxPackets)) return sequence < next_ ? Drop::Late : Drop::TooFarAhead;
  const auto span = static_cast<size_t>(last - first) + 1;
  if (span > slots_.size()) grow(span);
  next_ = first;
  highest_ = last;
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
  highest_ = std::max(highest_, next_);
  fixed_ = true;
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
  fixed_ = true;
}

void ReorderBuffer::clear() {
  if (count_ != 0) std::ranges::fill(slots_, Slot());
  count_ = 0;
  started_ = false;
}

}  // namespace kaon::interceptor
