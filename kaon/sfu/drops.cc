#include "kaon/sfu/internal/drops.h"

#include "kaon/ice/mux.h"
#include "kaon/io/peer_port.h"
#include "kaon/peer/connection.h"

namespace kaon::sfu::internal {
namespace {

// In the order of the enumerators; an array of another size does not compile.
constexpr std::string_view kMux[] = {"no_such_peer", "malformed_stun", "stun_without_username", "unknown_ufrag",
                                     "unknown_stun_transaction"};

template <class Reason, size_t N>
void add(Drops& to, const Counters<Reason>& counters, const std::string_view (&names)[N]) {
  static_assert(N == Counters<Reason>::kSize);
  for (size_t i = 0; i < N; ++i) {
    if (const uint64_t count = counters[static_cast<Reason>(i)]; count != 0) to[names[i]] += count;
  }
}

void add(Drops& to, std::string_view name, uint64_t count) {
  if (count != 0) to[name] += count;
}

}  // namespace

void add_drops(Drops& to, const io::PeerShard& shard) {
  add(to, shard.drops(), kMux);
  const io::UdpStats& udp = shard.udp_stats();
  add(to, "kernel_queue_full", udp.kernel_dropped);
  add(to, "truncated", udp.truncated);
  add(to, "other_loop_too_slow", udp.handover_dropped);
}

void add_drops(Drops& to, const peer::Connection& connection) {
  for (const auto& [name, count] : connection.drops_by_name()) to[name] += count;
}

}  // namespace kaon::sfu::internal
