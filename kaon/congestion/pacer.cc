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

const rtp::Packet* Pacer::front(Time now) {
  if (packets_ == 0) return nullptr;
  if (!queue(Priority::Audio).empty()) {
    next_ = &queue(Priority::Audio);
    return &next_->front().packet;
  }
  next_ = next_paced();
  if (!rate_.is_infinite()) {
    if (now >= paid_) {
      run_left_ = std::clamp(rate_ * kRunTime, kMinRun, kMaxRun);
      run_started_ = now;
    } else if (run_started_ != now || run_left_ <= DataSize()) {
      return nullptr;
    }
  }
  return &next_->front().packet;
}

void Pacer::pop(Time now) {
  const DataSize size = next_->front().size;
  next_->drop_front();
  queued_ -= size;
  --packets_;
  if (next_ != &queue(Priority::Audio) && !rate_.is_infinite()) run_left_ -= size;
  // Time in which nothing was sent is not saved up.
  paid_ = std::max(paid_, now) + size / rate_;
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
