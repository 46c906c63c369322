#include "kaon/sim/link.h"

#include <algorithm>

namespace kaon::sim {

bool Link::chance(double probability) {
  if (probability <= 0) return false;
  return static_cast<double>(random_.u64() >> 11) * 0x1p-53 < probability;
}

bool Link::lost_at_random() {
  if (config_.burst.enter > 0) {
    in_burst_ = in_burst_ ? !chance(config_.burst.leave) : chance(config_.burst.enter);
    if (in_burst_ && chance(config_.burst.loss)) return true;
  }
  return chance(config_.loss);
}

void Link::forget_departed(Time now) {
  while (!queue_.empty() && queue_.front().leaves <= now) {
    queued_bytes_ -= static_cast<int64_t>(queue_.pop_front().size);
  }
}

DataSize Link::queued(Time now) {
  forget_departed(now);
  return DataSize::bytes(queued_bytes_);
}

// When a packet that leaves the queue at `leaves` arrives. Jitter moves packets apart and together, but in a queue
// nobody overtakes: reordering is a fault of its own.
Time Link::arrival(Time leaves) {
  Time at = leaves + config_.delay;
  if (config_.jitter > Duration::zero()) {
    at += Duration(static_cast<int64_t>(random_.below(static_cast<uint64_t>(config_.jitter.count()) + 1)));
  }
  if (chance(config_.reorder)) {
    ++stats_.reordered;
    return at + config_.reorder_delay;
  }
  last_arrival_ = std::max(last_arrival_, at);
  return last_arrival_;
}

Link::Transit Link::send(size_t size, net::Ecn ecn, Time now) {
  ++stats_.offered;
  Transit transit;
  if (size > config_.mtu) {
    ++stats_.dropped_too_big;
    return transit;
  }
  if (now < blackout_until_) {
    ++stats_.lost_in_blackout;
    return transit;
  }
  forget_departed(now);
  if (!config_.rate.is_infinite() && (queue_.size() >= config_.queue_packets ||
                                      queued_bytes_ + static_cast<int64_t>(size) > config_.queue_size.bytes())) {
    ++stats_.dropped_queue_full;
    return transit;
  }
  Time leaves = now;
  if (!config_.rate.is_infinite()) {
    const Time starts = std::max(now, busy_until_);
    leaves = busy_until_ = starts + DataSize::bytes(static_cast<int64_t>(size)) / config_.rate;
    queue_.push_back({leaves, size});
    queued_bytes_ += static_cast<int64_t>(size);
    stats_.longest_wait = std::max(stats_.longest_wait, starts - now);
    if (starts - now > config_.mark_above && ecn != net::Ecn::NotEct) {
      transit.congestion_experienced = true;
      ++stats_.marked;
    }
  }
  // Lost on the wire, after the queue: a lost packet has used its share of the rate.
  if (lost_at_random()) {
    ++stats_.lost;
    return transit;
  }
  transit.at[transit.count++] = arrival(leaves);
  if (chance(config_.duplicate)) {
    ++stats_.duplicated;
    transit.at[transit.count++] = arrival(leaves);
  }
  stats_.delivered += transit.count;
  stats_.delivered_bytes += transit.count * size;
  return transit;
}

}  // namespace kaon::sim
