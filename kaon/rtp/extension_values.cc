#include "kaon/rtp/extension_values.h"

#include "kaon/base/writer.h"

namespace kaon::rtp {
namespace {

constexpr int32_t sign_extend_24(uint32_t value) { return static_cast<int32_t>(value << 8) >> 8; }

// 0 0 0 0 C F R1 R0
VideoOrientation parse_orientation(uint8_t byte) {
  return {.rotation = static_cast<uint16_t>((byte & 3) * 90), .flip = (byte & 4) != 0, .back_camera = (byte & 8) != 0};
}

uint8_t orientation_byte(const VideoOrientation& o) {
  return static_cast<uint8_t>((o.back_camera ? 8 : 0) | (o.flip ? 4 : 0) | ((o.rotation / 90) & 3));
}

void parse_value(ExtensionKind kind, ByteView value, Extensions& out) {
  const size_t size = value.size();
  const uint8_t* p = value.data();
  switch (kind) {
    case ExtensionKind::Mid: out.mid = as_text(value); break;
    case ExtensionKind::RtpStreamId: out.rid = as_text(value); break;
    case ExtensionKind::RepairedRtpStreamId: out.repaired_rid = as_text(value); break;
    case ExtensionKind::AudioLevel:  // RFC 6464 §3: V(1) level(7); a two-byte form may carry a byte of zero behind
      if (size >= 1) {
        out.audio_level = AudioLevel{.voice_activity = (p[0] & 0x80) != 0, .minus_dbov = uint8_t(p[0] & 0x7f)};
      }
      break;
    case ExtensionKind::MixerAudioLevels: out.mixer_audio_levels = value; break;
    case ExtensionKind::TransmissionOffset:
      if (size == 3) out.transmission_offset = sign_extend_24(load_be24(p));
      break;
    case ExtensionKind::AbsSendTime:
      if (size == 3) out.abs_send_time = AbsSendTime{load_be24(p)};
      break;
    case ExtensionKind::TransportSequence:
      if (size == 2) out.transport_sequence = load_be16(p);
      break;
    case ExtensionKind::TransportSequenceV2:
      if (size == 2 || size == 4) out.transport_sequence = load_be16(p);
      break;
    case ExtensionKind::AbsCaptureTime:
      if (size == 8 || size == 16) {
        out.abs_capture_time = AbsCaptureTime{.capture_time = {load_be64(p)}, .clock_offset = {}};
        if (size == 16) out.abs_capture_time->clock_offset = static_cast<int64_t>(load_be64(p + 8));
      }
      break;
    case ExtensionKind::PlayoutDelay:
      if (size == 3) {
        const uint32_t both = load_be24(p);
        if (both >> 12 <= (both & 0xfff))
          out.playout_delay = PlayoutDelay{uint16_t(both >> 12), uint16_t(both & 0xfff)};
      }
      break;
    case ExtensionKind::VideoOrientation:
      if (size == 1) out.video_orientation = parse_orientation(p[0]);
      break;
    case ExtensionKind::VideoContentType:
      if (size == 1)
        out.video_content_type = (p[0] & 1) != 0 ? VideoContentType::Screenshare : VideoContentType::Unspecified;
      break;
    case ExtensionKind::VideoTiming: out.video_timing = value; break;
    case ExtensionKind::ColorSpace: out.color_space = value; break;
    case ExtensionKind::DependencyDescriptor: out.dependency_descriptor = value; break;
    case ExtensionKind::VideoLayersAllocation: out.video_layers_allocation = value; break;
    case ExtensionKind::CorruptionDetection: out.corruption_detection = value; break;
    case ExtensionKind::GenericFrameDescriptor:
    case ExtensionKind::FrameMarking:
    case ExtensionKind::Count: break;
  }
}

/// Calls sink(id, value) for each value whose kind is negotiated; sizes and bytes come from this one list.
template <class Sink>
void for_each_element(const Extensions& e, const ExtensionMap& map, Sink sink) {
  std::array<uint8_t, 16> memory;
  const auto raw = [&](ExtensionKind kind, ByteView value) {
    if (!value.empty() && map.has(kind)) sink(map.id_of(kind), value);
  };
  const auto number = [&](ExtensionKind kind, uint64_t value, size_t size) {
    for (size_t i = 0; i < size; ++i) memory[i] = static_cast<uint8_t>(value >> (8 * (size - 1 - i)));
    raw(kind, ByteView(memory).first(size));
  };
  raw(ExtensionKind::Mid, as_bytes(e.mid));
  raw(ExtensionKind::RtpStreamId, as_bytes(e.rid));
  raw(ExtensionKind::RepairedRtpStreamId, as_bytes(e.repaired_rid));
  if (e.abs_send_time) number(ExtensionKind::AbsSendTime, e.abs_send_time->value, 3);
  if (e.transmission_offset)
    number(ExtensionKind::TransmissionOffset, static_cast<uint32_t>(*e.transmission_offset), 3);
  if (e.transport_sequence) {
    number(ExtensionKind::TransportSequence, *e.transport_sequence, 2);
    if (!map.has(ExtensionKind::TransportSequence))
      number(ExtensionKind::TransportSequenceV2, *e.transport_sequence, 2);
  }
  if (e.audio_level) {
    number(ExtensionKind::AudioLevel,
           (e.audio_level->voice_activity ? 0x80u : 0u) | (e.audio_level->minus_dbov & 0x7fu), 1);
  }
  if (e.video_orientation) number(ExtensionKind::VideoOrientation, orientation_byte(*e.video_orientation), 1);
  if (e.playout_delay) {
    number(ExtensionKind::PlayoutDelay,
           (uint64_t{e.playout_delay->min_10ms} << 12) | (e.playout_delay->max_10ms & 0xfff), 3);
  }
  if (e.video_content_type) number(ExtensionKind::VideoContentType, static_cast<uint64_t>(*e.video_content_type), 1);
  if (e.abs_capture_time) {
    store_be64(memory.data(), e.abs_capture_time->capture_time.value);
    store_be64(memory.data() + 8, static_cast<uint64_t>(e.abs_capture_time->clock_offset.value_or(0)));
    raw(ExtensionKind::AbsCaptureTime, ByteView(memory).first(e.abs_capture_time->clock_offset ? 16 : 8));
  }
  raw(ExtensionKind::DependencyDescriptor, e.dependency_descriptor);
  raw(ExtensionKind::VideoLayersAllocation, e.video_layers_allocation);
  raw(ExtensionKind::VideoTiming, e.video_timing);
  raw(ExtensionKind::ColorSpace, e.color_space);
  raw(ExtensionKind::MixerAudioLevels, e.mixer_audio_levels);
  raw(ExtensionKind::CorruptionDetection, e.corruption_detection);
}

bool fits_one_byte(uint8_t id, size_t size) { return id <= 14 && size >= 1 && size <= 16; }
bool fits_two_byte(size_t size) { return size <= 255; }

struct BlockPlan {
  bool two_byte = false;
  size_t size = 0;  // of the elements, before padding to words
  size_t padded() const { return (size + 3) / 4 * 4; }
};

// RFC 8285 §4.1.2: a stream may change its form from packet to packet only if that was negotiated.
BlockPlan plan_block(const Extensions& extensions, const ExtensionMap& map) {
  BlockPlan plan;
  bool all_fit = true;
  size_t one_byte_size = 0;
  size_t two_byte_size = 0;
  for_each_element(extensions, map, [&](uint8_t id, ByteView value) {
    if (fits_one_byte(id, value.size())) {
      one_byte_size += 1 + value.size();
    } else if (fits_two_byte(value.size())) {
      all_fit = false;
    }
    if (fits_two_byte(value.size())) two_byte_size += 2 + value.size();
  });
  plan.two_byte = map.allow_mixed ? !all_fit : map.needs_two_byte();
  plan.size = plan.two_byte ? two_byte_size : one_byte_size;
  return plan;
}

}  // namespace

AbsSendTime AbsSendTime::from(Time now) {
  const auto ns = static_cast<uint64_t>(now.time_since_epoch().count());
  const uint64_t seconds = ns / 1'000'000'000;
  const uint64_t fraction = ((ns % 1'000'000'000) << 18) / 1'000'000'000;
  return {static_cast<uint32_t>(((seconds << 18) | fraction) & 0xffffff)};
}

Duration AbsSendTime::since(AbsSendTime earlier) const {
  const int64_t steps = sign_extend_24(value - earlier.value);
  return Duration(steps * 1'000'000'000 / (1 << 18));
}

Extensions parse_extensions(const PacketView& packet, const ExtensionMap& map) {
  Extensions out;
  for (const ExtensionElement& element : ExtensionElements(packet.extension_profile, packet.extension)) {
    if (const auto kind = map.kind_of(element.id)) parse_value(*kind, element.value, out);
  }
  return out;
}

std::optional<VideoTiming> parse_video_timing(ByteView value) {
  if (value.size() != kVideoTimingSize) return std::nullopt;
  const uint8_t* p = value.data();
  return VideoTiming{.flags = p[0],
                     .encode_start_ms = load_be16(p + 1),
                     .encode_finish_ms = load_be16(p + 3),
                     .packetization_finish_ms = load_be16(p + 5),
                     .pacer_exit_ms = load_be16(p + 7),
                     .network1_ms = load_be16(p + 9),
                     .network2_ms = load_be16(p + 11)};
}

std::optional<ColorSpace> parse_color_space(ByteView value) {
  // Four bytes, or 28 with HDR metadata.
  if (value.size() != kColorSpaceSize && value.size() != 28) return std::nullopt;
  return ColorSpace{value[0], value[1], value[2], value[3]};
}

void write(const VideoTiming& timing, std::span<uint8_t, kVideoTimingSize> out) {
  Writer writer(out);
  writer.u8(timing.flags);
  for (uint16_t v : {timing.encode_start_ms, timing.encode_finish_ms, timing.packetization_finish_ms,
                     timing.pacer_exit_ms, timing.network1_ms, timing.network2_ms}) {
    writer.u16(v);
  }
}

void write(const ColorSpace& color, std::span<uint8_t, kColorSpaceSize> out) {
  out[0] = color.primaries;
  out[1] = color.transfer;
  out[2] = color.matrix;
  out[3] = color.range_and_siting;
}

size_t header_size(const OutgoingHeader& out, const ExtensionMap& map) {
  const BlockPlan plan = plan_block(out.extensions, map);
  return kFixedHeaderSize + out.header.csrcs.size() * 4 + (plan.size == 0 ? 0 : 4 + plan.padded());
}

size_t write_header(const OutgoingHeader& out, const ExtensionMap& map, Bytes memory) {
  const Header& header = out.header;
  const BlockPlan plan = plan_block(out.extensions, map);
  Writer writer(memory);
  writer.u8(
      static_cast<uint8_t>(0x80 | (out.has_padding ? 0x20 : 0) | (plan.size != 0 ? 0x10 : 0) | header.csrcs.size()));
  writer.u8(static_cast<uint8_t>((header.marker ? 0x80 : 0) | (header.payload_type & 0x7f)));
  writer.u16(header.sequence.value());
  writer.u32(header.timestamp.value());
  writer.u32(header.ssrc.value());
  for (Ssrc csrc : header.csrcs) writer.u32(csrc.value());
  if (plan.size == 0) return writer.size();
  writer.u16(plan.two_byte ? kTwoByteProfile : kOneByteProfile);
  writer.u16(static_cast<uint16_t>(plan.padded() / 4));
  for_each_element(out.extensions, map, [&](uint8_t id, ByteView value) {
    if (plan.two_byte && fits_two_byte(value.size())) {
      writer.u8(id);
      writer.u8(static_cast<uint8_t>(value.size()));
      writer.bytes(value);
    } else if (!plan.two_byte && fits_one_byte(id, value.size())) {
      writer.u8(static_cast<uint8_t>((id << 4) | (value.size() - 1)));
      writer.bytes(value);
    }
  });
  writer.zeros(plan.padded() - plan.size);
  return writer.size();
}

}  // namespace kaon::rtp
