#include "kaon/crypto/certificate.h"

#include <openssl/pem.h>

#include "kaon/crypto/internal/openssl.h"
#include "kaon/crypto/internal/signature.h"

namespace kaon::crypto {
namespace {

using internal::BioPtr;
using internal::ErrorScope;
using internal::KeyPtr;
using internal::X509Ptr;

KeyPtr generate_key(KeyType type, Random& random) {
  switch (type) {
    case KeyType::EcdsaP256: return internal::generate_ec_key("P-256");
    case KeyType::EcdsaP384: return internal::generate_ec_key("P-384");
    case KeyType::Ed25519: {
      std::array<uint8_t, 32> seed;
      random.fill(seed);
      KeyPtr key(EVP_PKEY_new_raw_private_key_ex(nullptr, "ED25519", nullptr, seed.data(), seed.size()));
      wipe(seed);
      return key;
    }
    case KeyType::Rsa2048: return KeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", size_t{2048}));
  }
  return nullptr;
}

const EVP_MD* certificate_digest(KeyType type) {
  switch (type) {
    case KeyType::Ed25519: return nullptr;
    case KeyType::EcdsaP384: return internal::digest_of(HashAlgorithm::Sha384);
    default: return internal::digest_of(HashAlgorithm::Sha256);
  }
}

/// RFC 5280 §4.1.2.2: positive, at most 20 bytes.
bool set_serial(X509* certificate, Random& random) {
  std::array<uint8_t, 16> bytes;
  random.fill(bytes);
  bytes[0] = static_cast<uint8_t>((bytes[0] & 0x7f) | 0x40);
  const internal::BignumPtr number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  return BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

/// All certificates carry the same name: it tells nobody anything, which is the point (RFC 8827 §5.1 looks at none).
bool set_names(X509* certificate) {
  X509_NAME* name = X509_get_subject_name(certificate);
  const auto* text = reinterpret_cast<const unsigned char*>("WebRTC");
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1;
}

bool set_validity(X509* certificate, std::chrono::seconds from, std::chrono::seconds until) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), static_cast<time_t>(from.count())) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), static_cast<time_t>(until.count())) != nullptr;
}

/// X509_set_pubkey() says the same, but runs libcrypto's encoders: most of the time that a certificate takes.
bool set_public_key(X509* certificate, KeyType type, EVP_PKEY* key) {
  if (type == KeyType::Rsa2048) return X509_set_pubkey(certificate, key) == 1;
  const bool ec = type != KeyType::Ed25519;
  const int curve = type == KeyType::EcdsaP256 ? NID_X9_62_prime256v1 : NID_secp384r1;
  const std::vector<uint8_t> encoded = internal::encoded_public_key(key);
  auto* copy = static_cast<unsigned char*>(OPENSSL_memdup(encoded.data(), encoded.size()));  // the certificate frees it
  return copy != nullptr && X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(certificate),
                                                   OBJ_nid2obj(ec ? NID_X9_62_id_ecPublicKey : NID_ED25519),
                                                   ec ? V_ASN1_OBJECT : V_ASN1_UNDEF, ec ? OBJ_nid2obj(curve) : nullptr,
                                                   copy, internal::int_size(encoded.size())) == 1;
}

std::vector<uint8_t> to_der(X509* certificate) {
  std::vector<uint8_t> der(static_cast<size_t>(i2d_X509(certificate, nullptr)));
  uint8_t* cursor = der.data();
  i2d_X509(certificate, &cursor);
  return der;
}

std::chrono::seconds expiry(const X509* certificate) {
  // Against a fixed reference, since there is no portable way from struct tm to UTC seconds.
  const internal::Handle<ASN1_TIME, ASN1_TIME_free> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, epoch.get(), X509_get0_notAfter(certificate)) != 1) return {};
  return std::chrono::days(days) + std::chrono::seconds(seconds);
}

BioPtr reader_of(std::string_view text) {
  return BioPtr(BIO_new_mem_buf(text.data(), internal::int_size(text.size())));
}

std::string contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<size_t>(size)) : std::string();
}

/// libcrypto would otherwise ask for the password of an encrypted key on the terminal.
int no_password(char*, int, int, void*) { return -1; }

}  // namespace

