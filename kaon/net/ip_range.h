// Ranges of IP addresses, as filters name them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kaon/net/address.h"

namespace kaon::net {

/// An address and how many of its leading bits count.
class IpRange {
 public:
  IpRange() = default;
  /// `bits` at most 32 or 128; what is beyond them is cleared.
  IpRange(const IpAddress& base, uint8_t bits);
  /// "10.0.0.0/8", "2001:db8::/32", or one address; nothing if malformed.
  static std::optional<IpRange> parse(std::string_view text);

  /// False for an address of the other family; an IPv4 address mapped into IPv6 is not taken for the IPv4 one.
  bool contains(const IpAddress& ip) const;
  const IpAddress& base() const { return base_; }
  uint8_t bits() const { return bits_; }
  std::string to_string() const;
  bool operator==(const IpRange&) const = default;

 private:
  IpAddress base_;
  uint8_t bits_ = 0;
};

}  // namespace kaon::net
