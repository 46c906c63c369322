// VP9 payloads, RFC 9628.
#pragma once

#include <array>
#include <optional>

#include "kaon/base/result.h"
#include "kaon/packetizer/codec.h"
#include "kaon/packetizer/payload.h"

namespace kaon::packetizer {

/// The payload descriptor in front of every VP9 payload, RFC 9628 §4.2.
struct Vp9Descriptor {
  static constexpr size_t kMaxReferences = 3;

  bool inter_picture_predicted = false;  // P
  bool flexible = false;                 // F
  bool starts_frame = false;             // B
  bool ends_frame = false;               // E
  bool not_reference_for_upper = false;  // Z
  std::optional<uint16_t> picture_id;
  bool long_picture_id = false;
  bool has_layers = false;  // L
  uint8_t temporal_id = 0;
  uint8_t spatial_id = 0;
  bool switching_up = false;           // U
  bool inter_layer_predicted = false;  // D
  std::optional<uint8_t> tl0_picture_index;
  uint8_t reference_count = 0;
  std::array<uint8_t, kMaxReferences> reference_distances{};  // P_DIFF
  bool has_scalability_structure = false;
  uint8_t spatial_layers = 0;  // N_S + 1, if the structure is present
  /// Of the highest spatial layer, if the structure gives sizes.
  std::optional<Resolution> resolution;
  /// Bytes of the descriptor; the VP9 data follow.
  size_t size = 0;

  /// Nothing if the descriptor is cut off or illegal (a fourth P_DIFF), or no data follow it.
  static std::optional<Vp9Descriptor> parse(ByteView payload);
};

/// Writes another picture id and TL0PICIDX into a payload, in place and where it has them; an id of 7 bits keeps its
/// width. False (and nothing changed) if the payload is malformed.
bool rewrite_vp9(Bytes payload, uint16_t picture_id, uint8_t tl0_picture_index);

struct Vp9Options {
  /// Take it at random; 15 bits.
  uint16_t first_picture_id = 0;
  uint8_t first_tl0_picture_index = 0;
  /// Flexible mode names the references in every frame; the other mode announces a pattern in the key frame's
  /// scalability structure.
  bool flexible = false;
  /// 1 to 3, for the pattern of the non-flexible mode.
  uint8_t temporal_layers = 1;
  /// 1 to 3. With more than one, call packetize() once per layer frame; the structure then has no picture sizes.
  uint8_t spatial_layers = 1;
};

class Vp9Packetizer {
 public:
  explicit Vp9Packetizer(const Vp9Options& options);
  [[nodiscard]] Result<void, PacketizeError> packetize(ByteView frame, const Limits& limits, const LayerInfo& layers,
                                                       PayloadList& out);

 private:
  size_t put_descriptor(Piece& piece, bool first, const FrameInfo& info, const LayerInfo& layers) const;
  void put_structure(Piece& piece, const FrameInfo& info) const;

  Vp9Options options_;
  uint16_t picture_id_;
  uint8_t tl0_picture_index_;
};

/// Uncompressed header of the first frame in a superframe, VP9 bitstream specification §6.2.
FrameInfo inspect_vp9_frame(ByteView frame);

}  // namespace kaon::packetizer
