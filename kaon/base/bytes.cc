#include "kaon/base/bytes.h"

#include <cstring>

namespace kaon {

std::string to_hex(ByteView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool equal_in_constant_time(ByteView a, ByteView b) {
  if (a.size() != b.size()) return false;
  uint8_t difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
  return difference == 0;
}

void wipe(Bytes secret) {
  // Whose function the compiler cannot know: otherwise it might leave out what nobody reads.
  static void* (*const volatile set)(void*, int, size_t) = std::memset;
  if (!secret.empty()) set(secret.data(), 0, secret.size());
}

}  // namespace kaon
