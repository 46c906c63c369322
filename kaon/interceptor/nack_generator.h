// Finds out what is missing and when to ask for it. RFC 4585 §6.2.1.
#pragma once

#include <span>

#include "kaon/base/ring.h"
#include "kaon/base/time.h"
#include "kaon/rtp/header.h"

namespace kaon::interceptor {

/// One per received media stream.
class NackGenerator {
 public:
  /// More missing packets than this are not asked for: a key frame is cheaper.
  static constexpr size_t kMaxMissing = 1000;
  /// A packet is asked for this often before it is given up.
  static constexpr uint8_t kMaxTries = 10;
  /// A packet this old is given up.
  static constexpr Duration kMaxAge = std::chrono::milliseconds(1500);
  /// A step back of more than this is a new numbering, not a late packet.
  static constexpr int64_t kMaxStepBack = 3000;
  /// A gap waits this long for packets that were only reordered.
  static constexpr Duration kReorderWait = std::chrono::milliseconds(5);
  static constexpr Duration kMinRetry = std::chrono::milliseconds(20);

  /// Packets are asked for again after a round trip, then ever more slowly.
  void set_round_trip(Duration rtt) { round_trip_ = rtt; }
  /// `sequence` as ReceiveStatistics unwrapped it; also for packets that RTX or FEC restored.
  void on_packet(int64_t sequence, Time now);
  /// Fills `out` with what is to be asked for now, ascending, and returns how many; call again while it is full.
  size_t poll(Time now, std::span<rtp::SequenceNumber> out);
  Time next_timeout() const { return next_; }
  /// What lies below is not waited for any more: it was played, or a key frame made it superfluous.
  void forget_before(int64_t sequence);
  /// True once after packets were given up: only a key frame helps.
  bool take_given_up() { return std::exchange(given_up_, false); }
  size_t missing() const { return count_; }

 private:
  struct Missing {
    int64_t sequence = 0;
    Time since{};
    Time next{};
    uint8_t tries = 0;
    bool arrived = false;
  };
  void add_gap(int64_t first, int64_t end, Time now);
  void mark_arrived(int64_t sequence);
  void drop_front();
  Duration retry_after(uint8_t tries) const;

  Ring<Missing> missing_;  // ascending; those that arrived leave when they reach the front
  size_t count_ = 0;       // of those that have not arrived
  int64_t expected_ = 0;
  bool started_ = false;
  bool given_up_ = false;
  Duration round_trip_ = std::chrono::milliseconds(100);
  Time next_ = kNever;
};

}  // namespace kaon::interceptor
