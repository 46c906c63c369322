// Time as the engines see it: given by the caller, never asked for.
#pragma once

#include <chrono>
#include <cstdint>

namespace kaon {

/// A clock without now(): below io/ asking for the time does not compile. io::Loop (or sim::Network) supplies it.
struct Clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
};

using Time = Clock::time_point;
using Duration = Clock::duration;

/// "No deadline"; later than every other time.
inline constexpr Time kNever = Time::max();

/// Wall-clock time as NTP counts it (RFC 5905 §6): seconds since 1900 in the upper 32 bits, fraction in the lower.
/// A type of its own, because only sender reports and certificates need it.
struct NtpTime {
  uint64_t value = 0;

  /// Middle 32 bits, as LSR and DLSR use them (RFC 3550 §6.4.1).
  uint32_t compact() const { return static_cast<uint32_t>(value >> 16); }
  bool operator==(const NtpTime&) const = default;
};

/// Whole wall-clock nanoseconds since 1970, to NTP.
constexpr NtpTime to_ntp(std::chrono::nanoseconds since_1970) {
  constexpr uint64_t kSecondsFrom1900To1970 = 2208988800ULL;
  const auto ns = static_cast<uint64_t>(since_1970.count());
  const uint64_t seconds = ns / 1'000'000'000ULL + kSecondsFrom1900To1970;
  const uint64_t fraction = ((ns % 1'000'000'000ULL) << 32) / 1'000'000'000ULL;
  return {(seconds << 32) | fraction};
}

}  // namespace kaon
