#include "kaon/sim/seed.h"

#include <cstdlib>
#include <numeric>

#include "kaon/base/assert.h"
#include "kaon/base/text.h"

namespace kaon::sim {

std::vector<uint64_t> seeds(size_t count) {
  uint64_t first = 1;
  uint64_t last = count;
  if (const char* text = std::getenv("KAON_SEED")) {
    const std::string_view wanted = text;
    const size_t dash = wanted.find('-');
    first = last = parse_number<uint64_t>(wanted.substr(0, dash)).value_or(0);
    if (dash != std::string_view::npos) last = parse_number<uint64_t>(wanted.substr(dash + 1)).value_or(0);
    KAON_ASSERT(first > 0 && first <= last);  // a number, or two with '-' between
  }
  std::vector<uint64_t> all(last - first + 1);
  std::iota(all.begin(), all.end(), first);
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
