// URLs of STUN and TURN servers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kaon/net/datagram.h"

namespace kaon::webrtc {

/// What such a URL names.
struct IceUrl {
  /// Otherwise a STUN server.
  bool turn = false;
  /// Of "turns" Tls, or Dtls if it says UDP (RFC 7350).
  net::Protocol protocol = net::Protocol::Udp;
  /// A name, or an address without brackets.
  std::string host;
  /// 3478, or 5349 over TLS and DTLS, unless it says otherwise.
  uint16_t port = 3478;
};

/// RFC 7064 and RFC 7065; an IPv6 address stands in brackets. Nothing if malformed, and for "stuns", which no
/// browser knows either.
std::optional<IceUrl> parse_ice_url(std::string_view url);

}  // namespace kaon::webrtc
