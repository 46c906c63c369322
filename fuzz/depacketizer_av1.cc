// AV1 payloads.
#include "fuzz/depacketizer.h"
#include "kaon/packetizer/av1.h"

namespace kaon::packetizer {

KAON_FUZZ_TARGET(depacketizer_av1) {
  fuzz::depacketize(Codec::Av1, input);
  (void)parse_av1_sequence_header(fuzz::copy(input));
}

}  // namespace kaon::packetizer
