// Data sizes and rates as types, so that bits, bytes and kilobits cannot be mixed up.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <limits>

#include "kaon/base/time.h"

namespace kaon {

class DataSize {
 public:
  constexpr DataSize() = default;
  static constexpr DataSize bytes(int64_t n) { return DataSize(n); }
  constexpr int64_t bytes() const { return bytes_; }
  constexpr auto operator<=>(const DataSize&) const = default;
  constexpr DataSize operator+(DataSize o) const { return DataSize(bytes_ + o.bytes_); }
  constexpr DataSize operator-(DataSize o) const { return DataSize(bytes_ - o.bytes_); }
  constexpr DataSize& operator+=(DataSize o) { return bytes_ += o.bytes_, *this; }
  constexpr DataSize& operator-=(DataSize o) { return bytes_ -= o.bytes_, *this; }

 private:
  constexpr explicit DataSize(int64_t n) : bytes_(n) {}
  int64_t bytes_ = 0;
};

class DataRate {
 public:
  constexpr DataRate() = default;
  static constexpr DataRate bits_per_second(int64_t n) { return DataRate(n); }
  static constexpr DataRate kilobits_per_second(int64_t n) { return DataRate(n * 1000); }
  static constexpr DataRate infinite() { return DataRate(std::numeric_limits<int64_t>::max()); }
  constexpr int64_t bits_per_second() const { return bits_per_second_; }
  constexpr bool is_infinite() const { return *this == infinite(); }
  constexpr auto operator<=>(const DataRate&) const = default;

 private:
  constexpr explicit DataRate(int64_t n) : bits_per_second_(n) {}
  int64_t bits_per_second_ = 0;
};

/// How long `size` takes at `rate`. Zero for an infinite rate; a rate of zero is the caller's bug and counts as 1
/// bit/s.
constexpr Duration operator/(DataSize size, DataRate rate) {
  if (rate.is_infinite()) return Duration::zero();
  const auto bits = static_cast<double>(size.bytes()) * 8.0;
  const auto bps = static_cast<double>(std::max<int64_t>(1, rate.bits_per_second()));
  return Duration(static_cast<int64_t>(bits * 1e9 / bps));
}
constexpr DataSize operator*(DataRate rate, Duration time) {
  return DataSize::bytes(
      static_cast<int64_t>(static_cast<double>(rate.bits_per_second()) * static_cast<double>(time.count()) / 8e9));
}
constexpr DataRate operator/(DataSize size, Duration time) {
  if (time <= Duration::zero()) return DataRate::infinite();
  return DataRate::bits_per_second(
      static_cast<int64_t>(static_cast<double>(size.bytes()) * 8e9 / static_cast<double>(time.count())));
}

}  // namespace kaon
