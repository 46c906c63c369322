#include "kaon/base/random.h"

#include "kaon/base/assert.h"

namespace kaon {

uint32_t Random::u32() {
  uint8_t bytes[4];
  fill(bytes);
  return load_be32(bytes);
}

uint64_t Random::u64() {
  uint8_t bytes[8];
  fill(bytes);
  return load_be64(bytes);
}

uint64_t Random::below(uint64_t bound) {
  KAON_ASSERT(bound != 0);
  // Rejects the incomplete last range, so that every value is equally likely.
  const uint64_t limit = UINT64_MAX - (UINT64_MAX % bound + 1) % bound;
  for (;;) {
    const uint64_t value = u64();
    if (value <= limit) return value % bound;
  }
}

void SeededRandom::fill(Bytes out) {
  for (size_t i = 0; i < out.size(); i += 8) {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    z ^= z >> 31;
    for (size_t k = i; k < out.size() && k < i + 8; ++k, z >>= 8) out[k] = static_cast<uint8_t>(z);
  }
}

}  // namespace kaon
