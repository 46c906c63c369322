#include "kaon/io/internal/told_addresses.h"

#include <algorithm>

namespace kaon::io {
namespace {

// What is told for one address of the machine.
void tell(const PeerPortOptions& options, const net::Endpoint& base, net::Protocol protocol,
          std::vector<ice::LocalAddress>& out) {
  const net::IpAddress& ip = base.ip;
  ice::LocalAddress address;
  address.base = base;
  address.protocol = protocol;
  if (protocol == net::Protocol::Tcp) address.tcp_type = ice::TcpType::Passive;
  bool rewritten = false;
  for (const PublicAddress& outside : options.public_addresses) {
    if (outside.told.family() != ip.family() || ip.is_loopback()) continue;
    if (!outside.local.is_none() && outside.local != ip) continue;
    address.address = {outside.told, base.port};
    out.push_back(address);
    rewritten = true;
  }
  address.address = address.base;
  if (!rewritten) out.push_back(address);
}

}  // namespace

std::vector<net::IpAddress> usable_addresses(const PeerPortOptions& options, std::span<const net::Endpoint> bound,
                                             std::span<const Interface> all) {
  std::vector<net::IpAddress> out;
  std::vector<net::IpAddress> loopback;
  for (const Interface& interface : all) {
    const net::IpAddress& ip = interface.ip;
    const bool listening = std::any_of(bound.begin(), bound.end(), [&](const net::Endpoint& endpoint) {
      return endpoint.ip == ip || (endpoint.ip.is_any() && endpoint.ip.family() == ip.family());
    });
    if (!listening || ip.is_link_local()) continue;
    if (options.use_interface && !options.use_interface(interface)) continue;
    (ip.is_loopback() ? loopback : out).push_back(ip);
  }
  if (options.loopback || out.empty()) out.insert(out.end(), loopback.begin(), loopback.end());
  return out;
}

std::vector<ice::LocalAddress> told_addresses(const PeerPortOptions& options, uint16_t port,
                                              std::span<const net::IpAddress> usable) {
  std::vector<ice::LocalAddress> out;
  for (const net::IpAddress& ip : usable) tell(options, {ip, port}, net::Protocol::Udp, out);
  if (!options.tcp_passive) return out;
  for (const net::IpAddress& ip : usable) tell(options, {ip, port}, net::Protocol::Tcp, out);
  return out;
}

}  // namespace kaon::io
