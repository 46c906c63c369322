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
  static constexpr Duration kMaxAge = std::chrono::seconds(2);

  struct Entry {
    int64_t sequence = 0;  // unwrapped
    rtp::Packet packet;
    Time sent{};  // first or last time
    uint8_t retransmissions = 0;
  };

  /// Packets come in the order of their sequence numbers; others are not kept.
  void push(rtp::Packet packet, Time now);
  /// Nothing if it is not there any more.
  Entry* find(rtp::SequenceNumber sequence);
  /// The newest packet with a payload, for padding probes.
  const Entry* newest() const { return entries_.empty() ? nullptr : &entries_.back(); }
  size_t size() const { return entries_.size(); }
  DataSize bytes() const { return bytes_; }
  void clear();

 private:
  void drop_front();
  Ring<Entry> entries_;
  DataSize bytes_;
  Unwrapper<uint16_t> unwrapper_;
};

}  // namespace kaon::interceptor
