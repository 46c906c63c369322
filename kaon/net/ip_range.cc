#include "kaon/net/ip_range.h"

#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/base/text.h"

namespace kaon::net {
namespace {

uint8_t most_bits(const IpAddress& ip) { return static_cast<uint8_t>(ip.bytes().size() * 8); }

// The address with all bits behind the first `bits` cleared.
IpAddress cut(const IpAddress& ip, uint8_t bits) {
  std::array<uint8_t, 16> bytes{};
  const ByteView from = ip.bytes();
  for (size_t i = 0; i < from.size(); ++i) {
    const int kept = std::clamp(int{bits} - static_cast<int>(i) * 8, 0, 8);
    bytes[i] = static_cast<uint8_t>(from[i] & (0xff00 >> kept));
  }
  return IpAddress::from_bytes(ByteView(bytes).first(from.size()));
}

}  // namespace

IpRange::IpRange(const IpAddress& base, uint8_t bits) : base_(cut(base, bits)), bits_(bits) {
  KAON_ASSERT(bits <= most_bits(base));
}

std::optional<IpRange> IpRange::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto ip = IpAddress::parse(text.substr(0, slash));
  if (!ip) return std::nullopt;
  if (slash == std::string_view::npos) return IpRange(*ip, most_bits(*ip));
  const auto bits = parse_number<uint8_t>(text.substr(slash + 1));
  if (!bits || *bits > most_bits(*ip)) return std::nullopt;
  return IpRange(*ip, *bits);
}

bool IpRange::contains(const IpAddress& ip) const {
  return !ip.is_none() && ip.family() == base_.family() && cut(ip, bits_) == base_;
}

std::string IpRange::to_string() const { return cat(base_, '/', bits_); }

}  // namespace kaon::net
