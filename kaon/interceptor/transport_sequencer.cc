#include "kaon/interceptor/transport_sequencer.h"

#include <algorithm>

namespace kaon::interceptor {

void TransportSequencer::on_sent(DataSize size, Time now) {
  while (!sent_.empty() && (sent_.front().received || now - sent_.front().time > kMaxAge)) forget_oldest();
  if (sent_.size() == kMaxInFlight) forget_oldest();
  sent_.push_back({.time = now, .size = size, .received = false, .reported = false});
  in_flight_ += size;
  ++next_;
}

void TransportSequencer::forget_oldest() {
  const Sent oldest = sent_.pop_front();
  if (!oldest.reported) in_flight_ -= oldest.size;
}

TransportSequencer::Sent* TransportSequencer::find(int64_t sequence) {
  const int64_t first = next_ - static_cast<int64_t>(sent_.size());
  if (sequence < first || sequence >= next_) return nullptr;
  return &sent_[static_cast<size_t>(sequence - first)];
}

/// The reference time has 24 bits; it is followed through its wraps.
Duration TransportSequencer::unwrap_reference(int32_t reference_time) {
  if (last_reference_) {
    const auto step = static_cast<uint32_t>(reference_time) - static_cast<uint32_t>(*last_reference_);
    reference_ += static_cast<int32_t>(step << 8) >> 8;
  } else {
    reference_ = reference_time;
  }
  last_reference_ = reference_time;
  return (reference_ - reference_time) * std::chrono::milliseconds(64);
}

std::optional<congestion::TransportReport> TransportSequencer::on_feedback(const rtcp::TransportFeedback& feedback,
                                                                           Time now) {
  // The base is placed nearest to the newest packet sent.
  const auto behind =
      static_cast<int16_t>(static_cast<uint16_t>(static_cast<uint16_t>(next_ - 1) - feedback.base_sequence.value()));
  int64_t sequence = next_ - 1 - behind;
  const Duration offset = unwrap_reference(feedback.reference_time);
  results_.clear();
  Duration round_trip{};
  rtcp::TransportFeedback::Cursor cursor(feedback);
  for (; const auto status = cursor.next(); ++sequence) {
    Sent* sent = find(sequence);
    if (sent == nullptr) {
      ++ignored_;
      continue;
    }
    // A later report may say that a packet arrived after all, but not the other way round and not twice.
    if (sent->received || (sent->reported && !status->arrival)) continue;
    if (!sent->reported) in_flight_ -= sent->size;
    sent->reported = true;
    sent->received = status->arrival.has_value();
    congestion::PacketResult result{.sequence = sequence, .size = sent->size, .sent = sent->time, .received = {}};
    if (status->arrival) {
      result.received = *status->arrival + offset;
      round_trip = now - sent->time;
    }
    results_.push_back(result);
  }
  if (results_.empty()) return std::nullopt;
  return congestion::TransportReport{
      .now = now, .packets = results_, .in_flight = in_flight_, .round_trip = round_trip};
}

}  // namespace kaon::interceptor
