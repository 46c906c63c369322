// Candidate lines and DTLS fingerprints as signalling brings them: read, written, read again.
#include "fuzz/fuzz.h"
#include "kaon/crypto/certificate.h"
#include "kaon/ice/candidate.h"

namespace kaon::ice {

KAON_FUZZ_TARGET(ice_candidate) {
  if (const auto candidate = Candidate::parse(as_text(input))) {
    const std::string line = candidate->to_string();
    const auto again = Candidate::parse(line);
    // What the input left out, such as rport, can make it too long.
    KAON_ASSERT(again.has_value() || line.size() > Candidate::kMaxText);
    if (again) KAON_ASSERT(*again == *candidate);
    if (again) KAON_ASSERT(again->to_string() == line);
  }
  if (const auto fingerprint = crypto::Fingerprint::parse(as_text(input))) {
    KAON_ASSERT(crypto::Fingerprint::parse(fingerprint->to_string()) == fingerprint);
  }
}

}  // namespace kaon::ice
