// How much may be in flight: the interface, and RFC 9260 §7.2 behind it. CUBIC and pacing are to be further
// implementations.
#pragma once

#include <algorithm>
#include <memory>

#include "kaon/sctp/types.h"

namespace kaon::sctp {

/// Called once per SACK or time-out, never per chunk.
class CongestionControl {
 public:
  struct Ack {
    Time now;
    size_t newly_acknowledged = 0;
    size_t in_flight_before = 0;
    bool cumulative_advanced = false;
    bool in_recovery = false;
    Duration smoothed_rtt{};
  };
  virtual ~CongestionControl() = default;
  virtual void on_ack(const Ack& ack) = 0;
  /// A loss seen by SACKs; once per round trip.
  virtual void on_loss(Time now) = 0;
  virtual void on_timeout(Time now) = 0;
  /// Nothing was sent for `idle` while the RTO was `rto`.
  virtual void on_idle(Duration idle, Duration rto) = 0;
  virtual size_t window() const = 0;
  virtual size_t slow_start_threshold() const = 0;
};

class NewReno final : public CongestionControl {
 public:
  explicit NewReno(const Config& config)
      : mtu_(config.max_packet_size),
        initial_(config.initial_window * mtu_),
        window_(initial_),
        threshold_(kUnlimited) {}

  void on_ack(const Ack& ack) override {
    // §7.2.1 and §7.2.2: the window grows only while it is what limits the sender.
    if (!ack.cumulative_advanced || ack.in_recovery || ack.in_flight_before < window_) return;
    if (window_ <= threshold_) {
      window_ += std::min(ack.newly_acknowledged, kSlowStartLimit * mtu_);
      return;
    }
    partial_ += ack.newly_acknowledged;
    if (partial_ < window_) return;
    partial_ -= window_;
    window_ += mtu_;
  }
  void on_loss(Time) override {
    threshold_ = std::max(window_ / 2, 4 * mtu_);
    window_ = threshold_;
    partial_ = 0;
  }
  void on_timeout(Time) override {
    threshold_ = std::max(window_ / 2, 4 * mtu_);
    window_ = mtu_;
    partial_ = 0;
  }
  // §7.2.1: an unused window says nothing about the path any more.
  void on_idle(Duration idle, Duration rto) override {
    for (; idle >= rto && rto > Duration::zero() && window_ > initial_; idle -= rto) {
      window_ = std::max(window_ / 2, initial_);
    }
  }
  size_t window() const override { return window_; }
  size_t slow_start_threshold() const override { return threshold_; }

 private:
  static constexpr size_t kUnlimited = size_t{1} << 40;
  // Growth per SACK in slow start; RFC 3465 §2.3 warns of stretch ACKs, which the burst limit of the sender deals with
  // here.
  static constexpr size_t kSlowStartLimit = 8;
  size_t mtu_;
  size_t initial_;
  size_t window_;
  size_t threshold_;
  size_t partial_ = 0;
};

}  // namespace kaon::sctp
