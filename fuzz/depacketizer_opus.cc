// Opus payloads.
#include "fuzz/depacketizer.h"

namespace kaon::packetizer {

KAON_FUZZ_TARGET(depacketizer_opus) { fuzz::depacketize(Codec::Opus, input); }

}  // namespace kaon::packetizer
