#include "kaon/net/address.h"

#include <algorithm>

#include "kaon/base/text.h"

namespace kaon::net {
namespace {

std::optional<IpAddress> parse_v4(std::string_view text) {
  uint8_t quad[4];
  for (int i = 0; i < 4; ++i) {
    const size_t dot = i < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos || dot == 0 || dot > 3) return std::nullopt;
    const auto part = parse_number<uint8_t>(text.substr(0, dot));
    if (!part || (dot > 1 && text[0] == '0')) return std::nullopt;
    quad[i] = *part;
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  if (!text.empty()) return std::nullopt;
  return IpAddress::v4(quad[0], quad[1], quad[2], quad[3]);
}

// Groups of one side of "::"; a dotted quad may stand at the end. Returns the count of 16-bit groups, or -1.
int parse_groups(std::string_view text, std::array<uint8_t, 16>& out) {
  int count = 0;
  while (!text.empty()) {
    if (count == 8) return -1;
    const size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      const auto quad = parse_v4(group);
      if (!quad || count > 6) return -1;
      std::copy_n(quad->bytes().begin(), 4, out.begin() + count * 2);
      return count + 2;
    }
    const auto value = parse_number<uint16_t>(group, 16);
    if (!value || group.size() > 4) return -1;
    store_be16(&out[static_cast<size_t>(count) * 2], *value);
    ++count;
    if (colon == std::string_view::npos) break;
    text.remove_prefix(colon + 1);
    if (text.empty()) return -1;
  }
  return count;
}

std::optional<IpAddress> parse_v6(std::string_view text) {
  uint32_t scope = 0;
  if (const size_t percent = text.find('%'); percent != std::string_view::npos) {
    const auto number = parse_number<uint32_t>(text.substr(percent + 1));
    if (!number) return std::nullopt;
    scope = *number;
    text = text.substr(0, percent);
  }
  std::array<uint8_t, 16> head{};
  std::array<uint8_t, 16> tail{};
  const size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    if (parse_groups(text, head) != 8) return std::nullopt;
    return IpAddress::from_bytes(head, scope);
  }
  const int before = parse_groups(text.substr(0, gap), head);
  const int after = parse_groups(text.substr(gap + 2), tail);
  if (before < 0 || after < 0 || before + after > 7) return std::nullopt;
  std::copy_n(tail.begin(), after * 2, head.end() - after * 2);
  return IpAddress::from_bytes(head, scope);
}

std::string v6_text(ByteView bytes) {
  // RFC 5952: the longest run of two or more zero groups becomes "::".
  int best = -1;
  int best_length = 1;
  for (int i = 0; i < 8; ++i) {
    int length = 0;
    while (i + length < 8 && load_be16(&bytes[static_cast<size_t>(i + length) * 2]) == 0) ++length;
    if (length > best_length) best = i, best_length = length;
  }
  std::string text;
  for (int i = 0; i < 8;) {
    if (i == best) {
      text += "::";
      i += best_length;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    char digits[5];
    const auto end = std::to_chars(digits, digits + 5, load_be16(&bytes[static_cast<size_t>(i) * 2]), 16).ptr;
    text.append(digits, end);
    ++i;
  }
  return text;
}

}  // namespace

IpAddress IpAddress::v4(uint32_t host_order) {
  uint8_t quad[4];
  store_be32(quad, host_order);
  return v4(quad[0], quad[1], quad[2], quad[3]);
}

IpAddress IpAddress::from_bytes(ByteView network_order, uint32_t scope) {
  IpAddress ip;
  if (network_order.size() != 4 && network_order.size() != 16) return ip;
  std::copy(network_order.begin(), network_order.end(), ip.bytes_.begin());
  ip.family_ = network_order.size() == 4 ? Family::V4 : Family::V6;
  ip.scope_ = ip.is_v6() ? scope : 0;
  return ip;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  return text.find(':') == std::string_view::npos ? parse_v4(text) : parse_v6(text);
}

IpAddress IpAddress::any(Family family) {
  IpAddress ip;
  ip.family_ = family;
  return ip;
}

bool IpAddress::is_any() const {
  return !is_none() && std::all_of(bytes_.begin(), bytes_.end(), [](uint8_t b) { return b == 0; });
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return is_v6() && bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t b) { return b == 0; });
}

bool IpAddress::is_link_local() const {
  if (is_v4()) return bytes_[0] == 169 && bytes_[1] == 254;
  return is_v6() && bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool IpAddress::is_multicast() const {
  if (is_v4()) return (bytes_[0] & 0xf0) == 0xe0;
  return is_v6() && bytes_[0] == 0xff;
}

bool IpAddress::is_private() const {
  if (is_v6()) return (bytes_[0] & 0xfe) == 0xfc;
  if (!is_v4()) return false;
  return bytes_[0] == 10 || (bytes_[0] == 172 && (bytes_[1] & 0xf0) == 16) || (bytes_[0] == 192 && bytes_[1] == 168) ||
         (bytes_[0] == 100 && (bytes_[1] & 0xc0) == 64);
}

IpAddress IpAddress::unmapped() const {
  if (!is_v6() || bytes_[10] != 0xff || bytes_[11] != 0xff) return *this;
  if (!std::all_of(bytes_.begin(), bytes_.begin() + 10, [](uint8_t b) { return b == 0; })) return *this;
  return v4(bytes_[12], bytes_[13], bytes_[14], bytes_[15]);
}

std::string IpAddress::to_string() const {
  switch (family_) {
    case Family::None: return "none";
    case Family::V4: return cat(bytes_[0], '.', bytes_[1], '.', bytes_[2], '.', bytes_[3]);
    case Family::V6: break;
  }
  std::string text = v6_text(bytes_);
  if (scope_ != 0) text += cat('%', scope_);
  return text;
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto ip = IpAddress::parse(host);
  const auto port = parse_number<uint16_t>(text.substr(colon + 1));
  if (!ip || !port || ip->is_v6() != bracketed) return std::nullopt;
  return Endpoint{*ip, *port};
}

std::string Endpoint::to_string() const { return ip.is_v6() ? cat('[', ip, "]:", port) : cat(ip, ':', port); }

}  // namespace kaon::net

size_t std::hash<kaon::net::IpAddress>::operator()(const kaon::net::IpAddress& ip) const {
  uint64_t mixed = 0xcbf29ce484222325ULL ^ ip.scope();
  for (uint8_t byte : ip.bytes()) mixed = (mixed ^ byte) * 0x100000001b3ULL;
  return mixed ^ (mixed >> 32);
}

size_t std::hash<kaon::net::Endpoint>::operator()(const kaon::net::Endpoint& endpoint) const {
  const uint64_t mixed = (std::hash<kaon::net::IpAddress>()(endpoint.ip) ^ endpoint.port) * 0x9e3779b97f4a7c15ULL;
  return mixed ^ (mixed >> 32);
}
