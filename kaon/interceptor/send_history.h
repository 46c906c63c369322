// What was sent, for retransmission.
#pragma once

#include "kaon/base/ring.h"
#include "kaon/base/time.h"
#include "kaon/base/units.h"
#include "kaon/rtp/packet.h"

namespace kaon::interceptor {

/// One per sent media stream. Holds plaintext packets whose payloads are shared with whoever else sends them.
class SendHistory {
 public:
  static constexpr size_t kMaxPackets = 2048;
  static constexpr DataSize kMaxSize = DataSize::bytes(4 << 20);
  /// Older packets are of no use to a receiver.
  static constexpr Duration kMaxAge = std::chrono::seconds(1);

  /// What is needed to send a packet again: half of what rtp::Packet takes, and there are hundreds.
  struct Entry {
    int64_t sequence = 0;  // unwrapped
    Time sent{};           // first or last time
    SharedBuffer buffer;
    rtp::Slice payload;
    rtp::Slice dependency_descriptor;
    rtp::Slice video_layers_allocation;
    rtp::Slice color_space;
    rtp::Timestamp timestamp;
    uint8_t payload_type = 0;
    bool marker = false;
    uint8_t retransmissions = 0;
    rtp::ExtensionValues extensions;
  };

  /// Packets come in the order of their sequence numbers; others are not kept.
  void push(const rtp::Packet& packet, Time now);
  /// Nothing if it is not there any more.
  Entry* find(rtp::SequenceNumber sequence);
  /// The packet as it was pushed, without contributing sources, padding and texts.
  rtp::Packet packet(const Entry& entry) const;
  /// The newest packet with a payload, for padding probes.
  const Entry* newest() const { return entries_.empty() ? nullptr : &entries_.back(); }
  size_t size() const { return entries_.size(); }
  DataSize bytes() const { return bytes_; }
  void clear();

 private:
  void drop_front();
  Ring<Entry> entries_;
  rtp::Ssrc ssrc_;
  DataSize bytes_;
  Unwrapper<uint16_t> unwrapper_;
};

}  // namespace kaon::interceptor
