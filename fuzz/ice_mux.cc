// The mux of one port: connections come and go, paths are bound, anything arrives. It may only name connections that
// are there.
#include "fuzz/fuzz.h"
#include "kaon/base/text.h"
#include "kaon/ice/mux.h"
#include "kaon/stun/builder.h"

#include <set>

namespace kaon::ice {
namespace {

net::Endpoint endpoint(fuzz::Choices& choices) {
  return {net::IpAddress::v4(10, 0, 0, static_cast<uint8_t>(choices.below(8))),
          static_cast<uint16_t>(choices.below(64))};
}

std::string ufrag(size_t number) { return cat("ufrag", number); }

std::vector<uint8_t> packet(fuzz::Choices& choices) {
  if (choices.flag()) return fuzz::copy(choices.bytes(200));
  std::vector<uint8_t> memory(300);
  stun::TransactionId id;
  store_be32(id.bytes.data(), static_cast<uint32_t>(choices.below(16)));
  stun::Builder builder(memory, stun::Method::Binding, static_cast<stun::Class>(choices.below(4)), id);
  if (choices.flag()) builder.add_text(stun::Attribute::Username, cat(ufrag(choices.below(16)), ":x"));
  builder.add(static_cast<stun::Attribute>(choices.u16()), choices.bytes(16));
  memory.resize(builder.add_fingerprint().finish().size());
  return memory;
}

}  // namespace

KAON_FUZZ_TARGET(ice_mux) {
  fuzz::Choices choices(input);
  Mux mux(1);
  std::set<ConnectionId> there;
  for (size_t i = 0; i < 500 && !choices.empty(); ++i) {
    const ConnectionId id(choices.below(16));
    switch (choices.below(4)) {
      case 0:
        if (mux.add(id, ufrag(choices.below(16)), static_cast<uint32_t>(choices.below(16)))) there.insert(id);
        break;
      case 1:
        if (choices.below(4) == 0) mux.remove(id), there.erase(id);
        break;
      case 2: {
        const bool bound = mux.bind(id, {endpoint(choices), endpoint(choices)}).has_value();
        KAON_ASSERT(bound == there.contains(id));
        break;
      }
      default: {
        std::vector<uint8_t> bytes = packet(choices);
        const auto found = mux.route({.local = endpoint(choices), .remote = endpoint(choices), .bytes = bytes});
        KAON_ASSERT(!found || there.contains(*found));
      }
    }
    KAON_ASSERT(mux.connections() == there.size());
    KAON_ASSERT(mux.paths() <= there.size() * Mux::kMaxPaths);
  }
}

}  // namespace kaon::ice
