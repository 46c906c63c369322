// The information in a HEARTBEAT, RFC 9260 §3.3.5: its content is the sender's to choose.
#pragma once

#include <optional>

#include "kaon/sctp/internal/packet.h"

namespace kaon::sctp {

//  |    Heartbeat Info Type = 1    |          Length = 16          |
//  |                     Mark = "kaon"                             |
//  |                     Nonce (64 bits)                           |
//
// A peer sends it back as it is. Another Kaon reads the mark: whoever sends it fills its window on one SACK, however
// many packets that takes, and needs no SACK for every second packet.
struct HeartbeatInfo {
  static constexpr uint16_t kType = 1;
  static constexpr uint32_t kMark = 0x6b616f6e;
  static constexpr size_t kSize = kChunkHeaderSize + 12;

  uint64_t nonce = 0;

  /// `value` of a HEARTBEAT or HEARTBEAT ACK; nothing if it is not of this form.
  static std::optional<HeartbeatInfo> parse(ByteView value) {
    ParameterReader parameters(value);
    const auto info = parameters.next();
    if (!info || info->type != kType || info->whole.size() != kSize) return std::nullopt;
    if (load_be32(info->value.data()) != kMark) return std::nullopt;
    return HeartbeatInfo{load_be64(&info->value[4])};
  }
  void write(Bytes out) const {
    store_be16(&out[0], kType);
    store_be16(&out[2], kSize);
    store_be32(&out[4], kMark);
    store_be64(&out[8], nonce);
  }
};

}  // namespace kaon::sctp
