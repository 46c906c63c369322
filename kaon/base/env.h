// What an engine may use of the world around it.
#pragma once

#include "kaon/base/log.h"
#include "kaon/base/random.h"

namespace kaon::trace {
class Sink;
}

namespace kaon {

/// References given to every engine's constructor; they must outlive it. With a SeededRandom, same seed and same inputs
/// give the same bytes out. Used on the engine's own loop only.
struct Env {
  Random& random;
  Logger& log;
  /// Packets and events for who looks for a fault (kaon/trace/sink.h); null for nobody.
  trace::Sink* trace = nullptr;
};

}  // namespace kaon
