// Which chunks are lost, judged by when they were sent: RACK, RFC 8985.
#pragma once

#include <algorithm>
#include <optional>

#include "kaon/base/time.h"
#include "kaon/sctp/internal/packet.h"

namespace kaon::sctp {

/// A chunk is lost when one that was sent later, by more than the reordering window, has been delivered.
class Rack {
 public:
  /// §6.2 steps 1 to 3: a chunk was acknowledged for the first time.
  void delivered(Tsn tsn, Time sent, bool retransmitted, Time now) {
    const Duration rtt = std::max(now - sent, Duration::zero());
    if (!highest_ || tsn.newer_than(*highest_)) {
      highest_ = tsn;
    } else if (!retransmitted) {
      reordering_seen_ = true;
    }
    // Of a chunk sent twice the acknowledgement may be that of the first.
    if (retransmitted && rtt < min_rtt_) return;
    if (!retransmitted) min_rtt_ = std::min(min_rtt_, rtt);
    if (sent_after(sent, tsn, latest_sent_, latest_tsn_)) {
      latest_sent_ = sent;
      latest_tsn_ = tsn;
      rtt_ = rtt;
    }
  }
  /// §6.2 step 4: the peer reported that a chunk came twice, so that we had been too quick.
  void duplicate_reported(Tsn next_tsn) {
    if (round_end_ && !highest_.value_or(*round_end_).newer_than(*round_end_)) return;  // once per round trip
    round_end_ = next_tsn;
    multiplier_ = std::min(multiplier_ + 1, kMaxMultiplier);
    recoveries_left_ = kRecoveriesToKeep;
  }
  void recovery_ended() {
    if (recoveries_left_ == 0 || --recoveries_left_ != 0) return;
    multiplier_ = 1;
  }

  /// §6.2 step 4. `beyond` chunks have been reported past a hole.
  Duration reordering_window(bool in_recovery, size_t beyond, Duration smoothed_rtt) const {
    if (!reordering_seen_ && (in_recovery || beyond >= kDuplicateThreshold)) return Duration::zero();
    if (min_rtt_ == Duration::max()) return Duration::zero();
    return std::min(multiplier_ * min_rtt_ / 4, smoothed_rtt);
  }
  /// §6.2 step 5: when the chunk is to be called lost; nothing if nothing that was sent after it has been delivered.
  std::optional<Time> lost_at(Tsn tsn, Time sent, Duration window) const {
    if (!sent_after(latest_sent_, latest_tsn_, sent, tsn)) return std::nullopt;
    return sent + rtt_ + window;
  }

 private:
  // Chunks of one batch have the same time; then the TSN tells.
  static bool sent_after(Time a_sent, Tsn a, Time b_sent, Tsn b) {
    return a_sent > b_sent || (a_sent == b_sent && a.newer_than(b));
  }

  static constexpr size_t kDuplicateThreshold = 3;
  static constexpr int kMaxMultiplier = 8;
  static constexpr int kRecoveriesToKeep = 16;

  Time latest_sent_ = Time::min();
  Tsn latest_tsn_;
  Duration rtt_{};
  Duration min_rtt_ = Duration::max();
  std::optional<Tsn> highest_;
  std::optional<Tsn> round_end_;
  int multiplier_ = 1;
  int recoveries_left_ = 0;
  bool reordering_seen_ = false;
};

}  // namespace kaon::sctp
