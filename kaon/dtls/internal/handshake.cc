#include "kaon/dtls/internal/handshake.h"

#include <algorithm>

namespace kaon::dtls {

bool fingerprint_fits(const std::vector<crypto::Fingerprint>& fingerprints, ByteView der) {
  auto strongest = crypto::HashAlgorithm::Sha1;
  for (const crypto::Fingerprint& fingerprint : fingerprints) strongest = std::max(strongest, fingerprint.algorithm);
  if (strongest < crypto::HashAlgorithm::Sha256) return false;
  return std::any_of(fingerprints.begin(), fingerprints.end(), [&](const crypto::Fingerprint& fingerprint) {
    return fingerprint.algorithm == strongest && fingerprint.matches(der);
  });
}

}  // namespace kaon::dtls
