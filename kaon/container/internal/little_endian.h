// Little-endian fields of file formats.
#pragma once

#include <vector>

#include "kaon/base/bytes.h"

namespace kaon::container {

inline uint16_t load_le16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | (p[1] << 8)); }

inline void append_le(std::vector<uint8_t>& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i, value >>= 8) out.push_back(static_cast<uint8_t>(value));
}

}  // namespace kaon::container
