// A bound on the queue that a sender keeps standing in front of the bottleneck.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "kaon/base/time.h"

namespace kaon::sctp {

/// Compares the smallest round-trip time of each round with that of the empty path. The smallest, because jitter and a
/// peer's delayed SACKs only add to single measurements: what all of a round have in common is a queue.
class DelayBound {
 public:
  /// Queueing delay that may stand for a round trip: a tenth of the path's own round trip, at least kLeast.
  static constexpr Duration kLeast = std::chrono::milliseconds(10);
  static constexpr int kShare = 10;

  /// Half of that, while something that must not wait shares the path.
  void set_shared(bool shared) { shared_ = shared; }
  /// Once per acknowledgement. What part of its data under way the sender may keep, if the round that ends here was
  /// over the bound; `may_be_ours`: so much is under way that the queue may be of our making.
  std::optional<double> on_ack(std::optional<Duration> rtt, bool may_be_ours, bool round_ended, Time now) {
    if (rtt) round_min_ = std::min(round_min_, *rtt);
    may_be_ours_ = may_be_ours_ || may_be_ours;
    if (!round_ended) return std::nullopt;
    const Duration measured = std::exchange(round_min_, kNone);
    const bool ours = std::exchange(may_be_ours_, false);
    if (measured == kNone) return std::nullopt;
    remember(measured, now);
    // What ends here was sent before the cut, and waited in the queue that it is to drain.
    if (std::exchange(draining_, false)) return std::nullopt;
    if (!ours || measured <= base() + allowed()) {
      cuts_ = 0;
      return std::nullopt;
    }
    if (++cuts_ > kMaxCuts) {
      forget(measured, now);
      return std::nullopt;
    }
    draining_ = true;
    return kDrain * static_cast<double>(base().count()) / static_cast<double>(measured.count());
  }
  /// The same while no bound is wanted. A queue may stand all the time then, so that the shortest round trip ever seen
  /// is what the bound begins with.
  void watch(std::optional<Duration> rtt, bool round_ended, Time now) {
    if (rtt) round_min_ = std::min(round_min_, *rtt);
    if (!round_ended) return;
    newer_ = std::min(newer_, std::exchange(round_min_, kNone));
    since_ = now;
    cuts_ = 0;
  }
  /// The round-trip time of the empty path, as far as is known.
  Duration base() const { return std::min(older_, newer_); }

 private:
  static constexpr Duration kNone = Duration::max();
  // A little less than fills the path: the queue drains, and the path's own round trip is seen again.
  static constexpr double kDrain = 0.95;
  // The base is the smallest of this to twice this long.
  static constexpr Duration kBaseTime = std::chrono::seconds(10);
  // When so many cuts in a row have not shortened the queue it is not ours, or the path has become longer: the sender
  // would starve. Then what is measured now counts as the empty path.
  static constexpr int kMaxCuts = 3;

  Duration allowed() const {
    const Duration queue = std::max(kLeast, base() / kShare);
    return shared_ ? queue / 2 : queue;
  }
  void remember(Duration measured, Time now) {
    if (now - since_ >= kBaseTime) {
      older_ = newer_;
      newer_ = kNone;
      since_ = now;
    }
    newer_ = std::min(newer_, measured);
  }
  void forget(Duration measured, Time now) {
    older_ = newer_ = measured;
    since_ = now;
    cuts_ = 0;
  }

  Duration round_min_ = kNone;
  Duration older_ = kNone;
  Duration newer_ = kNone;
  Time since_{};
  int cuts_ = 0;
  bool may_be_ours_ = false;
  bool shared_ = false;
  bool draining_ = false;
};

}  // namespace kaon::sctp
