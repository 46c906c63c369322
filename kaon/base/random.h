// Where random bytes come from: libcrypto in production, a seed in simulation.
#pragma once

#include "kaon/base/bytes.h"

namespace kaon {

/// Source of random bytes. crypto::SystemRandom is the one for production; SeededRandom is for tests and simulation
/// only.
class Random {
 public:
  virtual ~Random() = default;
  /// Fills `out`. Failure of the system's generator ends the process: continuing would be unsafe.
  virtual void fill(Bytes out) = 0;

  uint32_t u32();
  uint64_t u64();
  /// Uniform in [0, bound); bound must not be zero.
  uint64_t below(uint64_t bound);
};

/// Reproducible and NOT secure (splitmix64): same seed, same bytes.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  void fill(Bytes out) override;

 private:
  uint64_t state_;
};

}  // namespace kaon
