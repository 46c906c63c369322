#include "kaon/dtls/internal/cipher_suites.h"

namespace kaon::dtls {

namespace {

using crypto::AeadAlgorithm;
using crypto::CbcHmacAlgorithm;
using crypto::HashAlgorithm;

// RFC 8446 §B.4, RFC 5289 §3.2, RFC 7905 §2, RFC 7251 §2; RFC 5487 §2 and §3, RFC 6655 §3, RFC 8442 §3; RFC 8422 §6,
// RFC 5489 §3.2. Those with SHA in their name have it in the MAC of records alone: their PRF is that of SHA-256.
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
    {CipherSuite::PskAes128GcmSha256, Version::Dtls12, Authentication::Psk, AeadAlgorithm::Aes128Gcm,
     HashAlgorithm::Sha256, false},
    {CipherSuite::PskAes128Ccm, Version::Dtls12, Authentication::Psk, AeadAlgorithm::Aes128Ccm, HashAlgorithm::Sha256,
     false},
    {CipherSuite::PskAes128Ccm8, Version::Dtls12, Authentication::Psk, AeadAlgorithm::Aes128Ccm8, HashAlgorithm::Sha256,
     false},
    {CipherSuite::PskChaCha20Poly1305Sha256, Version::Dtls12, Authentication::Psk, AeadAlgorithm::ChaCha20Poly1305,
     HashAlgorithm::Sha256, false},
    {CipherSuite::EcdhePskAes128GcmSha256, Version::Dtls12, Authentication::Psk, AeadAlgorithm::Aes128Gcm,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdhePskChaCha20Poly1305Sha256, Version::Dtls12, Authentication::Psk, AeadAlgorithm::ChaCha20Poly1305,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdheEcdsaAes128Ccm, Version::Dtls12, Authentication::Ecdsa, AeadAlgorithm::Aes128Ccm,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdheEcdsaAes128Ccm8, Version::Dtls12, Authentication::Ecdsa, AeadAlgorithm::Aes128Ccm8,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdhePskAes128Ccm8Sha256, Version::Dtls12, Authentication::Psk, AeadAlgorithm::Aes128Ccm8,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdhePskAes128CcmSha256, Version::Dtls12, Authentication::Psk, AeadAlgorithm::Aes128Ccm,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdheEcdsaAes128CbcSha, Version::Dtls12, Authentication::Ecdsa, CbcHmacAlgorithm::Aes128Sha1,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdheEcdsaAes256CbcSha, Version::Dtls12, Authentication::Ecdsa, CbcHmacAlgorithm::Aes256Sha1,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdheRsaAes128CbcSha, Version::Dtls12, Authentication::Rsa, CbcHmacAlgorithm::Aes128Sha1,
     HashAlgorithm::Sha256},
    {CipherSuite::EcdheRsaAes256CbcSha, Version::Dtls12, Authentication::Rsa, CbcHmacAlgorithm::Aes256Sha1,
     HashAlgorithm::Sha256},
    {CipherSuite::PskAes128CbcSha256, Version::Dtls12, Authentication::Psk, CbcHmacAlgorithm::Aes128Sha256,
     HashAlgorithm::Sha256, false},
    {CipherSuite::EcdhePskAes128CbcSha256, Version::Dtls12, Authentication::Psk, CbcHmacAlgorithm::Aes128Sha256,
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
