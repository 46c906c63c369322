// Cursor that writes big-endian fields into memory the caller provides.
#pragma once

#include <cstring>

#include "kaon/base/assert.h"
#include "kaon/base/bytes.h"

namespace kaon {

/// Writing past the end is a bug of ours (size() of the wire type was available), so it asserts.
class Writer {
 public:
  explicit Writer(Bytes out) : out_(out) {}

  void u8(uint8_t v) { *grow(1) = v; }
  void u16(uint16_t v) { store_be16(grow(2), v); }
  void u24(uint32_t v) { store_be24(grow(3), v); }
  void u32(uint32_t v) { store_be32(grow(4), v); }
  void u48(uint64_t v) {
    u16(static_cast<uint16_t>(v >> 32));
    u32(static_cast<uint32_t>(v));
  }
  void u64(uint64_t v) { store_be64(grow(8), v); }
  void bytes(ByteView v) {
    uint8_t* p = grow(v.size());
    if (!v.empty()) std::memmove(p, v.data(), v.size());
  }
  void zeros(size_t count) {
    uint8_t* p = grow(count);
    if (count != 0) std::memset(p, 0, count);
  }
  /// Space to be filled in later, for example a length that is not known yet.
  Bytes reserve(size_t size) {
    grow(size);
    return out_.subspan(size_ - size, size);
  }

  size_t size() const { return size_; }
  size_t available() const { return out_.size() - size_; }
  Bytes written() const { return out_.first(size_); }

 private:
  uint8_t* grow(size_t size) {
    KAON_ASSERT(size <= out_.size() - size_);
    uint8_t* p = out_.data() + size_;
    size_ += size;
    return p;
  }

  Bytes out_;
  size_t size_ = 0;
};

}  // namespace kaon
