// Encoded transforms: a program's own step between encoder and network.
#pragma once

#include <cstdint>
#include <vector>

#include "kaon/packetizer/codec.h"

namespace kaon::webrtc {

using packetizer::Codec;

/// An encoded frame on its way; its bytes may be changed in place, also in number.
struct TransformFrame {
  /// Of the frame; cannot be changed.
  Codec codec{};
  /// A whole frame as the codec has it (H.264 and H.265: a byte stream).
  std::vector<uint8_t>& data;
  /// Of received frames as the bitstream says; of sent ones likewise.
  bool keyframe = false;
  /// In units of the codec's RTP clock: of sent frames as the program gave it, of received ones as ReceivedFrame has
  /// it.
  int64_t timestamp = 0;
};

/// Changes encoded frames, to encrypt them end to end for example. One object may serve many senders and receivers of
/// one loop. Called on the loop, also within Sender::send_frame(); it must call nothing of the connection.
///
/// What it makes of a frame to be sent must still look like one of its codec as far as packetizers and receivers look:
/// of VP8 the first 10 bytes of key frames and 3 of others, of H.264 and H.265 start codes, NAL unit headers and
/// parameter sets, of AV1 and VP9 the headers, of audio nothing (Opus: its first byte, for who counts durations).
/// Source: W3C webrtc-encoded-transform, RTCRtpScriptTransform.
class FrameTransform {
 public:
  virtual ~FrameTransform() = default;
  /// False drops the frame.
  virtual bool transform(TransformFrame& frame) = 0;
};

}  // namespace kaon::webrtc
