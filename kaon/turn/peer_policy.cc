#include "kaon/turn/peer_policy.h"

#include <algorithm>

namespace kaon::turn {
namespace {

struct V4Range {
  net::IpAddress base;
  uint8_t bits;
};
constexpr V4Range kRefused4[] = {
    {net::IpAddress::v4(0, 0, 0, 0), 8},         // this network
    {net::IpAddress::v4(10, 0, 0, 0), 8},        // private
    {net::IpAddress::v4(100, 64, 0, 0), 10},     // shared; one cloud's metadata
    {net::IpAddress::v4(127, 0, 0, 0), 8},       // loopback
    {net::IpAddress::v4(168, 63, 129, 16), 32},  // one cloud's metadata
    {net::IpAddress::v4(169, 254, 0, 0), 16},    // link-local; most clouds' metadata
    {net::IpAddress::v4(172, 16, 0, 0), 12},     // private
    {net::IpAddress::v4(192, 0, 0, 0), 24},      // protocol assignments; one cloud's metadata
    {net::IpAddress::v4(192, 0, 2, 0), 24},      // documentation
    {net::IpAddress::v4(192, 88, 99, 0), 24},    // 6to4 relays
    {net::IpAddress::v4(192, 168, 0, 0), 16},    // private
    {net::IpAddress::v4(198, 18, 0, 0), 15},     // benchmarking
    {net::IpAddress::v4(198, 51, 100, 0), 24},   // documentation
    {net::IpAddress::v4(203, 0, 113, 0), 24},    // documentation
    {net::IpAddress::v4(224, 0, 0, 0), 4},       // multicast
    {net::IpAddress::v4(240, 0, 0, 0), 4},       // reserved, broadcast
};

bool refused4(const net::IpAddress& ip) {
  return std::ranges::any_of(kRefused4, [&](const V4Range& r) { return net::IpRange(r.base, r.bits).contains(ip); });
}

bool refused6(const net::IpAddress& ip) {
  const ByteView b = ip.bytes();
  if ((b[0] & 0xe0) != 0x20) return true;  // not 2000::/3
  const uint32_t head = load_be32(b.data());
  return head >> 9 == 0x20010000u >> 9        // 2001::/23: Teredo, ORCHID, benchmarking
         || head == 0x20010db8u               // documentation
         || head >> 16 == 0x2002u             // 6to4
         || head >> 12 == 0x3fff0000u >> 12;  // documentation
}

bool refused_by_default(const net::IpAddress& ip) { return ip.is_none() || (ip.is_v4() ? refused4(ip) : refused6(ip)); }

bool in(const std::vector<net::IpRange>& ranges, const net::IpAddress& ip) {
  return std::ranges::any_of(ranges, [&](const net::IpRange& range) { return range.contains(ip); });
}

bool in(const std::vector<net::IpAddress>& ips, const net::IpAddress& ip) {
  return std::ranges::find(ips, ip) != ips.end();
}

}  // namespace

void PeerPolicy::set_own(std::vector<net::IpAddress> relays, PortRange ports, std::vector<net::IpAddress> others) {
  relays_ = std::move(relays);
  ports_ = ports;
  others_ = std::move(others);
}

PeerPolicy::Verdict PeerPolicy::said(const net::IpAddress& ip) const {
  if (in(denied_, ip)) return Verdict::Denied;
  if (in(allowed_, ip)) return Verdict::Allowed;
  return Verdict::Unsaid;
}

bool PeerPolicy::allows(const net::IpAddress& ip) const {
  const Verdict verdict = said(ip);
  if (verdict != Verdict::Unsaid) return verdict == Verdict::Allowed;
  // Two clients of this server talk from relay to relay, also where its addresses are private.
  if (in(relays_, ip)) return true;
  return in(others_, ip) ? open_port_ != 0 : !refused_by_default(ip);
}

bool PeerPolicy::allows_port(const net::Endpoint& peer) const {
  if (peer.port == 0) return false;
  if (said(peer.ip) == Verdict::Allowed || peer.port == open_port_) return true;
  return in(relays_, peer.ip) ? ports_.contains(peer.port) : !in(others_, peer.ip);
}

}  // namespace kaon::turn
