// What every fuzz target shares: how it is declared, and how it takes decisions from its input.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/assert.h"
#include "kaon/base/bytes.h"
#include "kaon/base/reader.h"
#include "kaon/base/time.h"

namespace kaon::fuzz {

/// One target: must return, whatever the input, and keep nothing from one call to the next.
struct Target {
  std::string_view name;
  void (*run)(ByteView input);
};

/// Those linked into this program: one in a fuzzer, all in the replay.
std::vector<Target>& targets();

struct Registration {
  explicit Registration(const Target& target) { targets().push_back(target); }
};

/// Decisions, taken off the front of the input. What is missing at its end reads as zero, so that every input is a
/// valid one and small changes to it stay small changes to what happens.
class Choices {
 public:
  explicit Choices(ByteView input) : reader_(input) {}

  bool empty() const { return reader_.at_end(); }
  bool flag() { return (u8() & 1) != 0; }
  uint8_t u8() { return static_cast<uint8_t>(integer(1)); }
  uint16_t u16() { return static_cast<uint16_t>(integer(2)); }
  uint32_t u32() { return static_cast<uint32_t>(integer(4)); }
  /// In [0, bound); `bound` is 1 to 65536.
  size_t below(size_t bound) { return (bound <= 256 ? u8() : u16()) % bound; }
  /// At most `max` bytes, borrowed from the input; their number stands before them.
  ByteView bytes(size_t max) {
    const size_t size = below(std::min<size_t>(max, 65535) + 1);
    return reader_.bytes(std::min(size, reader_.remaining()));
  }
  std::string_view text(size_t max) { return as_text(bytes(max)); }
  ByteView rest() { return reader_.rest(); }
  /// A step of time: mostly short, some long, one of them backwards.
  Duration step();

 private:
  uint64_t integer(size_t size) {
    uint64_t value = 0;
    for (const uint8_t byte : reader_.bytes(std::min(size, reader_.remaining()))) value = value << 8 | byte;
    return value;
  }

  Reader reader_;
};

/// A seed that the whole input decides, for the keys of what must not be forged: a fuzzer sees what one run compares,
/// an authentic packet for example, and sends it in the next.
uint64_t seed_of(ByteView input);

/// A copy of `bytes` on the heap, so that AddressSanitizer sees the first byte read or written past their end.
inline std::vector<uint8_t> copy(ByteView bytes) {
  std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  exact.shrink_to_fit();
  return exact;
}

/// Overwrites one byte of `packet`, cuts it off or makes it longer, as the input says.
void mutate(std::vector<uint8_t>& packet, Choices& choices);

/// Deadlines of one step of time that are gone through.
inline constexpr size_t kMaxTimeouts = 5000;

/// An engine's rule: called at its own deadlines it must come to rest, or move them on (asserted). A step backwards is
/// only shown to the engine, which must not mind; the time stays where it is.
template <class Engine, class Drain>
void pass_time(Engine& engine, Time& now, Duration step, Drain drain) {
  const Time end = now + step;
  for (size_t calls = 0; engine.next_timeout() <= end; ++calls) {
    now = std::max(now, engine.next_timeout());
    engine.handle_timeout(now);
    drain();
    const bool livelock = calls > kMaxTimeouts && engine.next_timeout() <= now;
    KAON_ASSERT(!livelock);
    if (calls > kMaxTimeouts) break;
  }
  now = std::max(now, end);
  engine.handle_timeout(end);
  drain();
}

}  // namespace kaon::fuzz

/// KAON_FUZZ_TARGET(name) { … input … }: the one target of a file called name.cc. Invariants are checked by
/// KAON_ASSERT.
#define KAON_FUZZ_TARGET(name)                                                       \
  static void fuzz_##name(::kaon::ByteView input);                                   \
  static const ::kaon::fuzz::Registration registration_##name({#name, fuzz_##name}); \
  static void fuzz_##name([[maybe_unused]] ::kaon::ByteView input)
