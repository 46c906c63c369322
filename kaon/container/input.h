// Bytes fed in chunks, consumed from the front.
#pragma once

#include <vector>

#include "kaon/base/bytes.h"

namespace kaon::container {

class Input {
 public:
  void feed(ByteView bytes) {
    // Consumed bytes are dropped here and not at consume(), so that a frame given out stays where it is until the next
    // feed.
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(begin_));
    begin_ = 0;
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
  void finish() { finished_ = true; }

  ByteView view() const { return ByteView(buffer_).subspan(begin_); }
  void consume(size_t size) {
    begin_ += size;
    offset_ += size;
  }
  /// Of the first byte of view(), in the file.
  uint64_t offset() const { return offset_; }
  bool finished() const { return finished_; }

 private:
  std::vector<uint8_t> buffer_;
  size_t begin_ = 0;
  uint64_t offset_ = 0;
  bool finished_ = false;
};

}  // namespace kaon::container
