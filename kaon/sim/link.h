// One direction of a link: delay, rate, queue and everything that goes wrong on the way.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "kaon/base/random.h"
#include "kaon/base/ring.h"
#include "kaon/base/units.h"
#include "kaon/net/datagram.h"

namespace kaon::sim {

/// Loss in bursts (Gilbert and Elliott): two states, good and bad, with one step per packet.
struct BurstLoss {
  /// Probability per packet of going from good to bad.
  double enter = 0;
  /// Probability per packet of going back; bursts are 1/leave packets long on average.
  double leave = 1;
  /// Probability that a packet sent in the bad state is lost.
  double loss = 1;
};

/// The default is a perfect link: no delay, no limit, no loss, an MTU of 1500.
struct LinkConfig {
  Duration delay{};
  /// Up to this much is added to each packet's delay, uniformly. Jitter alone never reorders.
  Duration jitter{};
  DataRate rate = DataRate::infinite();
  /// Packets and bytes that may wait for their turn to be sent, at a finite rate; what comes after is dropped (tail
  /// drop).
  size_t queue_packets = 1000;
  DataSize queue_size = DataSize::bytes(std::numeric_limits<int64_t>::max());
  /// ECN-capable packets that waited longer than this are marked CE (RFC 3168 §5, with a step threshold as in RFC
  /// 9331).
  Duration mark_above = Duration::max();
  /// Largest IP packet; larger ones vanish, as they do with "don't fragment" on a path without ICMP.
  size_t mtu = 1500;

  double loss = 0;
  BurstLoss burst{};
  double duplicate = 0;
  /// Probability that a packet is held back by `reorder_delay`, so that those behind it overtake.
  double reorder = 0;
  Duration reorder_delay = std::chrono::milliseconds(20);
};

struct LinkStats {
  uint64_t offered = 0;
  uint64_t delivered = 0;        ///< duplicates included
  uint64_t delivered_bytes = 0;  ///< with IP and UDP headers
  uint64_t lost = 0;
  uint64_t lost_in_blackout = 0;
  uint64_t dropped_queue_full = 0;
  uint64_t dropped_too_big = 0;
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  uint64_t marked = 0;
  Duration longest_wait{};
};

/// Decides what happens to each packet that enters; it keeps no packets itself.
class Link {
 public:
  /// What becomes of one packet: it arrives never, once or twice.
  struct Transit {
    std::array<Time, 2> at{};
    size_t count = 0;
    bool congestion_experienced = false;
  };

  Link(const LinkConfig& config, uint64_t seed) : config_(config), random_(seed) {}

  /// Calls must come in order of time. `size` is the IP packet's, headers included.
  Transit send(size_t size, net::Ecn ecn, Time now);

  const LinkConfig& config() const { return config_; }
  /// Takes effect for packets sent from now on; those already queued keep the time they were given.
  void configure(const LinkConfig& config) { config_ = config; }
  /// Everything sent before `until` is lost. kNever cuts the link for good, Time::min() repairs it.
  void blackout(Time until) { blackout_until_ = until; }
  /// Bytes and packets that wait at `now`.
  DataSize queued(Time now);
  const LinkStats& stats() const { return stats_; }

 private:
  struct Waiting {
    Time leaves;
    size_t size = 0;
  };

  bool chance(double probability);
  bool lost_at_random();
  void forget_departed(Time now);
  Time arrival(Time leaves);

  LinkConfig config_;
  SeededRandom random_;
  LinkStats stats_;
  Ring<Waiting> queue_;
  int64_t queued_bytes_ = 0;
  Time busy_until_ = Time::min();
  Time last_arrival_ = Time::min();
  Time blackout_until_ = Time::min();
  bool in_burst_ = false;
};

}  // namespace kaon::sim
