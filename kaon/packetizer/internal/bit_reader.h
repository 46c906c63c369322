// Bits from the most significant one on, with sticky failure.
#pragma once

#include "kaon/base/bytes.h"

namespace kaon::packetizer::internal {

/// A read past the end gives zero and makes ok() false for good.
class BitReader {
 public:
  /// `escaped` for the payload of H.264 and H.265 NAL units: skips emulation_prevention_three_byte (H.264 §7.4.1.1).
  explicit BitReader(ByteView bytes, bool escaped = false) : bytes_(bytes), escaped_(escaped) {}

  bool flag() { return bits(1) != 0; }
  /// At most 32.
  uint32_t bits(int count) {
    uint64_t value = 0;
    for (; count > 0; --count) value = (value << 1) | bit();
    return static_cast<uint32_t>(value);
  }
  void skip(uint32_t count) {
    for (; count > 0 && ok_; --count) bit();
  }
  /// ue(v), H.264 §9.1; also uvlc() of AV1 §4.10.3. Values beyond 32 bits fail.
  uint32_t exp_golomb() {
    int zeros = 0;
    while (ok_ && bit() == 0) ++zeros;
    if (zeros > 31) ok_ = false;
    if (!ok_) return 0;
    return ((uint32_t{1} << zeros) - 1) + bits(zeros);
  }
  /// se(v).
  int64_t signed_exp_golomb() {
    const int64_t code = exp_golomb();
    return (code & 1) != 0 ? (code + 1) / 2 : -(code / 2);
  }
  bool ok() const { return ok_; }

 private:
  uint32_t bit() {
    if (left_ == 0 && !next_byte()) return 0;
    --left_;
    return (byte_ >> left_) & 1;
  }
  bool next_byte() {
    if (escaped_ && zeros_ >= 2 && position_ < bytes_.size() && bytes_[position_] == 3) {
      ++position_;
      zeros_ = 0;
    }
    if (position_ >= bytes_.size()) {
      ok_ = false;
      return false;
    }
    byte_ = bytes_[position_++];
    zeros_ = byte_ == 0 ? zeros_ + 1 : 0;
    left_ = 8;
    return true;
  }

  ByteView bytes_;
  size_t position_ = 0;
  uint32_t byte_ = 0;
  int left_ = 0;
  size_t zeros_ = 0;
  bool escaped_;
  bool ok_ = true;
};

}  // namespace kaon::packetizer::internal
