// Spreads a window over its round trip, RFC 9002 §7.7.
#pragma once

#include <algorithm>

#include "kaon/base/time.h"

namespace kaon::sctp {

/// Lets through what a rate allows, in groups, so that packets still leave in runs: a group that is due lets a
/// millisecond's worth pass, but no more than 64 KiB, which one system call sends; at a gigabit a millisecond's worth
/// is half of a short queue. One that comes late is larger by what could have left meanwhile: timers have ticks, and a
/// program is not always woken at once.
class Pacer {
 public:
  /// `gain` windows per round trip. Below kMinRtt everything passes: timers are too coarse for it, and queues too short
  /// to matter.
  void set_rate(size_t window, double gain, Duration rtt) {
    if (rtt < kMinRtt) {
      per_byte_ = 0;
      return;
    }
    per_byte_ = static_cast<double>(rtt.count()) / (gain * static_cast<double>(std::max<size_t>(window, 1)));
    group_ = std::min(kGroup, Duration(static_cast<int64_t>(per_byte_ * kMostBytes)));
  }
  bool allows(Time now) const { return now >= resume_; }
  /// When the next group is due; in the past if there is none to wait for.
  Time resume() const { return resume_; }
  void sent(size_t bytes, Time now) {
    if (per_byte_ == 0) return;
    const Duration late = now - resume_;
    const Time earliest = now - group_ - (late > kMostLate ? Duration::zero() : late);
    next_ = std::max(next_, earliest) + Duration(static_cast<int64_t>(per_byte_ * static_cast<double>(bytes)));
    if (next_ > now) resume_ = next_ + group_;
  }
  /// Bytes of a group; zero where everything passes.
  size_t group() const {
    return per_byte_ == 0 ? 0 : static_cast<size_t>(static_cast<double>(group_.count()) / per_byte_);
  }
  void reset() { next_ = resume_ = Time{}; }

 private:
  static constexpr Duration kMinRtt = std::chrono::milliseconds(2);
  static constexpr Duration kGroup = std::chrono::milliseconds(1);
  // Beyond it there was nothing to send.
  static constexpr Duration kMostLate = std::chrono::milliseconds(2);
  static constexpr double kMostBytes = 65536;
  Duration group_ = kGroup;
  double per_byte_ = 0;  // nanoseconds
  Time next_{};
  Time resume_{};
};

}  // namespace kaon::sctp
