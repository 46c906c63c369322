// Tries STUN and TURN servers, all at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kaon/base/time.h"
#include "kaon/net/datagram.h"

namespace kaon::apps {

struct ServerTrial {
  std::string url;
  std::string username;
  std::string credential;

  // What came of it.
  net::Protocol protocol = net::Protocol::Udp;
  bool turn = false;
  std::optional<net::Endpoint> mapped;   ///< our address as the server sees it
  std::optional<net::Endpoint> relayed;  ///< of TURN
  std::optional<net::Endpoint> second;   ///< the IPv6 one, if `relayed` is the IPv4 one
  Duration rtt{};
  uint16_t error = 0;   ///< STUN's number, or 701 without an answer
  std::string problem;  ///< what is wrong and what to do about it; empty if all is well
};

/// Waits for all of them, ten seconds at most.
void try_servers(std::vector<ServerTrial>& trials);

}  // namespace kaon::apps
