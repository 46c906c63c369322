// How many answers strangers get.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "kaon/base/time.h"
#include "kaon/net/address.h"

namespace kaon::turn::internal {

/// Counts answers per source address, for IPv6 per /64, in a table of fixed size: strangers cannot make it grow, and
/// who falls into the same place shares its rate. `seed` keeps them from choosing whose.
class AnswerLimiter {
 public:
  static constexpr size_t kPlaces = 4096;
  /// Seconds' worth that may come at once: many clients stand behind one translator.
  static constexpr uint32_t kBurst = 10;

  AnswerLimiter(uint32_t per_second, uint64_t seed) : per_second_(per_second), seed_(seed), places_(kPlaces) {}

  bool allow(const net::IpAddress& ip, Time now) {
    const net::IpAddress source = ip.is_v6() ? net::IpAddress::from_bytes(prefix(ip)) : ip;
    const uint64_t hash = (std::hash<net::IpAddress>()(source) ^ seed_) * 0x9e3779b97f4a7c15ULL;
    Place& place = places_[hash >> 52];
    const double most = per_second_ * kBurst;
    const double gained = std::chrono::duration<double>(now - place.last).count() * per_second_;
    place.level = place.used ? std::min(most, place.level + std::max(0.0, gained)) : most;
    place.last = now;
    place.used = true;
    if (place.level < 1) return false;
    place.level -= 1;
    return true;
  }

 private:
  struct Place {
    Time last{};
    double level = 0;
    bool used = false;
  };
  static_assert(kPlaces == 1 << 12);

  static std::array<uint8_t, 16> prefix(const net::IpAddress& ip) {
    std::array<uint8_t, 16> bytes{};
    std::copy_n(ip.bytes().begin(), 8, bytes.begin());
    return bytes;
  }

  double per_second_;
  uint64_t seed_;
  std::vector<Place> places_;
};

}  // namespace kaon::turn::internal
