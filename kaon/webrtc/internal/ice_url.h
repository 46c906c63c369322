// URLs of STUN and TURN servers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kaon/net/datagram.h"

namespace kaon::webrtc::internal {

struct IceUrl {
  bool turn = false;
  net::Protocol protocol = net::Protocol::Udp;
  std::string host;
  uint16_t port = 3478;
};

/// RFC 7064 and RFC 7065; an IPv6 address stands in brackets. Nothing if malformed, and for what does not exist:
/// "stuns" and "turns" over UDP.
std::optional<IceUrl> parse_ice_url(std::string_view url);

}  // namespace kaon::webrtc::internal
