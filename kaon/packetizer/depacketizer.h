// From the RTP payloads of one frame back to the encoded frame.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/packetizer/codec.h"
#include "kaon/packetizer/payload_info.h"

namespace kaon::packetizer {

/// One received packet as far as a depacketizer needs it. Borrowed for the call.
struct ReceivedPayload {
  uint16_t sequence_number = 0;
  bool marker = false;
  ByteView payload;
};

/// Why the packets make no whole frame.
enum class DepacketizeError : uint8_t {
  /// No packets.
  Empty,
  /// A sequence number is missing between first and last.
  Gap,
  /// The first packet is not the start of a frame.
  MissingStart,
  /// The last packet is not the end of a frame.
  MissingEnd,
  /// A payload breaks its format.
  Malformed,
  /// More than kMaxFrameSize.
  TooLarge,
};

struct AssembledFrame {
  /// Memory of the depacketizer, or of an audio payload itself: valid until the next call.
  ByteView data;
  FrameInfo info;
  /// Layer, picture id and so on of the first packet.
  PayloadInfo first;
};

/// Puts frames together. Its output is the canonical form of the bitstream: VP8 and VP9 frames as they are; AV1
/// temporal units that begin with a temporal delimiter, each OBU with a size field of the shortest form; H.264 and
/// H.265 access units in Annex B form with the shortest start codes allowed (see append_nal). A plain value, used on
/// one loop.
class Depacketizer {
 public:
  /// Frames beyond this are refused.
  static constexpr size_t kMaxFrameSize = 16 << 20;

  explicit Depacketizer(Codec codec) : codec_(codec) {}
  Codec codec() const { return codec_; }

  /// All packets of one frame (one RTP timestamp), in order of sequence number; the last of a video frame has the
  /// marker. VP9 with spatial layers: all layer frames of the picture make one superframe without index. Losing any
  /// packet of the frame gives an error. A packet missing at the very front is seen where the format allows it: a frame
  /// assembler also knows that the sequence continues from the frame before.
  [[nodiscard]] Result<AssembledFrame, DepacketizeError> assemble(std::span<const ReceivedPayload> packets);

 private:
  using Status = Result<void, DepacketizeError>;

  Status append(ByteView payload, bool first);
  Status append_vp8(ByteView payload, bool first);
  Status append_vp9(ByteView payload, bool first);
  Status append_av1(ByteView payload, bool first);
  Status append_obu(ByteView obu);
  Status append_h264(ByteView payload, bool first);
  Status append_h265(ByteView payload, bool first);
  Status append_aggregated(ByteView units);
  Status append_fragment(uint8_t flags, ByteView header, ByteView body, bool first);
  Status append_unit(ByteView nal);
  Status begin_unit(ByteView nal);
  void strip_trailing_zeros();
  void append_bytes(ByteView bytes) { frame_.insert(frame_.end(), bytes.begin(), bytes.end()); }

  Codec codec_;
  std::vector<uint8_t> frame_;
  std::vector<uint8_t> obu_;     // AV1: the OBU that is spread over packets
  bool unit_open_ = false;       // an OBU, a fragmented NAL unit or a VP9 layer frame has not ended
  bool has_slice_ = false;       // H.264, H.265
  uint8_t fragmented_type_ = 0;  // H.264, H.265: of the open NAL unit
};

}  // namespace kaon::packetizer
