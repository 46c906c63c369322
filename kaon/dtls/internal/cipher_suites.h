// What each cipher suite is made of.
#pragma once

#include <cstdint>

#include "kaon/crypto/aead.h"
#include "kaon/crypto/certificate.h"
#include "kaon/crypto/hash.h"
#include "kaon/dtls/types.h"

namespace kaon::dtls {

/// Signature kind of the server's certificate. Ed25519 counts as ECDSA (RFC 8422 §5.10). In 1.3 suites leave it open.
/// Psk: both sides have a key, nobody a certificate.
enum class Authentication : uint8_t { Ecdsa, Rsa, Any, Psk };
Authentication authentication_of(crypto::KeyType type);

struct SuiteInfo {
  CipherSuite suite;
  Version version;
  Authentication authentication;
  crypto::AeadAlgorithm aead;
  crypto::HashAlgorithm hash;
  /// Only a pre-shared key can do without.
  bool ecdhe = true;
};
/// Null for suites we do not have.
const SuiteInfo* find_suite(uint16_t suite);

}  // namespace kaon::dtls
