// A model of the TCP of Linux with CUBIC, for the path of test_long_path.h. docs/benchmarks.md has its figures beside
// those of the kernel.
#pragma once

#include <cmath>

#include "kaon/sctp/test_long_path.h"

namespace kaon::sctp::test {

/// CUBIC's window as Linux computes it: in whole segments, of which a small window is made, and anew every 32nd of a
/// second at most, which on a short path is more than a round trip. C = 0.4, beta = 0.7, Reno's rate as the least, and
/// HyStart by delay and by the length of a train of acknowledgements.
class TcpWindow {
 public:
  uint64_t segments() const { return window_; }

  /// One more segment was delivered. `order` is its number, `next` that of the next to be sent.
  void on_ack(Duration rtt, uint64_t order, uint64_t next, Time now) {
    base_rtt_ = std::min(base_rtt_, rtt);
    if (window_ < threshold_) {
      ++window_;
      watch(rtt, order, next, now);
    } else {
      avoid(now);
    }
  }
  void on_loss() {
    maximum_ = window_ < maximum_ ? window_ * 17 / 20 : window_;
    window_ = threshold_ = std::max<uint64_t>(window_ * 7 / 10, 2);
    credit_ = 0;
    epoch_.reset();
  }
  void on_timeout() {
    on_loss();
    window_ = 1;
  }

 private:
  static constexpr uint64_t kLowWindow = 16;  // below it HyStart does not look
  static constexpr int kSamples = 8;
  static constexpr Duration kTrainGap = std::chrono::milliseconds(2);
  static constexpr Duration kUpdate = std::chrono::microseconds(31'250);
  static constexpr uint64_t kUnknown = 20;  // acknowledgements for one more while no loss has told of a maximum

  void watch(Duration rtt, uint64_t order, uint64_t next, Time now) {
    if (order >= round_end_) {
      round_end_ = next;
      round_start_ = last_ack_ = now;
      round_min_ = Duration::max();
      samples_ = 0;
    }
    if (window_ < kLowWindow || maximum_ != 0) return;
    if (now - last_ack_ <= kTrainGap) {
      last_ack_ = now;
      if (now - round_start_ > base_rtt_ / 2) threshold_ = window_;
    }
    round_min_ = std::min(round_min_, rtt);
    const Duration rise =
        std::clamp<Duration>(base_rtt_ / 8, std::chrono::milliseconds(4), std::chrono::milliseconds(16));
    if (++samples_ >= kSamples && round_min_ >= base_rtt_ + rise) threshold_ = window_;
  }
  void avoid(Time now) {
    ++acknowledged_;
    if (!epoch_ || updated_window_ != window_ || now - updated_ > kUpdate) update(now);
    if (credit_ >= per_segment_) {
      credit_ = 0;
      ++window_;
    }
    ++credit_;
  }
  void update(Time now) {
    updated_ = now;
    updated_window_ = window_;
    if (!epoch_) {
      epoch_ = now;
      origin_ = std::max(maximum_, window_);
      k_ = std::cbrt(static_cast<double>(origin_ - window_) / 0.4);
      acknowledged_ = 1;
      reno_ = window_;
    }
    const double t = std::chrono::duration<double>(now - *epoch_ + base_rtt_).count();
    const double target = static_cast<double>(origin_) + std::trunc(0.4 * std::pow(t - k_, 3));
    const double window = static_cast<double>(window_);
    per_segment_ = target > window ? static_cast<uint64_t>(window / (target - window)) : 100 * window_;
    if (maximum_ == 0) per_segment_ = std::min(per_segment_, kUnknown);
    for (const uint64_t round = window_ * 15 / 8; acknowledged_ > round; acknowledged_ -= round) ++reno_;
    if (reno_ > window_) per_segment_ = std::min(per_segment_, window_ / (reno_ - window_));
    per_segment_ = std::max<uint64_t>(per_segment_, 2);
  }

  uint64_t window_ = 10;
  uint64_t threshold_ = UINT64_MAX;
  uint64_t maximum_ = 0;  // at the last loss
  uint64_t origin_ = 0;   // of the curve
  uint64_t reno_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t per_segment_ = 0;  // acknowledgements for one segment more
  uint64_t credit_ = 0;       // acknowledgements since
  double k_ = 0;
  std::optional<Time> epoch_;
  Time updated_{};
  uint64_t updated_window_ = 0;
  Duration base_rtt_ = Duration::max();
  Duration round_min_ = Duration::max();
  Time round_start_{};
  Time last_ack_{};
  uint64_t round_end_ = 0;
  int samples_ = 0;
};

/// TCP with SACK that always has something to send: segments of 1448 bytes, no pacing, an acknowledgement for every
/// second one. One is lost when three later ones have arrived.
class TcpCubicFlow final : public Flow {
 public:
  explicit TcpCubicFlow(const LongPath& path) : TcpCubicFlow(path, bottleneck(path)) {}
  TcpCubicFlow(const LongPath& path, std::shared_ptr<sim::Link> link)
      : path_(path), link_(std::move(link)), meter_(path, kStart) {}

