// Bodies of the handshake messages of DTLS 1.3 (RFC 8446 §4): reading and writing, no state. Views point into the
// parsed body. ClientHello and the parsed ServerHello are in messages.h.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/crypto/hash.h"
#include "kaon/dtls/internal/messages.h"
#include "kaon/dtls/types.h"

namespace kaon::dtls {

/// ServerHello, or, without a share, HelloRetryRequest, which may have a cookie and need not have a group.
struct ServerHello13 {
  RandomValue random{};
  CipherSuite cipher_suite{};
  crypto::Group group{};
  ByteView share;
  std::optional<ByteView> connection_id = {};
  ByteView cookie = {};
  bool return_routability = false;

  std::vector<uint8_t> write() const;
};

struct EncryptedExtensions {
  SrtpProfileId srtp_profile = kNoSrtpProfile;
  /// The protocol name that the server chose.
  std::optional<std::string_view> alpn = {};
  /// Has something that no ClientHello of ours asks for, or that stands elsewhere.
  bool unsolicited_extension = false;

  static std::optional<EncryptedExtensions> parse(ByteView body);
  std::vector<uint8_t> write() const;
};

/// A Certificate message; `der` is the peer's own certificate, empty if it has none. What follows it is skipped,
/// because only the fingerprint counts.
struct Certificate13 {
  ByteView context;
  ByteView der;

  static std::optional<Certificate13> parse(ByteView body);
  std::vector<uint8_t> write() const;
};

struct CertificateRequest13 {
  ByteView context;
  U16List signature_algorithms;

  static std::optional<CertificateRequest13> parse(ByteView body);
  /// Ours: no context, all schemes we verify. An empty list of authorities would have to be left out, so it is.
  static std::vector<uint8_t> write();
};

/// What the signature in CertificateVerify covers (RFC 8446 §4.4.3).
std::vector<uint8_t> certificate_verify_content(Role signer, const crypto::Digest& transcript_hash);

/// RFC 9147 §9.
struct NewConnectionId {
  /// Of more, the others are skipped; so are empty ones, which name nobody.
  static constexpr size_t kMaxIds = 8;
  std::vector<ByteView> ids;
  ConnectionIdUsage usage{};

  static std::optional<NewConnectionId> parse(ByteView body);
  std::vector<uint8_t> write() const;
};

/// How many RequestConnectionId asks for; nothing if malformed (RFC 9147 §9).
std::optional<uint8_t> parse_request_connection_id(ByteView body);

/// The request_update field; nothing if malformed (RFC 8446 §4.6.3).
std::optional<bool> parse_key_update(ByteView body);

}  // namespace kaon::dtls
