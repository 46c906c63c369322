#include "kaon/packetizer/payload_info.h"

#include "kaon/packetizer/av1.h"
#include "kaon/packetizer/h26x.h"
#include "kaon/packetizer/vp8.h"
#include "kaon/packetizer/vp9.h"

namespace kaon::packetizer {
namespace {

std::optional<PayloadInfo> inspect_vp8(ByteView payload) {
  const auto descriptor = Vp8Descriptor::parse(payload);
  if (!descriptor) return std::nullopt;
  PayloadInfo info;
  info.starts_frame = descriptor->start_of_partition && descriptor->partition == 0;
  info.temporal_id = descriptor->temporal_id.value_or(0);
  info.layer_sync = descriptor->layer_sync;
  info.not_referenced = descriptor->non_reference;
  info.picture_id = descriptor->picture_id;
  info.long_picture_id = descriptor->long_picture_id;
  info.tl0_picture_index = descriptor->tl0_picture_index;
  if (info.starts_frame) {
    const FrameInfo frame = inspect_vp8_frame(payload.subspan(descriptor->size));
    info.keyframe = frame.keyframe;
    info.resolution = frame.resolution;
  }
  return info;
}

std::optional<PayloadInfo> inspect_vp9(ByteView payload) {
  const auto descriptor = Vp9Descriptor::parse(payload);
  if (!descriptor) return std::nullopt;
  PayloadInfo info;
  info.starts_frame = descriptor->starts_frame;
  info.ends_frame = descriptor->ends_frame;
  info.temporal_id = descriptor->temporal_id;
  info.spatial_id = descriptor->spatial_id;
  info.layer_sync = descriptor->switching_up;
  info.not_referenced = descriptor->not_reference_for_upper;
  info.inter_picture_predicted = descriptor->inter_picture_predicted;
  info.inter_layer_predicted = descriptor->inter_layer_predicted;
  info.picture_id = descriptor->picture_id;
  info.long_picture_id = descriptor->long_picture_id;
  info.tl0_picture_index = descriptor->tl0_picture_index;
  info.resolution = descriptor->resolution;
  info.keyframe = info.starts_frame && !info.inter_picture_predicted && !info.inter_layer_predicted;
  // Senders that fill in no more than B and E (ffmpeg) leave P clear always: the frame decides. Others are believed,
  // since the frame may be encrypted end to end.
  if (info.keyframe && !info.picture_id) info.keyframe = inspect_vp9_frame(payload.subspan(descriptor->size)).keyframe;
  return info;
}

std::optional<PayloadInfo> inspect_av1(ByteView payload) {
  Av1ElementReader reader(payload);
  if (!reader.ok()) return std::nullopt;
  PayloadInfo info;
  const Av1AggregationHeader& header = reader.header();
  info.starts_frame = !header.continues_obu;
  info.keyframe = header.new_coded_sequence;
  bool skip = header.continues_obu;
  bool first = true;
  while (const auto element = reader.next()) {
    if (!skip && !element->empty()) {
      const bool cut = reader.at_end() && header.obu_continues;
      const auto obu = ObuReader(*element, cut).next();
      if (!obu && cut) break;  // within its header
      if (!obu) return std::nullopt;
      if (obu->type == ObuType::SequenceHeader) {
        info.keyframe = true;
        info.resolution = parse_av1_sequence_header(obu->payload);
      }
      if (first && obu->extension) {
        info.temporal_id = static_cast<uint8_t>(*obu->extension >> 5);
        info.spatial_id = (*obu->extension >> 3) & 3;
      }
      first = false;
    }
    skip = false;
  }
  if (!reader.ok()) return std::nullopt;
  return info;
}

/// What a NAL unit, or the start of one, says.
void add_nal(Codec codec, ByteView nal, PayloadInfo& info) {
  const bool h264 = codec == Codec::H264;
  const bool sps =
      h264 ? h264::nal_type(nal) == h264::kSps : h265::nal_type(nal) == h265::kSps || h265::nal_type(nal) == h265::kVps;
  info.starts_frame |= precedes_slices(codec, nal) || starts_picture(codec, nal);
  info.keyframe |= sps || is_keyframe_slice(codec, nal);
  if (!sps) return;
  const auto parameters = h264 ? parse_h264_sps(nal) : parse_h265_sps(nal);
  if (parameters) info.resolution = parameters->resolution;
}

bool add_aggregated(Codec codec, ByteView units, PayloadInfo& info) {
  const size_t header_size = codec == Codec::H264 ? 1 : 2;
  while (!units.empty()) {
    if (units.size() < 2) return false;
    const size_t size = load_be16(units.data());
    units = units.subspan(2);
    if (size < header_size || size > units.size()) return false;
    add_nal(codec, units.first(size), info);
    units = units.subspan(size);
  }
  return true;
}

std::optional<PayloadInfo> inspect_h264(ByteView payload) {
  if (payload.empty()) return std::nullopt;
  PayloadInfo info;
  const uint8_t type = h264::nal_type(payload);
  if (type == h264::kStapA) {
    if (payload.size() < 2 || !add_aggregated(Codec::H264, payload.subspan(1), info)) return std::nullopt;
  } else if (type == h264::kFuA) {
    if (payload.size() < 3) return std::nullopt;
    const uint8_t nal[] = {static_cast<uint8_t>((payload[0] & 0xe0) | (payload[1] & 0x1f)), payload[2]};
    if ((payload[1] & 0x80) != 0) add_nal(Codec::H264, nal, info);
  } else if (type == 0 || type > h264::kStapA) {
    return std::nullopt;
  } else {
    add_nal(Codec::H264, payload, info);
  }
  return info;
}

std::optional<PayloadInfo> inspect_h265(ByteView payload) {
  if (payload.size() < 3) return std::nullopt;
  PayloadInfo info;
  info.spatial_id = static_cast<uint8_t>(((payload[0] & 1) << 5) | (payload[1] >> 3));
  if ((payload[1] & 7) == 0) return std::nullopt;  // nuh_temporal_id_plus1 is never 0
  info.temporal_id = static_cast<uint8_t>((payload[1] & 7) - 1);
  const uint8_t type = h265::nal_type(payload);
  if (type == h265::kAggregation) {
    if (!add_aggregated(Codec::H265, payload.subspan(2), info)) return std::nullopt;
  } else if (type == h265::kFragmentation) {
    if (payload.size() < 4) return std::nullopt;
    const uint8_t nal[] = {static_cast<uint8_t>((payload[0] & 0x81) | ((payload[2] & 0x3f) << 1)), payload[1],
                           payload[3]};
    if ((payload[2] & 0x80) != 0) add_nal(Codec::H265, nal, info);
  } else if (type > h265::kFragmentation) {
    return std::nullopt;
  } else {
    add_nal(Codec::H265, payload, info);
  }
  return info;
}

}  // namespace

std::optional<PayloadInfo> inspect(Codec codec, ByteView payload) {
  switch (codec) {
    case Codec::Vp8: return inspect_vp8(payload);
    case Codec::Vp9: return inspect_vp9(payload);
    case Codec::Av1: return inspect_av1(payload);
    case Codec::H264: return inspect_h264(payload);
    case Codec::H265: return inspect_h265(payload);
    case Codec::Opus:
    case Codec::Pcmu:
    case Codec::Pcma:
    case Codec::G722: break;
  }
  if (payload.empty()) return std::nullopt;
  PayloadInfo info;
  info.starts_frame = info.ends_frame = info.keyframe = true;
  return info;
}

}  // namespace kaon::packetizer
