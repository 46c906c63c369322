#include "kaon/crypto/certificate.h"

#include <openssl/pem.h>

#include <initializer_list>

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

// -- DER (X.690): a certificate says little, always the same, and libcrypto's X509 takes 6 µs more to write it down
// -----

constexpr uint8_t kInteger = 0x02;
constexpr uint8_t kBitString = 0x03;
constexpr uint8_t kUtcTime = 0x17;
constexpr uint8_t kGeneralizedTime = 0x18;
constexpr uint8_t kSequence = 0x30;

/// The parts as the content of one value.
std::vector<uint8_t> der_value(uint8_t tag, std::initializer_list<ByteView> parts) {
  size_t size = 0;
  for (const ByteView part : parts) size += part.size();
  KAON_ASSERT(size <= 0xffff);
  std::vector<uint8_t> out;
  out.reserve(4 + size);
  out.push_back(tag);
  if (size > 0xff) out.push_back(0x82);
  if (size > 0xff) out.push_back(static_cast<uint8_t>(size >> 8));
  if (size > 0x7f && size <= 0xff) out.push_back(0x81);
  out.push_back(static_cast<uint8_t>(size));
  for (const ByteView part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

/// RFC 5280 §4.1.2.2: positive, at most 20 bytes.
std::vector<uint8_t> serial_number(Random& random) {
  std::array<uint8_t, 16> bytes;
  random.fill(bytes);
  bytes[0] = static_cast<uint8_t>((bytes[0] & 0x7f) | 0x40);
  return der_value(kInteger, {bytes});
}

/// RFC 5280 §4.1.2.5: with two digits of the year until 2049.
std::vector<uint8_t> time_value(std::chrono::seconds since_1970) {
  const std::chrono::sys_seconds time(since_1970);
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  const int year = static_cast<int>(date.year());
  std::string text;
  const auto two_digits = [&](auto value) {
    const auto number = static_cast<unsigned>(value);
    text += {static_cast<char>('0' + number / 10 % 10), static_cast<char>('0' + number % 10)};
  };
  const bool short_year = year >= 1950 && year < 2050;
  if (!short_year) two_digits(year / 100);
  two_digits(year % 100);
  two_digits(static_cast<unsigned>(date.month()));
  two_digits(static_cast<unsigned>(date.day()));
  two_digits(clock.hours().count());
  two_digits(clock.minutes().count());
  two_digits(clock.seconds().count());
  text += 'Z';
  return der_value(short_year ? kUtcTime : kGeneralizedTime, {as_bytes(text)});
}

/// RFC 5280 §4.1.2.7.
std::vector<uint8_t> public_key_info(KeyType type, EVP_PKEY* key) {
  const ByteView prefix = internal::public_key_prefix(type);
  std::vector<uint8_t> info(prefix.begin(), prefix.end());
  if (prefix.empty()) {
    info.resize(static_cast<size_t>(i2d_PUBKEY(key, nullptr)));
    uint8_t* cursor = info.data();
    i2d_PUBKEY(key, &cursor);
  } else {
    const std::vector<uint8_t> raw = internal::encoded_public_key(key);
    info.insert(info.end(), raw.begin(), raw.end());
  }
  return info;
}

struct CertificateSignature {
  SignatureScheme scheme;
  ByteView algorithm;  // AlgorithmIdentifier
};

/// RFC 5758 §3.2, RFC 8410 §3, RFC 4055 §5.
CertificateSignature certificate_signature(KeyType type) {
  static constexpr uint8_t kEcdsaSha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
  static constexpr uint8_t kEcdsaSha384[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
  static constexpr uint8_t kEd25519[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};
  static constexpr uint8_t kRsaSha256[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                           0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00};
  switch (type) {
    case KeyType::EcdsaP256: return {SignatureScheme::EcdsaSecp256r1Sha256, kEcdsaSha256};
    case KeyType::EcdsaP384: return {SignatureScheme::EcdsaSecp384r1Sha384, kEcdsaSha384};
    case KeyType::Ed25519: return {SignatureScheme::Ed25519, kEd25519};
    case KeyType::Rsa2048: break;
  }
  return {SignatureScheme::RsaPkcs1Sha256, kRsaSha256};
}

/// RFC 5280 §4.1.
std::vector<uint8_t> self_signed(KeyType type, EVP_PKEY* key, Random& random, std::chrono::seconds from,
                                 std::chrono::seconds until) {
  static constexpr uint8_t kVersion3[] = {0xa0, 0x03, 0x02, 0x01, 0x02};
  // CN=WebRTC. All certificates carry the same name: it tells nobody anything, which is the point (RFC 8827 §5.1 looks
  // at none).
  static constexpr uint8_t kName[] = {0x30, 0x11, 0x31, 0x0f, 0x30, 0x0d, 0x06, 0x03, 0x55, 0x04,
                                      0x03, 0x0c, 0x06, 'W',  'e',  'b',  'R',  'T',  'C'};
  static constexpr uint8_t kNoUnusedBits[] = {0};
  const auto [scheme, algorithm] = certificate_signature(type);
  const std::vector<uint8_t> validity = der_value(kSequence, {time_value(from), time_value(until)});
  const std::vector<uint8_t> to_be_signed = der_value(
      kSequence, {kVersion3, serial_number(random), algorithm, kName, validity, kName, public_key_info(type, key)});
  const auto signature = internal::sign(key, type, scheme, to_be_signed);
  KAON_ASSERT(signature.has_value());
  return der_value(kSequence, {to_be_signed, algorithm, der_value(kBitString, {kNoUnusedBits, *signature})});
}

// -- PEM -------------------------------------------------------------------------------------------------------------

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
  std::chrono::seconds expires;
  std::vector<uint8_t> der;
};

Certificate::Certificate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Certificate Certificate::generate(KeyType type, Random& random, std::chrono::seconds now,
                                  std::chrono::seconds lifetime) {
  const ErrorScope scope;
  KeyPtr key = generate_key(type, random);
  KAON_ASSERT(key != nullptr);
  std::vector<uint8_t> der = self_signed(type, key.get(), random, now - std::chrono::days(1), now + lifetime);
  return Certificate(std::shared_ptr<const Impl>(new Impl{type, std::move(key), now + lifetime, std::move(der)}));
}

std::optional<Certificate> Certificate::from_pem(std::string_view certificate, std::string_view private_key) {
  const ErrorScope scope;
  X509Ptr x509(PEM_read_bio_X509(reader_of(certificate).get(), nullptr, no_password, nullptr));
  KeyPtr key(PEM_read_bio_PrivateKey(reader_of(private_key).get(), nullptr, no_password, nullptr));
  if (x509 == nullptr || key == nullptr || X509_check_private_key(x509.get(), key.get()) != 1) return std::nullopt;
  const std::optional<KeyType> type = internal::type_of(key.get());
  if (!type) return std::nullopt;
  return Certificate(
      std::shared_ptr<const Impl>(new Impl{*type, std::move(key), expiry(x509.get()), to_der(x509.get())}));
}

KeyType Certificate::type() const { return impl_->type; }
ByteView Certificate::der() const { return impl_->der; }
std::chrono::seconds Certificate::expires() const { return impl_->expires; }
Fingerprint Certificate::fingerprint(HashAlgorithm algorithm) const { return Fingerprint::of(algorithm, impl_->der); }

std::optional<std::vector<uint8_t>> Certificate::sign(SignatureScheme scheme, ByteView data) const {
  return internal::sign(impl_->key.get(), impl_->type, scheme, data);
}

std::string Certificate::certificate_pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), PEM_STRING_X509, "", impl_->der.data(), static_cast<long>(impl_->der.size()));
  return contents(bio.get());
}

std::string Certificate::private_key_pem() const {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), impl_->key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return contents(bio.get());
}

}  // namespace kaon::crypto
