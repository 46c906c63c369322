#include "kaon/packetizer/opus.h"

#include <array>

namespace kaon::packetizer {

// RFC 6716 §3.1:
//
//    0 1 2 3 4 5 6 7
//   +-+-+-+-+-+-+-+-+
//   | config  |s| c |
//   +-+-+-+-+-+-+-+-+
std::optional<uint32_t> opus_duration(ByteView packet) {
  if (packet.empty()) return std::nullopt;
  const uint8_t config = packet[0] >> 3;
  constexpr std::array<uint32_t, 4> kSilk = {480, 960, 1920, 2880};
  constexpr std::array<uint32_t, 4> kCelt = {120, 240, 480, 960};
  uint32_t frame = 0;
  if (config < 12) {
    frame = kSilk[config & 3];
  } else if (config < 16) {
    frame = (config & 1) == 0 ? 480 : 960;
  } else {
    frame = kCelt[config & 3];
  }
  switch (packet[0] & 3) {
    case 0: return frame;
    case 1:
    case 2: return 2 * frame;
    default: break;
  }
  // §3.2.5: code 3 counts its frames in the second byte; a packet holds at most 120 ms.
  if (packet.size() < 2) return std::nullopt;
  const uint32_t count = packet[1] & 0x3f;
  if (count == 0 || count * frame > 5760) return std::nullopt;
  return count * frame;
}

std::optional<int> opus_channels(ByteView packet) {
  if (packet.empty()) return std::nullopt;
  return (packet[0] & 4) != 0 ? 2 : 1;
}

}  // namespace kaon::packetizer
