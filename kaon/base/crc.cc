#include "kaon/base/crc.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace kaon {
namespace {

constexpr std::array<uint32_t, 256> make_table(uint32_t reflected_polynomial) {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? reflected_polynomial : 0);
    table[i] = crc;
  }
  return table;
}

constexpr auto kCrc32 = make_table(0xedb88320);
constexpr auto kCrc32c = make_table(0x82f63b78);

uint32_t by_table(const std::array<uint32_t, 256>& table, ByteView bytes, uint32_t crc) {
  for (uint8_t byte : bytes) crc = (crc >> 8) ^ table[(crc ^ byte) & 0xff];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t crc32c_by_instruction(ByteView bytes, uint32_t crc) {
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  uint64_t wide = crc;
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  for (; left != 0; ++p, --left) crc = _mm_crc32_u8(crc, *p);
  return crc;
}
#endif

}  // namespace

uint32_t crc32(ByteView bytes) { return ~by_table(kCrc32, bytes, ~uint32_t{0}); }

uint32_t crc32c(ByteView bytes, uint32_t seed) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~crc32c_by_instruction(bytes, ~seed);
#elif defined(__ARM_FEATURE_CRC32)
  uint32_t crc = ~seed;
  for (uint8_t byte : bytes) crc = __crc32cb(crc, byte);
  return ~crc;
#endif
  return ~by_table(kCrc32c, bytes, ~seed);
}

}  // namespace kaon
