#include "kaon/packetizer/vp9.h"

#include "kaon/base/reader.h"
#include "kaon/packetizer/internal/bit_reader.h"
#include "kaon/packetizer/internal/split.h"

namespace kaon::packetizer {
namespace {

// First byte of the descriptor.
constexpr uint8_t kI = 0x80, kP = 0x40, kL = 0x20, kF = 0x10, kB = 0x08, kE = 0x04, kV = 0x02, kZ = 0x01;

// RFC 9628 §4.2.1, the scalability structure:
//
//        +-+-+-+-+-+-+-+-+
//   V:   | N_S |Y|G|-|-|-|
//        +-+-+-+-+-+-+-+-+              -+
//   Y:   |     WIDTH     | (OPTIONAL)    .
//        +               +               .
//        |               |               .
//        +-+-+-+-+-+-+-+-+               . - N_S + 1 times
//        |     HEIGHT    |               .
//        +               +               .
//        |               |               .
//        +-+-+-+-+-+-+-+-+              -+
//   G:   |      N_G      | (OPTIONAL)
//        +-+-+-+-+-+-+-+-+                            -+
//   N_G: | TID |U| R |-|-|                            .
//        +-+-+-+-+-+-+-+-+              -+            . - N_G times
//        |    P_DIFF     | (OPTIONAL)    . - R times  .
//        +-+-+-+-+-+-+-+-+              -/           -+
void parse_structure(Reader& reader, Vp9Descriptor& descriptor) {
  const uint8_t first = reader.u8();
  descriptor.has_scalability_structure = true;
  descriptor.spatial_layers = static_cast<uint8_t>((first >> 5) + 1);
  if ((first & 0x10) != 0) {
    for (uint8_t i = 0; i < descriptor.spatial_layers; ++i) {
      const uint32_t width = reader.u16();
      descriptor.resolution = Resolution{width, reader.u16()};
    }
  }
  if ((first & 0x08) != 0) {
    const uint8_t pictures = reader.u8();
    for (uint8_t i = 0; i < pictures && reader.ok(); ++i) reader.skip((reader.u8() >> 2) & 3);
  }
}

struct GroupEntry {
  uint8_t temporal_id;
  uint8_t distance;
};
// The usual patterns of one, two and three temporal layers, each frame with one reference.
constexpr std::array<GroupEntry, 1> kOneLayer = {{{0, 1}}};
constexpr std::array<GroupEntry, 2> kTwoLayers = {{{0, 2}, {1, 1}}};
constexpr std::array<GroupEntry, 4> kThreeLayers = {{{0, 4}, {2, 1}, {1, 2}, {2, 1}}};

std::span<const GroupEntry> group_of(uint8_t temporal_layers) {
  if (temporal_layers >= 3) return kThreeLayers;
  if (temporal_layers == 2) return kTwoLayers;
  return kOneLayer;
}

}  // namespace

// RFC 9628 §4.2:
//
//         0 1 2 3 4 5 6 7
//        +-+-+-+-+-+-+-+-+
//        |I|P|L|F|B|E|V|Z| (REQUIRED)
//        +-+-+-+-+-+-+-+-+
//   I:   |M| PICTURE ID  | (RECOMMENDED; in flexible mode REQUIRED)
//        +-+-+-+-+-+-+-+-+
//   M:   | EXTENDED PID  | (RECOMMENDED)
//        +-+-+-+-+-+-+-+-+
//   L:   | TID |U| SID |D| (Conditionally RECOMMENDED)
//        +-+-+-+-+-+-+-+-+
//        |   TL0PICIDX   | (Conditionally REQUIRED: not in flexible mode)
//        +-+-+-+-+-+-+-+-+                             -+
//   P,F: | P_DIFF      |N| (Conditionally RECOMMENDED) - up to 3 times
//        +-+-+-+-+-+-+-+-+                             -+
//   V:   | SS            |
//        | ..            |
//        +-+-+-+-+-+-+-+-+
std::optional<Vp9Descriptor> Vp9Descriptor::parse(ByteView payload) {
  Reader reader(payload);
  Vp9Descriptor descriptor;
  const uint8_t first = reader.u8();
  descriptor.inter_picture_predicted = (first & kP) != 0;
  descriptor.flexible = (first & kF) != 0;
  descriptor.starts_frame = (first & kB) != 0;
  descriptor.ends_frame = (first & kE) != 0;
  descriptor.not_reference_for_upper = (first & kZ) != 0;
  if ((first & kI) != 0) {
    const uint8_t id = reader.u8();
    descriptor.long_picture_id = (id & 0x80) != 0;
    descriptor.picture_id = id;
    if (descriptor.long_picture_id) {
      descriptor.picture_id = static_cast<uint16_t>(((id & 0x7f) << 8) | reader.u8());
    }
  }
  if ((first & kL) != 0) {
    const uint8_t layer = reader.u8();
    descriptor.has_layers = true;
    descriptor.temporal_id = static_cast<uint8_t>(layer >> 5);
    descriptor.switching_up = (layer & 0x10) != 0;
    descriptor.spatial_id = (layer >> 1) & 7;
    descriptor.inter_layer_predicted = (layer & 1) != 0;
    if (!descriptor.flexible) descriptor.tl0_picture_index = reader.u8();
  }
  if (descriptor.inter_picture_predicted && descriptor.flexible) {
    bool more = true;
    while (more) {
      if (descriptor.reference_count == kMaxReferences) return std::nullopt;
      const uint8_t reference = reader.u8();
      descriptor.reference_distances[descriptor.reference_count++] = static_cast<uint8_t>(reference >> 1);
      more = (reference & 1) != 0 && reader.ok();
    }
  }
  if ((first & kV) != 0) parse_structure(reader, descriptor);
  if (!reader.ok() || reader.at_end()) return std::nullopt;
  descriptor.size = reader.position();
  return descriptor;
}

bool rewrite_vp9(Bytes payload, uint16_t picture_id, uint8_t tl0_picture_index) {
  const auto descriptor = Vp9Descriptor::parse(payload);
  if (!descriptor) return false;
  size_t at = 1;
  if (descriptor->picture_id) {
    if (descriptor->long_picture_id) {
      store_be16(&payload[at], static_cast<uint16_t>(0x8000 | (picture_id & 0x7fff)));
      at += 2;
    } else {
      payload[at++] = picture_id & 0x7f;
    }
  }
  if (descriptor->tl0_picture_index) payload[at + 1] = tl0_picture_index;
  return true;
}

Vp9Packetizer::Vp9Packetizer(const Vp9Options& options)
    : options_(options),
      // One back: the first frame of each picture moves on.
      picture_id_((options.first_picture_id - 1) & 0x7fff),
      tl0_picture_index_(static_cast<uint8_t>(options.first_tl0_picture_index - 1)) {
  options_.temporal_layers = std::clamp<uint8_t>(options.temporal_layers, 1, 3);
  options_.spatial_layers = std::clamp<uint8_t>(options.spatial_layers, 1, 3);
}

void Vp9Packetizer::put_structure(Piece& piece, const FrameInfo& info) const {
  const bool sizes = options_.spatial_layers == 1 && info.resolution.has_value();
  const bool group = !options_.flexible;
  piece.put(static_cast<uint8_t>(((options_.spatial_layers - 1) << 5) | (sizes ? 0x10 : 0) | (group ? 0x08 : 0)));
  if (sizes) {
    piece.put16(static_cast<uint16_t>(info.resolution->width));
    piece.put16(static_cast<uint16_t>(info.resolution->height));
  }
  if (!group) return;
  const auto entries = group_of(options_.temporal_layers);
  piece.put(static_cast<uint8_t>(entries.size()));
  for (const GroupEntry& entry : entries) {
    piece.put(static_cast<uint8_t>((entry.temporal_id << 5) | 0x10 | (1 << 2)));
    piece.put(entry.distance);
  }
}

// The layer byte is always there, also without layers: receivers want TL0PICIDX in every non-flexible packet.
size_t Vp9Packetizer::put_descriptor(Piece& piece, bool first, const FrameInfo& info, const LayerInfo& layers) const {
  const bool predicted = !info.keyframe && !layers.key_picture;
  const bool structure = first && info.keyframe && layers.spatial_id == 0;
  piece.put(static_cast<uint8_t>(kI | (predicted ? kP : 0) | kL | (options_.flexible ? kF : 0) | (first ? kB : 0) |
                                 (structure ? kV : 0) | (layers.not_referenced ? kZ : 0)));
  piece.put16(static_cast<uint16_t>(0x8000 | picture_id_));
  piece.put(static_cast<uint8_t>((layers.temporal_id << 5) | (layers.layer_sync ? 0x10 : 0) |
                                 ((layers.spatial_id & 7) << 1) | (layers.inter_layer_predicted ? 1 : 0)));
  if (!options_.flexible) piece.put(tl0_picture_index_);
  if (predicted && options_.flexible) {
    constexpr uint8_t kPrevious[] = {1};
    std::span<const uint8_t> distances = layers.reference_distances;
    if (distances.empty()) distances = kPrevious;
    distances = distances.first(std::min(distances.size(), Vp9Descriptor::kMaxReferences));
    for (size_t i = 0; i < distances.size(); ++i) {
      piece.put(static_cast<uint8_t>((distances[i] << 1) | (i + 1 < distances.size() ? 1 : 0)));
    }
  }
  if (structure) put_structure(piece, info);
  return piece.prefix_size;
}

Result<void, PacketizeError> Vp9Packetizer::packetize(ByteView frame, const Limits& limits, const LayerInfo& layers,
                                                      PayloadList& out) {
  const FrameInfo info = inspect_vp9_frame(frame);
  // The structure stands in the first packet only: a reduction like that of an extension.
  Piece first_descriptor, other_descriptor;
  const size_t first_size = put_descriptor(first_descriptor, true, info, layers);
  const size_t overhead = put_descriptor(other_descriptor, false, info, layers);
  Limits media = limits;
  media.first_reduction += first_size - overhead;
  if (!internal::limits_fit(media, overhead)) return fail(PacketizeError::LimitsTooSmall);

  if (layers.starts_picture) {
    picture_id_ = (picture_id_ + 1) & 0x7fff;
    if (layers.temporal_id == 0) ++tl0_picture_index_;
  }
  internal::split_evenly(frame.size(), media.max_payload - overhead, media.first_reduction, media.last_reduction,
                         [&](size_t offset, size_t size, bool first, bool last) {
                           Piece& piece = out.add_piece(frame.subspan(offset, size));
                           put_descriptor(piece, first, info, layers);
                           if (last) piece.prefix_bytes[0] |= kE;
                           out.end_payload();
                         });
  return {};
}

// VP9 bitstream specification §6.2, §7.2.
FrameInfo inspect_vp9_frame(ByteView frame) {
  internal::BitReader bits(frame);
  if (bits.bits(2) != 2) return {};  // frame_marker
  const uint32_t profile_low = bits.bits(1);
  const uint32_t profile = profile_low | (bits.bits(1) << 1);
  if (profile == 3) bits.skip(1);
  if (bits.flag()) return {};  // show_existing_frame
  const bool key = !bits.flag();
  bits.skip(2);  // show_frame, error_resilient_mode
  if (!key || bits.bits(24) != 0x498342 || !bits.ok()) return {};

  FrameInfo info;
  info.keyframe = true;
  if (profile >= 2) bits.skip(1);  // ten_or_twelve_bit
  constexpr uint32_t kColorSpaceRgb = 7;
  if (bits.bits(3) != kColorSpaceRgb) {
    bits.skip(1);                              // color_range
    if ((profile & 1) != 0) bits.skip(2 + 1);  // subsampling, reserved
  } else if ((profile & 1) != 0) {
    bits.skip(1);
  }
  const uint32_t width = bits.bits(16) + 1;
  const uint32_t height = bits.bits(16) + 1;
  if (bits.ok()) info.resolution = Resolution{width, height};
  return info;
}

}  // namespace kaon::packetizer
