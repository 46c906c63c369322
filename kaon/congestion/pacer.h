// Spreads packets over time, a frame or a run of packets at once so that it leaves in one system call.
#pragma once

#include <array>

#include "kaon/base/counters.h"
#include "kaon/base/ring.h"
#include "kaon/base/time.h"
#include "kaon/base/units.h"
#include "kaon/rtp/packet.h"

namespace kaon::congestion {

/// Order of leaving. Audio is small and is not held back, but it is counted.
enum class Priority : uint8_t { Audio, Retransmission, Video, Padding, Count };

/// Holds packets until the pacing rate allows them. Not an endpoint: the owner gives packets and takes them when they
/// are due.
class Pacer {
 public:
  /// Each priority holds at most this many packets; more are dropped, the new ones.
  static constexpr size_t kMaxPackets = 4096;
  /// A run is what leaves at once: as much of a frame as the rate carries in this time, within the bounds below.
  static constexpr Duration kRunTime = std::chrono::milliseconds(10);
  static constexpr DataSize kMinRun = DataSize::bytes(3'000);
  static constexpr DataSize kMaxRun = DataSize::bytes(60'000);  ///< one UDP GSO send

  /// Infinite by default: everything leaves at once. A change counts for what leaves from now on.
  void set_rate(DataRate rate) { rate_ = rate; }
  DataRate rate() const { return rate_; }

  /// False if the queue is full. `wire_size` is what the packet will cost on the network.
  bool push(Priority priority, rtp::Packet packet, DataSize wire_size);
  /// The next packet that is due, null if none is; it stays until pop(). Take them until nothing comes, then send what
  /// came as one batch.
  const rtp::Packet* front(Time now);
  /// Takes out the packet that front() gave, which is not valid any more.
  void pop(Time now);
  /// When front() will give something; Time::min() if it does at once.
  Time next_timeout() const;

  size_t size() const { return packets_; }
  bool empty() const { return packets_ == 0; }
  DataSize queued() const { return queued_; }
  /// How long the queue takes at the current rate.
  Duration expected_delay() const { return queued_ / rate_; }
  uint64_t dropped(Priority priority) const { return dropped_[priority]; }
  /// Forgets a stream's packets, for example when its track is replaced.
  void drop(rtp::Ssrc ssrc);

 private:
  struct Item {
    rtp::Packet packet;
    DataSize size;
  };
  Ring<Item>& queue(Priority p) { return queues_[static_cast<size_t>(p)]; }
  const Ring<Item>& queue(Priority p) const { return queues_[static_cast<size_t>(p)]; }
  Ring<Item>* next_paced();

  std::array<Ring<Item>, static_cast<size_t>(Priority::Count)> queues_;
  Counters<Priority> dropped_;
  DataRate rate_ = DataRate::infinite();
  DataSize queued_;
  size_t packets_ = 0;
  /// When what has left so far is paid for.
  Time paid_{Time::min()};
  /// What may still leave in the current run.
  DataSize run_left_;
  Time run_started_{Time::min()};
  Ring<Item>* next_ = nullptr;  // where front() looked
};

}  // namespace kaon::congestion
