// Merges the key frame requests of all viewers of a track into as few as the publisher needs to hear.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kaon/base/time.h"

namespace kaon::router {

/// At most one request per `interval` goes to the publisher; an unanswered one is repeated. A plain value per track,
/// used on the publisher's loop.
class KeyframeGate {
 public:
  /// Key frames are large; two a second is what a picture can bear. A late joiner waits one interval at most.
  static constexpr Duration kDefaultInterval = std::chrono::milliseconds(500);

  explicit KeyframeGate(Duration interval = kDefaultInterval) : interval_(interval) {}

  /// A viewer needs a key frame.
  void request(Time now) {
    ++requests_;
    if (wanted_) return;
    wanted_ = true;
    due_ = asked_ ? std::max(now, last_asked_ + interval_) : now;
  }
  /// A key frame has arrived: who waits is served by it.
  void keyframe_arrived() { wanted_ = false; }
  /// True if a request must be sent now; it is due again one interval later if no key frame comes.
  bool poll(Time now) {
    if (!wanted_ || now < due_) return false;
    asked_ = true;
    last_asked_ = now;
    due_ = now + interval_;
    return true;
  }
  Time next_timeout() const { return wanted_ ? due_ : kNever; }
  /// Requests of viewers so far, for statistics.
  uint64_t requests() const { return requests_; }

 private:
  Duration interval_;
  Time due_ = kNever;
  Time last_asked_{};
  bool asked_ = false;
  bool wanted_ = false;
  uint64_t requests_ = 0;
};

}  // namespace kaon::router
