#include "kaon/io/interfaces.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <bit>
#include <cstring>
#include <memory>
#include <optional>

namespace kaon::io {
namespace {

std::optional<net::IpAddress> address_of(const sockaddr* address, uint32_t index) {
  if (address == nullptr) return std::nullopt;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    return net::IpAddress::v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address->sa_family != AF_INET6) return std::nullopt;
  sockaddr_in6 v6;
  std::memcpy(&v6, address, sizeof v6);
  const auto ip = net::IpAddress::from_bytes({v6.sin6_addr.s6_addr, 16});
  return ip.is_link_local() ? net::IpAddress::from_bytes({v6.sin6_addr.s6_addr, 16}, index) : ip;
}

// A netmask is an address with leading ones.
uint8_t prefix_of(const sockaddr* netmask) {
  const auto mask = address_of(netmask, 0);
  if (!mask) return 0;
  int bits = 0;
  for (const uint8_t byte : mask->bytes()) bits += std::popcount(byte);
  return static_cast<uint8_t>(bits);
}

}  // namespace

Result<std::vector<Interface>, IoError> interfaces() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return fail(IoError::System);
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  std::vector<Interface> found;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if ((entry->ifa_flags & IFF_UP) == 0) continue;
    const uint32_t index = ::if_nametoindex(entry->ifa_name);
    const auto ip = address_of(entry->ifa_addr, index);
    if (!ip) continue;
    found.push_back({entry->ifa_name, index, *ip, prefix_of(entry->ifa_netmask), (entry->ifa_flags & IFF_LOOPBACK) != 0,
                     (entry->ifa_flags & IFF_POINTOPOINT) != 0});
  }
  return found;
}

}  // namespace kaon::io
