#include "kaon/dtls/internal/cipher_suites.h"

namespace kaon::dtls {

namespace {

using crypto::AeadAlgorithm;
using crypto::HashAlgorithm;

// RFC 8446 §B.4, RFC 5289 §3.2, RFC 7905 §2.
constexpr SuiteInfo kSuites[] = {
    {CipherSuite::Aes128GcmSha256, Version::Dtls13, Authentication::Any, AeadAlgorithm::Aes128Gcm,
     HashAlgorithm::Sha256},
    {CipherSuite::Aes256GcmSha384, Version::Dtls13, Authentication::Any, AeadAlgorithm::Aes256Gcm,
     HashAlgorithm::Sha384},
    {CipherSuite::ChaCha20Poly1305Sha256, Version::Dtls13, Authentication::Any, AeadAlgorithm::ChaCha20Poly1305,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdheEcdsaAes128GcmSha256, Version::Dtls12, Authentication::Ecdsa, AeadAlgorithm::Aes128Gcm,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdheRsaAes128GcmSha256, Version::Dtls12, Authentication::Rsa, AeadAlgorithm::Aes128Gcm,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdheEcdsaAes256GcmSha384, Version::Dtls12, Authentication::Ecdsa, AeadAlgorithm::Aes256Gcm,
     HashAlgorithm::Sha384},
    {CipherSuite::EcdheRsaAes256GcmSha384, Version::Dtls12, Authentication::Rsa, AeadAlgorithm::Aes256Gcm,
     HashAlgorithm::Sha384},
    {CipherSuite::EcdheEcdsaChaCha20Poly1305Sha256, Version::Dtls12, Authentication::Ecdsa,
     AeadAlgorithm::ChaCha20Poly1305, HashAlgorithm::Sha256},
    {CipherSuite::EcdheRsaChaCha20Poly1305Sha256, Version::Dtls12, Authentication::Rsa, AeadAlgorithm::ChaCha20Poly1305,
     HashAlgorithm::Sha256},
};

}  // namespace

Authentication authentication_of(crypto::KeyType type) {
  return type == crypto::KeyType::Rsa2048 ? Authentication::Rsa : Authentication::Ecdsa;
}

const SuiteInfo* find_suite(uint16_t suite) {
  for (const SuiteInfo& info : kSuites)
    if (static_cast<uint16_t>(info.suite) == suite) return &info;
  return nullptr;
}

}  // namespace kaon::dtls
