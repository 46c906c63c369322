// Lists of fixed-size items: borrowed from a packet that was read, or from memory of who writes one.
#pragma once

#include <cstddef>
#include <iterator>
#include <ranges>
#include <span>

#include "kaon/base/bytes.h"
#include "kaon/base/writer.h"

namespace kaon::rtcp {

/// T has kSize, `static T read(const uint8_t*)` and `void write(Writer&) const`. Items of a received packet are decoded
/// when they are asked for, so that one message type serves both directions without a copy.
template <class T>
class List {
 public:
  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    Iterator() = default;
    Iterator(const List* list, size_t i) : list_(list), i_(i) {}
    T operator*() const { return (*list_)[i_]; }
    Iterator& operator++() { return ++i_, *this; }
    Iterator operator++(int) { return Iterator(list_, i_++); }
    bool operator==(const Iterator& o) const { return i_ == o.i_; }

   private:
    const List* list_ = nullptr;
    size_t i_ = 0;
  };

  List() = default;
  /// Borrows the items; they must live until the message is written.
  List(std::span<const T> items) : items_(items) {}  // NOLINT(google-explicit-constructor)
  template <std::ranges::contiguous_range R>
    requires std::same_as<std::ranges::range_value_t<R>, T>
  List(const R& items) : items_(std::span<const T>(items)) {}  // NOLINT(google-explicit-constructor)
  /// Whole items of `wire`; a rest too short for one is left out.
  static List from_wire(ByteView wire) {
    List list;
    list.wire_ = wire.first(wire.size() / T::kSize * T::kSize);
    return list;
  }

  size_t size() const { return items_.size() + wire_.size() / T::kSize; }
  bool empty() const { return size() == 0; }
  /// Bytes on the wire.
  size_t bytes() const { return size() * T::kSize; }
  T operator[](size_t i) const { return wire_.empty() ? items_[i] : T::read(&wire_[i * T::kSize]); }
  Iterator begin() const { return Iterator(this, 0); }
  Iterator end() const { return Iterator(this, size()); }
  void write(Writer& writer) const {
    for (const T& item : *this) item.write(writer);
  }

 private:
  std::span<const T> items_;
  ByteView wire_;
};

}  // namespace kaon::rtcp
