// Session descriptions: read, written, read again; and offered to WHIP.
#include "fuzz/fuzz.h"
#include "kaon/peer/negotiation.h"
#include "kaon/sdp/session_description.h"

namespace kaon::sdp {

KAON_FUZZ_TARGET(sdp_description) {
  const auto description = SessionDescription::parse(as_text(input));
  if (!description) {
    KAON_ASSERT(!description.error().to_string().empty());
    return;
  }
  const std::string text = description->write();
  const auto again = SessionDescription::parse(text);
  KAON_ASSERT(again.has_value());
  KAON_ASSERT(*again == *description);
  KAON_ASSERT(again->write() == text);
  for (const MediaDescription& media : description->media) {
    (void)transport_of(*description, media);
    (void)direction_of(*description, media);
    for (const PayloadFormat& payload : media.payloads) (void)parameter(payload.parameters, "apt");
  }
  (void)description->bundle();
  (void)peer::check_http_offer(*description);
}

}  // namespace kaon::sdp
