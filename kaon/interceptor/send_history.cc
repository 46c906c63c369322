#include "kaon/interceptor/send_history.h"

namespace kaon::interceptor {

void SendHistory::drop_front() {
  bytes_ -= DataSize::bytes(entries_.front().packet.payload_slice.size);
  entries_.pop_front();
}

void SendHistory::push(rtp::Packet packet, Time now) {
  const int64_t sequence = unwrapper_.peek(packet.header.sequence.value());
  if (!entries_.empty() && sequence <= entries_.back().sequence) return;
  unwrapper_.unwrap(packet.header.sequence.value());
  const DataSize size = DataSize::bytes(packet.payload_slice.size);
  while (!entries_.empty() &&
         (entries_.size() == kMaxPackets || bytes_ + size > kMaxSize || now - entries_.front().sent > kMaxAge)) {
    drop_front();
  }
  entries_.push_back({.sequence = sequence, .packet = std::move(packet), .sent = now, .retransmissions = 0});
  bytes_ += size;
}

SendHistory::Entry* SendHistory::find(rtp::SequenceNumber sequence) {
  if (entries_.empty()) return nullptr;
  const int64_t wanted = unwrapper_.peek(sequence.value());
  size_t low = 0;
  size_t high = entries_.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (entries_[middle].sequence < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == entries_.size() || entries_[low].sequence != wanted) return nullptr;
  return &entries_[low];
}

void SendHistory::clear() {
  entries_.clear();
  bytes_ = {};
}

}  // namespace kaon::interceptor
