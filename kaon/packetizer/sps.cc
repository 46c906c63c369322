// Sequence parameter sets of H.264 and H.265, as far as the picture size.
#include "kaon/packetizer/h26x.h"
#include "kaon/packetizer/internal/bit_reader.h"

namespace kaon::packetizer {
namespace {

using internal::BitReader;

// No level of either standard allows more.
constexpr uint64_t kMaxSide = 16888;

/// Width or height after cropping; nothing if the crop leaves nothing or the size is beyond all levels.
std::optional<uint32_t> cropped(uint64_t size, uint64_t unit, uint64_t before, uint64_t after) {
  const uint64_t crop = unit * (before + after);
  if (size > kMaxSide || crop >= size) return std::nullopt;
  return static_cast<uint32_t>(size - crop);
}

// H.264 §7.3.2.1.1: profiles that have chroma_format_idc.
bool has_chroma_format(uint8_t profile) {
  switch (profile) {
    case 100:
    case 110:
    case 122:
    case 244:
    case 44:
    case 83:
    case 86:
    case 118:
    case 128:
    case 138:
    case 139:
    case 134:
    case 135: return true;
    default: return false;
  }
}

// H.264 §7.3.2.1.1.1.
void skip_scaling_list(BitReader& bits, int size) {
  int64_t last = 8;
  int64_t next = 8;
  for (int i = 0; i < size && bits.ok(); ++i) {
    if (next != 0) next = (last + bits.signed_exp_golomb() + 256) & 0xff;
    last = next == 0 ? last : next;
  }
}

/// Returns ChromaArrayType: chroma_format_idc, but 0 for separate colour planes.
uint32_t read_chroma_format(BitReader& bits) {
  const uint32_t format = bits.exp_golomb();
  const bool separate_planes = format == 3 && bits.flag();
  bits.exp_golomb();  // bit_depth_luma_minus8
  bits.exp_golomb();  // bit_depth_chroma_minus8
  bits.skip(1);       // qpprime_y_zero_transform_bypass_flag
  if (bits.flag()) {
    const int lists = format == 3 ? 12 : 8;
    for (int i = 0; i < lists && bits.ok(); ++i) {
      if (bits.flag()) skip_scaling_list(bits, i < 6 ? 16 : 64);
    }
  }
  return separate_planes ? 0 : format;
}

void skip_picture_order(BitReader& bits) {
  const uint32_t type = bits.exp_golomb();
  if (type == 0) {
    bits.exp_golomb();
  } else if (type == 1) {
    bits.skip(1);
    bits.exp_golomb();
    bits.exp_golomb();
    const uint32_t cycle = bits.exp_golomb();
    for (uint32_t i = 0; i < cycle && bits.ok(); ++i) bits.exp_golomb();
  }
}

}  // namespace

// H.264 §7.3.2.1.1; cropping §7.4.2.1.1.
std::optional<SequenceParameters> parse_h264_sps(ByteView nal) {
  if (nal.size() < 4 || h264::nal_type(nal) != h264::kSps) return std::nullopt;
  SequenceParameters sps;
  sps.profile_idc = nal[1];
  sps.constraint_flags = nal[2];
  sps.level_idc = nal[3];
  BitReader bits(nal.subspan(4), true);
  bits.exp_golomb();  // seq_parameter_set_id
  const uint32_t chroma = has_chroma_format(sps.profile_idc) ? read_chroma_format(bits) : 1;
  bits.exp_golomb();  // log2_max_frame_num_minus4
  skip_picture_order(bits);
  bits.exp_golomb();  // max_num_ref_frames
  bits.skip(1);       // gaps_in_frame_num_value_allowed_flag
  const uint64_t width = (uint64_t{bits.exp_golomb()} + 1) * 16;
  const uint64_t map_units = uint64_t{bits.exp_golomb()} + 1;
  const bool frames_only = bits.flag();
  if (!frames_only) bits.skip(1);
  bits.skip(1);                    // direct_8x8_inference_flag
  std::array<uint64_t, 4> crop{};  // left, right, top, bottom
  if (bits.flag()) {
    for (uint64_t& side : crop) side = bits.exp_golomb();
  }
  if (!bits.ok() || chroma > 3) return std::nullopt;

  const uint64_t fields = frames_only ? 1 : 2;
  const uint64_t unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
  const uint64_t unit_y = (chroma == 1 ? 2 : 1) * fields;
  const auto w = cropped(width, unit_x, crop[0], crop[1]);
  const auto h = cropped(map_units * 16 * fields, unit_y, crop[2], crop[3]);
  if (!w || !h) return std::nullopt;
  sps.resolution = {*w, *h};
  return sps;
}

// H.265 §7.3.2.2.1; profile_tier_level §7.3.3.
std::optional<SequenceParameters> parse_h265_sps(ByteView nal) {
  if (nal.size() < 3 || h265::nal_type(nal) != h265::kSps) return std::nullopt;
  BitReader bits(nal.subspan(2), true);
  bits.skip(4);  // sps_video_parameter_set_id
  const uint32_t sub_layers_minus1 = bits.bits(3);
  bits.skip(1);  // sps_temporal_id_nesting_flag
  SequenceParameters sps;
  bits.skip(2 + 1);  // general_profile_space, general_tier_flag
  sps.profile_idc = static_cast<uint8_t>(bits.bits(5));
  bits.skip(32 + 48);
  sps.level_idc = static_cast<uint8_t>(bits.bits(8));
  std::array<bool, 8> has_profile{}, has_level{};
  for (uint32_t i = 0; i < sub_layers_minus1; ++i) {
    has_profile[i] = bits.flag();
    has_level[i] = bits.flag();
  }
  if (sub_layers_minus1 > 0) bits.skip(2 * (8 - sub_layers_minus1));
  for (uint32_t i = 0; i < sub_layers_minus1; ++i) bits.skip((has_profile[i] ? 88u : 0u) + (has_level[i] ? 8u : 0u));
  bits.exp_golomb();  // sps_seq_parameter_set_id
  uint32_t chroma = bits.exp_golomb();
  if (chroma > 3) return std::nullopt;
  if (chroma == 3 && bits.flag()) chroma = 0;
  const uint64_t width = bits.exp_golomb();
  const uint64_t height = bits.exp_golomb();
  std::array<uint64_t, 4> crop{};
  if (bits.flag()) {
    for (uint64_t& side : crop) side = bits.exp_golomb();
  }
  if (!bits.ok()) return std::nullopt;
  const auto w = cropped(width, chroma == 1 || chroma == 2 ? 2 : 1, crop[0], crop[1]);
  const auto h = cropped(height, chroma == 1 ? 2 : 1, crop[2], crop[3]);
  if (!w || !h) return std::nullopt;
  sps.resolution = {*w, *h};
  return sps;
}

}  // namespace kaon::packetizer
