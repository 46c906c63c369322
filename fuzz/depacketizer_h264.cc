// H.264 payloads.
#include "fuzz/depacketizer.h"
#include "kaon/packetizer/h26x.h"

namespace kaon::packetizer {

KAON_FUZZ_TARGET(depacketizer_h264) {
  fuzz::depacketize(Codec::H264, input);
  (void)parse_h264_sps(fuzz::copy(input));
}

}  // namespace kaon::packetizer
