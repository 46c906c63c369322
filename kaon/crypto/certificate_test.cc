#include "kaon/crypto/certificate.h"

#include <gtest/gtest.h>

#include "kaon/crypto/internal/openssl.h"
#include "kaon/crypto/system_random.h"

namespace kaon::crypto {
namespace {

using std::chrono::days;
using std::chrono::seconds;

constexpr seconds kNow{1'700'000'000};
constexpr KeyType kKeyTypes[] = {KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::Ed25519, KeyType::Rsa2048};
constexpr SignatureScheme kSchemes[] = {
    SignatureScheme::RsaPkcs1Sha256,       SignatureScheme::RsaPkcs1Sha384,       SignatureScheme::RsaPkcs1Sha512,
    SignatureScheme::EcdsaSecp256r1Sha256, SignatureScheme::EcdsaSecp384r1Sha384, SignatureScheme::RsaPssRsaeSha256,
    SignatureScheme::RsaPssRsaeSha384,     SignatureScheme::RsaPssRsaeSha512,     SignatureScheme::Ed25519,
};

/// How many of the schemes go with a key.
int schemes_of(KeyType type) {
  switch (type) {
    case KeyType::Rsa2048: return 6;
    case KeyType::Ed25519: return 1;
    default: return 2;
  }
}

TEST(Certificate, IsSelfSignedAndWellFormedInTheEyesOfLibcrypto) {
  SystemRandom random;
  for (KeyType type : kKeyTypes) {
    const Certificate certificate = Certificate::generate(type, random, kNow);
    EXPECT_EQ(certificate.type(), type);
    const uint8_t* cursor = certificate.der().data();
    const internal::X509Ptr x509(d2i_X509(nullptr, &cursor, static_cast<long>(certificate.der().size())));
    ASSERT_NE(x509, nullptr);
    EXPECT_EQ(X509_verify(x509.get(), X509_get0_pubkey(x509.get())), 1);
    time_t then = kNow.count();
    EXPECT_LT(X509_cmp_time(X509_get0_notBefore(x509.get()), &then), 0);
    EXPECT_GT(X509_cmp_time(X509_get0_notAfter(x509.get()), &then), 0);
    const internal::BignumPtr serial(ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509.get()), nullptr));
    EXPECT_EQ(BN_num_bits(serial.get()), 127);
    EXPECT_EQ(BN_is_negative(serial.get()), 0);
    EXPECT_EQ(X509_get_version(x509.get()), X509_VERSION_3);
    EXPECT_EQ(X509_NAME_cmp(X509_get_subject_name(x509.get()), X509_get_issuer_name(x509.get())), 0);
    char name[32];
    EXPECT_EQ(X509_NAME_get_text_by_NID(X509_get_subject_name(x509.get()), NID_commonName, name, sizeof name), 6);
    EXPECT_STREQ(name, "WebRTC");
  }
}

TEST(Certificate, ExpiresWhenItWasTold) {
  SystemRandom random;
  const auto expect = [&](seconds now, seconds lifetime) {
    const Certificate certificate = Certificate::generate(KeyType::EcdsaP256, random, now, lifetime);
    EXPECT_EQ(certificate.expires(), now + lifetime);
    const auto read = Certificate::from_pem(certificate.certificate_pem(), certificate.private_key_pem());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->expires(), now + lifetime);
  };
  expect(kNow, days(30));
  expect(kNow, seconds(1));
  expect(seconds(0), days(30));              // begins in 1969
  expect(seconds(951'782'399), seconds(1));  // February 29, 2000
  const seconds year2050(2'524'608'000);     // from there on the encoding is another
  expect(year2050 - seconds(2), seconds(1));
  expect(year2050 - seconds(1), seconds(1));
  expect(year2050 + days(3650), days(30));
}

TEST(CachedCertificate, IsTheSameForADayAndThenAnother) {
  SystemRandom random;
  CachedCertificate cached(KeyType::EcdsaP256);
  const Fingerprint first = cached.get(random, kNow).fingerprint();
  EXPECT_EQ(cached.get(random, kNow + days(1) - seconds(1)).fingerprint(), first);
  const Certificate held = cached.get(random, kNow);
  const Certificate second = cached.get(random, kNow + days(1));
  EXPECT_NE(second.fingerprint(), first);
  EXPECT_EQ(second.expires(), kNow + days(31));
  EXPECT_EQ(held.fingerprint(), first) << "who has it keeps it";
  EXPECT_EQ(cached.get(random, kNow + days(2) - seconds(1)).fingerprint(), second.fingerprint());
  EXPECT_NE(cached.get(random, kNow).fingerprint(), second.fingerprint()) << "the clock was set back";
}

TEST(Certificate, SignsWhatItsPublicKeyVerifies) {
  SystemRandom random;
  for (KeyType type : kKeyTypes) {
    const Certificate certificate = Certificate::generate(type, random, kNow);
    const auto key = PublicKey::from_certificate(certificate.der());
    ASSERT_TRUE(key);
    EXPECT_EQ(key->type(), type);
    int fitting = 0;
    for (SignatureScheme scheme : kSchemes) {
      auto signature = certificate.sign(scheme, as_bytes("to be signed"));
      if (!signature) continue;
      ++fitting;
      EXPECT_TRUE(key->verify(scheme, as_bytes("to be signed"), *signature));
      EXPECT_FALSE(key->verify(scheme, as_bytes("to be sighed"), *signature));
      signature->back() ^= 1;
      EXPECT_FALSE(key->verify(scheme, as_bytes("to be signed"), *signature));
      EXPECT_FALSE(key->verify(scheme, as_bytes("to be signed"), {}));
    }
    EXPECT_EQ(fitting, schemes_of(type));
  }
}

TEST(Certificate, VerifiesNothingByASchemeOfAnotherKeyType) {
  SystemRandom random;
  const Certificate ec = Certificate::generate(KeyType::EcdsaP256, random, kNow);
  const Certificate ed = Certificate::generate(KeyType::Ed25519, random, kNow);
  const auto signature = ed.sign(SignatureScheme::Ed25519, as_bytes("x"));
  ASSERT_TRUE(signature);
  EXPECT_FALSE(PublicKey::from_certificate(ec.der())->verify(SignatureScheme::Ed25519, as_bytes("x"), *signature));
  EXPECT_FALSE(
      PublicKey::from_certificate(ed.der())->verify(SignatureScheme::EcdsaSecp256r1Sha256, as_bytes("x"), *signature));
}

TEST(Certificate, OfEd25519DependsOnTheRandomBytesAlone) {
  const auto make = [](uint64_t seed) {
    SeededRandom random(seed);
    return Certificate::generate(KeyType::Ed25519, random, kNow);
  };
  EXPECT_EQ(to_hex(make(1).der()), to_hex(make(1).der()));
  EXPECT_NE(to_hex(make(1).der()), to_hex(make(2).der()));
  EXPECT_EQ(make(1).sign(SignatureScheme::Ed25519, as_bytes("x")),
            make(1).sign(SignatureScheme::Ed25519, as_bytes("x")));
}

TEST(Certificate, SurvivesPem) {
  SystemRandom random;
  for (KeyType type : kKeyTypes) {
    const Certificate certificate = Certificate::generate(type, random, kNow);
    const auto read = Certificate::from_pem(certificate.certificate_pem(), certificate.private_key_pem());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->type(), type);
    EXPECT_EQ(to_hex(read->der()), to_hex(certificate.der()));
    EXPECT_EQ(read->fingerprint(), certificate.fingerprint());
  }
}

