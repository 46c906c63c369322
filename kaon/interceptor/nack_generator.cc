#include "kaon/interceptor/nack_generator.h"

#include <algorithm>

namespace kaon::interceptor {

void NackGenerator::on_packet(int64_t sequence, Time now) {
  if (!started_ || sequence < expected_ - kMaxStepBack) {
    forget_before(expected_);
    started_ = true;
    expected_ = sequence + 1;
    return;
  }
  if (sequence < expected_) {
    mark_arrived(sequence);
    return;
  }
  if (sequence > expected_) add_gap(expected_, sequence, now);
  expected_ = sequence + 1;
}

void NackGenerator::add_gap(int64_t first, int64_t end, Time now) {
  const auto size = static_cast<size_t>(end - first);
  if (missing_.size() + size > kMaxMissing) {
    missing_.clear();
    count_ = 0;
    given_up_ = true;
    if (size > kMaxMissing) return;
  }
  const Time due = now + kReorderWait;
  for (int64_t sequence = first; sequence < end; ++sequence) {
    missing_.push_back({.sequence = sequence, .since = now, .next = due, .tries = 0, .arrived = false});
  }
  count_ += size;
  next_ = std::min(next_, due);
}

void NackGenerator::mark_arrived(int64_t sequence) {
  size_t low = 0;
  size_t high = missing_.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (missing_[middle].sequence < sequence) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == missing_.size() || missing_[low].sequence != sequence || missing_[low].arrived) return;
  missing_[low].arrived = true;
  --count_;
  drop_front();
}

void NackGenerator::drop_front() {
  while (!missing_.empty() && missing_.front().arrived) missing_.pop_front();
  if (missing_.empty()) next_ = kNever;
}

Duration NackGenerator::retry_after(uint8_t tries) const {
  // The first answer takes a round trip and the sender's time; if it was lost, the path is bad and asking faster hurts.
  const Duration base = std::max(kMinRetry, round_trip_ + round_trip_ / 4);
  return base + base * std::min<int>(tries - 1, 4) / 2;
}

size_t NackGenerator::poll(Time now, std::span<rtp::SequenceNumber> out) {
  if (now < next_) return 0;
  size_t filled = 0;
  Time next = kNever;
  for (size_t i = 0; i < missing_.size(); ++i) {
    Missing& missing = missing_[i];
    if (missing.arrived) continue;
    if (missing.next <= now) {
      if (missing.tries == kMaxTries || now - missing.since > kMaxAge) {
        missing.arrived = true;
        --count_;
        given_up_ = true;
        continue;
      }
      if (filled == out.size()) {
        next = now;
        break;
      }
      out[filled++] = rtp::SequenceNumber(static_cast<uint16_t>(missing.sequence));
      ++missing.tries;
      missing.next = now + retry_after(missing.tries);
    }
    next = std::min(next, missing.next);
  }
  next_ = next;
  drop_front();
  return filled;
}

void NackGenerator::forget_before(int64_t sequence) {
  while (!missing_.empty() && missing_.front().sequence < sequence) {
    if (!missing_.front().arrived) --count_;
    missing_.pop_front();
  }
  drop_front();
}

}  // namespace kaon::interceptor
