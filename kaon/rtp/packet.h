// The media packet that moves through the stack.
#pragma once

#include <array>
#include <string_view>

#include "kaon/base/buffer.h"
#include "kaon/rtp/extension_values.h"
#include "kaon/rtp/header.h"

namespace kaon::rtp {

/// A mid or rid, inline. The one-byte form of RFC 8285 carries at most 16 bytes; a longer text counts as absent.
class ShortText {
 public:
  static constexpr size_t kMaxSize = 16;
  ShortText() = default;
  explicit ShortText(std::string_view text);
  std::string_view view() const { return {text_.data(), size_}; }
  bool empty() const { return size_ == 0; }
  bool operator==(std::string_view o) const { return view() == o; }

 private:
  std::array<char, kMaxSize> text_{};
  uint8_t size_ = 0;
};

/// Part of a packet's buffer.
struct Slice {
  uint16_t offset = 0;
  uint16_t size = 0;
};

/// What the payload says about its frame; filled by the depacketizer or the packetizer, codec-independent.
struct FrameMarks {
  bool start_of_frame = false;
  bool end_of_frame = false;
  bool keyframe = false;
  bool discardable = false;      ///< no other frame refers to it
  bool switching_point = false;  ///< a receiver may go up to this temporal layer here
  uint8_t spatial_layer = 0;
  uint8_t temporal_layer = 0;
};

/// One media packet, plaintext. Cheap to move; a copy costs one count. The bytes are never changed: who forwards writes
/// another header with write_header() and encrypts from payload() into the outgoing memory.
struct Packet {
  Header header;
  SharedBuffer buffer;
  Slice payload_slice;
  Slice dependency_descriptor_slice;
  Slice video_layers_allocation_slice;
  Slice color_space_slice;
  ExtensionValues extensions;
  ShortText mid;
  ShortText rid;
  ShortText repaired_rid;
  /// Padding after the payload; a packet with padding only has an empty payload.
  uint8_t padding_size = 0;
  /// Set on a retransmission to be sent: these two bytes stand before the payload. RFC 4588 §4.
  std::optional<SequenceNumber> original_sequence;
  /// Restored from a RTX stream (RFC 4588) or by FEC.
  bool recovered = false;
  FrameMarks frame;
  /// Receive side: when it arrived. Send side: when it was captured or handed in.
  Time time{};

  ByteView payload() const { return bytes(payload_slice); }
  ByteView dependency_descriptor() const { return bytes(dependency_descriptor_slice); }
  ByteView video_layers_allocation() const { return bytes(video_layers_allocation_slice); }
  ByteView color_space() const { return bytes(color_space_slice); }
  /// All values this packet carries, borrowed from it: the start of an OutgoingHeader.
  Extensions borrowed_extensions() const;
  /// Fixed header with its sources, payload and padding: the size without extensions and SRTP.
  size_t wire_size() const {
    return kFixedHeaderSize + 4 * header.csrcs.size() + (original_sequence ? 2 : 0) + payload_slice.size + padding_size;
  }

  /// The packet in `buffer`, which holds a whole plaintext packet of at most 64 KiB.
  static Result<Packet, ParseError> parse(SharedBuffer buffer, const ExtensionMap& map, Time arrival);
  /// A packet to be sent whose payload is all of `payload`.
  static Packet from_payload(const Header& header, SharedBuffer payload, Time now);

 private:
  ByteView bytes(Slice slice) const { return buffer.view().subspan(slice.offset, slice.size); }
};

}  // namespace kaon::rtp
