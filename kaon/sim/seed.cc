#include "kaon/sim/seed.h"

#include <cstdlib>

#include "kaon/base/text.h"

namespace kaon::sim {

std::vector<uint64_t> seeds(size_t count) {
  if (const char* text = std::getenv("KAON_SEED")) {
    if (const auto seed = parse_number<uint64_t>(text)) return {*seed};
  }
  std::vector<uint64_t> all(count);
  for (size_t i = 0; i < count; ++i) all[i] = i + 1;
  return all;
}

std::string replay_hint(uint64_t seed) { return cat("KAON_SEED=", seed); }

uint64_t derive_seed(uint64_t seed, uint64_t part) {
  // The finaliser of splitmix64: neighbouring inputs give unrelated outputs.
  uint64_t z = seed + (part + 1) * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace kaon::sim
