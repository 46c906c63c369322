// Bodies of the handshake messages of DTLS 1.2, and the hello messages of both versions: reading and writing, no state.
// Views point into the parsed body.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/result.h"
#include "kaon/crypto/certificate.h"
#include "kaon/crypto/key_exchange.h"
#include "kaon/dtls/internal/protocol.h"
#include "kaon/dtls/types.h"

namespace kaon::dtls {

class Builder;

using RandomValue = std::array<uint8_t, kRandomSize>;

/// A list of 16-bit numbers as it stands on the wire, in the peer's order of preference.
class U16List {
 public:
  U16List() = default;
  explicit U16List(ByteView bytes) : bytes_(bytes) {}
  size_t size() const { return bytes_.size() / 2; }
  uint16_t operator[](size_t i) const { return load_be16(&bytes_[2 * i]); }
  bool contains(uint16_t value) const {
    for (size_t i = 0; i < size(); ++i)
      if ((*this)[i] == value) return true;
    return false;
  }

 private:
  ByteView bytes_;
};

/// RFC 6347 §4.2.1 with the extensions we know; a list that is not there is nullopt.
struct ClientHello {
  uint16_t legacy_version = 0;
  ByteView random;
  /// Of a HelloVerifyRequest (1.2).
  ByteView legacy_cookie;
  U16List cipher_suites;
  ByteView compression_methods;
  std::optional<U16List> supported_versions;
  std::optional<U16List> supported_groups;
  std::optional<U16List> signature_algorithms;
  std::optional<ByteView> ec_point_formats;
  std::optional<U16List> srtp_profiles;
  std::optional<ByteView> renegotiation_info;
  /// Protocol names, each with a length byte; empty if there are none.
  ByteView alpn;
  /// Group and share, one after the other (RFC 8446 §4.2.8).
  std::optional<ByteView> key_shares;
  /// What a HelloRetryRequest gave.
  ByteView cookie;
  /// RFC 9146 §3.
  std::optional<ByteView> connection_id;
  bool extended_master_secret = false;
  /// RFC 7366 §2.
  bool encrypt_then_mac = false;
  /// RFC 9853 §3.
  bool return_routability = false;

  static std::optional<ClientHello> parse(ByteView body);
  bool offers(Version version) const;
  bool offers_alpn(std::string_view protocol) const;
  std::optional<ByteView> share_of(crypto::Group group) const;
};

/// What our own ClientHello says.
struct ClientHelloOffer {
  Version min_version = Version::Dtls12;
  Version max_version = Version::Dtls12;
  RandomValue random{};
  /// Of a HelloVerifyRequest (1.2), and of a HelloRetryRequest (1.3).
  ByteView cookie;
  ByteView retry_cookie = {};
  std::span<const CipherSuite> cipher_suites;
  std::span<const crypto::Group> groups;
  std::span<const SrtpProfileId> srtp_profiles;
  /// Their shares are sent (1.3).
  std::span<const crypto::KeyExchange> key_exchanges = {};
  std::optional<ByteView> connection_id = {};
  /// Only with a connection id.
  bool return_routability = false;
  std::span<const std::string> alpn = {};

  std::vector<uint8_t> write() const;

 private:
  void write_extensions13(Builder& out) const;
};

/// RFC 5246 §7.4.1.3.
struct ServerHello {
  uint16_t version = 0;
  ByteView random;
  uint16_t cipher_suite = 0;
  uint8_t compression_method = 0;
  SrtpProfileId srtp_profile = kNoSrtpProfile;
  std::optional<ByteView> ec_point_formats;
  std::optional<ByteView> renegotiation_info;
  /// The protocol name that the server chose.
  std::optional<std::string_view> alpn;
  /// Of 1.3: the version that counts, group and share, or the group and the cookie of a retry.
  std::optional<uint16_t> selected_version;
  std::optional<crypto::Group> group;
  ByteView share;
  ByteView cookie;
  /// RFC 9146 §3.
  std::optional<ByteView> connection_id;
  bool extended_master_secret = false;
  /// RFC 7366 §2.
  bool encrypt_then_mac = false;
  /// RFC 9853 §3.
  bool return_routability = false;
  /// Has something that no ClientHello of ours asks for (RFC 5246 §7.4.1.4).
  bool unsolicited_extension = false;

