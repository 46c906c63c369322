// Which records of an epoch were received before.
#pragma once

#include <bitset>
#include <cstdint>

namespace kaon::dtls {

/// RFC 6347 §4.1.2.6, RFC 9147 §4.5.1. Ask with fresh(); call mark() only for records whose tag was right, so that a
/// forgery never moves the window.
class ReplayWindow {
 public:
  static constexpr uint64_t kSize = 256;

  bool fresh(uint64_t sequence) const {
    if (sequence >= next_) return true;
    const uint64_t age = next_ - 1 - sequence;
    return age < kSize && !seen_[age];
  }

  /// One more than the highest marked: the number that is expected.
  uint64_t next() const { return next_; }

  void mark(uint64_t sequence) {
    if (sequence >= next_) {
      const uint64_t shift = sequence + 1 - next_;
      if (shift < kSize) {
        seen_ <<= shift;
      } else {
        seen_.reset();
      }
      next_ = sequence + 1;
      seen_[0] = true;
    } else if (next_ - 1 - sequence < kSize) {
      seen_[next_ - 1 - sequence] = true;
    }
  }

 private:
  uint64_t next_ = 0;
  std::bitset<kSize> seen_;  // bit i: next_ - 1 - i was marked
};

}  // namespace kaon::dtls
