// For tests of this module and of those above it: vectors are written in hexadecimal.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace kaon::crypto::internal {

/// Bytes of hexadecimal digits; blanks and line ends between them do not count.
inline std::vector<uint8_t> from_hex(std::string_view text) {
  std::vector<uint8_t> bytes;
  int digits = 0;
  for (char c : text) {
    const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (value < 0) continue;
    if (digits++ % 2 == 0) bytes.push_back(0);
    bytes.back() = static_cast<uint8_t>(bytes.back() << 4 | value);
  }
  return bytes;
}

}  // namespace kaon::crypto::internal
