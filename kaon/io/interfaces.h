// The network interfaces of this machine.
#pragma once

#include <string>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/io/error.h"
#include "kaon/net/address.h"

namespace kaon::io {

struct Interface {
  std::string name;
  uint32_t index = 0;
  net::IpAddress ip;   ///< with the index as its scope where link-local
  uint8_t prefix = 0;  ///< bits of `ip` that name its network
  bool loopback = false;
  bool point_to_point = false;  ///< tunnels and VPNs, usually
  bool operator==(const Interface&) const = default;
};

/// One entry per address of each interface that is up, in the system's order.
Result<std::vector<Interface>, IoError> interfaces();

}  // namespace kaon::io
