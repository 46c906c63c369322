#include "kaon/turn/wire.h"

#include "kaon/base/assert.h"
#include "kaon/stun/attribute.h"

namespace kaon::turn {

std::optional<ChannelData> parse_channel_data(ByteView bytes) {
  if (bytes.size() < kChannelHeader || !is_channel_data(bytes)) return std::nullopt;
  const size_t size = load_be16(&bytes[2]);
  if (size > bytes.size() - kChannelHeader) return std::nullopt;
  // RFC 8656 §12.6: over UDP there may be padding, and no more than that.
  if (bytes.size() > kChannelHeader + padded(size)) return std::nullopt;
  return ChannelData{load_be16(bytes.data()), bytes.subspan(kChannelHeader, size)};
}

void write_channel_header(uint8_t* out, uint16_t channel, size_t size) {
  KAON_ASSERT(size <= 0xffff);
  store_be16(out, channel);
  store_be16(out + 2, static_cast<uint16_t>(size));
}

Result<std::optional<Frame>, FrameError> next_frame(ByteView stream) {
  if (stream.empty()) return std::nullopt;
  if (stream[0] < 4) {
    if (stream.size() < 4) return std::nullopt;
    const size_t length = load_be16(&stream[2]);
    if (length % 4 != 0) return fail(FrameError::NotTurn);
    if (stream.size() >= 8 && load_be32(&stream[4]) != stun::kMagicCookie) return fail(FrameError::NotTurn);
    const size_t size = stun::kHeaderSize + length;
    return Frame{size, size};
  }
  if (!is_channel_data(stream)) return fail(FrameError::NotTurn);
  if (stream.size() < kChannelHeader) return std::nullopt;
  const size_t size = kChannelHeader + load_be16(&stream[2]);
  return Frame{size, padded(size)};
}

uint32_t address_family_value(net::Family family) {
  KAON_ASSERT(family != net::Family::None);
  return family == net::Family::V4 ? 0x01000000 : 0x02000000;
}

net::Family address_family_of(uint32_t value) {
  switch (value >> 24) {
    case 1: return net::Family::V4;
    case 2: return net::Family::V6;
    default: return net::Family::None;
  }
}

// Family, then class and number as in ERROR-CODE.
uint32_t address_error_value(const AddressError& error) {
  return address_family_value(error.family) | uint32_t{error.number} / 100 << 8 | uint32_t{error.number} % 100;
}

std::optional<AddressError> parse_address_error(ByteView value) {
  if (value.size() < 4) return std::nullopt;
  const net::Family family = address_family_of(load_be32(value.data()));
  if (family == net::Family::None) return std::nullopt;
  return AddressError{family, static_cast<uint16_t>((value[2] & 7) * 100 + value[3])};
}

// 16 bits reserved, type in 7, code in 9, then the data.
uint64_t icmp_value(const IcmpError& error) {
  return uint64_t{error.type & 0x7fu} << 41 | uint64_t{error.code & 0x1ffu} << 32 | error.data;
}

IcmpError icmp_of(uint64_t value) {
  return {static_cast<uint8_t>((value >> 41) & 0x7f), static_cast<uint16_t>((value >> 32) & 0x1ff),
          static_cast<uint32_t>(value)};
}

}  // namespace kaon::turn
