// Sequence numbers of 16 bits as packet indices of 48 bits, and the size of an RTP header.
#pragma once

#include <cstdint>
#include <optional>

#include "kaon/base/bytes.h"

namespace kaon::srtp::internal {

inline constexpr uint64_t kMaxRtpIndex = (uint64_t{1} << 48) - 1;
inline constexpr uint64_t kMaxRtcpIndex = 0x7fffffff;

// RFC 3711 §3.3.1 and appendix A: of the indices with these 16 bits the nearest to the highest one so far. Before the
// first rollover there is no counter to go back to.
inline uint64_t estimate_index(uint64_t highest, uint16_t sequence) {
  constexpr uint64_t kHalf = 0x8000;
  constexpr uint64_t kRollover = 0x10000;
  const uint64_t same_rollover = highest / kRollover * kRollover + sequence;
  if (same_rollover > highest + kHalf && highest >= kRollover) return same_rollover - kRollover;
  if (same_rollover + kHalf < highest) return same_rollover + kRollover;
  return same_rollover;
}

// RFC 3550 §5.1 and §5.3.1. Only what stays in the clear is looked at.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |                           timestamp                           |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |                             SSRC                              |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |        CC times CSRC; if X: profile, length, extension        |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
inline std::optional<size_t> rtp_header_size(ByteView packet) {
  constexpr size_t kFixedSize = 12;
  if (packet.size() < kFixedSize || packet[0] >> 6 != 2) return std::nullopt;
  size_t size = kFixedSize + 4 * size_t{packet[0] & 0x0fu};
  if ((packet[0] & 0x10) != 0) {
    if (packet.size() < size + 4) return std::nullopt;
    size += 4 + 4 * size_t{load_be16(packet.data() + size + 2)};
  }
  if (packet.size() < size) return std::nullopt;
  return size;
}

inline uint16_t rtp_sequence(ByteView packet) { return load_be16(packet.data() + 2); }
inline uint32_t rtp_ssrc(ByteView packet) { return load_be32(packet.data() + 8); }

/// RFC 3550 §6.4: every RTCP packet starts with version, count, type, length and the sender's SSRC.
inline bool is_rtcp(ByteView packet) { return packet.size() >= 8 && packet[0] >> 6 == 2; }
inline uint32_t rtcp_ssrc(ByteView packet) { return load_be32(packet.data() + 4); }

}  // namespace kaon::srtp::internal