TEST(Certificate, RefusesPemThatIsBrokenOrDoesNotBelongTogether) {
  SystemRandom random;
  const Certificate a = Certificate::generate(KeyType::EcdsaP256, random, kNow);
  const Certificate b = Certificate::generate(KeyType::EcdsaP256, random, kNow);
  EXPECT_FALSE(Certificate::from_pem(a.certificate_pem(), b.private_key_pem()));
  EXPECT_FALSE(Certificate::from_pem("", a.private_key_pem()));
  EXPECT_FALSE(Certificate::from_pem(a.certificate_pem(), ""));
  EXPECT_FALSE(Certificate::from_pem(a.private_key_pem(), a.certificate_pem()));
  EXPECT_EQ(ERR_peek_error(), 0u) << "nothing is left on the thread's error queue";
}

TEST(PublicKey, RefusesEveryTruncationAndTrailingBytes) {
  SystemRandom random;
  const Certificate certificate = Certificate::generate(KeyType::EcdsaP256, random, kNow);
  std::vector<uint8_t> der(certificate.der().begin(), certificate.der().end());
  for (size_t size = 0; size < der.size(); ++size) {
    ASSERT_FALSE(PublicKey::from_certificate(ByteView(der).first(size))) << size;
  }
  der.push_back(0);
  EXPECT_FALSE(PublicKey::from_certificate(der));
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(PublicKey, SurvivesAnyFlippedBitInACertificate) {
  SeededRandom random(3);
  const Certificate certificate = Certificate::generate(KeyType::EcdsaP256, random, kNow);
  const auto signature = *certificate.sign(SignatureScheme::EcdsaSecp256r1Sha256, as_bytes("x"));
  for (size_t bit = 0; bit < certificate.der().size() * 8; ++bit) {
    std::vector<uint8_t> der(certificate.der().begin(), certificate.der().end());
    der[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    const auto key = PublicKey::from_certificate(der);
    if (key) (void)key->verify(SignatureScheme::EcdsaSecp256r1Sha256, as_bytes("x"), signature);
  }
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(Fingerprint, IsReadInAnyLetterCaseAndWrittenInUpperCase) {
  const Fingerprint fingerprint = Fingerprint::of(HashAlgorithm::Sha256, as_bytes("abc"));
  const std::string text = fingerprint.to_string();
  EXPECT_EQ(text.substr(0, 19), "sha-256 BA:78:16:BF");
  EXPECT_EQ(Fingerprint::parse(text), fingerprint);
  std::string lower = text;
  for (char& c : lower) c = static_cast<char>(std::tolower(c));
  EXPECT_EQ(Fingerprint::parse(lower), fingerprint);
  EXPECT_EQ(Fingerprint::parse("SHA-256" + text.substr(7)), fingerprint);
  EXPECT_TRUE(fingerprint.matches(as_bytes("abc")));
  EXPECT_FALSE(fingerprint.matches(as_bytes("abd")));
}

TEST(Fingerprint, RefusesEveryPrefixAndForeignForms) {
  const std::string text = Fingerprint::of(HashAlgorithm::Sha256, as_bytes("abc")).to_string();
  for (size_t size = 0; size < text.size(); ++size) EXPECT_FALSE(Fingerprint::parse(text.substr(0, size))) << size;
  EXPECT_FALSE(Fingerprint::parse(text + ":"));
  EXPECT_FALSE(Fingerprint::parse(text + ":00"));
  EXPECT_FALSE(Fingerprint::parse("sha-1" + text.substr(7))) << "length of another hash";
  EXPECT_FALSE(Fingerprint::parse("md5 00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00"));
  std::string no_hex = text;
  no_hex[8] = 'G';
  EXPECT_FALSE(Fingerprint::parse(no_hex));
  std::string other_separator = text;
  other_separator[10] = '-';
  EXPECT_FALSE(Fingerprint::parse(other_separator));
}

TEST(Fingerprint, KnowsAllItsHashes) {
  for (HashAlgorithm algorithm :
       {HashAlgorithm::Sha1, HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512}) {
    const Fingerprint fingerprint = Fingerprint::of(algorithm, as_bytes("abc"));
    EXPECT_EQ(Fingerprint::parse(fingerprint.to_string()), fingerprint);
  }
}

}  // namespace
}  // namespace kaon::crypto
