// IP addresses and transport addresses as values; no operating-system types.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "kaon/base/bytes.h"

namespace kaon::net {

enum class Family : uint8_t { None, V4, V6 };

/// An IPv4 or IPv6 address. The default is "none", which equals only itself.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  static IpAddress v4(uint32_t host_order);
  static constexpr IpAddress v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    IpAddress ip;
    ip.family_ = Family::V4;
    ip.bytes_ = {a, b, c, d};
    return ip;
  }
  /// From 4 or 16 bytes in network order; none for any other size. `scope` is the interface index of a link-local
  /// address.
  static IpAddress from_bytes(ByteView network_order, uint32_t scope = 0);
  /// Dotted quad or RFC 4291 text (with an optional numeric %scope); nothing if it is neither.
  static std::optional<IpAddress> parse(std::string_view text);
  static IpAddress any(Family family);

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::V4; }
  bool is_v6() const { return family_ == Family::V6; }
  bool is_none() const { return family_ == Family::None; }
  /// 4 or 16 bytes in network order; empty for none.
  ByteView bytes() const { return {bytes_.data(), is_v4() ? 4u : is_v6() ? 16u : 0u}; }
  uint32_t scope() const { return scope_; }

  bool is_any() const;
  bool is_loopback() const;
  bool is_link_local() const;
  bool is_multicast() const;
  /// RFC 1918, RFC 6598 and RFC 4193 (unique local) addresses.
  bool is_private() const;
  /// An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) as the IPv4 address it stands for; every other one unchanged.
  IpAddress unmapped() const;

  std::string to_string() const;
  auto operator<=>(const IpAddress&) const = default;

 private:
  std::array<uint8_t, 16> bytes_{};
  uint32_t scope_ = 0;
  Family family_ = Family::None;
};

/// Address and port.
struct Endpoint {
  IpAddress ip;
  uint16_t port = 0;

  /// "1.2.3.4:5" or "[::1]:5"; nothing if malformed.
  static std::optional<Endpoint> parse(std::string_view text);
  std::string to_string() const;
  auto operator<=>(const Endpoint&) const = default;
};

}  // namespace kaon::net

template <>
struct std::hash<kaon::net::IpAddress> {
  size_t operator()(const kaon::net::IpAddress& ip) const;
};
template <>
struct std::hash<kaon::net::Endpoint> {
  size_t operator()(const kaon::net::Endpoint& endpoint) const;
};
