// Trickle fragments, the body of WHIP's PATCH: read, written, read again.
#include "fuzz/fuzz.h"
#include "kaon/sdp/trickle_fragment.h"

namespace kaon::sdp {

KAON_FUZZ_TARGET(sdp_fragment) {
  const auto fragment = TrickleFragment::parse(as_text(input));
  if (!fragment) return;
  const auto again = TrickleFragment::parse(fragment->write());
  KAON_ASSERT(again.has_value());
  KAON_ASSERT(*again == *fragment);
}

}  // namespace kaon::sdp
