#include "kaon/packetizer/av1.h"

#include <algorithm>

#include "kaon/packetizer/internal/bit_reader.h"
#include "kaon/packetizer/internal/leb128.h"

namespace kaon::packetizer {

// AV1 bitstream specification §5.3.2 and §5.3.3:
//
//    0 1 2 3 4 5 6 7
//   +-+-+-+-+-+-+-+-+
//   |F| type  |X|S|-|  F: obu_forbidden_bit, X: obu_extension_flag, S: obu_has_size_field
//   +-+-+-+-+-+-+-+-+
//   | TID |SID|-|-|-|  if X
//   +-+-+-+-+-+-+-+-+
//   | obu_size ...  |  leb128, if S; without it the OBU ends with the temporal unit
//   +-+-+-+-+-+-+-+-+
std::optional<Obu> ObuReader::next() {
  if (left_.empty() || !ok_) return std::nullopt;
  ok_ = false;  // until proven
  Obu obu;
  const uint8_t header = left_[0];
  if ((header & 0x80) != 0) return std::nullopt;
  obu.type = static_cast<ObuType>((header >> 3) & 15);
  obu.header = header & ~0x02;
  left_ = left_.subspan(1);
  if ((header & 0x04) != 0) {
    if (left_.empty()) return std::nullopt;
    obu.extension = left_[0];
    left_ = left_.subspan(1);
  }
  size_t size = left_.size();
  if ((header & 0x02) != 0) {
    const auto stated = internal::take_leb128(left_);
    if (!cut_ && (!stated || *stated > left_.size())) return std::nullopt;
    size = std::min<size_t>(stated.value_or(0), left_.size());
  }
  obu.payload = left_.first(size);
  left_ = left_.subspan(size);
  ok_ = true;
  return obu;
}

// RTP Payload Format For AV1 §4.4:
//
//    0 1 2 3 4 5 6 7
//   +-+-+-+-+-+-+-+-+
//   |Z|Y| W |N|-|-|-|
//   +-+-+-+-+-+-+-+-+
std::optional<Av1AggregationHeader> Av1AggregationHeader::parse(ByteView payload) {
  if (payload.size() < 2) return std::nullopt;
  Av1AggregationHeader header;
  header.continues_obu = (payload[0] & 0x80) != 0;
  header.obu_continues = (payload[0] & 0x40) != 0;
  header.element_count = (payload[0] >> 4) & 3;
  header.new_coded_sequence = (payload[0] & 0x08) != 0;
  if (header.new_coded_sequence && header.continues_obu) return std::nullopt;
  return header;
}

Av1ElementReader::Av1ElementReader(ByteView payload) {
  const auto header = Av1AggregationHeader::parse(payload);
  ok_ = header.has_value();
  if (!ok_) return;
  header_ = *header;
  left_ = payload.subspan(1);
}

std::optional<ByteView> Av1ElementReader::next() {
  if (left_.empty() || !ok_) {
    // W promises elements that are not there.
    if (left_.empty() && index_ < header_.element_count) ok_ = false;
    return std::nullopt;
  }
  ++index_;
  size_t size = left_.size();
  if (index_ != header_.element_count) {  // all but the last of W elements have a length
    const auto stated = internal::take_leb128(left_);
    if (!stated || *stated > left_.size()) {
      ok_ = false;
      left_ = {};
      return std::nullopt;
    }
    size = *stated;
  }
  const ByteView element = left_.first(size);
  left_ = left_.subspan(size);
  return element;
}

FrameInfo inspect_av1_frame(ByteView temporal_unit) {
  FrameInfo info;
  ObuReader reader(temporal_unit);
  while (const auto obu = reader.next()) {
    if (obu->type == ObuType::SequenceHeader) {
      info.resolution = parse_av1_sequence_header(obu->payload);
      info.keyframe = true;
      break;
    }
    if (obu->type == ObuType::Frame || obu->type == ObuType::FrameHeader) break;
  }
  return info;
}

namespace {

// §5.5.1, from timing_info_present_flag to the end of the operating points.
void skip_operating_points(internal::BitReader& bits) {
  uint32_t buffer_delay_length = 0;
  bool decoder_model = false;
  if (bits.flag()) {  // timing_info_present_flag
    bits.skip(64);
    if (bits.flag()) bits.exp_golomb();  // equal_picture_interval
    decoder_model = bits.flag();
    if (decoder_model) {
      buffer_delay_length = bits.bits(5) + 1;
      bits.skip(32 + 5 + 5);
    }
  }
  const bool initial_display_delay = bits.flag();
  const uint32_t count = bits.bits(5) + 1;
  for (uint32_t i = 0; i < count && bits.ok(); ++i) {
    bits.skip(12);                       // operating_point_idc
    if (bits.bits(5) > 7) bits.skip(1);  // seq_level_idx, seq_tier
    if (decoder_model && bits.flag()) bits.skip(2 * buffer_delay_length + 1);
    if (initial_display_delay && bits.flag()) bits.skip(4);
  }
}

}  // namespace

std::optional<Resolution> parse_av1_sequence_header(ByteView payload) {
  internal::BitReader bits(payload);
  bits.skip(3 + 1);  // seq_profile, still_picture
  const bool reduced = bits.flag();
  if (reduced) {
    bits.skip(5);
  } else {
    skip_operating_points(bits);
  }
  const auto width_bits = static_cast<int>(bits.bits(4) + 1);
  const auto height_bits = static_cast<int>(bits.bits(4) + 1);
  const uint32_t width = bits.bits(width_bits) + 1;
  const uint32_t height = bits.bits(height_bits) + 1;
  if (!bits.ok()) return std::nullopt;
  return Resolution{width, height};
}

}  // namespace kaon::packetizer
