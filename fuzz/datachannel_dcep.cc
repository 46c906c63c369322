// Messages of the Data Channel Establishment Protocol: read, written, read again.
#include "fuzz/fuzz.h"
#include "kaon/datachannel/internal/dcep.h"

namespace kaon::datachannel {

KAON_FUZZ_TARGET(datachannel_dcep) {
  const std::vector<uint8_t> bytes = fuzz::copy(input);
  const auto open = DcepOpen::parse(bytes);
  if (!open) return;
  KAON_ASSERT(open->write() == bytes);
}

}  // namespace kaon::datachannel
