// Writes handshake messages, whose nested lengths are known only afterwards.
#pragma once

#include <vector>

#include "kaon/base/assert.h"
#include "kaon/base/bytes.h"

namespace kaon::dtls {

/// A growing message; begin_vector/end_vector enclose a vector whose length field has 1, 2 or 3 bytes.
class Builder {
 public:
  struct Vector {
    size_t start;
    size_t length_size;
  };

  void u8(uint8_t v) { out_.push_back(v); }
  void u16(uint16_t v) {
    u8(static_cast<uint8_t>(v >> 8));
    u8(static_cast<uint8_t>(v));
  }
  void bytes(ByteView v) { out_.insert(out_.end(), v.begin(), v.end()); }
  void vector8(ByteView v) {
    const Vector vector = begin_vector(1);
    bytes(v);
    end_vector(vector);
  }
  void vector16(ByteView v) {
    const Vector vector = begin_vector(2);
    bytes(v);
    end_vector(vector);
  }
  Vector begin_vector(size_t length_size) {
    out_.resize(out_.size() + length_size);
    return {out_.size(), length_size};
  }
  void end_vector(Vector vector) {
    size_t length = out_.size() - vector.start;
    KAON_ASSERT(length >> (8 * vector.length_size) == 0);
    for (size_t i = 1; i <= vector.length_size; ++i, length >>= 8)
      out_[vector.start - i] = static_cast<uint8_t>(length);
  }
  std::vector<uint8_t> take() { return std::move(out_); }

 private:
  std::vector<uint8_t> out_;
};

}  // namespace kaon::dtls
