// The vectors of Wycheproof: what implementations have got wrong; see testdata/wycheproof.
#include <gtest/gtest.h>
#include <openssl/x509.h>

#include <fstream>
#include <functional>
#include <sstream>

#include "kaon/crypto/aead.h"
#include "kaon/crypto/certificate.h"
#include "kaon/crypto/internal/openssl.h"
#include "kaon/crypto/internal/test_random.h"
#include "kaon/crypto/kdf.h"
#include "kaon/crypto/key_exchange.h"
#include "kaon_testdata.h"

namespace kaon::crypto {
namespace {

using internal::FixedRandom;
using internal::from_hex;
using Data = std::vector<uint8_t>;

struct Vector {
  std::string result;
  std::string key;  // of signatures
  std::vector<std::string> hex;
  Data field(size_t i) const { return from_hex(hex.at(i)); }
  bool valid() const { return result == "valid"; }
};

/// All of a file, of which there must be so many.
void for_each_vector(const std::string& name, int count, const std::function<void(const Vector&)>& check) {
  std::ifstream file(KAON_TESTDATA "/wycheproof/" + name + ".txt");
  std::string line, key;
  int seen = 0;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string number, word;
    Vector vector;
    words >> number >> vector.result;
    if (number == "key") {
      key = vector.result;
      continue;
    }
    vector.key = key;
    while (words >> word) vector.hex.push_back(word == "-" ? "" : word);
    SCOPED_TRACE(name + " " + number);
    check(vector);
    ++seen;
  }
  EXPECT_EQ(seen, count) << name;
}

AeadAlgorithm aead_of(const std::string& name, size_t key_size, bool short_tag) {
  if (name == "chacha20_poly1305") return AeadAlgorithm::ChaCha20Poly1305;
  if (name == "aes_ccm") return short_tag ? AeadAlgorithm::Aes128Ccm8 : AeadAlgorithm::Aes128Ccm;
  return key_size == 16 ? AeadAlgorithm::Aes128Gcm : AeadAlgorithm::Aes256Gcm;
}

TEST(Wycheproof, Aead) {
  for (const auto& [name, count] : {std::pair("aes_gcm", 133), {"aes_ccm", 86}, {"chacha20_poly1305", 316}})
    for_each_vector(name, count, [algorithm = std::string(name)](const Vector& v) {
      const Data key = v.field(0), nonce = v.field(1), aad = v.field(2), plaintext = v.field(3), sealed = v.field(4);
      Aead aead(aead_of(algorithm, key.size(), sealed.size() - plaintext.size() == 8), key);
      Data out(plaintext.size());
      ASSERT_EQ(aead.open(nonce, aad, sealed, out), v.valid());
      if (!v.valid()) return;
      EXPECT_EQ(out, plaintext);
      Data again(sealed.size());
      aead.seal(nonce, aad, plaintext, again);
      EXPECT_EQ(again, sealed);
    });
}

constexpr std::pair<const char*, HashAlgorithm> kHashes[] = {{"sha1", HashAlgorithm::Sha1},
                                                             {"sha256", HashAlgorithm::Sha256},
                                                             {"sha384", HashAlgorithm::Sha384},
                                                             {"sha512", HashAlgorithm::Sha512}};

TEST(Wycheproof, Hmac) {
  for (const auto& [name, algorithm] : kHashes)
    for_each_vector(std::string("hmac_") + name, algorithm == HashAlgorithm::Sha1 ? 170 : 174,
                    [algorithm](const Vector& v) {
                      const Data tag = v.field(2);
                      const auto fits = [&](const Digest& digest) {
                        return std::equal(tag.begin(), tag.end(), digest.data.begin());
                      };
                      EXPECT_EQ(fits(hmac(algorithm, v.field(0), v.field(1))), v.valid());
                      const Data message = v.field(1);
                      const ByteView parts[] = {message};
                      EXPECT_EQ(fits(Hmac(algorithm, v.field(0)).compute(parts)), v.valid());
                    });
}

TEST(Wycheproof, Hkdf) {
  const int counts[] = {84, 83, 80, 80};
  for (size_t i = 0; i < std::size(kHashes); ++i)
    for_each_vector(std::string("hkdf_") + kHashes[i].first, counts[i],
                    [algorithm = kHashes[i].second](const Vector& v) {
                      const Digest key = hkdf_extract(algorithm, v.field(1), v.field(0));
                      Data out(v.hex[3].size() / 2);
                      hkdf_expand(algorithm, key.view(), v.field(2), out);
                      EXPECT_EQ(out, v.field(3));
                    });
}

/// The scalar as this many digits: the vectors leave zeros out, or have one more for the sign.
std::string scalar(std::string hex, size_t digits) {
  if (hex.size() > digits) hex.erase(0, hex.size() - digits);
  return std::string(digits - hex.size(), '0') + hex;
}

void expect_exchanges(const std::string& name, int count, Group group, size_t digits) {
  for_each_vector(name, count, [&](const Vector& v) {
    FixedRandom random(scalar(v.hex[1], digits));
    const auto secret = KeyExchange::generate(group, random).finish(v.field(0));
    const Data shared = v.field(2);
    // RFC 8446 §7.4.2: whoever makes the secret zero is refused.
    const bool zero =
        group == Group::X25519 && std::all_of(shared.begin(), shared.end(), [](auto b) { return b == 0; });
    if (v.result == "invalid" || zero) {
      EXPECT_FALSE(secret);
    } else if (v.valid() || group == Group::X25519 || secret) {
      EXPECT_EQ(secret, shared);
    }
  });
}

TEST(Wycheproof, KeyExchanges) {
  expect_exchanges("x25519", 518, Group::X25519, 64);
  expect_exchanges("ecdh_secp256r1", 355, Group::Secp256r1, 64);
  expect_exchanges("ecdh_secp384r1", 790, Group::Secp384r1, 96);
}

// There is no ML-KEM by itself: the part of X25519MLKEM768 that is X25519's is always the same.
class WycheproofMlKem : public ::testing::Test {
 protected:
  static constexpr Group kHybrid = Group::X25519MlKem768;
  static constexpr size_t kSecret = 32;
  void SetUp() override {
    if (!group_available(kHybrid)) GTEST_SKIP() << "libcrypto has no ML-KEM";
    FixedRandom random(scalar_);
    const KeyExchange own = KeyExchange::generate(Group::X25519, random);
    x25519_share_.assign(own.share().begin(), own.share().end());
  }
  Data with_x25519(Data part) const {
    part.insert(part.end(), x25519_share_.begin(), x25519_share_.end());
    return part;
  }
  const std::string scalar_ = std::string(63, '0') + "8";

