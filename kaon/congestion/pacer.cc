#include "kaon/congestion/pacer.h"

#include <algorithm>

namespace kaon::congestion {

bool Pacer::push(Priority priority, rtp::Packet packet, DataSize wire_size) {
  if (queue(priority).size() >= kMaxPackets) {
    dropped_.add(priority);
    return false;
  }
  queue(priority).push_back({.packet = std::move(packet), .size = wire_size});
  queued_ += wire_size;
  ++packets_;
  return true;
}

Ring<Pacer::Item>* Pacer::next_paced() {
  for (Priority priority : {Priority::Retransmission, Priority::Video, Priority::Padding}) {
    if (!queue(priority).empty()) return &queue(priority);
  }
  return nullptr;
}

rtp::Packet Pacer::take(Ring<Item>& queue, Time now) {
  Item item = queue.pop_front();
  queued_ -= item.size;
  --packets_;
  // Time in which nothing was sent is not saved up.
  paid_ = std::max(paid_, now) + item.size / rate_;
  return std::move(item.packet);
}

std::optional<rtp::Packet> Pacer::poll(Time now) {
  if (packets_ == 0) return std::nullopt;
  if (!queue(Priority::Audio).empty()) return take(queue(Priority::Audio), now);
  Ring<Item>* next = next_paced();
  if (rate_.is_infinite()) return take(*next, now);
  if (now >= paid_) {
    run_left_ = std::clamp(rate_ * kRunTime, kMinRun, kMaxRun);
    run_started_ = now;
  } else if (run_started_ != now || run_left_ <= DataSize()) {
    return std::nullopt;
  }
  run_left_ -= next->front().size;
  return take(*next, now);
}

Time Pacer::next_timeout() const {
  if (packets_ == 0) return kNever;
  if (!queue(Priority::Audio).empty() || rate_.is_infinite()) return Time::min();
  return paid_;
}

void Pacer::drop(rtp::Ssrc ssrc) {
  for (Ring<Item>& queue : queues_) {
    for (size_t n = queue.size(); n != 0; --n) {
      Item item = queue.pop_front();
      if (item.packet.header.ssrc != ssrc) {
        queue.push_back(std::move(item));
      } else {
        queued_ -= item.size;
        --packets_;
      }
    }
  }
}

}  // namespace kaon::congestion
