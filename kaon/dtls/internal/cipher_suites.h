// What each cipher suite is made of.
#pragma once

#include <cstdint>
#include <variant>

#include "kaon/crypto/aead.h"
#include "kaon/crypto/cbc_hmac.h"
#include "kaon/crypto/certificate.h"
#include "kaon/crypto/hash.h"
#include "kaon/dtls/types.h"

namespace kaon::dtls {

/// Signature kind of the server's certificate. Ed25519 counts as ECDSA (RFC 8422 §5.10). In 1.3 suites leave it open.
/// Psk: both sides have a key, nobody a certificate.
enum class Authentication : uint8_t { Ecdsa, Rsa, Any, Psk };
Authentication authentication_of(crypto::KeyType type);

/// How records are protected.
using RecordAlgorithm = std::variant<crypto::AeadAlgorithm, crypto::CbcHmacAlgorithm>;
inline bool is_cbc(const RecordAlgorithm& algorithm) {
  return std::holds_alternative<crypto::CbcHmacAlgorithm>(algorithm);
}

struct SuiteInfo {
  CipherSuite suite;
  Version version;
  Authentication authentication;
  /// Of 1.3 always an AEAD.
  RecordAlgorithm algorithm;
  crypto::HashAlgorithm hash;
  /// Only a pre-shared key can do without.
  bool ecdhe = true;
};
/// Null for suites we do not have.
const SuiteInfo* find_suite(uint16_t suite);

}  // namespace kaon::dtls
