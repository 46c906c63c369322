#include "kaon/interceptor/transport_feedback_recorder.h"

#include <algorithm>

namespace kaon::interceptor {

void TransportFeedbackRecorder::on_packet(uint16_t transport_sequence, rtp::Ssrc media, Time arrival) {
  if (pending_.size() == kMaxPending) return;
  if (pending_.capacity() == 0) pending_.reserve(kMaxPending);
  const int64_t sequence = unwrapper_.unwrap(transport_sequence);
  media_ = media;
  const auto at = std::ranges::lower_bound(pending_, sequence, {}, &rtcp::PacketArrival::sequence);
  if (at != pending_.end() && at->sequence == sequence) return;  // the first copy counts
  pending_.insert(at, {.sequence = sequence, .time = arrival});
  const bool full = pending_.size() == kMaxPending;
  ready_ = full ? arrival : std::min(ready_, arrival + kMinInterval);
  next_ = full ? arrival : std::min(next_, arrival + kInterval);
}

size_t TransportFeedbackRecorder::poll(Time now, rtp::Ssrc sender, Bytes out) {
  if (now < ready_ || pending_.empty()) return 0;
  const int64_t front = pending_.front().sequence;
  const bool tell_gap = reported_end_ && *reported_end_ < front && front - *reported_end_ <= kMaxLeadingGap;
  const auto written = rtcp::write_transport_feedback({.sender = sender, .media = media_}, feedback_count_, pending_,
                                                      out, tell_gap ? reported_end_ : std::optional<int64_t>());
  if (written.arrivals == 0) return 0;
  ++feedback_count_;
  reported_end_ = std::max(reported_end_.value_or(front), pending_[written.arrivals - 1].sequence + 1);
  pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(written.arrivals));
  next_ = ready_ = pending_.empty() ? kNever : now;
  return written.size;
}

}  // namespace kaon::interceptor
