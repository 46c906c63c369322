// libcrypto's random generator.
#pragma once

#include "kaon/base/random.h"

namespace kaon::crypto {

/// The random source of production. Any thread.
class SystemRandom final : public Random {
 public:
  void fill(Bytes out) override;
};

}  // namespace kaon::crypto
