#include "kaon/interceptor/rtx.h"

namespace kaon::interceptor {

// RFC 4588 §4: | RTP header | OSN (16) | original payload |
std::optional<rtp::Packet> restore_from_rtx(rtp::Packet rtx, rtp::Ssrc media_ssrc, uint8_t media_payload_type) {
  const ByteView payload = rtx.payload();
  if (payload.size() < 2) return std::nullopt;
  rtx.header.sequence = rtp::SequenceNumber(load_be16(payload.data()));
  rtx.header.ssrc = media_ssrc;
  rtx.header.payload_type = media_payload_type;
  rtx.payload_slice.offset = static_cast<uint16_t>(rtx.payload_slice.offset + 2);
  rtx.payload_slice.size = static_cast<uint16_t>(rtx.payload_slice.size - 2);
  rtx.recovered = true;
  // The transport-wide number belongs to the packet on the wire, not to the one inside.
  rtx.extensions.transport_sequence.reset();
  if (!rtx.repaired_rid.empty()) rtx.rid = std::exchange(rtx.repaired_rid, {});
  return rtx;
}

rtp::Packet wrap_for_rtx(rtp::Packet packet, const RtxStream& rtx, rtp::SequenceNumber rtx_sequence) {
  packet.original_sequence = packet.header.sequence;
  packet.header.sequence = rtx_sequence;
  packet.header.ssrc = rtx.ssrc;
  packet.header.payload_type = rtx.payload_type;
  // RFC 8852 §4.2: a repair stream names the stream it repairs, not itself.
  if (!packet.rid.empty()) packet.repaired_rid = std::exchange(packet.rid, {});
  packet.padding_size = 0;
  return packet;
}

}  // namespace kaon::interceptor
