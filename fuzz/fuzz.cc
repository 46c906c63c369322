#include "fuzz/fuzz.h"

#include <array>

namespace kaon::fuzz {

using namespace std::chrono_literals;

std::vector<Target>& targets() {
  static std::vector<Target> all;
  return all;
}

Duration Choices::step() {
  constexpr std::array<Duration, 16> kSteps = {0ms,   1ms, 5ms, 10ms, 20ms, 50ms, 100ms, 200ms,
                                               500ms, 1s,  2s,  5s,   15s,  40s,  10min, -1s};
  return kSteps[below(kSteps.size())];
}

// FNV-1a.
uint64_t seed_of(ByteView input) {
  uint64_t seed = 0xcbf29ce484222325;
  for (const uint8_t byte : input) seed = (seed ^ byte) * 0x100000001b3;
  return seed;
}

void mutate(std::vector<uint8_t>& packet, Choices& choices) {
  if (packet.empty()) return;
  const size_t position = choices.below(std::min<size_t>(packet.size(), 65536));
  switch (choices.below(5)) {
    case 0: packet[position] = choices.u8(); break;
    case 1: packet[position] ^= static_cast<uint8_t>(1 << choices.below(8)); break;
    case 2: packet.resize(position); break;
    case 3: {
      const ByteView added = choices.bytes(64);
      packet.insert(packet.begin() + static_cast<ptrdiff_t>(position), added.begin(), added.end());
      break;
    }
    default: {
      const size_t count = std::min(choices.below(32), packet.size() - position);
      packet.erase(packet.begin() + static_cast<ptrdiff_t>(position),
                   packet.begin() + static_cast<ptrdiff_t>(position + count));
    }
  }
}

}  // namespace kaon::fuzz
