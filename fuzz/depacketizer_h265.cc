// H.265 payloads.
#include "fuzz/depacketizer.h"
#include "kaon/packetizer/h26x.h"

namespace kaon::packetizer {

KAON_FUZZ_TARGET(depacketizer_h265) {
  fuzz::depacketize(Codec::H265, input);
  (void)parse_h265_sps(fuzz::copy(input));
}

}  // namespace kaon::packetizer
