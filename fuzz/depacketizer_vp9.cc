// VP9 payloads.
#include "fuzz/depacketizer.h"
#include "kaon/packetizer/vp9.h"

namespace kaon::packetizer {

KAON_FUZZ_TARGET(depacketizer_vp9) {
  fuzz::depacketize(Codec::Vp9, input);
  const std::vector<uint8_t> bytes = fuzz::copy(input);
  std::vector<uint8_t> payload = bytes;
  if (!rewrite_vp9(payload, 0x1234, 0x56)) KAON_ASSERT(payload == bytes);
}

}  // namespace kaon::packetizer
