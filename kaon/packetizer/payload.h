// RTP payloads as a packetizer describes them: references into the frame, plus the few bytes that go before each part.
#pragma once

#include <array>
#include <cstring>
#include <span>
#include <vector>

#include "kaon/base/assert.h"
#include "kaon/base/bytes.h"

namespace kaon::packetizer {

/// How large the payloads of one frame may be. The reductions are what header extensions take that only the first (or
/// only the last) packet carries; payloads are sized so that the packets on the wire come out equal. A frame of one
/// packet is reduced by both.
struct Limits {
  size_t max_payload = 1200;
  size_t first_reduction = 0;
  size_t last_reduction = 0;
};

/// Why a frame could not be packetized. The stream's state (picture ids) is unchanged then.
enum class PacketizeError : uint8_t {
  EmptyFrame,
  /// The limits leave less than kMinPayload for a packet.
  LimitsTooSmall,
  /// What cannot be cut does not fit: an Opus packet, or a NAL unit in packetization-mode 0.
  TooLarge,
  /// The frame is not what the codec says: no start code, OBU sizes beyond the end, reserved NAL unit types.
  Malformed,
};

/// Which layer of its picture a frame is, for VP8 with temporal and VP9 with temporal and spatial layers. The default
/// is a stream without layers.
struct LayerInfo {
  uint8_t temporal_id = 0;
  uint8_t spatial_id = 0;
  /// VP8 Y bit, VP9 U bit: from this frame on one may switch up to its temporal layer.
  bool layer_sync = false;
  /// VP8 N bit, VP9 Z bit: no other frame (VP9: no higher spatial layer) refers to this one.
  bool not_referenced = false;
  /// VP9 D bit: predicted from the lower spatial layer of the same picture.
  bool inter_layer_predicted = false;
  /// VP9: belongs to a key picture, as the higher spatial layers above a key frame do: no reference to other pictures.
  bool key_picture = false;
  /// VP9: this layer frame begins a new picture.
  bool starts_picture = true;
  /// VP9 flexible mode: how many pictures back the references are, at most three; empty stands for the previous
  /// picture.
  std::span<const uint8_t> reference_distances = {};
};

/// No payload is ever cut smaller than this; limits that ask for it are refused.
inline constexpr size_t kMinPayload = 24;

/// A few bytes made by the packetizer, then a part of the frame.
struct Piece {
  static constexpr size_t kMaxPrefix = 31;

  ByteView body;
  std::array<uint8_t, kMaxPrefix> prefix_bytes;  // only the first prefix_size are set
  uint8_t prefix_size = 0;

  ByteView prefix() const { return {prefix_bytes.data(), prefix_size}; }
  size_t size() const { return prefix_size + body.size(); }
  void put(uint8_t byte) {
    KAON_ASSERT(prefix_size < kMaxPrefix);
    prefix_bytes[prefix_size++] = byte;
  }
  void put16(uint16_t value) {
    put(static_cast<uint8_t>(value >> 8));
    put(static_cast<uint8_t>(value));
  }
};

/// The payload of one packet: its pieces one after another.
class Payload {
 public:
  Payload() = default;
  explicit Payload(std::span<const Piece> pieces) : pieces_(pieces) {
    for (const Piece& piece : pieces) size_ += piece.size();
  }

  std::span<const Piece> pieces() const { return pieces_; }
  size_t size() const { return size_; }
  /// Writes the payload; `out` holds at least size() bytes (asserted). Returns size().
  size_t write(Bytes out) const {
    KAON_ASSERT(out.size() >= size_);
    uint8_t* p = out.data();
    for (const Piece& piece : pieces_) {
      std::memcpy(p, piece.prefix_bytes.data(), piece.prefix_size);
      p += piece.prefix_size;
      if (!piece.body.empty()) std::memcpy(p, piece.body.data(), piece.body.size());
      p += piece.body.size();
    }
    return size_;
  }

 private:
  std::span<const Piece> pieces_;
  size_t size_ = 0;
};

/// The payloads of one frame. Its memory is kept from frame to frame, so that nothing is allocated after warm-up.
class PayloadList {
 public:
  void clear() {
    pieces_.clear();
    ends_.clear();
    payloads_.clear();
  }
  /// Adds a piece to the payload being built; the reference is valid until the next call.
  Piece& add_piece(ByteView body) {
    Piece& piece = pieces_.emplace_back();
    piece.body = body;
    return piece;
  }
  /// The pieces since here make one payload.
  void end_payload() { ends_.push_back(pieces_.size()); }
  /// Pieces so far, and a way back to change one before seal().
  size_t piece_count() const { return pieces_.size(); }
  Piece& piece(size_t i) { return pieces_[i]; }
  /// All payloads are there: makes the views.
  std::span<const Payload> seal() {
    size_t begin = 0;
    for (size_t end : ends_) {
      payloads_.emplace_back(std::span<const Piece>(pieces_).subspan(begin, end - begin));
      begin = end;
    }
    return payloads_;
  }

 private:
  std::vector<Piece> pieces_;
  std::vector<size_t> ends_;
  std::vector<Payload> payloads_;
};

}  // namespace kaon::packetizer
