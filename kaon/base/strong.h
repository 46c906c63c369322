// Strong ids and wrapping sequence numbers.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>

namespace kaon {

/// An id that is not an integer by accident: `using StreamId = Strong<struct StreamIdTag, uint16_t>;`
template <class Tag, class Rep>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  constexpr auto operator<=>(const Strong&) const = default;

 private:
  Rep value_{};
};

/// A number that wraps (RFC 1982). It has no operator<, because "less" has no meaning on a circle.
template <class Tag, class Rep>
class Serial {
  static_assert(std::is_unsigned_v<Rep>);

 public:
  constexpr Serial() = default;
  constexpr explicit Serial(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  constexpr bool operator==(const Serial&) const = default;
  /// True if this comes after `other` by less than half the circle.
  constexpr bool newer_than(Serial other) const {
    const Rep distance = static_cast<Rep>(value_ - other.value_);
    return distance != 0 && distance < static_cast<Rep>(Rep{1} << (sizeof(Rep) * 8 - 1));
  }
  constexpr bool newer_or_same(Serial other) const { return *this == other || newer_than(other); }
  constexpr Serial operator+(Rep n) const { return Serial(static_cast<Rep>(value_ + n)); }
  constexpr Serial operator-(Rep n) const { return Serial(static_cast<Rep>(value_ - n)); }
  constexpr Serial& operator++() {
    value_ = static_cast<Rep>(value_ + 1);
    return *this;
  }
  /// How many steps from `from` forward to this.
  constexpr Rep distance_from(Serial from) const { return static_cast<Rep>(value_ - from.value_); }

 private:
  Rep value_ = 0;
};

/// Makes 64-bit numbers of wrapping ones: each is placed nearest to the last one seen. The first is kept as it is.
template <class Rep>
class Unwrapper {
  static_assert(std::is_unsigned_v<Rep>);

 public:
  /// The unwrapped number; remembers it.
  int64_t unwrap(Rep value) { return last_ = peek(value), seen_ = true, last_; }
  /// The unwrapped number, without remembering it.
  int64_t peek(Rep value) const {
    if (!seen_) return static_cast<int64_t>(value);
    const auto step = static_cast<std::make_signed_t<Rep>>(static_cast<Rep>(value - static_cast<Rep>(last_)));
    return last_ + step;
  }
  void reset() { *this = Unwrapper(); }

 private:
  int64_t last_ = 0;
  bool seen_ = false;
};

}  // namespace kaon

template <class Tag, class Rep>
struct std::hash<kaon::Strong<Tag, Rep>> {
  size_t operator()(const kaon::Strong<Tag, Rep>& id) const { return std::hash<Rep>()(id.value()); }
};
