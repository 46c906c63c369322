// A rate with a burst.
#pragma once

#include <algorithm>

#include "kaon/base/units.h"

namespace kaon::turn::internal {

/// Lets through what a rate allows, counted in bytes; holds at most what the rate gives in `kBurst`.
class ByteBucket {
 public:
  static constexpr Duration kBurst = std::chrono::milliseconds(250);
  /// Never less than one large datagram, or a low rate would let nothing pass.
  static constexpr int64_t kLeastBurst = 65536;

  explicit ByteBucket(DataRate rate) : rate_(rate) {}

  /// True if this many bytes may pass; then they are taken.
  bool take(size_t bytes, Time now) {
    if (!has(bytes, now)) return false;
    if (!rate_.is_infinite()) level_ -= static_cast<int64_t>(bytes);
    return true;
  }
  /// True if take() would say so.
  bool has(size_t bytes, Time now) {
    if (rate_.is_infinite()) return true;
    const int64_t most = std::max(kLeastBurst, (rate_ * kBurst).bytes());
    if (!started_) level_ = most, last_ = now, started_ = true;
    if (now > last_) {
      // What a fraction of a byte takes is not lost: the clock stays where it was until a byte is full.
      const int64_t gained = (rate_ * std::min<Duration>(now - last_, std::chrono::seconds(10))).bytes();
      if (gained > 0) level_ = std::min(most, level_ + gained), last_ = now;
    }
    return level_ >= static_cast<int64_t>(bytes);
  }

 private:
  DataRate rate_;
  int64_t level_ = 0;
  Time last_{};
  bool started_ = false;
};

}  // namespace kaon::turn::internal
