// Nodes named by index and recycled: no allocation after warm-up.
#pragma once

#include <cstdint>
#include <vector>

#include "kaon/base/assert.h"

namespace kaon::sctp {

/// "No node".
inline constexpr uint32_t kNil = UINT32_MAX;

template <class T>
class Slab {
 public:
  /// References into the slab do not survive this.
  uint32_t add(T value) {
    ++live_;
    if (!free_.empty()) {
      const uint32_t index = free_.back();
      free_.pop_back();
      nodes_[index] = std::move(value);
      return index;
    }
    nodes_.push_back(std::move(value));
    // Room for every node to be freed: removing must not allocate.
    if (free_.capacity() < nodes_.capacity()) free_.reserve(nodes_.capacity());
    return static_cast<uint32_t>(nodes_.size() - 1);
  }
  T take(uint32_t index) {
    KAON_ASSERT(index < nodes_.size() && live_ != 0);
    --live_;
    free_.push_back(index);
    return std::exchange(nodes_[index], T());
  }
  T& operator[](uint32_t index) { return nodes_[index]; }
  const T& operator[](uint32_t index) const { return nodes_[index]; }
  /// Indices are below this; some of them may be free.
  uint32_t bound() const { return static_cast<uint32_t>(nodes_.size()); }
  size_t live() const { return live_; }
  /// Gives the memory back if no node is in use.
  void trim() {
    if (live_ == 0) *this = Slab();
  }

 private:
  std::vector<T> nodes_;
  std::vector<uint32_t> free_;
  size_t live_ = 0;
};

}  // namespace kaon::sctp
