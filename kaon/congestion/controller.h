// Where a congestion controller plugs in.
#pragma once

#include <optional>
#include <span>

#include "kaon/base/time.h"
#include "kaon/base/units.h"

namespace kaon::congestion {

/// What feedback says about one sent packet.
struct PacketResult {
  int64_t sequence = 0;  ///< unwrapped transport-wide sequence number
  DataSize size;
  Time sent{};
  /// By the receiver's clock, whose zero is arbitrary; nothing if it was reported lost.
  std::optional<Duration> received;
};

/// One feedback message.
struct TransportReport {
  Time now{};
  std::span<const PacketResult> packets;  ///< ascending; each packet is reported received at most once
  DataSize in_flight;                     ///< sent and not yet reported
  Duration round_trip{};                  ///< from the newest packet of the report; its receiver's delay included
};

/// Chooses how much to send. One per transport; called per feedback message, never per packet, on the connection's
/// loop.
class Controller {
 public:
  virtual ~Controller() = default;
  virtual void on_report(const TransportReport& report) = 0;
  /// Receiver estimated maximum bitrate: an upper bound, infinite when lifted.
  virtual void on_receiver_limit(DataRate limit, Time now) = 0;
  virtual void handle_timeout(Time now) = 0;
  virtual Time next_timeout() const = 0;
  /// For the encoders together.
  virtual DataRate target_rate() const = 0;
  /// For the pacer: above the target, so that a frame leaves within its interval.
  virtual DataRate pacing_rate() const = 0;
};

}  // namespace kaon::congestion
