// Which of the machine's addresses a port uses, and what of them it tells.
#pragma once

#include <span>
#include <vector>

#include "kaon/io/peer_port.h"

namespace kaon::io {

/// Those that one of the sockets can send from and the options want.
std::vector<net::IpAddress> usable_addresses(const PeerPortOptions& options, std::span<const net::Endpoint> bound,
                                             std::span<const Interface> all);
/// Over UDP and, where connections are accepted, over TCP; rewritten where a translator in front maps them.
std::vector<ice::LocalAddress> told_addresses(const PeerPortOptions& options, uint16_t port,
                                              std::span<const net::IpAddress> usable);

}  // namespace kaon::io
