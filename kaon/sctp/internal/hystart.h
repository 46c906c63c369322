// When slow start is to end before it loses packets: HyStart++, RFC 9406.
#pragma once

#include <algorithm>
#include <optional>

#include "kaon/base/time.h"

namespace kaon::sctp {

/// Watches the smallest round-trip time of each round. A rise tells of a queue: then the window grows slowly for some
/// rounds ("conservative slow start"), and if the rise stays, slow start is over.
class HyStart {
 public:
  enum class Growth : uint8_t { Fast, Slow, Over };

  /// RFC 9406 §4.2, once per acknowledgement in slow start.
  Growth on_ack(std::optional<Duration> rtt, bool round_ended) {
    if (rtt) {
      current_min_ = std::min(current_min_, *rtt);
      ++samples_;
    }
    if (samples_ >= kSamples && !conservative_rounds_) {
      if (last_min_ != kNone && current_min_ >= last_min_ + std::clamp(last_min_ / 8, kMinRise, kMaxRise)) {
        baseline_ = current_min_;
        conservative_rounds_ = 0;
      }
    } else if (samples_ >= kSamples && current_min_ < baseline_) {
      conservative_rounds_.reset();  // it was no queue
    }
    if (round_ended) {
      last_min_ = current_min_;
      current_min_ = kNone;
      samples_ = 0;
      if (conservative_rounds_ && ++*conservative_rounds_ > kConservativeRounds) return Growth::Over;
    }
    return conservative_rounds_ ? Growth::Slow : Growth::Fast;
  }

 private:
  static constexpr Duration kNone = Duration::max();
  static constexpr Duration kMinRise = std::chrono::milliseconds(4);
  static constexpr Duration kMaxRise = std::chrono::milliseconds(16);
  static constexpr int kSamples = 8;
  static constexpr int kConservativeRounds = 5;

  Duration last_min_ = kNone;
  Duration current_min_ = kNone;
  Duration baseline_ = kNone;
  int samples_ = 0;
  std::optional<int> conservative_rounds_;
};

}  // namespace kaon::sctp
