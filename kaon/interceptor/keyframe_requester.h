// Asks for key frames without flooding the sender.
#pragma once

#include <algorithm>

#include "kaon/base/time.h"

namespace kaon::interceptor {

/// One per received video stream. Requests from many causes become one; while no key frame comes, it is repeated with
/// growing pauses.
class KeyframeRequester {
 public:
  static constexpr Duration kMinPause = std::chrono::milliseconds(200);
  static constexpr Duration kMaxPause = std::chrono::seconds(4);

  void set_round_trip(Duration rtt) { round_trip_ = rtt; }
  /// A key frame is needed. Harmless to say again.
  void request(Time now) {
    if (wanted_) return;
    wanted_ = true;
    next_ = std::max(now, earliest_);
  }
  void on_keyframe() {
    wanted_ = false;
    next_ = kNever;
    pause_ = kMinPause;
  }
  /// True if a PLI or FIR is to be sent now.
  bool poll(Time now) {
    if (!wanted_ || now < next_) return false;
    next_ = earliest_ = now + std::max(pause_, round_trip_ + round_trip_ / 2);
    pause_ = std::min(pause_ * 2, kMaxPause);
    return true;
  }
  Time next_timeout() const { return next_; }
  bool wanted() const { return wanted_; }

 private:
  bool wanted_ = false;
  Duration round_trip_ = std::chrono::milliseconds(100);
  Duration pause_ = kMinPause;
  Time next_ = kNever;
  Time earliest_{Time::min()};
};

}  // namespace kaon::interceptor