  Time next() const override { return acks_.empty() ? std::min(timeout_, held_at()) : acks_.front().at; }
  void act(Time now) override {
    while (!acks_.empty() && acks_.front().at <= now) {
      on_ack(acks_.front().order, now);
      acks_.pop_front();
    }
    if (held_at() <= now) on_ack(std::exchange(held_, std::nullopt)->order, now);
    if (acks_.empty() && timeout_ <= now) on_timeout();
    send(now);
  }
  Figures figures() const override { return meter_.result(); }

 private:
  static constexpr size_t kSegment = 1448;
  static constexpr size_t kPacket = 1500;
  static constexpr Duration kDelayedAck = std::chrono::milliseconds(40);
  struct Flying {
    uint64_t order;
    Time sent;
    bool arrived = false;
  };
  struct Ack {
    Time at;
    uint64_t order;
  };

  // What was lost is sent again before anything new, which costs the path the same: only the number of segments counts.
  void send(Time now) {
    if (path_.tcp_runs && waits_for_a_run(now)) return;
    while (flight_.size() - arrived_ < window_.segments()) {
      const auto transit = link_->send(kPacket, net::Ecn::NotEct, now);
      flight_.push_back({next_, now});
      if (transit.count != 0) {
        acknowledge(transit.at[0], next_);
        meter_.queued(waited(link_->config(), transit, kPacket, now), now);
      } else {
        hole_until_ = now + path_.rtt * 3 / 2;
      }
      timeout_ = now + std::max<Duration>(2 * path_.rtt, std::chrono::milliseconds(200));
      ++next_;
    }
  }

  // Unless the acknowledgement that would make room is long in coming. A run is at least two segments, and no more than
  // a third of the window.
  bool waits_for_a_run(Time now) const {
    const uint64_t out = flight_.size() - arrived_;
    if (out == 0 || out >= window_.segments() || smoothed_rtt_ == Duration::zero()) return false;
    if (now - flight_.front().sent < smoothed_rtt_ / 2) return false;
    const double rate =
        1.2 * static_cast<double>(window_.segments()) / std::chrono::duration<double>(smoothed_rtt_).count();
    const uint64_t run = std::clamp<uint64_t>(static_cast<uint64_t>(rate / 1024), 2, 44);
    return window_.segments() - out < std::min(run, window_.segments() / 3);
  }

  // The first of two waits for the second; while there is a hole none waits.
  void acknowledge(Time arrival, uint64_t order) {
    const Time at = arrival + path_.rtt / 2;
    if (held_) {
      acks_.push_back({std::min(at, held_at()), std::exchange(held_, std::nullopt)->order});
      acks_.push_back({at, order});
    } else if (arrival < hole_until_) {
      acks_.push_back({at, order});
    } else {
      held_ = Ack{at, order};
    }
  }
  Time held_at() const { return held_ ? held_->at + kDelayedAck : kNever; }

  void on_timeout() {
    flight_.clear();
    arrived_ = 0;
    window_.on_timeout();
    recovery_ = next_;
    timeout_ = kNever;
  }
  void on_ack(uint64_t order, Time now) {
    meter_.delivered(kSegment, now);
    if (flight_.empty() || order < flight_.front().order) return;  // called lost before
    Flying& flying = flight_[order - flight_.front().order];
    flying.arrived = true;
    ++arrived_;
    const Duration rtt = now - flying.sent;
    smoothed_rtt_ = smoothed_rtt_ == Duration::zero() ? rtt : smoothed_rtt_ + (rtt - smoothed_rtt_) / 8;
    bool loss = false;
    uint64_t newest_lost = 0;
    while (!flight_.empty() && (flight_.front().arrived || flight_.front().order + 3 <= order)) {
      if (flight_.front().arrived) {
        --arrived_;
      } else {
        loss = true;
        newest_lost = flight_.front().order;
      }
      flight_.pop_front();
    }
    if (loss && newest_lost >= recovery_) {
      window_.on_loss();
      recovery_ = next_;
    } else if (order >= recovery_) {
      window_.on_ack(rtt, order, next_, now);
    }
  }

  LongPath path_;
  std::shared_ptr<sim::Link> link_;
  Meter meter_;
  TcpWindow window_;
  std::deque<Flying> flight_;
  std::deque<Ack> acks_;
  std::optional<Ack> held_;
  Time hole_until_{};
  Duration smoothed_rtt_{};
  Time timeout_ = kNever;
  size_t arrived_ = 0;  // in flight_
  uint64_t next_ = 0;
  uint64_t recovery_ = 0;
};

}  // namespace kaon::sctp::test
