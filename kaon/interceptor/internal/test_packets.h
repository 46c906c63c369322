// Packets for tests.
#pragma once

#include <vector>

#include "kaon/base/buffer.h"
#include "kaon/rtp/packet.h"

namespace kaon::interceptor::test {

struct PacketOptions {
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  bool marker = false;
  bool start = false;
  bool keyframe = false;
  Time time{};
  size_t size = 4;
  uint32_t ssrc = 1;
};

/// The payload repeats the low byte of the sequence number, so that a mix-up is seen.
inline rtp::Packet make_packet(BufferPool& pool, const PacketOptions& o) {
  Buffer payload = pool.allocate(o.size);
  for (uint8_t& byte : payload.bytes()) byte = static_cast<uint8_t>(o.sequence);
  rtp::Header header;
  header.marker = o.marker;
  header.payload_type = 96;
  header.sequence = rtp::SequenceNumber(o.sequence);
  header.timestamp = rtp::Timestamp(o.timestamp);
  header.ssrc = rtp::Ssrc(o.ssrc);
  rtp::Packet packet = rtp::Packet::from_payload(header, SharedBuffer(std::move(payload)), o.time);
  packet.frame.start_of_frame = o.start;
  packet.frame.keyframe = o.keyframe;
  return packet;
}

}  // namespace kaon::interceptor::test
