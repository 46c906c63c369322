// How large packets may be: datagram packetization layer path MTU discovery, RFC 8899 §5 and §6.2.
#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include "kaon/base/time.h"
#include "kaon/sctp/types.h"

namespace kaon::sctp {

/// Tries larger and larger packets, each by a HEARTBEAT padded to that size; an acknowledged one is the new size. Sizes
/// are those of SCTP packets. Only a sender of bulk data searches.
class PathMtu {
 public:
  PathMtu(size_t base, size_t most) : base_(base), most_(most), size_(base) {}

  size_t size() const { return size_; }
  /// Of all sizes used so far: a chunk once made can only be sent whole.
  size_t largest() const { return largest_ > size_ ? largest_ : size_; }
  /// The size to try next, if it is time for it. The first is the base: that it works is to be known, too.
  std::optional<size_t> due(Time now) const {
    if (most_ <= base_ || outstanding_ || now < not_before_) return std::nullopt;
    if (!confirmed_) return base_;
    for (const size_t step : kSteps) {
      if (step > size_ && step <= most_) return step;
    }
    return std::nullopt;
  }
  void sent(size_t size, uint64_t nonce, Time now, Duration timeout) {
    outstanding_ = Probe{size, nonce, now + timeout};
    ++attempts_;
  }
  /// True if it answers the probe that is out.
  bool acknowledged(uint64_t nonce) {
    if (!outstanding_ || outstanding_->nonce != nonce) return false;
    confirmed_ = true;
    size_ = std::max(size_, outstanding_->size);
    largest_ = std::max(largest_, size_);
    outstanding_.reset();
    attempts_ = 0;
    return true;
  }
  Time timeout() const { return outstanding_ ? outstanding_->timeout : kNever; }
  /// §5.1.2, MAX_PROBES and PMTU_RAISE_TIMER.
  void handle_timeout(Time now) {
    if (!outstanding_ || now < outstanding_->timeout) return;
    outstanding_.reset();
    if (attempts_ < kMaxProbes) return;
    attempts_ = 0;
    not_before_ = now + kRaiseTimer;
  }
  /// The path has changed, or carries nothing of this size any more (§4.3).
  void reset() {
    size_ = base_;
    outstanding_.reset();
    attempts_ = 0;
    confirmed_ = false;
    not_before_ = Time{};
  }

 private:
  // Below IPv6, UDP, a ChannelData header and a DTLS record: a tunnel, Ethernet, jumbo frames; and four to a run of
  // segments of 64 KiB, which a loopback or virtual network carries.
  static constexpr std::array<size_t, 4> kSteps = {1328, 1408, 8908, 16212};
  static_assert(kSteps.back() <= kMaxPacketSize);
  static constexpr int kMaxProbes = 3;
  static constexpr Duration kRaiseTimer = std::chrono::seconds(600);
  struct Probe {
    size_t size;
    uint64_t nonce;
    Time timeout;
  };

  size_t base_;
  size_t most_;
  size_t size_;
  size_t largest_ = 0;
  std::optional<Probe> outstanding_;
  Time not_before_{};
  int attempts_ = 0;
  bool confirmed_ = false;
};

}  // namespace kaon::sctp
