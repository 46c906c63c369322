// H.264 (RFC 6184) and H.265 (RFC 7798) payloads, and the NAL units of both.
#pragma once

#include <optional>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/packetizer/codec.h"
#include "kaon/packetizer/payload.h"

namespace kaon::packetizer {

/// nal_unit_type, H.264 table 7-1 and RFC 6184 §5.4.
namespace h264 {
inline constexpr uint8_t kSlice = 1, kIdr = 5, kSei = 6, kSps = 7, kPps = 8, kAud = 9, kStapA = 24, kFuA = 28;
inline uint8_t nal_type(ByteView nal) { return nal[0] & 0x1f; }
}  // namespace h264

/// nal_unit_type, H.265 table 7-1 and RFC 7798 §4.4.
namespace h265 {
inline constexpr uint8_t kFirstIrap = 16, kLastIrap = 23, kVps = 32, kSps = 33, kPps = 34, kAud = 35, kPrefixSei = 39;
inline constexpr uint8_t kAggregation = 48, kFragmentation = 49, kPaci = 50;
inline uint8_t nal_type(ByteView nal) { return (nal[0] >> 1) & 0x3f; }
}  // namespace h265

/// Walks the NAL units of a byte stream in Annex B form. Zero bytes that trail a NAL unit are no part of it (B.1.1).
class NalReader {
 public:
  explicit NalReader(ByteView annex_b);
  /// The next NAL unit without its start code, never empty; nothing at the end.
  std::optional<ByteView> next();

 private:
  ByteView bytes_;
  size_t position_;  // behind a start code
};

/// Appends a NAL unit with its start code: the shortest that H.264 §B.1.2 (H.265 §B.2.2) allows, four bytes at the
/// start of an access unit and before parameter sets, three elsewhere. x264, x265 and ffmpeg write the same, so that
/// their files come out of RTP byte for byte. `codec` is H264 or H265.
void append_nal(Codec codec, ByteView nal, bool first_in_access_unit, std::vector<uint8_t>& out);

/// What a sequence parameter set says.
struct SequenceParameters {
  uint8_t profile_idc = 0;
  uint8_t constraint_flags = 0;  // H.264 only
  uint8_t level_idc = 0;
  Resolution resolution;  // cropped
};
/// `nal` with its header; nothing if malformed.
std::optional<SequenceParameters> parse_h264_sps(ByteView nal);
std::optional<SequenceParameters> parse_h265_sps(ByteView nal);

/// True for a slice that begins a picture: first_mb_in_slice is 0, or first_slice_segment_in_pic_flag is set.
bool starts_picture(Codec codec, ByteView nal);
/// True for NAL units of the video coding layer: slices.
bool is_slice(Codec codec, ByteView nal);
/// True for a slice of an IDR (H.264) or IRAP (H.265) picture.
bool is_keyframe_slice(Codec codec, ByteView nal);
/// True for what can only stand before the slices of its access unit, H.264 §7.4.1.2.3, H.265 §7.4.2.4.4.
bool precedes_slices(Codec codec, ByteView nal);

/// Small NAL units share a STAP-A (H.265: AP), large ones become FU-As (FU) of equal size.
class NalPacketizer {
 public:
  /// `codec` is H264 or H265; packetization mode 0 (H.264 only) sends each NAL unit by itself.
  NalPacketizer(Codec codec, int packetization_mode);
  [[nodiscard]] Result<void, PacketizeError> packetize(ByteView access_unit, const Limits& limits, PayloadList& out);

 private:
  Result<void, PacketizeError> collect(ByteView access_unit);
  size_t aggregate(size_t first, size_t capacity_first, size_t capacity_last, PayloadList& out) const;
  void fragment(ByteView nal, size_t capacity, size_t first_reduction, size_t last_reduction, PayloadList& out) const;
  bool is_h265() const { return codec_ == Codec::H265; }

  Codec codec_;
  int mode_;
  std::vector<ByteView> nals_;
};

FrameInfo inspect_nal_frame(Codec codec, ByteView access_unit);

}  // namespace kaon::packetizer
