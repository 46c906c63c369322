// What a version's handshake state machine shares with the connection around it. A further version is one more state
// machine over the same records, fragments, flights and timers.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/env.h"
#include "kaon/base/result.h"
#include "kaon/dtls/internal/cipher_suites.h"
#include "kaon/dtls/internal/flight.h"
#include "kaon/dtls/internal/key_schedule12.h"
#include "kaon/dtls/internal/key_schedule13.h"
#include "kaon/dtls/internal/reassembler.h"
#include "kaon/dtls/internal/record_layer.h"
#include "kaon/dtls/types.h"

namespace kaon::dtls {

/// What a handshake negotiates; stays as long as the connection.
struct Session {
  /// Nothing before the hello messages have settled it.
  std::optional<Version> version;
  const SuiteInfo* suite = nullptr;
  crypto::Group group{};
  SrtpProfileId srtp_profile = kNoSrtpProfile;
  /// Of the two, the version's counts.
  KeySchedule12 keys;
  KeySchedule13 keys13;
  std::vector<uint8_t> peer_certificate;
  std::vector<uint8_t> psk_identity;
  /// RFC 7301; empty if none was agreed on.
  std::string alpn;
  /// RFC 7366; only of a suite with CBC.
  bool encrypt_then_mac = false;
  /// RFC 9853 §3.
  bool return_routability = false;
  /// Epoch of what we send now: of alerts and ACKs during the handshake, of everything afterwards.
  uint64_t write_epoch = kEpochClear;

  /// Secrets derived since the last call, in NSS key log format.
  std::vector<std::string> take_key_log_lines();
};

/// Borrowed for one call.
struct HandshakeContext {
  Env& env;
  const Config& config;
  const std::vector<crypto::Fingerprint>& remote_fingerprints;
  RecordLayer& records;
  Flight& flight;
  Session& session;
  /// Largest datagram.
  size_t mtu;
};

enum class Outcome : uint8_t {
  Use12,      ///< the version is settled: the same message is for the handshake of 1.2
  Use13,      ///< ... of 1.3
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

inline auto fatal(AlertDescription alert, std::string detail) { return kaon::fail(Failure{alert, std::move(detail)}); }
/// What comes in the clear may be anybody's. If we cannot use it, that does no harm: the right one may still come.
inline auto refuse(std::string detail) {
  return kaon::fail(Failure{.alert = AlertDescription::HandshakeFailure, .detail = std::move(detail), .fatal = false});
}
std::unexpected<Failure> out_of_turn(HandshakeType type);

/// The public key of the peer's certificate, which must fit the fingerprints if they are known; kept in the session.
Result<crypto::PublicKey, Failure> accept_certificate(HandshakeContext& context, ByteView der);

// What a server chooses, by its own order of preference. Nothing if there is nothing in common.
const SuiteInfo* choose_suite(const Config& config, Version version, const ClientHello& hello);
SrtpProfileId choose_srtp_profile(const Config& config, const ClientHello& hello);
/// Empty if none is to be answered, nothing if the client has to be refused (RFC 7301 §3.2), with kNoCommonProtocol.
std::optional<std::string_view> choose_alpn(const Config& config, const ClientHello& hello);
inline constexpr const char* kNoCommonProtocol = "ClientHello refused: no common application protocol";
/// A client's: keeps what the server chose, if it may have chosen that, in the session.
Result<void, Failure> take_alpn(HandshakeContext& context, std::optional<std::string_view> chosen);

// Connection ids (RFC 9146 §3). Records carry them as soon as both sides have said theirs and there are keys.

/// A server's: the one it answers with, if the client offered and the configuration wants it. A client's id that leaves
/// no room in our datagrams is as if it was not offered.
std::optional<ByteView> answer_connection_id(HandshakeContext& context, const ClientHello& hello);
/// Whether a server answers that it does return routability checks (RFC 9853 §3), kept in the session; to be called
/// behind answer_connection_id().
bool answer_return_routability(HandshakeContext& context, const ClientHello& hello, bool with_connection_id);
/// A client's: false if the server's answer cannot be. Checks of routability go with it.
bool take_connection_id(HandshakeContext& context, const ServerHello& hello);

/// Whether the suite's peer has a pre-shared key and no certificate.
inline bool uses_psk(const SuiteInfo& suite) { return suite.authentication == Authentication::Psk; }

/// The groups of the configuration that libcrypto has.
std::vector<crypto::Group> available_groups(const Config& config);
/// The first of our groups that a client of 1.3 sent a share of, or that it offers at all.
std::optional<crypto::Group> choose_shared_group(const std::vector<crypto::Group>& ours, const ClientHello& hello);
std::optional<crypto::Group> choose_offered_group(const std::vector<crypto::Group>& ours, const ClientHello& hello);

inline bool offers13(const Config& config) { return config.max_version == Version::Dtls13; }
inline bool offers12(const Config& config) { return config.min_version == Version::Dtls12; }

template <class List, class T>
bool contains(const List& list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

/// RFC 8122 §5: of the hash functions given, the strongest one counts, and the certificate has to fit one of its
/// fingerprints. SHA-1 and MD5 do not count at all.
bool fingerprint_fits(const std::vector<crypto::Fingerprint>& fingerprints, ByteView der);

}  // namespace kaon::dtls
