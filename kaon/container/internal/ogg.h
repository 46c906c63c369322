// Pages of Ogg, RFC 3533 §6.
#pragma once

#include <array>

#include "kaon/base/bytes.h"

namespace kaon::container::ogg {

// RFC 3533 §6, little-endian:
//
//    0  "OggS"
//    4  version (1) = 0, flags (1)
//    6  granule position (8)
//   14  serial number (4)
//   18  page sequence number (4)
//   22  checksum (4), computed with zeros here
//   26  number of segments (1), segment table, body
inline constexpr size_t kHeaderSize = 27;
inline constexpr size_t kMaxSegments = 255;
inline constexpr uint8_t kContinued = 1, kFirstPage = 2, kLastPage = 4;

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i << 24;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x80000000) != 0 ? 0x04c11db7 : 0);
    table[i] = crc;
  }
  return table;
}
inline constexpr auto kCrcTable = make_crc_table();

/// Not the CRC-32 of zlib: the bits go the other way, and nothing is inverted. Chain by passing the result on.
inline uint32_t crc(ByteView bytes, uint32_t value = 0) {
  for (uint8_t byte : bytes) value = (value << 8) ^ kCrcTable[(value >> 24) ^ byte];
  return value;
}

}  // namespace kaon::container::ogg
