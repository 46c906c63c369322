// The names that hide addresses in ICE candidates.
#pragma once

#include <string>
#include <string_view>

#include "kaon/base/random.h"

namespace kaon::mdns {

/// True for a UUID and ".local" (draft-ietf-mmusic-mdns-ice-candidates §3.1.1), in capitals or not. No other name is
/// looked up for a peer: it could name anything.
bool is_hidden_name(std::string_view name);
/// A new one: UUID version 4 (RFC 9562 §5.4).
std::string make_hidden_name(Random& random);
/// DNS compares names without regard to the case of ASCII letters (RFC 6762 §16).
std::string lower_case(std::string_view name);

}  // namespace kaon::mdns
