// Which of the newest packets of a stream were accepted (RFC 3711 §3.3.2).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kaon/base/assert.h"

namespace kaon::srtp::internal {

enum class Replay : uint8_t { New, Seen, TooOld };

/// Remembers kSize indices up to the highest; a circular bitmap, so moving on clears bits and shifts none.
template <size_t kSize>
class ReplayWindow {
  static_assert(kSize % 64 == 0);

 public:
  bool empty() const { return empty_; }
  uint64_t highest() const { return highest_; }

  Replay check(uint64_t index) const {
    if (empty_ || index > highest_) return Replay::New;
    if (highest_ - index >= kSize) return Replay::TooOld;
    return (word(index) & bit(index)) != 0 ? Replay::Seen : Replay::New;
  }

  /// Of an index that check() calls new.
  void accept(uint64_t index) {
    KAON_ASSERT(check(index) == Replay::New);
    if (empty_ || (index > highest_ && index - highest_ >= kSize)) {
      words_.fill(0);
      highest_ = index;
      empty_ = false;
    }
    while (highest_ < index) {
      ++highest_;
      words_[highest_ / 64 % words_.size()] &= ~bit(highest_);
    }
    words_[index / 64 % words_.size()] |= bit(index);
  }

 private:
  static uint64_t bit(uint64_t index) { return uint64_t{1} << index % 64; }
  uint64_t word(uint64_t index) const { return words_[index / 64 % words_.size()]; }

  std::array<uint64_t, kSize / 64> words_{};
  uint64_t highest_ = 0;
  bool empty_ = true;
};

}  // namespace kaon::srtp::internal