struct Certificate::Impl {
  KeyType type;
  KeyPtr key;
  X509Ptr certificate;
  std::vector<uint8_t> der;
};

Certificate::Certificate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Certificate Certificate::generate(KeyType type, Random& random, std::chrono::seconds now,
                                  std::chrono::seconds lifetime) {
  const ErrorScope scope;
  KeyPtr key = generate_key(type, random);
  X509Ptr certificate(X509_new());
  KAON_ASSERT(key != nullptr && certificate != nullptr);
  const bool ok = X509_set_version(certificate.get(), X509_VERSION_3) == 1 && set_serial(certificate.get(), random) &&
                  set_names(certificate.get()) &&
                  set_validity(certificate.get(), now - std::chrono::days(1), now + lifetime) &&
                  set_public_key(certificate.get(), type, key.get()) &&
                  X509_sign(certificate.get(), key.get(), certificate_digest(type)) > 0;
  KAON_ASSERT(ok);
  std::vector<uint8_t> der = to_der(certificate.get());
  return Certificate(
      std::shared_ptr<const Impl>(new Impl{type, std::move(key), std::move(certificate), std::move(der)}));
}

std::optional<Certificate> Certificate::from_pem(std::string_view certificate, std::string_view private_key) {
  const ErrorScope scope;
  X509Ptr x509(PEM_read_bio_X509(reader_of(certificate).get(), nullptr, no_password, nullptr));
  KeyPtr key(PEM_read_bio_PrivateKey(reader_of(private_key).get(), nullptr, no_password, nullptr));
  if (x509 == nullptr || key == nullptr || X509_check_private_key(x509.get(), key.get()) != 1) return std::nullopt;
  const std::optional<KeyType> type = internal::type_of(key.get());
  if (!type) return std::nullopt;
  std::vector<uint8_t> der = to_der(x509.get());
  return Certificate(std::shared_ptr<const Impl>(new Impl{*type, std::move(key), std::move(x509), std::move(der)}));
}

const Certificate& CachedCertificate::get(Random& random, std::chrono::seconds now) {
  // A clock that was set back must not keep it for ever.
  if (!certificate_ || now < made_ || now - made_ >= lifetime_) {
    certificate_ = Certificate::generate(type_, random, now);
    made_ = now;
  }
  return *certificate_;
}

KeyType Certificate::type() const { return impl_->type; }
ByteView Certificate::der() const { return impl_->der; }
std::chrono::seconds Certificate::expires() const { return expiry(impl_->certificate.get()); }
Fingerprint Certificate::fingerprint(HashAlgorithm algorithm) const { return Fingerprint::of(algorithm, impl_->der); }

std::optional<std::vector<uint8_t>> Certificate::sign(SignatureScheme scheme, ByteView data) const {
  const auto parameters = internal::parameters_of(impl_->type, scheme);
  if (!parameters) return std::nullopt;
  const ErrorScope scope;
  size_t size = 0;
  if (const auto digest = internal::ecdsa_digest(scheme, data)) {
    const internal::KeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, impl_->key.get(), nullptr));
    KAON_ASSERT(EVP_PKEY_sign_init(context.get()) == 1 &&
                EVP_PKEY_sign(context.get(), nullptr, &size, digest->data.data(), digest->size) == 1);
    std::vector<uint8_t> signature(size);
    KAON_ASSERT(EVP_PKEY_sign(context.get(), signature.data(), &size, digest->data.data(), digest->size) == 1);
    signature.resize(size);
    return signature;
  }
  const internal::DigestContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* key_context = nullptr;
  KAON_ASSERT(EVP_DigestSignInit_ex(context.get(), &key_context, parameters->digest, nullptr, nullptr, impl_->key.get(),
                                    nullptr) == 1 &&
              internal::configure(key_context, *parameters) &&
              EVP_DigestSign(context.get(), nullptr, &size, data.data(), data.size()) == 1);
  std::vector<uint8_t> signature(size);
  KAON_ASSERT(EVP_DigestSign(context.get(), signature.data(), &size, data.data(), data.size()) == 1);
  signature.resize(size);
  return signature;
}

std::string Certificate::certificate_pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), impl_->certificate.get());
  return contents(bio.get());
}

std::string Certificate::private_key_pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), impl_->key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return contents(bio.get());
}

}  // namespace kaon::crypto
