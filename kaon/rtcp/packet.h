// Compound RTCP packets: walking through a received one, building one to send. RFC 3550 §6, RFC 5506.
#pragma once

#include <iterator>
#include <string>

#include "kaon/base/bytes.h"
#include "kaon/base/result.h"
#include "kaon/base/writer.h"
#include "kaon/rtp/header.h"

namespace kaon::rtcp {

using rtp::SequenceNumber;
using rtp::Ssrc;
using rtp::Timestamp;

/// IANA "RTCP Control Packet Types".
enum class PacketType : uint8_t {
  SenderReport = 200,
  ReceiverReport = 201,
  SourceDescription = 202,
  Bye = 203,
  App = 204,
  TransportLayerFeedback = 205,
  PayloadSpecificFeedback = 206,
  ExtendedReport = 207,
};

inline constexpr size_t kHeaderSize = 4;
/// The count field has five bits.
inline constexpr size_t kMaxCount = 31;

/// One packet of a compound; borrows from it.
struct PacketView {
  uint8_t type = 0;   ///< a PacketType, or one we do not know
  uint8_t count = 0;  ///< reports, chunks, sources, subtype or feedback message type
  ByteView body;      ///< after the four bytes of header, without padding
  bool is(PacketType t) const { return type == static_cast<uint8_t>(t); }
  bool is(PacketType t, uint8_t format) const { return is(t) && count == format; }
};

/// Why bytes are no RTCP. Also drop reasons.
enum class ParseError : uint8_t { TooShort, Version, LengthPastEnd, Padding, Count };
const char* to_string(ParseError error);

/// A compound whose lengths have all been checked. It may start with any packet: reduced-size RTCP, RFC 5506.
class Compound {
 public:
  static Result<Compound, ParseError> parse(ByteView bytes);

  class Iterator {
   public:
    using value_type = PacketView;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    explicit Iterator(ByteView rest) : rest_(rest) {}
    PacketView operator*() const;
    Iterator& operator++();
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return rest_.empty(); }

   private:
    ByteView rest_;
  };
  Iterator begin() const { return Iterator(bytes_); }
  std::default_sentinel_t end() const { return {}; }

 private:
  explicit Compound(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
};

/// Puts messages one behind the other into the caller's memory.
class CompoundBuilder {
 public:
  explicit CompoundBuilder(Bytes out) : out_(out) {}
  /// False, and nothing written, if the message does not fit any more.
  template <class Message>
  bool add(const Message& message) {
    if (message.size() > out_.size() - size_) return false;
    size_ += message.write(out_.subspan(size_));
    return true;
  }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t available() const { return out_.size() - size_; }
  Bytes written() const { return out_.first(size_); }

 private:
  Bytes out_;
  size_t size_ = 0;
};

/// First four bytes of a packet of `size` bytes in all, a multiple of four.
void write_header(Writer& writer, PacketType type, size_t count, size_t size);

/// Fills the packet that `writer` has begun at `packet` up to `size` with padding (RFC 3550 §6.4.1). The RFC has
/// padding in fours; libwebrtc pads with one to three bytes, and so do we.
void write_padding(Writer& writer, Bytes packet, size_t size);

}  // namespace kaon::rtcp
