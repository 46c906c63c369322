// From encoded frames to RTP payloads, for every codec behind one value type.
#pragma once

#include <optional>
#include <span>
#include <variant>

#include "kaon/base/result.h"
#include "kaon/packetizer/av1.h"
#include "kaon/packetizer/codec.h"
#include "kaon/packetizer/h26x.h"
#include "kaon/packetizer/payload.h"
#include "kaon/packetizer/vp8.h"
#include "kaon/packetizer/vp9.h"

namespace kaon::packetizer {

/// How one stream is packetized. Fields of other codecs are ignored.
struct Options {
  Codec codec = Codec::Vp8;
  Vp8Options vp8 = {};
  Vp9Options vp9 = {};
  /// packetization-mode of H.264 (RFC 6184 §6): 0 or 1. Mode 0 cannot cut a NAL unit.
  int h264_packetization_mode = 1;
};

/// Turns one frame after another into payloads without copying the media. A plain value, used on one loop.
class Packetizer {
 public:
  explicit Packetizer(const Options& options);

  Codec codec() const { return codec_; }

  /// The payloads of one frame, in sending order; the marker bit belongs on the last packet (of audio: on the first
  /// after silence, which the caller knows).
  ///
  /// `frame` is a VP8 or VP9 frame, an AV1 temporal unit with or without size fields in its OBUs' order (low overhead
  /// format), an H.264 or H.265 access unit in Annex B form, or an audio packet. `layers` matters for layered VP8 and
  /// VP9 only. Of one frame all packets but the last come out equal on the wire (see Limits), except where NAL units
  /// end.
  ///
  /// The result refers to `frame` and to memory of this object: valid until the next call and as long as `frame`.
  [[nodiscard]] Result<std::span<const Payload>, PacketizeError> packetize(ByteView frame, const Limits& limits,
                                                                           const LayerInfo& layers = {});

 private:
  /// Opus, G.711, G.722: the packet is the payload.
  struct Audio {};
  using State = std::variant<Audio, Vp8Packetizer, Vp9Packetizer, Av1Packetizer, NalPacketizer>;

  Codec codec_;
  State state_;
  PayloadList list_;
};

}  // namespace kaon::packetizer
