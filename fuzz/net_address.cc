// Addresses as text: read, written, read again.
#include "fuzz/fuzz.h"
#include "kaon/net/address.h"

namespace kaon::net {

KAON_FUZZ_TARGET(net_address) {
  if (const auto ip = IpAddress::parse(as_text(input))) {
    KAON_ASSERT(IpAddress::parse(ip->to_string()) == ip);
    (void)ip->is_private();
    (void)ip->unmapped().is_loopback();
  }
  if (const auto endpoint = Endpoint::parse(as_text(input))) {
    KAON_ASSERT(Endpoint::parse(endpoint->to_string()) == endpoint);
  }
}

}  // namespace kaon::net
