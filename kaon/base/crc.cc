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

// Table k says what a byte does that k more bytes follow: eight bytes are eight lookups that do not wait for each
// other.
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables make_tables(uint32_t reflected_polynomial) {
  Tables tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? reflected_polynomial : 0);
    tables[0][i] = crc;
  }
  for (size_t k = 1; k < tables.size(); ++k) {
    for (size_t i = 0; i < 256; ++i) tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xff];
  }
  return tables;
}

constexpr Tables kCrc32 = make_tables(0xedb88320);
constexpr Tables kCrc32c = make_tables(0x82f63b78);

uint32_t by_tables(const Tables& t, ByteView bytes, uint32_t crc) {
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; p += 8, left -= 8) {
    const uint32_t low = load_le32(p) ^ crc;
    const uint32_t high = load_le32(p + 4);
    crc = t[7][low & 0xff] ^ t[6][low >> 8 & 0xff] ^ t[5][low >> 16 & 0xff] ^ t[4][low >> 24] ^ t[3][high & 0xff] ^
          t[2][high >> 8 & 0xff] ^ t[1][high >> 16 & 0xff] ^ t[0][high >> 24];
  }
  for (; left != 0; ++p, --left) crc = (crc >> 8) ^ t[0][(crc ^ *p) & 0xff];
  return crc;
}

#if defined(__x86_64__)
bool has_instruction() { return __builtin_cpu_supports("sse4.2") != 0; }

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
#elif defined(__ARM_FEATURE_CRC32)
bool has_instruction() { return true; }

uint32_t crc32c_by_instruction(ByteView bytes, uint32_t crc) {
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    crc = __crc32cd(crc, word);
  }
  for (; left != 0; ++p, --left) crc = __crc32cb(crc, *p);
  return crc;
}
#else
bool has_instruction() { return false; }

uint32_t crc32c_by_instruction(ByteView bytes, uint32_t crc) { return by_tables(kCrc32c, bytes, crc); }
#endif

}  // namespace

uint32_t crc32(ByteView bytes) { return ~by_tables(kCrc32, bytes, ~uint32_t{0}); }

uint32_t crc32c(ByteView bytes, uint32_t seed) {
  return ~(has_instruction() ? crc32c_by_instruction(bytes, ~seed) : by_tables(kCrc32c, bytes, ~seed));
}

uint32_t crc32c_portable(ByteView bytes, uint32_t seed) { return ~by_tables(kCrc32c, bytes, ~seed); }

}  // namespace kaon
