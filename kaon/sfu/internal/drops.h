// Packets that went no further, by reason, for people to look at.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

namespace kaon::io {
class PeerShard;
}
namespace kaon::peer {
class Connection;
}

namespace kaon::sfu::internal {

using Drops = std::map<std::string_view, uint64_t>;

/// Adds what a loop has dropped before any connection saw it. On that loop.
void add_drops(Drops& to, const io::PeerShard& shard);
/// Adds what a connection has dropped. On its loop.
void add_drops(Drops& to, const peer::Connection& connection);

}  // namespace kaon::sfu::internal
