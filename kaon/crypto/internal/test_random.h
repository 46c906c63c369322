// For the tests of this module: random bytes that a vector gives.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>

#include "kaon/base/random.h"
#include "kaon/crypto/internal/test_hex.h"

namespace kaon::crypto::internal {

/// Hands out given bytes, as private keys of published vectors.
class FixedRandom final : public Random {
 public:
  explicit FixedRandom(std::string_view hex) : bytes_(from_hex(hex)) {}
  void fill(Bytes out) override {
    ASSERT_LE(out.size(), bytes_.size() - used_);
    std::copy_n(bytes_.begin() + static_cast<ptrdiff_t>(used_), out.size(), out.begin());
    used_ += out.size();
  }
  bool used_up() const { return used_ == bytes_.size(); }

 private:
  std::vector<uint8_t> bytes_;
  size_t used_ = 0;
};

}  // namespace kaon::crypto::internal
