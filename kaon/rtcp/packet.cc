#include "kaon/rtcp/packet.h"

namespace kaon::rtcp {
namespace {

/// Size in bytes of the packet that starts here; the caller has checked it.
size_t packet_size(ByteView rest) { return (load_be16(&rest[2]) + size_t{1}) * 4; }

}  // namespace

const char* to_string(ParseError error) {
  switch (error) {
    case ParseError::TooShort: return "too short";
    case ParseError::Version: return "version";
    case ParseError::LengthPastEnd: return "length past end";
    case ParseError::Padding: return "padding";
    case ParseError::Count: break;
  }
  return "?";
}

// RFC 3550 §6.4.1
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |V=2|P|  count  |      PT       |  length in words minus one    |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
Result<Compound, ParseError> Compound::parse(ByteView bytes) {
  if (bytes.size() < kHeaderSize) return fail(ParseError::TooShort);
  for (ByteView rest = bytes; !rest.empty();) {
    if (rest.size() < kHeaderSize) return fail(ParseError::TooShort);
    if (rest[0] >> 6 != 2) return fail(ParseError::Version);
    const size_t size = packet_size(rest);
    if (size > rest.size()) return fail(ParseError::LengthPastEnd);
    if ((rest[0] & 0x20) != 0) {
      const size_t padding = rest[size - 1];
      if (padding == 0 || padding > size - kHeaderSize) return fail(ParseError::Padding);
    }
    rest = rest.subspan(size);
  }
  return Compound(bytes);
}

PacketView Compound::Iterator::operator*() const {
  const size_t size = packet_size(rest_);
  const size_t padding = (rest_[0] & 0x20) != 0 ? rest_[size - 1] : 0;
  return {.type = rest_[1],
          .count = static_cast<uint8_t>(rest_[0] & 0x1f),
          .body = rest_.subspan(kHeaderSize, size - kHeaderSize - padding)};
}

Compound::Iterator& Compound::Iterator::operator++() {
  rest_ = rest_.subspan(packet_size(rest_));
  return *this;
}

void write_header(Writer& writer, PacketType type, size_t count, size_t size) {
  KAON_ASSERT(count <= kMaxCount && size % 4 == 0 && size / 4 <= 65536);
  writer.u8(static_cast<uint8_t>(0x80 | count));
  writer.u8(static_cast<uint8_t>(type));
  writer.u16(static_cast<uint16_t>(size / 4 - 1));
}

void write_padding(Writer& writer, Bytes packet, size_t size) {
  const size_t padding = size - writer.size();
  if (padding == 0) return;
  packet[0] |= 0x20;
  writer.zeros(padding - 1);
  writer.u8(static_cast<uint8_t>(padding));
}

}  // namespace kaon::rtcp
