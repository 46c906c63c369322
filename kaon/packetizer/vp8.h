// VP8 payloads, RFC 7741.
#pragma once

#include <optional>
#include <span>

#include "kaon/base/result.h"
#include "kaon/packetizer/codec.h"
#include "kaon/packetizer/payload.h"

namespace kaon::packetizer {

/// The payload descriptor in front of every VP8 payload, RFC 7741 §4.2.
struct Vp8Descriptor {
  bool non_reference = false;       // N
  bool start_of_partition = false;  // S
  uint8_t partition = 0;            // PID
  std::optional<uint16_t> picture_id;
  bool long_picture_id = false;  // 15 bits rather than 7
  std::optional<uint8_t> tl0_picture_index;
  std::optional<uint8_t> temporal_id;
  bool layer_sync = false;  // Y
  std::optional<uint8_t> key_index;
  /// Bytes of the descriptor; the VP8 data follow.
  size_t size = 0;

  /// Nothing if the bytes end within the descriptor or no data follow it.
  static std::optional<Vp8Descriptor> parse(ByteView payload);
};

/// Writes another picture id and TL0PICIDX into a payload, in place and where it has them; an id of 7 bits keeps its
/// width. For forwarding. False (and nothing changed) if the payload is malformed.
bool rewrite_vp8(Bytes payload, uint16_t picture_id, uint8_t tl0_picture_index);

struct Vp8Options {
  /// Take it at random (RFC 7741 §4.2); 15 bits.
  uint16_t first_picture_id = 0;
  uint8_t first_tl0_picture_index = 0;
  /// Writes TL0PICIDX, TID and Y into every packet.
  bool temporal_layers = false;
};

class Vp8Packetizer {
 public:
  explicit Vp8Packetizer(const Vp8Options& options);
  [[nodiscard]] Result<void, PacketizeError> packetize(ByteView frame, const Limits& limits, const LayerInfo& layers,
                                                       PayloadList& out);

 private:
  bool temporal_layers_;
  uint16_t picture_id_;
  uint8_t tl0_picture_index_;
};

/// Frame header, RFC 6386 §9.1.
FrameInfo inspect_vp8_frame(ByteView frame);

}  // namespace kaon::packetizer
