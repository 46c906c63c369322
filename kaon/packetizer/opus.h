// What a packet of Opus says in its first bytes, RFC 6716 §3.
#pragma once

#include <cstdint>
#include <optional>

#include "kaon/base/bytes.h"

namespace kaon::packetizer {

/// Duration in samples of 48 kHz (also the RTP clock, RFC 7587), at most 5760; nothing if the packet is malformed.
std::optional<uint32_t> opus_duration(ByteView packet);
/// 1 or 2, of the packet's TOC byte; nothing if it is empty.
std::optional<int> opus_channels(ByteView packet);

}  // namespace kaon::packetizer
