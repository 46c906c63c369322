// A queue in one circular array: after warm-up it allocates nothing, unlike std::deque.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "kaon/base/assert.h"

namespace kaon {

/// First in, first out; grows by doubling and never shrinks by itself. T needs a default constructor. Not bounded: who
/// owns a Ring names its bound.
template <class T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }
  /// The i-th from the front.
  T& operator[](size_t i) {
    KAON_ASSERT(i < size_);
    return slots_[(head_ + i) & (slots_.size() - 1)];
  }
  const T& operator[](size_t i) const { return const_cast<Ring&>(*this)[i]; }

  void push_back(T value) {
    if (size_ == slots_.size()) grow();
    slots_[(head_ + size_) & (slots_.size() - 1)] = std::move(value);
    ++size_;
  }
  void push_front(T value) {
    if (size_ == slots_.size()) grow();
    head_ = (head_ + slots_.size() - 1) & (slots_.size() - 1);
    slots_[head_] = std::move(value);
    ++size_;
  }
  T pop_front() {
    T value = std::move(front());
    drop_front();
    return value;
  }
  void drop_front() {
    KAON_ASSERT(size_ != 0);
    slots_[head_] = T();
    head_ = (head_ + 1) & (slots_.size() - 1);
    --size_;
  }
  void pop_back() {
    KAON_ASSERT(size_ != 0);
    --size_;
    slots_[(head_ + size_) & (slots_.size() - 1)] = T();
  }
  void clear() {
    while (!empty()) pop_back();
  }
  /// Gives the memory back.
  void release() { *this = Ring(); }

 private:
  // Queues of large things seldom hold many.
  static constexpr size_t kFirst = sizeof(T) > 64 ? 2 : 8;

  void grow() {
    std::vector<T> bigger(slots_.empty() ? kFirst : slots_.size() * 2);
    for (size_t i = 0; i < size_; ++i) bigger[i] = std::move((*this)[i]);
    slots_ = std::move(bigger);
    head_ = 0;
  }

  std::vector<T> slots_;  // size is zero or a power of two
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace kaon
