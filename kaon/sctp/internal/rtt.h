// Retransmission time-out, RFC 9260 §6.3.1.
#pragma once

#include <algorithm>

#include "kaon/sctp/types.h"

namespace kaon::sctp {

class RetransmissionTimeout {
 public:
  explicit RetransmissionTimeout(const Config& config)
      : min_(config.rto_min),
        max_(config.rto_max),
        backoff_max_(config.backoff_max),
        peer_sack_delay_(config.peer_sack_delay),
        rto_(config.rto_initial) {}

  void observe(Duration rtt) {
    rtt = std::max(rtt, Duration::zero());
    if (srtt_ == Duration::zero()) {
      srtt_ = std::max(rtt, Duration(1));
      rttvar_ = rtt / 2;
    } else {
      const Duration error = srtt_ > rtt ? srtt_ - rtt : rtt - srtt_;
      rttvar_ += (error - rttvar_) / 4;
      srtt_ = std::max(Duration(1), srtt_ + (rtt - srtt_) / 8);
    }
    // The peer may delay a SACK by 200 ms (§6.2), of which a steady measurement shows no variance.
    rto_ = std::clamp(srtt_ + std::max(4 * rttvar_, peer_sack_delay_), min_, max_);
    backoff_ = 0;
  }
  /// Something that had not been acknowledged was: the path is there again, and what it once took is known. (RFC 9260
  /// §6.3.3 waits for a fresh measurement, which under heavy loss does not come.)
  void progress() { backoff_ = 0; }
  /// E2: doubling, to the cap.
  void back_off() { backoff_ = std::min(backoff_ + 1, 16u); }

  Duration smoothed() const { return srtt_; }
  Duration current() const { return std::min(rto_ * (int64_t{1} << backoff_), std::max(rto_, backoff_max_)); }

 private:
  Duration min_;
  Duration max_;
  Duration backoff_max_;
  Duration peer_sack_delay_;
  Duration rto_;
  Duration srtt_{};
  Duration rttvar_{};
  uint32_t backoff_ = 0;
};

}  // namespace kaon::sctp
