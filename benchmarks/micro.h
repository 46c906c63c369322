// Allocations per iteration, as a counter beside the time.
#pragma once

#include <benchmark/benchmark.h>

#include "tests/scenario/allocations.h"

namespace kaon::bench {

/// Counts operator new from here to its end; libcrypto's own allocator too. What is done once (tables, first packets)
/// is spread over the iterations.
class AllocationCount {
 public:
  explicit AllocationCount(benchmark::State& state) : state_(state) {}
  ~AllocationCount() {
    const double total = static_cast<double>(scenario::allocations() + scenario::libcrypto_allocations() - before_);
    state_.counters["allocations"] = total / static_cast<double>(state_.iterations());
  }
  AllocationCount(const AllocationCount&) = delete;
  AllocationCount& operator=(const AllocationCount&) = delete;

 private:
  benchmark::State& state_;
  uint64_t before_ = scenario::allocations() + scenario::libcrypto_allocations();
};

}  // namespace kaon::bench
