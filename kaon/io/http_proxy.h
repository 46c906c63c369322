// An HTTP proxy on the way to where UDP does not get through.
#pragma once

#include <cstdint>
#include <string>

namespace kaon::io {

/// A proxy that opens TCP connections for us by CONNECT (RFC 9110 §9.3.6). It is spoken to without TLS.
struct HttpProxy {
  /// A name, or an address without brackets.
  std::string host;
  uint16_t port = 3128;
  /// Sent with the first request (Basic, RFC 7617) if there is a user name; the proxy's owner can read both.
  std::string username{};
  std::string password{};

  /// "HOST:PORT".
  std::string name() const;
};

}  // namespace kaon::io
