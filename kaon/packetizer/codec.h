// The codecs of WebRTC by the names and clock rates SDP knows them by.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "kaon/base/bytes.h"

namespace kaon::packetizer {

enum class Codec : uint8_t { Vp8, Vp9, Av1, H264, H265, Opus, Pcmu, Pcma, G722 };

/// Encoding name of a=rtpmap, for example "VP8" or "opus".
std::string_view encoding_name(Codec codec);
/// RTP clock rate of a=rtpmap. G.722 says 8000 although it samples at 16000 (RFC 3551 §4.5.2).
uint32_t clock_rate(Codec codec);
/// Finds a codec by its encoding name, in any case.
std::optional<Codec> codec_from_name(std::string_view name);
bool is_video(Codec codec);

/// Picture size in pixels.
struct Resolution {
  uint32_t width = 0;
  uint32_t height = 0;
  bool operator==(const Resolution&) const = default;
};

/// What a whole encoded frame says about itself.
struct FrameInfo {
  bool keyframe = false;
  /// Of key frames, where the header gives it cheaply.
  std::optional<Resolution> resolution = std::nullopt;
};

/// Looks at a whole encoded frame: a VP8 or VP9 frame, an AV1 temporal unit, an H.264 or H.265 access unit in Annex B
/// form, an audio packet (always a key frame). Robust to any bytes; allocates nothing.
FrameInfo inspect_frame(Codec codec, ByteView frame);

}  // namespace kaon::packetizer
