// The RTP packet on the wire: fixed header, contributing sources, extension block, payload, padding. RFC 3550 §5.1.
#pragma once

#include <array>
#include <span>
#include <string>

#include "kaon/base/assert.h"
#include "kaon/base/bytes.h"
#include "kaon/base/result.h"
#include "kaon/base/strong.h"

namespace kaon::rtp {

/// Synchronization source, RFC 3550 §3.
using Ssrc = Strong<struct SsrcTag, uint32_t>;
/// Wraps at 16 bits; unwrap with kaon::Unwrapper<uint16_t>.
using SequenceNumber = Serial<struct SequenceNumberTag, uint16_t>;
/// Media clock, in units of the payload format's clock rate; wraps at 32 bits.
using Timestamp = Serial<struct TimestampTag, uint32_t>;

inline constexpr size_t kFixedHeaderSize = 12;
inline constexpr size_t kMaxCsrcs = 15;

/// Contributing sources: at most kMaxCsrcs, inline.
class CsrcList {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// The list must not be full (asserted).
  void push_back(Ssrc csrc) {
    KAON_ASSERT(size_ < kMaxCsrcs);
    csrcs_[size_++] = csrc;
  }
  Ssrc operator[](size_t i) const { return view()[i]; }
  std::span<const Ssrc> view() const { return std::span(csrcs_).first(size_); }
  auto begin() const { return view().begin(); }
  auto end() const { return view().end(); }
  bool operator==(const CsrcList& o) const { return std::equal(begin(), end(), o.begin(), o.end()); }

 private:
  std::array<Ssrc, kMaxCsrcs> csrcs_{};
  uint8_t size_ = 0;
};

/// The fields of the header; version, counts and flags follow from what is written.
struct Header {
  bool marker = false;
  uint8_t payload_type = 0;  ///< 7 bits
  SequenceNumber sequence;
  Timestamp timestamp;
  Ssrc ssrc;
  CsrcList csrcs;

  bool operator==(const Header&) const = default;
  std::string to_string() const;
};

/// Why bytes are no RTP packet. Also drop reasons.
enum class ParseError : uint8_t { TooShort, Version, CsrcsPastEnd, ExtensionPastEnd, Padding, Count };
const char* to_string(ParseError error);

/// A parsed packet; borrows from the bytes it was parsed from.
struct PacketView {
  Header header;
  /// "defined by profile" of the extension block: 0xbede, 0x100x, another, or 0 without a block.
  uint16_t extension_profile = 0;
  /// Inside of the extension block, without its own four bytes of header.
  ByteView extension;
  ByteView payload;
  /// Bytes after the payload, its count byte included; 0 without padding.
  uint8_t padding_size = 0;

  /// Parses a plaintext packet. Never reads outside `packet`.
  static Result<PacketView, ParseError> parse(ByteView packet);
  /// The same for the header of a packet whose payload and padding are still encrypted: padding stays in `payload`.
  static Result<PacketView, ParseError> parse_encrypted(ByteView packet);
};

/// True if the second byte is one of a RTCP packet multiplexed on the same port. RFC 5761 §4.
inline bool is_rtcp(ByteView packet) { return packet.size() >= 2 && packet[1] >= 192 && packet[1] <= 223; }

}  // namespace kaon::rtp
