// PublicKey: verifying what a peer signed.
#include <openssl/rsa.h>

#include <cstring>

#include "kaon/crypto/certificate.h"
#include "kaon/crypto/internal/openssl.h"
#include "kaon/crypto/internal/signature.h"

namespace kaon::crypto {
namespace internal {

std::optional<KeyType> type_of(const EVP_PKEY* key) {
  // Below the limit RSA is broken, above it a peer makes us work: the cost of verifying grows with the square of the
  // size.
  constexpr int kMinRsaBits = 2048;
  constexpr int kMaxRsaBits = 8192;
  if (EVP_PKEY_is_a(key, "ED25519") == 1) return KeyType::Ed25519;
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    const int bits = EVP_PKEY_get_bits(key);
    if (bits >= kMinRsaBits && bits <= kMaxRsaBits) return KeyType::Rsa2048;
  }
  char group[32] = {};
  size_t size = 0;
  if (EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1) {
    if (std::strcmp(group, "prime256v1") == 0) return KeyType::EcdsaP256;
    if (std::strcmp(group, "secp384r1") == 0) return KeyType::EcdsaP384;
  }
  return std::nullopt;
}

std::optional<SignatureParameters> parameters_of(KeyType type, SignatureScheme scheme) {
  const bool ec = type == KeyType::EcdsaP256 || type == KeyType::EcdsaP384;
  const bool rsa = type == KeyType::Rsa2048;
  const auto when = [](bool fits, SignatureParameters parameters) {
    return fits ? std::optional(parameters) : std::nullopt;
  };
  switch (scheme) {
    case SignatureScheme::RsaPkcs1Sha256: return when(rsa, {"SHA256", false});
    case SignatureScheme::RsaPkcs1Sha384: return when(rsa, {"SHA384", false});
    case SignatureScheme::RsaPkcs1Sha512: return when(rsa, {"SHA512", false});
    case SignatureScheme::EcdsaSecp256r1Sha256: return when(ec, {"SHA256", false});
    case SignatureScheme::EcdsaSecp384r1Sha384: return when(ec, {"SHA384", false});
    case SignatureScheme::RsaPssRsaeSha256: return when(rsa, {"SHA256", true});
    case SignatureScheme::RsaPssRsaeSha384: return when(rsa, {"SHA384", true});
    case SignatureScheme::RsaPssRsaeSha512: return when(rsa, {"SHA512", true});
    case SignatureScheme::Ed25519: return when(type == KeyType::Ed25519, {nullptr, false});
  }
  return std::nullopt;
}

bool configure(EVP_PKEY_CTX* context, const SignatureParameters& parameters) {
  if (!parameters.pss) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

}  // namespace internal

struct PublicKey::Key {
  internal::KeyPtr key;
};

PublicKey::PublicKey(KeyType type, std::unique_ptr<Key> key) : key_(std::move(key)), type_(type) {}
PublicKey::PublicKey(PublicKey&&) noexcept = default;
PublicKey& PublicKey::operator=(PublicKey&&) noexcept = default;
PublicKey::~PublicKey() = default;

std::optional<PublicKey> PublicKey::from_certificate(ByteView der) {
  const internal::ErrorScope scope;
  const uint8_t* cursor = der.data();
  const internal::X509Ptr certificate(d2i_X509(nullptr, &cursor, static_cast<long>(der.size())));
  if (certificate == nullptr || cursor != der.data() + der.size()) return std::nullopt;
  internal::KeyPtr key(X509_get_pubkey(certificate.get()));
  if (key == nullptr) return std::nullopt;
  const std::optional<KeyType> type = internal::type_of(key.get());
  if (!type) return std::nullopt;
  return PublicKey(*type, std::unique_ptr<Key>(new Key{std::move(key)}));
}

bool PublicKey::verify(SignatureScheme scheme, ByteView data, ByteView signature) const {
  const auto parameters = internal::parameters_of(type_, scheme);
  if (!parameters) return false;
  const internal::ErrorScope scope;
  const internal::DigestContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;
  return EVP_DigestVerifyInit_ex(context.get(), &key_context, parameters->digest, nullptr, nullptr, key_->key.get(),
                                 nullptr) == 1 &&
         internal::configure(key_context, *parameters) &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), data.data(), data.size()) == 1;
}

}  // namespace kaon::crypto
