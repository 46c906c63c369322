// RFC 9260 §7.2.
#include <algorithm>

#include "kaon/sctp/congestion_control.h"

namespace kaon::sctp {
namespace {

class NewReno final : public CongestionControl {
 public:
  NewReno(size_t packet_size, size_t initial_window)
      : packet_(packet_size), initial_(initial_window), window_(initial_window) {}

  void on_ack(const Ack& ack) override {
    // §7.2.1 and §7.2.2: the window grows only while it is what limits the sender.
    if (!ack.cumulative_advanced || ack.in_recovery || !ack.window_limited) return;
    if (window_ < threshold_) {
      window_ += ack.newly_acknowledged;
      return;
    }
    partial_ += ack.newly_acknowledged;
    if (partial_ < window_) return;
    partial_ -= window_;
    window_ += packet_;
  }
  void on_loss(Time) override {
    threshold_ = std::max(window_ / 2, 4 * packet_);
    window_ = threshold_;
    partial_ = 0;
  }
  void on_timeout(Time) override {
    threshold_ = std::max(window_ / 2, 4 * packet_);
    window_ = packet_;
    partial_ = 0;
  }
  // §7.2.1: an unused window says nothing about the path any more.
  void on_idle(Duration idle, Duration rto) override {
    for (; idle >= rto && rto > Duration::zero() && window_ > initial_; idle -= rto) {
      window_ = std::max(window_ / 2, initial_);
    }
  }
  void set_packet_size(size_t size) override { packet_ = size; }
  size_t window() const override { return window_; }
  size_t slow_start_threshold() const override { return threshold_; }

 private:
  size_t packet_;
  size_t initial_;
  size_t window_;
  size_t threshold_ = kUnlimited;
  size_t partial_ = 0;
};

}  // namespace

std::unique_ptr<CongestionControl> make_new_reno(size_t packet_size, size_t initial_window) {
  return std::make_unique<NewReno>(packet_size, initial_window);
}

}  // namespace kaon::sctp
