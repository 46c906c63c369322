#include "kaon/packetizer/depacketizer.h"

#include "kaon/packetizer/av1.h"
#include "kaon/packetizer/h26x.h"
#include "kaon/packetizer/internal/leb128.h"
#include "kaon/packetizer/vp8.h"
#include "kaon/packetizer/vp9.h"

namespace kaon::packetizer {
namespace {

// obu_type 2 with a size field of 0: what begins every temporal unit in low overhead format.
constexpr uint8_t kTemporalDelimiter[] = {0x12, 0x00};

}  // namespace

Result<AssembledFrame, DepacketizeError> Depacketizer::assemble(std::span<const ReceivedPayload> packets) {
  if (packets.empty()) return fail(DepacketizeError::Empty);
  const auto first_info = inspect(codec_, packets.front().payload);
  if (!first_info) return fail(DepacketizeError::Malformed);
  if (!is_video(codec_)) {
    if (packets.size() != 1) return fail(DepacketizeError::Malformed);
    return AssembledFrame{packets[0].payload, {.keyframe = true}, *first_info};
  }

  frame_.clear();
  obu_.clear();
  unit_open_ = has_slice_ = false;
  if (codec_ == Codec::Av1) append_bytes(kTemporalDelimiter);
  for (size_t i = 0; i < packets.size(); ++i) {
    const bool last = i + 1 == packets.size();
    if (i > 0 && packets[i].sequence_number != static_cast<uint16_t>(packets[i - 1].sequence_number + 1)) {
      return fail(DepacketizeError::Gap);
    }
    if (packets[i].marker && !last) return fail(DepacketizeError::Malformed);
    if (auto status = append(packets[i].payload, i == 0); !status) return fail(status.error());
    if (frame_.size() + obu_.size() > kMaxFrameSize) return fail(DepacketizeError::TooLarge);
  }
  if (!packets.back().marker || unit_open_) return fail(DepacketizeError::MissingEnd);
  return AssembledFrame{frame_, inspect_frame(codec_, frame_), *first_info};
}

Depacketizer::Status Depacketizer::append(ByteView payload, bool first) {
  switch (codec_) {
    case Codec::Vp8: return append_vp8(payload, first);
    case Codec::Vp9: return append_vp9(payload, first);
    case Codec::Av1: return append_av1(payload, first);
    case Codec::H264: return append_h264(payload, first);
    default: return append_h265(payload, first);
  }
}

// RFC 7741 §4.5: a frame goes from the packet with S set and partition 0 to the marker.
Depacketizer::Status Depacketizer::append_vp8(ByteView payload, bool first) {
  const auto descriptor = Vp8Descriptor::parse(payload);
  if (!descriptor) return fail(DepacketizeError::Malformed);
  const bool starts = descriptor->start_of_partition && descriptor->partition == 0;
  if (first && !starts) return fail(DepacketizeError::MissingStart);
  if (!first && starts) return fail(DepacketizeError::Malformed);
  append_bytes(payload.subspan(descriptor->size));
  return {};
}

// RFC 9628 §4.2: B and E enclose each layer frame of the picture.
Depacketizer::Status Depacketizer::append_vp9(ByteView payload, bool first) {
  const auto descriptor = Vp9Descriptor::parse(payload);
  if (!descriptor) return fail(DepacketizeError::Malformed);
  if (descriptor->starts_frame == unit_open_) {
    return fail(first ? DepacketizeError::MissingStart : DepacketizeError::Malformed);
  }
  unit_open_ = !descriptor->ends_frame;
  append_bytes(payload.subspan(descriptor->size));
  return {};
}

Depacketizer::Status Depacketizer::append_av1(ByteView payload, bool first) {
  Av1ElementReader reader(payload);
  if (!reader.ok()) return fail(DepacketizeError::Malformed);
  const Av1AggregationHeader& header = reader.header();
  if (first && header.continues_obu) return fail(DepacketizeError::MissingStart);
  if (header.continues_obu != unit_open_) return fail(DepacketizeError::Malformed);
  while (const auto element = reader.next()) {
    const bool continued = unit_open_;
    const bool continues = reader.at_end() && header.obu_continues;
    unit_open_ = continues;
    if (continued || continues) obu_.insert(obu_.end(), element->begin(), element->end());
    if (continues) continue;
    if (auto status = append_obu(continued ? ByteView(obu_) : *element); !status) return status;
    obu_.clear();
  }
  // Y with nothing after it, a length or W beyond the end.
  if (!reader.ok() || unit_open_ != header.obu_continues) return fail(DepacketizeError::Malformed);
  return {};
}

// §5: an element is an OBU with or without size field; in the file format it has one.
Depacketizer::Status Depacketizer::append_obu(ByteView element) {
  if (element.empty()) return {};
  ObuReader reader(element);
  const auto obu = reader.next();
  if (!obu || reader.next() || !reader.ok()) return fail(DepacketizeError::Malformed);
  if (obu->type == ObuType::TemporalDelimiter || obu->type == ObuType::TileList) return {};
  frame_.push_back(obu->header | 0x02);
  if (obu->extension) frame_.push_back(*obu->extension);
  const size_t size = obu->payload.size();
  internal::put_leb128(size, internal::leb128_size(size), [&](uint8_t byte) { frame_.push_back(byte); });
  append_bytes(obu->payload);
  return {};
}

// RFC 6184 §5.2: single NAL units, STAP-A and FU-A are what modes 0 and 1 use.
Depacketizer::Status Depacketizer::append_h264(ByteView payload, bool first) {
  if (payload.empty()) return fail(DepacketizeError::Malformed);
  const uint8_t type = h264::nal_type(payload);
  if (type == h264::kFuA) {
    if (payload.size() < 3) return fail(DepacketizeError::Malformed);
    const uint8_t header[] = {static_cast<uint8_t>((payload[0] & 0xe0) | (payload[1] & 0x1f))};
    return append_fragment(payload[1], header, payload.subspan(2), first);
  }
  if (unit_open_) return fail(DepacketizeError::Malformed);
  return type == h264::kStapA ? append_aggregated(payload.subspan(1)) : append_unit(payload);
}

// RFC 7798 §4.4, without DONL fields (sprop-max-don-diff is 0 in WebRTC) and PACI.
Depacketizer::Status Depacketizer::append_h265(ByteView payload, bool first) {
  if (payload.size() < 3) return fail(DepacketizeError::Malformed);
  const uint8_t type = h265::nal_type(payload);
  if (type == h265::kFragmentation) {
    if (payload.size() < 4) return fail(DepacketizeError::Malformed);
    const uint8_t header[] = {static_cast<uint8_t>((payload[0] & 0x81) | ((payload[2] & 0x3f) << 1)), payload[1]};
    return append_fragment(payload[2], header, payload.subspan(3), first);
  }
  if (unit_open_) return fail(DepacketizeError::Malformed);
  return type == h265::kAggregation ? append_aggregated(payload.subspan(2)) : append_unit(payload);
}

Depacketizer::Status Depacketizer::append_aggregated(ByteView units) {
  if (units.empty()) return fail(DepacketizeError::Malformed);
  while (!units.empty()) {
    if (units.size() < 2) return fail(DepacketizeError::Malformed);
    const size_t size = load_be16(units.data());
    units = units.subspan(2);
    if (size > units.size()) return fail(DepacketizeError::Malformed);
    if (auto status = append_unit(units.first(size)); !status) return status;
    units = units.subspan(size);
  }
  return {};
}

// S is 0x80 and E is 0x40 in the FU header of both formats.
Depacketizer::Status Depacketizer::append_fragment(uint8_t flags, ByteView header, ByteView body, bool first) {
  const bool start = (flags & 0x80) != 0;
  if (start == unit_open_) return fail(first ? DepacketizeError::MissingStart : DepacketizeError::Malformed);
  unit_open_ = (flags & 0x40) == 0;
  if (!start) {
    if ((flags & 0x3f) != fragmented_type_) return fail(DepacketizeError::Malformed);
    append_bytes(body);
    if (!unit_open_) strip_trailing_zeros();
    return {};
  }
  fragmented_type_ = flags & 0x3f;
  // Enough of the NAL unit for begin_unit() to judge it: its header and the first byte of its payload.
  std::array<uint8_t, 3> head{};
  std::ranges::copy(header, head.begin());
  head[header.size()] = body[0];
  if (auto status = begin_unit(ByteView(head).first(header.size() + 1)); !status) return status;
  append_bytes(body.subspan(1));
  if (!unit_open_) strip_trailing_zeros();
  return {};
}

// H.264 §7.4.1, H.265 §7.4.2.1: a NAL unit never ends with a zero byte; ffmpeg sends the zero_byte of the next start
// code.
void Depacketizer::strip_trailing_zeros() {
  while (frame_.back() == 0) frame_.pop_back();  // the start code ends with a one
}

Depacketizer::Status Depacketizer::append_unit(ByteView nal) {
  if (auto status = begin_unit(nal); !status) return status;
  strip_trailing_zeros();
  return {};
}

Depacketizer::Status Depacketizer::begin_unit(ByteView nal) {
  if (codec_ == Codec::H264) {
    if (nal.empty() || h264::nal_type(nal) == 0 || h264::nal_type(nal) >= h264::kStapA) {
      return fail(DepacketizeError::Malformed);
    }
  } else if (nal.size() < 2 || h265::nal_type(nal) >= h265::kAggregation || (nal[1] & 7) == 0) {
    return fail(DepacketizeError::Malformed);
  }
  if (is_slice(codec_, nal)) {
    if (!has_slice_ && !starts_picture(codec_, nal)) return fail(DepacketizeError::MissingStart);
    has_slice_ = true;
  }
  append_nal(codec_, nal, frame_.empty(), frame_);
  return {};
}

}  // namespace kaon::packetizer
