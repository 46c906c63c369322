// Seeds: every simulated run has one, and a failed run can be replayed by it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kaon::sim {

/// The seeds a test goes through: 1 … `count`, or those in the environment variable KAON_SEED if that is set: one
/// ("17") or a range ("501-1000").
std::vector<uint64_t> seeds(size_t count);

/// "KAON_SEED=17": what to set to see the same run again. Meant for SCOPED_TRACE and failure messages.
std::string replay_hint(uint64_t seed);

/// A seed of its own for part `part` of a whole, so that adding a part does not disturb the others.
uint64_t derive_seed(uint64_t seed, uint64_t part);

}  // namespace kaon::sim
