// What one RTP payload tells a router, a frame assembler or a key frame detector.
#pragma once

#include <cstdint>
#include <optional>

#include "kaon/base/bytes.h"
#include "kaon/packetizer/codec.h"

namespace kaon::packetizer {

struct PayloadInfo {
  /// VP8, VP9, audio: the payload starts a (layer) frame. H.264, H.265, AV1: it may; whether it does shows in the
  /// timestamp.
  bool starts_frame = false;
  /// VP9: the payload ends its layer frame. Audio: always. The others say it by the marker bit only.
  bool ends_frame = false;
  /// The payload begins a key frame, or carries what comes right before one: parameter sets, a sequence header.
  bool keyframe = false;
  uint8_t temporal_id = 0;
  uint8_t spatial_id = 0;
  /// One may switch up to this temporal layer here: VP8 Y bit, VP9 U bit.
  bool layer_sync = false;
  /// No frame (VP9: no higher spatial layer) refers to this one.
  bool not_referenced = false;
  /// VP9: predicted from other pictures; from the lower spatial layer of the same picture.
  bool inter_picture_predicted = false;
  bool inter_layer_predicted = false;
  /// VP8 and VP9, with the width of the field.
  std::optional<uint16_t> picture_id;
  bool long_picture_id = false;
  std::optional<uint8_t> tl0_picture_index;
  /// Of key frames, where this payload has it.
  std::optional<Resolution> resolution;
};

/// Looks at one payload; nothing if it is malformed. Robust to any bytes; allocates nothing.
std::optional<PayloadInfo> inspect(Codec codec, ByteView payload);

}  // namespace kaon::packetizer
