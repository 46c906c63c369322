// PublicKey: verifying what a peer signed.
#include <openssl/asn1.h>
#include <openssl/rsa.h>

#include <algorithm>
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

std::optional<Digest> ecdsa_digest(SignatureScheme scheme, ByteView data) {
  if (scheme == SignatureScheme::EcdsaSecp256r1Sha256) return hash(HashAlgorithm::Sha256, data);
  if (scheme == SignatureScheme::EcdsaSecp384r1Sha384) return hash(HashAlgorithm::Sha384, data);
  return std::nullopt;
}

bool configure(EVP_PKEY_CTX* context, const SignatureParameters& parameters) {
  if (!parameters.pss) return true;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

}  // namespace internal

namespace {

void free_sequence(ASN1_SEQUENCE_ANY* sequence) { sk_ASN1_TYPE_pop_free(sequence, ASN1_TYPE_free); }
using SequencePtr = internal::Handle<ASN1_SEQUENCE_ANY, free_sequence>;

/// The values of a SEQUENCE; null if `der` is not one, or more than one.
SequencePtr sequence(ByteView der) {
  const uint8_t* cursor = der.data();
  SequencePtr values(d2i_ASN1_SEQUENCE_ANY(nullptr, &cursor, static_cast<long>(der.size())));
  return cursor == der.data() + der.size() ? std::move(values) : nullptr;
}

/// The SEQUENCE at this place, with its header; empty if there is none.
ByteView sequence_at(const SequencePtr& values, int index) {
  const ASN1_TYPE* value = values == nullptr ? nullptr : sk_ASN1_TYPE_value(values.get(), index);
  if (value == nullptr || value->type != V_ASN1_SEQUENCE) return {};
  return {value->value.sequence->data, static_cast<size_t>(value->value.sequence->length)};
}

/// The keys that everybody has. libcrypto's decoders would take several times as long as verifying a signature.
internal::KeyPtr common_key(ByteView info) {
  // What stands before the key (RFC 5480, RFC 8410).
  static constexpr uint8_t kP256[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                      0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
  static constexpr uint8_t kP384[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                                      0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00};
  static constexpr uint8_t kEd25519[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
  const auto behind = [&](ByteView prefix) {
    const bool fits = info.size() > prefix.size() && std::ranges::equal(info.first(prefix.size()), prefix);
    return fits ? info.subspan(prefix.size()) : ByteView{};
  };
  if (const ByteView point = behind(kP256); !point.empty()) return internal::ec_public_key("P-256", point);
  if (const ByteView point = behind(kP384); !point.empty()) return internal::ec_public_key("P-384", point);
  if (const ByteView raw = behind(kEd25519); !raw.empty())
    return internal::KeyPtr(EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr, raw.data(), raw.size()));
  return nullptr;
}

/// By the structure of RFC 5280 §4.1; null if that is another, or the key none of the above.
internal::KeyPtr common_key_of(ByteView certificate) {
  const SequencePtr parts = sequence(certificate);
  const SequencePtr to_be_signed = sequence(sequence_at(parts, 0));
  // Version 1 has no version.
  const int public_key = to_be_signed != nullptr && sk_ASN1_TYPE_num(to_be_signed.get()) == 6 ? 5 : 6;
  return common_key(sequence_at(to_be_signed, public_key));
}

/// Any other, RSA for example.
internal::KeyPtr decoded_key(ByteView certificate) {
  const uint8_t* cursor = certificate.data();
  const internal::X509Ptr x509(d2i_X509(nullptr, &cursor, static_cast<long>(certificate.size())));
  if (x509 == nullptr || cursor != certificate.data() + certificate.size()) return nullptr;
  return internal::KeyPtr(X509_get_pubkey(x509.get()));
}

}  // namespace

struct PublicKey::Key {
  internal::KeyPtr key;
};

PublicKey::PublicKey(KeyType type, std::unique_ptr<Key> key) : key_(std::move(key)), type_(type) {}
PublicKey::PublicKey(PublicKey&&) noexcept = default;
PublicKey& PublicKey::operator=(PublicKey&&) noexcept = default;
PublicKey::~PublicKey() = default;

std::optional<PublicKey> PublicKey::from_certificate(ByteView der) {
  const internal::ErrorScope scope;
  internal::KeyPtr key = common_key_of(der);
  if (key == nullptr) key = decoded_key(der);
  if (key == nullptr) return std::nullopt;
  const std::optional<KeyType> type = internal::type_of(key.get());
  if (!type) return std::nullopt;
  return PublicKey(*type, std::unique_ptr<Key>(new Key{std::move(key)}));
}

bool PublicKey::verify(SignatureScheme scheme, ByteView data, ByteView signature) const {
  const auto parameters = internal::parameters_of(type_, scheme);
  if (!parameters) return false;
  const internal::ErrorScope scope;
  if (const auto digest = internal::ecdsa_digest(scheme, data)) {
    const internal::KeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_->key.get(), nullptr));
    return EVP_PKEY_verify_init(context.get()) == 1 &&
           EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest->data.data(), digest->size) == 1;
  }
  const internal::DigestContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;
  return EVP_DigestVerifyInit_ex(context.get(), &key_context, parameters->digest, nullptr, nullptr, key_->key.get(),
                                 nullptr) == 1 &&
         internal::configure(key_context, *parameters) &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), data.data(), data.size()) == 1;
}

}  // namespace kaon::crypto
