#include "kaon/interceptor/send_history.h"

namespace kaon::interceptor {

void SendHistory::drop_front() {
  bytes_ -= DataSize::bytes(entries_.front().payload.size);
  entries_.pop_front();
}

void SendHistory::push(const rtp::Packet& packet, Time now) {
  const int64_t sequence = unwrapper_.peek(packet.header.sequence.value());
  if (!entries_.empty() && sequence <= entries_.back().sequence) return;
  unwrapper_.unwrap(packet.header.sequence.value());
  const DataSize size = DataSize::bytes(packet.payload_slice.size);
  while (!entries_.empty() &&
         (entries_.size() == kMaxPackets || bytes_ + size > kMaxSize || now - entries_.front().sent > kMaxAge)) {
    drop_front();
  }
  ssrc_ = packet.header.ssrc;
  entries_.push_back({.sequence = sequence,
                      .sent = now,
                      .buffer = packet.buffer,
                      .payload = packet.payload_slice,
                      .dependency_descriptor = packet.dependency_descriptor_slice,
                      .video_layers_allocation = packet.video_layers_allocation_slice,
                      .color_space = packet.color_space_slice,
                      .timestamp = packet.header.timestamp,
                      .payload_type = packet.header.payload_type,
                      .marker = packet.header.marker,
                      .retransmissions = 0,
                      .extensions = packet.extensions});
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

rtp::Packet SendHistory::packet(const Entry& entry) const {
  rtp::Packet packet;
  packet.header.marker = entry.marker;
  packet.header.payload_type = entry.payload_type;
  packet.header.sequence = rtp::SequenceNumber(static_cast<uint16_t>(entry.sequence));
  packet.header.timestamp = entry.timestamp;
  packet.header.ssrc = ssrc_;
  packet.buffer = entry.buffer;
  packet.payload_slice = entry.payload;
  packet.dependency_descriptor_slice = entry.dependency_descriptor;
  packet.video_layers_allocation_slice = entry.video_layers_allocation;
  packet.color_space_slice = entry.color_space;
  packet.extensions = entry.extensions;
  packet.time = entry.sent;
  return packet;
}

void SendHistory::clear() {
  entries_.clear();
  bytes_ = {};
}

}  // namespace kaon::interceptor
