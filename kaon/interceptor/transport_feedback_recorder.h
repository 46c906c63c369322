// Receive side of transport-wide congestion control: notes arrivals, writes feedback.
#pragma once

#include <optional>
#include <vector>

#include "kaon/base/strong.h"
#include "kaon/base/time.h"
#include "kaon/rtcp/transport_feedback.h"

namespace kaon::interceptor {

/// One per transport.
class TransportFeedbackRecorder {
 public:
  /// A report is made with whatever else happens once its first arrival is this old ...
  static constexpr Duration kMinInterval = std::chrono::milliseconds(50);
  /// ... and for its own sake when it is this old: of a stream of video each report so rides on a packet that arrives,
  /// and none costs a wake-up.
  static constexpr Duration kInterval = std::chrono::milliseconds(100);
  /// Arrivals waiting for a report; when it is full a report is due at once, and arrivals beyond are not noted.
  static constexpr size_t kMaxPending = 512;
  /// Losses before the first arrival of a report are told up to this many.
  static constexpr int64_t kMaxLeadingGap = 1024;

  void on_packet(uint16_t transport_sequence, rtp::Ssrc media, Time arrival);
  Time next_timeout() const { return next_; }
  /// Writes the next report if one is due; returns its size, zero if none. Call until it gives zero. `out` should be
  /// what is left of an RTCP packet of ordinary size.
  size_t poll(Time now, rtp::Ssrc sender, Bytes out);

 private:
  std::vector<rtcp::PacketArrival> pending_;  // ascending
  Unwrapper<uint16_t> unwrapper_;
  std::optional<int64_t> reported_end_;
  rtp::Ssrc media_;
  uint8_t feedback_count_ = 0;
  Time ready_ = kNever;
  Time next_ = kNever;
};

}  // namespace kaon::interceptor
