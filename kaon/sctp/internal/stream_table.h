// Per-stream state made on first use.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "kaon/sctp/types.h"

namespace kaon::sctp {

/// Up to 65,536 streams in pages of 8: constant-time access, stable addresses, no memory for pages never touched.
template <class T>
class StreamTable {
 public:
  T& operator[](StreamId id) {
    const size_t page = id.value() / kPageSize;
    if (page >= pages_.size()) pages_.resize(page + 1);
    if (pages_[page] == nullptr) pages_[page] = std::make_unique<Page>();
    return (*pages_[page])[id.value() % kPageSize];
  }
  /// Null if its page was never touched.
  T* find(StreamId id) {
    const size_t page = id.value() / kPageSize;
    if (page >= pages_.size() || pages_[page] == nullptr) return nullptr;
    return &(*pages_[page])[id.value() % kPageSize];
  }
  const T* find(StreamId id) const { return const_cast<StreamTable*>(this)->find(id); }

  template <class F>
  void for_each(F&& visit) {
    for (size_t page = 0; page < pages_.size(); ++page) {
      if (pages_[page] == nullptr) continue;
      for (size_t i = 0; i < kPageSize; ++i) {
        visit(StreamId(static_cast<uint16_t>(page * kPageSize + i)), (*pages_[page])[i]);
      }
    }
  }
  void clear() { pages_.clear(); }

 private:
  static constexpr size_t kPageSize = 8;
  using Page = std::array<T, kPageSize>;
  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace kaon::sctp
