#include "kaon/webrtc/internal/source_clock.h"

#include <algorithm>

namespace kaon::webrtc::internal {

SourceClock::Numbers SourceClock::map(const Numbers& source, uint32_t clock_rate, Time now) const {
  if (!replaced_) return {source.timestamp + timestamp_offset_, source.sequence + sequence_offset_};
  // The time that passed, so that sound and picture stay together; one tick at least, because frames are told apart by
  // their timestamps.
  const auto seconds = std::chrono::duration<double>(now - last_time_).count();
  const auto ticks = static_cast<uint32_t>(std::max(seconds * clock_rate, 1.0));
  return {last_.timestamp + ticks, last_.sequence + 1};
}

void SourceClock::sent(const Numbers& source, uint32_t clock_rate, Time now) {
  const Numbers mapped = map(source, clock_rate, now);
  if (replaced_) {
    timestamp_offset_ = mapped.timestamp.value() - source.timestamp.value();
    sequence_offset_ = static_cast<uint16_t>(mapped.sequence.value() - source.sequence.value());
  }
  // Packets may come out of order: the end of the stream is its newest number.
  if (!sent_before_ || mapped.timestamp.newer_or_same(last_.timestamp)) {
    last_.timestamp = mapped.timestamp;
    last_time_ = now;
  }
  if (!sent_before_ || mapped.sequence.newer_or_same(last_.sequence)) last_.sequence = mapped.sequence;
  sent_before_ = true;
  replaced_ = false;
}

}  // namespace kaon::webrtc::internal