 private:
  Data x25519_share_;
};

TEST_F(WycheproofMlKem, Encapsulation) {
  for_each_vector("mlkem_768_encaps", 265, [this](const Vector& v) {
    FixedRandom random(v.hex[1] + scalar_);
    const auto response = KeyExchange::respond(kHybrid, with_x25519(v.field(0)), random);
    ASSERT_EQ(response.has_value(), v.valid());
    if (!v.valid()) return;
    const ByteView ciphertext = ByteView(response->share).first(response->share.size() - kSecret);
    EXPECT_EQ(to_hex(hash(HashAlgorithm::Sha256, ciphertext).view()), v.hex[2]);
    EXPECT_EQ(to_hex(ByteView(response->secret).first(kSecret)), v.hex[3]);
  });
}

TEST_F(WycheproofMlKem, Decapsulation) {
  for_each_vector("mlkem_768_decaps", 181, [this](const Vector& v) {
    FixedRandom random(v.hex[0] + scalar_);
    const auto secret = KeyExchange::generate(kHybrid, random).finish(with_x25519(v.field(1)));
    ASSERT_EQ(secret.has_value(), v.valid());
    if (v.valid()) {
      EXPECT_EQ(to_hex(ByteView(*secret).first(kSecret)), v.hex[2]);
    }
  });
}

/// Keys come in certificates; who signed this one does not matter.
std::optional<PublicKey> public_key(const std::string& hex) {
  const Data info = from_hex(hex);
  const uint8_t* begin = info.data();
  EVP_PKEY* key = d2i_PUBKEY(nullptr, &begin, static_cast<long>(info.size()));
  EVP_PKEY* signer = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  X509* x509 = X509_new();
  X509_set_pubkey(x509, key);
  X509_gmtime_adj(X509_getm_notBefore(x509), 0);
  X509_gmtime_adj(X509_getm_notAfter(x509), 1);
  X509_sign(x509, signer, nullptr);
  uint8_t* der = nullptr;
  const int size = i2d_X509(x509, &der);
  auto result = PublicKey::from_certificate({der, static_cast<size_t>(std::max(size, 0))});
  OPENSSL_free(der);
  X509_free(x509);
  EVP_PKEY_free(signer);
  EVP_PKEY_free(key);
  return result;
}

TEST(Wycheproof, Signatures) {
  struct File {
    const char* name;
    int count;
    SignatureScheme scheme;
  };
  for (const File& file : {File{"ecdsa_secp256r1_sha256", 484, SignatureScheme::EcdsaSecp256r1Sha256},
                           {"ecdsa_secp384r1_sha384", 504, SignatureScheme::EcdsaSecp384r1Sha384},
                           {"ed25519", 151, SignatureScheme::Ed25519},
                           {"rsa_signature_2048_sha256", 259, SignatureScheme::RsaPkcs1Sha256},
                           {"rsa_signature_2048_sha384", 258, SignatureScheme::RsaPkcs1Sha384},
                           {"rsa_signature_2048_sha512", 259, SignatureScheme::RsaPkcs1Sha512},
                           {"rsa_pss_2048_sha256_mgf1_32", 108, SignatureScheme::RsaPssRsaeSha256},
                           {"rsa_pss_2048_sha384_mgf1_48", 141, SignatureScheme::RsaPssRsaeSha384},
                           {"rsa_pss_4096_sha512_mgf1_64", 179, SignatureScheme::RsaPssRsaeSha512}}) {
    std::string text;
    std::optional<PublicKey> key;
    for_each_vector(file.name, file.count, [&](const Vector& v) {
      if (v.key != text) key = public_key(text = v.key);
      ASSERT_TRUE(key);
      const bool fits = key->verify(file.scheme, v.field(0), v.field(1));
      if (v.result != "acceptable") {
        EXPECT_EQ(fits, v.valid());
      }
    });
  }
}

}  // namespace
}  // namespace kaon::crypto
