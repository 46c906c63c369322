// Counters by reason: every dropped packet has one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace kaon {

/// `Reason` is an enum class whose last enumerator is `Count`.
template <class Reason>
class Counters {
 public:
  static constexpr size_t kSize = static_cast<size_t>(Reason::Count);
  void add(Reason reason, uint64_t n = 1) { values_[static_cast<size_t>(reason)] += n; }
  uint64_t operator[](Reason reason) const { return values_[static_cast<size_t>(reason)]; }
  uint64_t total() const {
    uint64_t sum = 0;
    for (uint64_t v : values_) sum += v;
    return sum;
  }

 private:
  std::array<uint64_t, kSize> values_{};
};

}  // namespace kaon
