// Retransmission streams. RFC 4588 §4.
#pragma once

#include <optional>

#include "kaon/rtp/packet.h"

namespace kaon::interceptor {

/// Where a stream's retransmissions go.
struct RtxStream {
  rtp::Ssrc ssrc;
  uint8_t payload_type = 0;
};

/// The packet inside a retransmission: original sequence number, SSRC and payload type, same timestamp and marker.
/// Nothing if it is padding only, as probes for bandwidth are.
std::optional<rtp::Packet> restore_from_rtx(rtp::Packet rtx, rtp::Ssrc media_ssrc, uint8_t media_payload_type);

/// The retransmission of `packet` on its own stream; its payload stays shared.
rtp::Packet wrap_for_rtx(rtp::Packet packet, const RtxStream& rtx, rtp::SequenceNumber rtx_sequence);

}  // namespace kaon::interceptor
