// What a version's handshake state machine shares with the connection around it. A further version is one more state
// machine over the same records, fragments, flights and timers.
#pragma once

#include <string>
#include <vector>

#include "kaon/base/env.h"
#include "kaon/base/result.h"
#include "kaon/dtls/internal/cipher_suites.h"
#include "kaon/dtls/internal/flight.h"
#include "kaon/dtls/internal/key_schedule12.h"
#include "kaon/dtls/internal/record_layer.h"
#include "kaon/dtls/types.h"

namespace kaon::dtls {

/// What a handshake negotiates; stays as long as the connection.
struct Session {
  Version version = Version::Dtls12;
  const SuiteInfo* suite = nullptr;
  crypto::Group group{};
  SrtpProfileId srtp_profile = kNoSrtpProfile;
  KeySchedule12 keys;
  std::vector<uint8_t> peer_certificate;
  /// Epoch of the alerts we send: 1 from our Finished on.
  uint16_t write_epoch = 0;
};

/// Borrowed for one call.
struct HandshakeContext {
  Env& env;
  const Config& config;
  const std::vector<crypto::Fingerprint>& remote_fingerprints;
  RecordLayer& records;
  Flight& flight;
  Session& session;
};

enum class Outcome : uint8_t {
  Waiting,    ///< more messages of this flight are to come
  Answered,   ///< the peer's flight is complete and ours is in the Flight
  Completed,  ///< both Finished are verified or sent; ours may be in the Flight
};

struct Failure {
  AlertDescription alert{};
  std::string detail;
  CloseReason reason = CloseReason::HandshakeFailure;
  /// False: the message may be anybody's. It is dropped and the next one with its number is looked at.
  bool fatal = true;
};
using Step = Result<Outcome, Failure>;

/// RFC 8122 §5: of the hash functions given, the strongest one counts, and the certificate has to fit one of its
/// fingerprints. SHA-1 and MD5 do not count at all.
bool fingerprint_fits(const std::vector<crypto::Fingerprint>& fingerprints, ByteView der);

}  // namespace kaon::dtls
