// Send side of transport-wide congestion control: numbers packets, remembers them, reads the feedback.
#pragma once

#include <optional>
#include <vector>

#include "kaon/base/ring.h"
#include "kaon/base/strong.h"
#include "kaon/base/time.h"
#include "kaon/congestion/controller.h"
#include "kaon/rtcp/transport_feedback.h"

namespace kaon::interceptor {

/// One per transport.
class TransportSequencer {
 public:
  /// Packets remembered until they are known to have arrived; older ones are forgotten and what feedback says about
  /// them is ignored.
  static constexpr size_t kMaxInFlight = 8192;
  /// Feedback comes every few round trips: about a packet this old none will.
  static constexpr Duration kMaxAge = std::chrono::seconds(3);

  /// The number for the next packet, for its header; follow with on_sent().
  uint16_t next() const { return static_cast<uint16_t>(next_); }
  /// The packet with number next() leaves; `size` is what it costs on the network.
  void on_sent(DataSize size, Time now);
  /// What the feedback says about packets of ours that were not known to have arrived, as a controller takes it. Valid
  /// until the next call; nothing if it speaks of no such packet.
  std::optional<congestion::TransportReport> on_feedback(const rtcp::TransportFeedback& feedback, Time now);

  DataSize in_flight() const { return in_flight_; }
  /// Feedback about packets that were never sent or are forgotten.
  uint64_t ignored() const { return ignored_; }

 private:
  struct Sent {
    Time time{};
    DataSize size;
    bool received = false;
    bool reported = false;
  };
  Sent* find(int64_t sequence);
  void forget_oldest();
  Duration unwrap_reference(int32_t reference_time);

  Ring<Sent> sent_;  // the last is number next_ - 1
  int64_t next_ = 1;
  DataSize in_flight_;
  std::optional<int32_t> last_reference_;
  int64_t reference_ = 0;  // unwrapped, 64 ms
  std::vector<congestion::PacketResult> results_;
  uint64_t ignored_ = 0;
};

}  // namespace kaon::interceptor
