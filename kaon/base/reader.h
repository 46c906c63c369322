// Cursor over borrowed bytes with sticky failure: read everything, check once.
#pragma once

#include "kaon/base/bytes.h"

namespace kaon {

/// Reads big-endian fields one after another. A read past the end gives zero (or an empty view) and makes
/// ok() false for good, so that a parser checks once at the end and not after each field.
class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}

  uint8_t u8() { return take(1) ? bytes_[position_ - 1] : uint8_t{0}; }
  uint16_t u16() { return take(2) ? load_be16(&bytes_[position_ - 2]) : uint16_t{0}; }
  uint32_t u24() { return take(3) ? load_be24(&bytes_[position_ - 3]) : 0; }
  uint32_t u32() { return take(4) ? load_be32(&bytes_[position_ - 4]) : 0; }
  uint64_t u48() {
    const uint64_t high = u16();
    return (high << 32) | u32();
  }
  uint64_t u64() { return take(8) ? load_be64(&bytes_[position_ - 8]) : 0; }
  /// The next `size` bytes, still borrowed from the input.
  ByteView bytes(size_t size) { return take(size) ? bytes_.subspan(position_ - size, size) : ByteView{}; }
  /// TLS-style vectors: a length of 8, 16 or 24 bits, then that many bytes.
  ByteView vector8() { return bytes(u8()); }
  ByteView vector16() { return bytes(u16()); }
  ByteView vector24() { return bytes(u24()); }
  /// Everything that is left.
  ByteView rest() { return bytes(remaining()); }
  void skip(size_t size) { take(size); }
  void fail() { failed_ = true; }

  bool ok() const { return !failed_; }
  size_t position() const { return position_; }
  size_t remaining() const { return failed_ ? 0 : bytes_.size() - position_; }
  bool at_end() const { return remaining() == 0; }

 private:
  bool take(size_t size) {
    if (failed_ || bytes_.size() - position_ < size) {
      failed_ = true;
      return false;
    }
    position_ += size;
    return true;
  }

  ByteView bytes_;
  size_t position_ = 0;
  bool failed_ = false;
};

}  // namespace kaon
