// CUBIC, RFC 9438, in bytes.
#include <algorithm>
#include <cmath>
#include <utility>

#include "kaon/sctp/congestion_control.h"
#include "kaon/sctp/internal/delay_bound.h"
#include "kaon/sctp/internal/hystart.h"

namespace kaon::sctp {
namespace {

constexpr double kC = 0.4;                                       // §5.1, segments per second³
constexpr double kBeta = 0.7;                                    // §4.6
constexpr double kSlowGrowth = 0.25;                             // RFC 9406 §4.3, CSS_GROWTH_DIVISOR
constexpr double kFastConvergence = (1 + kBeta) / 2;             // §4.7
constexpr double kRenoIncrease = 3 * (1 - kBeta) / (1 + kBeta);  // §4.3

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

class Cubic final : public CongestionControl {
 public:
  Cubic(size_t packet_size, size_t initial_window, bool always_bound)
      : packet_(static_cast<double>(packet_size)),
        initial_(static_cast<double>(initial_window)),
        window_(static_cast<double>(initial_window)),
        always_bound_(always_bound),
        bound_(always_bound) {}

  void on_ack(const Ack& ack) override {
    if (ack.rtt) rtt_ = *ack.rtt;
    const double filled = std::min(window_, flight_of_round(ack));
    if (!bound_) {
      delay_.watch(ack.rtt, ack.round_ended, ack.now);
    } else {
      // Also where the peer's window holds data back, or a buffer, a queue of ours may stand.
      const bool ours = ack.window_limited || 2 * filled >= window_;
      const auto keep = delay_.on_ack(ack.rtt, ours, ack.round_ended, ack.now);
      // A loss has cut already; the queue that it tells of is the same.
      if (keep && !ack.in_recovery) return reduce(std::max(filled * *keep, 4 * packet_));
      // Or else, when the peer's window opens, all at once would go out that ours had grown to meanwhile.
      if (ack.peer_limited) return;
    }
    if (ack.in_recovery || !ack.window_limited) return;
    if (window_ < threshold_) {
      slow_start(ack);
    } else {
      avoid(ack);
    }
  }
  // The curve begins here and not when the recovery is over, which on a long path with a small window is a good part of
  // it.
  void on_loss(Time now) override {
    lose(threshold_after_loss());
    begin_epoch(now);
  }
  void on_timeout(Time) override {
    lose(threshold_after_loss());
    window_ = packet_;
  }
  // §5.8: time in which nothing was sent is no time in which the path was tried. RFC 9260 §7.2.1: an unused window says
  // nothing about the path any more.
  void on_idle(Duration idle, Duration rto) override {
    if (epoch_) *epoch_ += idle;
    for (; idle >= rto && rto > Duration::zero() && window_ > initial_; idle -= rto) {
      window_ = std::max(window_ / 2, initial_);
    }
  }
  void share_path(bool shared) override {
    bound_ = always_bound_ || shared;
    delay_.set_shared(shared);
  }
  void set_packet_size(size_t size) override { packet_ = static_cast<double>(size); }
  size_t window() const override { return static_cast<size_t>(window_); }
  size_t slow_start_threshold() const override { return static_cast<size_t>(threshold_); }

 private:
  void slow_start(const Ack& ack) {
    const auto acknowledged = static_cast<double>(ack.newly_acknowledged);
    // RFC 9406 §4.1: HyStart++ is for the first slow start; later ones know their threshold.
    if (threshold_ != static_cast<double>(kUnlimited)) {
      window_ += acknowledged;
      return;
    }
    switch (hystart_.on_ack(ack.rtt, ack.round_ended)) {
      case HyStart::Growth::Fast: window_ += acknowledged; break;
      case HyStart::Growth::Slow: window_ += acknowledged * kSlowGrowth; break;
      case HyStart::Growth::Over: threshold_ = window_; break;
    }
  }

  // §4.2 to §4.5.
  void avoid(const Ack& ack) {
    if (!epoch_) begin_epoch(ack.now);
    const double t = seconds(ack.now - *epoch_);
    const auto acknowledged = static_cast<double>(ack.newly_acknowledged);
    // §4.3: never slower than Reno would be.
    reno_ += (reno_ < prior_ ? kRenoIncrease : 1.0) * acknowledged / window_ * packet_;
    if (curve(t) < reno_) {
      window_ = std::max(window_, reno_);
      return;
    }
    const double target = std::clamp(curve(t + seconds(ack.smoothed_rtt)), window_, 1.5 * window_);
    window_ += (target - window_) / window_ * acknowledged;
  }
  void begin_epoch(Time now) {
    epoch_ = now;
    reno_ = window_;
    maximum_ = std::max(maximum_, window_);
    k_ = std::cbrt((maximum_ - window_) / packet_ / kC);
  }
  double curve(double t) const { return kC * std::pow(t - k_, 3) * packet_ + maximum_; }

  // The most that was under way in this round.
  double flight_of_round(const Ack& ack) {
    flight_ = std::max(flight_, static_cast<double>(ack.in_flight_before));
    return ack.round_ended ? std::exchange(flight_, 0) : flight_;
  }

  double threshold_after_loss() const { return std::max(window_ * kBeta, 4 * packet_); }
  // §4.6 and §4.7.
  void reduce(double to) {
    prior_ = window_;
    maximum_ = window_ < maximum_ ? window_ * kFastConvergence : window_;
    window_ = threshold_ = to;
    epoch_.reset();
  }
  // W_max is where the curve stays longest. At the window that lost packets a queue would nearly always be full; behind
  // a short one the path itself is full at a little less, in a cycle that is as long (docs/benchmarks.md), but at no
  // less than fast convergence would leave. And there fast convergence waits until the curve has once reached W_max:
  // before that it is slow start's guess, up to twice what the path takes, and to fall short of it does not tell that
  // another flow has come.
  void lose(double to) {
    known_ = known_ || (window_ >= threshold_ && window_ >= maximum_);
    const double lost = window_;
    const bool fell_short = known_ && window_ < maximum_;
    reduce(to);
    const double full = part_that_fills();
    if (full >= kFastConvergence && !fell_short) maximum_ = lost * full;
  }
  // Of a window: what is under way and not in a queue.
  double part_that_fills() const { return rtt_ <= delay_.base() ? 1 : seconds(delay_.base()) / seconds(rtt_); }

  double packet_;
  double initial_;
  double window_;
  double threshold_ = static_cast<double>(kUnlimited);
  double maximum_ = 0;  // W_max
  double prior_ = 0;    // cwnd_prior
  double reno_ = 0;     // W_est
  double k_ = 0;
  double flight_ = 0;
  Duration rtt_{};      // the last
  bool known_ = false;  // maximum_ was reached by the curve
  std::optional<Time> epoch_;
  HyStart hystart_;
  DelayBound delay_;
  bool always_bound_;
  bool bound_;
};

}  // namespace

std::unique_ptr<CongestionControl> make_cubic(size_t packet_size, size_t initial_window) {
  return std::make_unique<Cubic>(packet_size, initial_window, false);
}

std::unique_ptr<CongestionControl> make_delay_cubic(size_t packet_size, size_t initial_window) {
  return std::make_unique<Cubic>(packet_size, initial_window, true);
}

}  // namespace kaon::sctp
