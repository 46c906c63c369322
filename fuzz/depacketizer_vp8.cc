// VP8 payloads.
#include "fuzz/depacketizer.h"
#include "kaon/packetizer/vp8.h"

namespace kaon::packetizer {

KAON_FUZZ_TARGET(depacketizer_vp8) {
  fuzz::depacketize(Codec::Vp8, input);
  const std::vector<uint8_t> bytes = fuzz::copy(input);
  std::vector<uint8_t> payload = bytes;
  if (!rewrite_vp8(payload, 0x1234, 0x56)) KAON_ASSERT(payload == bytes);
}

}  // namespace kaon::packetizer
