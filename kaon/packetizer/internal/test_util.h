// Helpers of this module's tests.
#pragma once

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "kaon/packetizer/payload.h"

namespace kaon::packetizer {

/// Bytes of a text of hexadecimal digits; anything else is ignored.
inline std::vector<uint8_t> hex(std::string_view text) {
  std::vector<uint8_t> bytes;
  int high = -1;
  for (char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) continue;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<uint8_t>(high * 16 + digit));
      high = -1;
    }
  }
  return bytes;
}

inline std::vector<uint8_t> bytes_of(const Payload& payload) {
  std::vector<uint8_t> bytes(payload.size());
  payload.write(bytes);
  return bytes;
}

/// `size` bytes of no pattern a parser knows: never two zeros in a row.
inline std::vector<uint8_t> noise(size_t size, uint32_t seed = 1) {
  std::vector<uint8_t> bytes(size);
  for (uint8_t& byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<uint8_t>((seed >> 24) | 2);
  }
  return bytes;
}

}  // namespace kaon::packetizer
