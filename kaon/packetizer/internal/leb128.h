// leb128(), AV1 bitstream specification §4.10.5: seven bits per byte, the lowest first, the top bit says that more
// follow.
#pragma once

#include <optional>

#include "kaon/base/bytes.h"

namespace kaon::packetizer::internal {

inline constexpr size_t kMaxLeb128Size = 8;

/// Takes a number from the front of `bytes`; nothing if it is cut off or beyond 32 bits.
inline std::optional<uint32_t> take_leb128(ByteView& bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < kMaxLeb128Size && i < bytes.size(); ++i) {
    value |= uint64_t{bytes[i] & 0x7fu} << (7 * i);
    if ((bytes[i] & 0x80) == 0) {
      if (value > UINT32_MAX) return std::nullopt;
      bytes = bytes.subspan(i + 1);
      return static_cast<uint32_t>(value);
    }
  }
  return std::nullopt;
}

inline size_t leb128_size(size_t value) {
  size_t size = 1;
  while ((value >>= 7) != 0) ++size;
  return size;
}

/// Calls put(byte) `size` times; a size beyond the shortest is legal and fills space.
template <class Put>
void put_leb128(size_t value, size_t size, Put&& put) {
  for (size_t i = 0; i < size; ++i, value >>= 7) {
    put(static_cast<uint8_t>((value & 0x7f) | (i + 1 < size ? 0x80 : 0)));
  }
}

}  // namespace kaon::packetizer::internal