  static std::optional<ServerHello> parse(ByteView body);
  /// It is a HelloRetryRequest: the random says so (RFC 8446 §4.1.3).
  bool asks_for_retry() const;
  /// In the form of 1.2.
  std::vector<uint8_t> write() const;
};

/// RFC 8446 §4.1.3: SHA-256 of "HelloRetryRequest".
inline constexpr RandomValue kHelloRetryRequestRandom = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

/// The cookie of a HelloVerifyRequest (RFC 6347 §4.2.1).
std::optional<ByteView> parse_hello_verify_request(ByteView body);

/// The peer's own certificate out of a Certificate message: the first of the list, empty if the list is; nothing if
/// malformed. Those after it are skipped, because only the fingerprint counts.
std::optional<ByteView> parse_certificate(ByteView body);
std::vector<uint8_t> write_certificate(ByteView der);

/// RFC 8422 §5.4, named curves only.
struct ServerKeyExchange {
  crypto::Group group{};
  ByteView share;
  crypto::SignatureScheme scheme{};
  ByteView signature;
  /// Curve and share as they are signed.
  ByteView params;

  static std::optional<ServerKeyExchange> parse(ByteView body);
  static std::vector<uint8_t> write_params(crypto::Group group, ByteView share);
};
std::optional<ByteView> parse_client_key_exchange(ByteView body);
std::vector<uint8_t> write_client_key_exchange(ByteView share);

// With a pre-shared key (RFC 4279 §2, RFC 5489 §2). Without ECDHE there is no share.

/// Its hint of an identity is skipped: who has several keys knows by other means which it is.
struct PskServerKeyExchange {
  crypto::Group group{};
  ByteView share;

  static std::optional<PskServerKeyExchange> parse(ByteView body, bool ecdhe);
  /// With ECDHE, and an empty hint; without, the message is left out.
  std::vector<uint8_t> write() const;
};
struct PskClientKeyExchange {
  ByteView identity;
  ByteView share;

  static std::optional<PskClientKeyExchange> parse(ByteView body, bool ecdhe);
  std::vector<uint8_t> write() const;
};
/// `shared_secret` is that of ECDHE, or empty.
std::vector<uint8_t> psk_premaster(ByteView shared_secret, ByteView key);

/// Signature scheme and signature, as in CertificateVerify and at the end of ServerKeyExchange.
struct SignedBy {
  crypto::SignatureScheme scheme{};
  ByteView signature;
  static std::optional<SignedBy> parse(ByteView body);
};
std::vector<uint8_t> write_signed(ByteView before, crypto::SignatureScheme scheme, ByteView signature);

/// The signature schemes of a CertificateRequest (RFC 5246 §7.4.4).
std::optional<U16List> parse_certificate_request(ByteView body);
std::vector<uint8_t> write_certificate_request();

/// All signature schemes we verify; no SHA-1.
std::span<const crypto::SignatureScheme> verifiable_schemes();
/// Whether CertificateVerify of 1.3 may use the scheme with a key of `type`: it binds curves and has no PKCS#1 (RFC
/// 8446 §4.2.3).
bool usable_in_13(crypto::SignatureScheme scheme, crypto::KeyType type);
/// The best scheme for a key of `type` that the peer verifies; nothing if there is none.
std::optional<crypto::SignatureScheme> choose_scheme(Version version, crypto::KeyType type,
                                                     const U16List& peer_schemes);

/// RFC 8446 §4.1.3: a server that can do 1.3 but was made to choose 1.2 says so at the end of its random.
bool has_downgrade_sentinel(ByteView server_random);
void set_downgrade_sentinel(Bytes server_random);

}  // namespace kaon::dtls
