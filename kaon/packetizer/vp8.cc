#include "kaon/packetizer/vp8.h"

#include "kaon/base/reader.h"
#include "kaon/packetizer/internal/split.h"

namespace kaon::packetizer {
namespace {

// First byte and extension byte of the descriptor.
constexpr uint8_t kX = 0x80, kN = 0x20, kS = 0x10;
constexpr uint8_t kI = 0x80, kL = 0x40, kT = 0x20, kK = 0x10;
constexpr uint8_t kLongPictureId = 0x80;

}  // namespace

// RFC 7741 §4.2:
//
//         0 1 2 3 4 5 6 7
//        +-+-+-+-+-+-+-+-+
//        |X|R|N|S|R| PID | (REQUIRED)
//        +-+-+-+-+-+-+-+-+
//   X:   |I|L|T|K| RSV   | (OPTIONAL)
//        +-+-+-+-+-+-+-+-+
//   I:   |M| PictureID   | (OPTIONAL)
//        +-+-+-+-+-+-+-+-+
//   M:   |   PictureID   |
//        +-+-+-+-+-+-+-+-+
//   L:   |   TL0PICIDX   | (OPTIONAL)
//        +-+-+-+-+-+-+-+-+
//   T/K: |TID|Y| KEYIDX  | (OPTIONAL)
//        +-+-+-+-+-+-+-+-+
std::optional<Vp8Descriptor> Vp8Descriptor::parse(ByteView payload) {
  Reader reader(payload);
  Vp8Descriptor descriptor;
  const uint8_t first = reader.u8();
  descriptor.non_reference = (first & kN) != 0;
  descriptor.start_of_partition = (first & kS) != 0;
  descriptor.partition = first & 7;
  const uint8_t extension = (first & kX) != 0 ? reader.u8() : uint8_t{0};
  if ((extension & kI) != 0) {
    const uint8_t id = reader.u8();
    descriptor.long_picture_id = (id & kLongPictureId) != 0;
    descriptor.picture_id = id;
    if (descriptor.long_picture_id) {
      descriptor.picture_id = static_cast<uint16_t>(((id & 0x7f) << 8) | reader.u8());
    }
  }
  if ((extension & kL) != 0) descriptor.tl0_picture_index = reader.u8();
  if ((extension & (kT | kK)) != 0) {
    const uint8_t layer = reader.u8();
    if ((extension & kT) != 0) {
      descriptor.temporal_id = static_cast<uint8_t>(layer >> 6);
      descriptor.layer_sync = (layer & 0x20) != 0;
    }
    if ((extension & kK) != 0) descriptor.key_index = layer & 0x1f;
  }
  if (!reader.ok() || reader.at_end()) return std::nullopt;
  descriptor.size = reader.position();
  return descriptor;
}

bool rewrite_vp8(Bytes payload, uint16_t picture_id, uint8_t tl0_picture_index) {
  const auto descriptor = Vp8Descriptor::parse(payload);
  if (!descriptor) return false;
  size_t at = 2;
  if (descriptor->picture_id) {
    if (descriptor->long_picture_id) {
      store_be16(&payload[at], static_cast<uint16_t>(0x8000 | (picture_id & 0x7fff)));
      at += 2;
    } else {
      payload[at++] = picture_id & 0x7f;
    }
  }
  if (descriptor->tl0_picture_index) payload[at] = tl0_picture_index;
  return true;
}

Vp8Packetizer::Vp8Packetizer(const Vp8Options& options)
    : temporal_layers_(options.temporal_layers),
      picture_id_(options.first_picture_id & 0x7fff),
      // One back: the first frame of the base layer moves on.
      tl0_picture_index_(static_cast<uint8_t>(options.first_tl0_picture_index - 1)) {}

Result<void, PacketizeError> Vp8Packetizer::packetize(ByteView frame, const Limits& limits, const LayerInfo& layers,
                                                      PayloadList& out) {
  const size_t overhead = temporal_layers_ ? 6 : 4;
  if (!internal::limits_fit(limits, overhead)) return fail(PacketizeError::LimitsTooSmall);

  // TL0PICIDX counts the frames of the base layer and repeats in the frames above (§4.2).
  if (layers.temporal_id == 0) ++tl0_picture_index_;
  const uint8_t non_reference = layers.not_referenced ? kN : uint8_t{0};
  internal::split_evenly(
      frame.size(), limits.max_payload - overhead, limits.first_reduction, limits.last_reduction,
      [&](size_t offset, size_t size, bool first, bool) {
        Piece& piece = out.add_piece(frame.subspan(offset, size));
        piece.put(static_cast<uint8_t>(kX | non_reference | (first ? kS : 0)));
        piece.put(temporal_layers_ ? kI | kL | kT : kI);
        piece.put16(static_cast<uint16_t>(0x8000 | picture_id_));
        if (temporal_layers_) {
          piece.put(tl0_picture_index_);
          piece.put(static_cast<uint8_t>((layers.temporal_id << 6) | (layers.layer_sync ? 0x20 : 0)));
        }
        out.end_payload();
      });
  picture_id_ = (picture_id_ + 1) & 0x7fff;
  return {};
}

// RFC 6386 §9.1: three bytes of frame tag, whose lowest bit is 0 for a key frame, then the start code 9d 01 2a, then 14
// bits of width and of height with 2 bits of scaling each, little-endian.
FrameInfo inspect_vp8_frame(ByteView frame) {
  FrameInfo info;
  info.keyframe = !frame.empty() && (frame[0] & 1) == 0;
  if (info.keyframe && frame.size() >= 10 && frame[3] == 0x9d && frame[4] == 0x01 && frame[5] == 0x2a) {
    const uint32_t sizes = load_le32(&frame[6]);
    info.resolution = Resolution{sizes & 0x3fff, (sizes >> 16) & 0x3fff};
  }
  return info;
}

}  // namespace kaon::packetizer
