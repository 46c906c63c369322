#include "kaon/packetizer/h26x.h"

#include "kaon/packetizer/internal/bit_reader.h"

namespace kaon::packetizer {
namespace {

/// Where the next start code 00 00 01 begins at or after `from`; the size of `bytes` if there is none.
size_t find_start_code(ByteView bytes, size_t from) {
  const uint8_t* const begin = bytes.data();
  const uint8_t* const end = begin + bytes.size();
  for (const uint8_t* p = begin + std::min(from + 2, bytes.size()); p < end;) {
    // The 01 is what memchr looks for: it is rarer in slices than zeros are in headers.
    p = static_cast<const uint8_t*>(std::memchr(p, 1, static_cast<size_t>(end - p)));
    if (p == nullptr) break;
    if (p[-1] == 0 && p[-2] == 0) return static_cast<size_t>(p - 2 - begin);
    ++p;
  }
  return bytes.size();
}

}  // namespace

NalReader::NalReader(ByteView annex_b) : bytes_(annex_b) {
  position_ = std::min(find_start_code(bytes_, 0) + 3, bytes_.size());
}

std::optional<ByteView> NalReader::next() {
  while (position_ < bytes_.size()) {
    const size_t end = find_start_code(bytes_, position_);
    ByteView nal = bytes_.subspan(position_, end - position_);
    position_ = std::min(end + 3, bytes_.size());
    while (!nal.empty() && nal.back() == 0) nal = nal.first(nal.size() - 1);
    if (!nal.empty()) return nal;
  }
  return std::nullopt;
}

void append_nal(Codec codec, ByteView nal, bool first_in_access_unit, std::vector<uint8_t>& out) {
  bool zero_byte = first_in_access_unit;
  if (codec == Codec::H264) {
    const uint8_t type = h264::nal_type(nal);
    zero_byte |= type == h264::kSps || type == h264::kPps;
  } else {
    const uint8_t type = h265::nal_type(nal);
    zero_byte |= type >= h265::kVps && type <= h265::kPps;
  }
  constexpr uint8_t kStartCode[] = {0, 0, 0, 1};
  out.insert(out.end(), kStartCode + (zero_byte ? 0 : 1), kStartCode + 4);
  out.insert(out.end(), nal.begin(), nal.end());
}

bool is_slice(Codec codec, ByteView nal) {
  if (nal.empty()) return false;
  if (codec == Codec::H264) return h264::nal_type(nal) >= h264::kSlice && h264::nal_type(nal) <= h264::kIdr;
  return nal.size() > 2 && h265::nal_type(nal) < h265::kVps;
}

bool is_keyframe_slice(Codec codec, ByteView nal) {
  if (nal.empty()) return false;
  if (codec == Codec::H264) return h264::nal_type(nal) == h264::kIdr;
  return h265::nal_type(nal) >= h265::kFirstIrap && h265::nal_type(nal) <= h265::kLastIrap;
}

// H.264 §7.3.3: ue(0) is the bit 1. Partitions B and C (types 3 and 4) never begin a picture. H.265 §7.3.6.1.
bool starts_picture(Codec codec, ByteView nal) {
  if (!is_slice(codec, nal)) return false;
  if (codec == Codec::H264) {
    const uint8_t type = h264::nal_type(nal);
    return type != 3 && type != 4 && nal.size() > 1 && (nal[1] & 0x80) != 0;
  }
  return (nal[2] & 0x80) != 0;
}

bool precedes_slices(Codec codec, ByteView nal) {
  if (nal.empty()) return false;
  if (codec == Codec::H264) {
    const uint8_t type = h264::nal_type(nal);
    return (type >= h264::kSei && type <= h264::kAud) || (type >= 14 && type <= 18);
  }
  const uint8_t type = h265::nal_type(nal);
  return (type >= h265::kVps && type <= h265::kAud) || type == h265::kPrefixSei || (type >= 41 && type <= 44) ||
         (type >= 48 && type <= 55);
}

FrameInfo inspect_nal_frame(Codec codec, ByteView access_unit) {
  FrameInfo info;
  NalReader reader(access_unit);
  while (const auto nal = reader.next()) {
    if (is_slice(codec, *nal)) {
      info.keyframe = is_keyframe_slice(codec, *nal);
      break;  // all slices of a picture agree
    }
    std::optional<SequenceParameters> sps;
    if (codec == Codec::H264 && h264::nal_type(*nal) == h264::kSps) sps = parse_h264_sps(*nal);
    if (codec == Codec::H265 && h265::nal_type(*nal) == h265::kSps) sps = parse_h265_sps(*nal);
    if (sps) info.resolution = sps->resolution;
  }
  return info;
}

}  // namespace kaon::packetizer
