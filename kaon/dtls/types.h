// Names and values of DTLS that users of the engine see: configuration, events, errors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kaon/base/time.h"
#include "kaon/crypto/certificate.h"
#include "kaon/crypto/key_exchange.h"
#include "kaon/net/dtls_role.h"

namespace kaon::dtls {

using Role = net::DtlsRole;

/// As on the wire.
enum class Version : uint16_t { Dtls12 = 0xfefd, Dtls13 = 0xfefc };

/// Values of the TLS registry "cipher suites".
enum class CipherSuite : uint16_t {
  // of 1.3
  Aes128GcmSha256 = 0x1301,
  Aes256GcmSha384 = 0x1302,
  ChaCha20Poly1305Sha256 = 0x1303,
  // of 1.2
  EcdheEcdsaAes128GcmSha256 = 0xc02b,
  EcdheEcdsaAes256GcmSha384 = 0xc02c,
  EcdheRsaAes128GcmSha256 = 0xc02f,
  EcdheRsaAes256GcmSha384 = 0xc030,
  EcdheRsaChaCha20Poly1305Sha256 = 0xcca8,
  EcdheEcdsaChaCha20Poly1305Sha256 = 0xcca9,
  // of 1.2, for devices that have no other
  EcdheEcdsaAes128Ccm = 0xc0ac,
  EcdheEcdsaAes128Ccm8 = 0xc0ae,
  // of 1.2 with a pre-shared key (Config::psks) instead of certificates
  PskAes128GcmSha256 = 0x00a8,
  PskAes128Ccm = 0xc0a4,
  PskAes128Ccm8 = 0xc0a8,
  PskChaCha20Poly1305Sha256 = 0xccab,
  EcdhePskAes128GcmSha256 = 0xd001,
  EcdhePskChaCha20Poly1305Sha256 = 0xccac,
  EcdhePskAes128Ccm8Sha256 = 0xd003,
  EcdhePskAes128CcmSha256 = 0xd005,
  // of 1.2 with CBC, for peers from before AEAD. Where the peer can (RFC 7366), the MAC comes last.
  EcdheEcdsaAes128CbcSha = 0xc009,
  EcdheEcdsaAes256CbcSha = 0xc00a,
  EcdheRsaAes128CbcSha = 0xc013,
  EcdheRsaAes256CbcSha = 0xc014,
  PskAes128CbcSha256 = 0x00ae,
  EcdhePskAes128CbcSha256 = 0xc037,
};
/// The registry's name, for example "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" (W3C stats: dtlsCipher).
std::string_view to_string(CipherSuite suite);

/// Values of the registry "DTLS-SRTP protection profiles" (RFC 5764, RFC 7714); zero is "none negotiated".
using SrtpProfileId = uint16_t;
inline constexpr SrtpProfileId kNoSrtpProfile = 0;
inline constexpr SrtpProfileId kSrtpAes128CmSha1_80 = 0x0001;
inline constexpr SrtpProfileId kSrtpAeadAes128Gcm = 0x0007;
inline constexpr SrtpProfileId kSrtpAeadAes256Gcm = 0x0008;

/// The exporter label for SRTP keys (RFC 5764 §4.2); its context is empty.
inline constexpr std::string_view kSrtpExporterLabel = "EXTRACTOR-dtls_srtp";

/// RFC 5246 §7.2; the ones we send or name.
enum class AlertDescription : uint8_t {
  CloseNotify = 0,
  UnexpectedMessage = 10,
  BadRecordMac = 20,
  RecordOverflow = 22,
  HandshakeFailure = 40,
  BadCertificate = 42,
  UnsupportedCertificate = 43,
  IllegalParameter = 47,
  DecodeError = 50,
  DecryptError = 51,
  ProtocolVersion = 70,
  InternalError = 80,
  UserCanceled = 90,
  MissingExtension = 109,
  UnsupportedExtension = 110,
  UnknownPskIdentity = 115,
  CertificateRequired = 116,
  NoApplicationProtocol = 120,
};
std::string_view to_string(AlertDescription alert);

/// A key that both sides have been given, and its name on the wire (RFC 4279): both of 1 to 65,535 bytes. Without ECDHE
/// whoever learns the key reads all that was ever recorded, and a key that people can remember is guessed from one
/// handshake: use 16 random bytes or more.
struct PreSharedKey {
  std::vector<uint8_t> identity;
  std::vector<uint8_t> key;
};

/// Orders for Config::groups.
enum class KeyExchangePolicy : uint8_t {
  /// X25519, then P-256 and P-384: each hello in one datagram.
  Latency,
  /// X25519MLKEM768 before these: what is recorded today stays secret from a quantum computer, where both sides have
  /// it. It costs no round trip, but 1216 bytes in the ClientHello, which becomes two datagrams, and 1120 in the
  /// ServerHello. With a libcrypto older than 3.5 it is as Latency.
  PostQuantum,
};
std::vector<crypto::Group> groups_for(KeyExchangePolicy policy);

/// What a connection is made of. Lists are in order of preference.
struct Config {
  Role role = Role::Client;
  /// Both sides of the range are spoken; the highest version that the peer has too is taken.
  Version min_version = Version::Dtls12;
  Version max_version = Version::Dtls13;
  crypto::Certificate certificate;
  /// From the peer's session description; may be given later by set_remote_fingerprints().
  std::vector<crypto::Fingerprint> remote_fingerprints = {};
  /// For the suites of 1.2 with a pre-shared key, which have to be named in cipher_suites. A client uses the first; a
  /// server that of the identity that the client says. Who has the key is the peer: no certificates are exchanged and
  /// no fingerprint counts.
  std::vector<PreSharedKey> psks = {};
  /// A server chooses by its own order; empty: use_srtp is neither offered nor answered.
  std::vector<SrtpProfileId> srtp_profiles = {kSrtpAeadAes128Gcm, kSrtpAeadAes256Gcm, kSrtpAes128CmSha1_80};
  /// Those with CCM or CBC are offered and accepted only where they are named here.
  std::vector<CipherSuite> cipher_suites = {
      CipherSuite::Aes128GcmSha256,
      CipherSuite::Aes256GcmSha384,
      CipherSuite::ChaCha20Poly1305Sha256,
      CipherSuite::EcdheEcdsaAes128GcmSha256,
      CipherSuite::EcdheRsaAes128GcmSha256,
      CipherSuite::EcdheEcdsaChaCha20Poly1305Sha256,
      CipherSuite::EcdheRsaChaCha20Poly1305Sha256,
      CipherSuite::EcdheEcdsaAes256GcmSha384,
      CipherSuite::EcdheRsaAes256GcmSha384,
  };
  /// A client of 1.3 sends a share of the first (of X25519MLKEM768, one of X25519 beside it); a server takes the first
  /// that the client sent a share of, and asks for another only if there is none. Groups that libcrypto lacks are left
  /// out.
  std::vector<crypto::Group> groups = groups_for(KeyExchangePolicy::Latency);
  /// Largest DTLS datagram in bytes, without UDP and IP headers; at least kMinMtu.
  size_t mtu = 1200;
  /// First retransmission timeout while no round-trip time is known; it doubles up to max_timeout.
  Duration initial_timeout = std::chrono::milliseconds(50);
  Duration max_timeout = std::chrono::seconds(60);
  /// From start() to Connected, waiting for fingerprints included.
  Duration handshake_timeout = std::chrono::seconds(30);
  /// Records sent under one key of 1.3 before it is updated; RFC 8446 §5.5 allows 2^24.5 of full size.
  uint64_t records_per_key = uint64_t{1} << 23;
  /// Connection ids (RFC 9146, RFC 9147 §9): what the peer has to write into its records to us, at most
  /// kMaxConnectionIdSize bytes, not guessable and not in use on another connection. Empty: we want none but write the
  /// peer's. Nothing: there are none in either direction.
  std::optional<std::vector<uint8_t>> connection_id = {};
  /// Return routability checks (RFC 9853), offered and answered where connection ids are: Connection::check_path() then
  /// asks whether the peer is at a new address.
  bool return_routability = false;
  /// Names of what is spoken over the connection (RFC 7301), of 1 to kMaxProtocolNameSize bytes each (asserted). A
  /// client offers them. A server takes the first of its own that the client offers, and refuses a client that offers
  /// names but none of these. Empty: a client offers none, and a server takes "webrtc" (RFC 8833) and no other.
  std::vector<std::string> alpn = {};
  /// Emit KeyLogLine events. They let their reader decrypt everything.
  bool key_log = false;
};
inline constexpr size_t kMinMtu = 128;
inline constexpr size_t kMaxConnectionIdSize = 255;
inline constexpr size_t kMaxProtocolNameSize = 255;

enum class CloseReason : uint8_t {
  LocalClose,           ///< close() was called
  PeerClose,            ///< the peer said close_notify
  PeerAlert,            ///< an authenticated fatal alert
  Timeout,              ///< no handshake in time, or nothing that shows that the peer has a client's last flight
  HandshakeFailure,     ///< the peer broke the protocol, or there is nothing in common
  FingerprintMismatch,  ///< the peer's certificate is not the one of its session description
  KeyLimit,             ///< sequence numbers used up, or too many forgeries (RFC 9147 §4.5.3)
};
std::string_view to_string(CloseReason reason);

/// Handshake finished and the peer's certificate or pre-shared key verified; application data and keys are available
/// from here on.
struct Connected {
  Version version = Version::Dtls12;
  CipherSuite cipher_suite{};
  /// Zero if there was no key exchange: a pre-shared key alone.
  crypto::Group group{};
  SrtpProfileId srtp_profile = kNoSrtpProfile;
  /// The peer's own certificate, DER; empty with a pre-shared key.
  std::vector<uint8_t> peer_certificate;
  /// Of the pre-shared key, if it was one.
  std::vector<uint8_t> psk_identity = {};
  /// The name out of Config::alpn that was agreed on; empty if none was.
  std::string alpn = {};
};

/// The last event. A closing alert may still wait in poll_transmit().
struct Closed {
  CloseReason reason{};
  /// For people, in English; no secrets.
  std::string detail;
};

/// One line for SSLKEYLOGFILE, without the line end. Before Connected, only with Config::key_log.
struct KeyLogLine {
  std::string line;
};

/// The peer of 1.3 wants more connection ids of ours; Connection::send_new_connection_ids() answers. The next one comes
/// only after that.
struct ConnectionIdsRequested {
  uint8_t count = 0;
};

/// What came of Connection::check_path().
struct PathChecked {
  bool answered = false;
};

using Event = std::variant<KeyLogLine, Connected, Closed, ConnectionIdsRequested, PathChecked>;

/// RFC 9147 §9.
enum class ConnectionIdUsage : uint8_t {
  Immediate = 0,  ///< the peer is to write the first of them from now on
  Spare = 1       ///< for when the peer's address changes, so that nobody sees that it is still the same
};

enum class Error : uint8_t {
  NotConnected,         ///< before Connected or after Closed
  NoReturnRoutability,  ///< it was not negotiated
  NoConnectionIds,      ///< none were negotiated in that direction, or the connection is of 1.2, where they stay
  InvalidConnectionId,  ///< not of the size of Config::connection_id, known already, or too many
  Busy,                 ///< the last message of this kind has not been acknowledged or answered yet
};

/// Why bytes from the network were not used. None of it is an error of the connection.
enum class DropReason : uint8_t {
  Malformed,           ///< no DTLS record, or one that lies about its length
  UnsupportedVersion,  ///< record of another version
  UnknownContentType,  ///< record type we do not know
  WrongEpoch,          ///< no keys for that epoch
  Replayed,            ///< seen before, or older than the window
  BadTag,              ///< authentication failed
  Unauthenticated,     ///< alert, ChangeCipherSpec or application data in the clear
  BadFragment,         ///< handshake fragment that contradicts itself or is of an unexpected kind
  MessageTooLarge,     ///< handshake message larger than kMaxHandshakeMessage
  ReassemblyFull,      ///< too many bytes or messages ahead
  Retransmission,      ///< handshake message we already have
  WrongConnectionId,   ///< another connection id than ours, or none where ours is due
  HelloRefused,        ///< unusable first message, maybe not our peer's
  EarlyDataFull,       ///< application data before Connected beyond the bound
  NotPolled,           ///< application data nobody took before the next packet, or beyond the bound
  AfterClose,          ///< the connection is closed or not started
  Count
};
std::string_view to_string(DropReason reason);

}  // namespace kaon::dtls
