// How much may be in flight: a part that can be replaced.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "kaon/base/time.h"

namespace kaon::sctp {

/// Decides the congestion window of one association. Called once per SACK, loss or time-out, never per chunk; sizes are
/// bytes with chunk headers. What is below the window leaves at pacing_gain() windows per round trip.
class CongestionControl {
 public:
  struct Ack {
    Time now;
    size_t newly_acknowledged = 0;
    size_t in_flight_before = 0;
    /// The window (or the pacing by it), not the application or the peer, held data back: it may grow.
    bool window_limited = false;
    /// The peer's receive window did.
    bool peer_limited = false;
    bool cumulative_advanced = false;
    bool in_recovery = false;
    /// All that was in flight when the last round began has been acknowledged.
    bool round_ended = false;
    /// Of a chunk sent once.
    std::optional<Duration> rtt = {};
    Duration smoothed_rtt{};
  };
  virtual ~CongestionControl() = default;
  virtual void on_ack(const Ack& ack) = 0;
  /// A loss seen by SACKs; once per round trip.
  virtual void on_loss(Time now) = 0;
  virtual void on_timeout(Time now) = 0;
  /// Nothing was sent for `idle` while the RTO was `rto`.
  virtual void on_idle(Duration idle, Duration rto) = 0;
  /// Path MTU discovery found that packets may have this size.
  virtual void set_packet_size(size_t size) = 0;
  /// Something that must not wait shares the path (or no longer does): keep the queue before the bottleneck short.
  /// Without effect where a control knows no way.
  virtual void share_path(bool) {}
  virtual size_t window() const = 0;
  virtual size_t slow_start_threshold() const = 0;
  /// In slow start twice the rate of the window, so that it can double; later a little above it.
  double pacing_gain() const { return window() < slow_start_threshold() ? 2.0 : 1.25; }

  /// "No threshold yet".
  static constexpr size_t kUnlimited = size_t{1} << 40;
};

/// `packet_size` and `initial_window` in bytes.
using CongestionControlFactory = std::unique_ptr<CongestionControl> (*)(size_t packet_size, size_t initial_window);
/// CUBIC (RFC 9438) with HyStart++ (RFC 9406). While the path is shared it is as make_delay_cubic.
std::unique_ptr<CongestionControl> make_cubic(size_t packet_size, size_t initial_window);
/// CUBIC that also gives way when a queue stands before the bottleneck: for messages that must not wait behind a bulk
/// transfer. Round trips that all stay above the path's own by more than a tenth of it (at least 10 ms) shrink the
/// window to what fills the path; while the path is shared half as much is allowed. Beside a sender that fills the
/// queue until it loses packets it gets less than its share.
std::unique_ptr<CongestionControl> make_delay_cubic(size_t packet_size, size_t initial_window);
/// RFC 9260 §7.2.
std::unique_ptr<CongestionControl> make_new_reno(size_t packet_size, size_t initial_window);

}  // namespace kaon::sctp
