// The wide path against libcrypto's: equal bytes for every size, one key, and what is forged.
#include "kaon/crypto/internal/wide_gcm.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "kaon/base/random.h"
#include "kaon/crypto/internal/openssl.h"

namespace kaon::crypto::internal {
namespace {

using Text = std::vector<uint8_t>;

Text random_bytes(Random& random, size_t size) {
  Text bytes(size);
  random.fill(bytes);
  return bytes;
}

/// Ciphertext and tag by libcrypto, whatever Aead uses.
Text by_libcrypto(AeadAlgorithm algorithm, ByteView key, ByteView nonce, ByteView aad, ByteView plaintext) {
  const CipherContextPtr context(EVP_CIPHER_CTX_new());
  const EVP_CIPHER* cipher = algorithm == AeadAlgorithm::Aes128Gcm ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
  Text out(plaintext.size() + kAeadTagSize);
  int size = 0;
  EXPECT_EQ(EVP_EncryptInit_ex(context.get(), cipher, nullptr, key.data(), nonce.data()), 1);
  if (!aad.empty()) {
    EXPECT_EQ(EVP_EncryptUpdate(context.get(), nullptr, &size, aad.data(), static_cast<int>(aad.size())), 1);
  }
  if (!plaintext.empty()) {
    EXPECT_EQ(EVP_EncryptUpdate(context.get(), out.data(), &size, plaintext.data(), static_cast<int>(plaintext.size())),
              1);
  }
  EXPECT_EQ(EVP_EncryptFinal_ex(context.get(), out.data() + plaintext.size(), &size), 1);
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, out.data() + plaintext.size()), 1);
  return out;
}

class WideGcmTest : public ::testing::TestWithParam<AeadAlgorithm> {
 protected:
  void SetUp() override {
    key = random_bytes(random, aead_key_size(GetParam()));
    gcm = WideGcm::make(GetParam(), key);
    if (gcm == nullptr) GTEST_SKIP() << "neither this build nor this machine has it";
  }
  SeededRandom random{1};
  Text key;
  std::unique_ptr<WideGcm> gcm;
};
INSTANTIATE_TEST_SUITE_P(Gcm, WideGcmTest, ::testing::Values(AeadAlgorithm::Aes128Gcm, AeadAlgorithm::Aes256Gcm));

TEST_P(WideGcmTest, GivesTheSameBytesAsLibcryptoForEverySize) {
  for (size_t size = 0; size < 1500; size += size < 300 ? 1 : 37) {
    const Text nonce = random_bytes(random, kAeadNonceSize);
    const Text aad = random_bytes(random, size % 90);
    const Text plaintext = random_bytes(random, size);
    const Text right = by_libcrypto(GetParam(), key, nonce, aad, plaintext);
    Text out(size + kAeadTagSize);
    const ByteView whole_aad = aad;
    const CipherPart whole{plaintext, Bytes(out).first(size)};
    gcm->seal(nonce, {&whole_aad, 1}, {&whole, 1}, Bytes(out).last(kAeadTagSize));
    ASSERT_EQ(out, right) << size;
    // In place, in pieces of any size.
    Text in_place = plaintext;
    const size_t cut = size / 3;
    const size_t aad_cut = aad.size() / 2;
    const std::array aad_parts = {ByteView(aad).first(aad_cut), ByteView(aad).subspan(aad_cut)};
    const std::array parts = {CipherPart{Bytes(in_place).first(cut), Bytes(in_place).first(cut)},
                              CipherPart{Bytes(in_place).subspan(cut), Bytes(in_place).subspan(cut)}};
    Text tag(kAeadTagSize);
    gcm->seal(nonce, aad_parts, parts, tag);
    EXPECT_TRUE(std::ranges::equal(in_place, ByteView(right).first(size))) << size;
    EXPECT_TRUE(std::ranges::equal(tag, ByteView(right).last(kAeadTagSize))) << size;
    EXPECT_TRUE(gcm->open(nonce, aad_parts, parts, tag));
    EXPECT_EQ(in_place, plaintext);
  }
}

TEST_P(WideGcmTest, JoinsAssociatedDataOfAnySize) {
  const Text nonce = random_bytes(random, kAeadNonceSize);
  const Text plaintext = random_bytes(random, 50);
  for (const size_t size : {0, 1, 255, 256, 257, 5000}) {
    const Text aad = random_bytes(random, size);
    const std::array parts = {ByteView(aad).first(size / 2), ByteView(aad).subspan(size / 2)};
    Text out(plaintext.size() + kAeadTagSize);
    const CipherPart whole{plaintext, Bytes(out).first(plaintext.size())};
    gcm->seal(nonce, parts, {&whole, 1}, Bytes(out).last(kAeadTagSize));
    EXPECT_EQ(out, by_libcrypto(GetParam(), key, nonce, aad, plaintext)) << size;
  }
}

TEST_P(WideGcmTest, TakesNothingForged) {
  const Text nonce = random_bytes(random, kAeadNonceSize);
  const Text aad = random_bytes(random, 12);
  const Text plaintext = random_bytes(random, 40);
  const Text sealed = by_libcrypto(GetParam(), key, nonce, aad, plaintext);
  Text out(plaintext.size());
  const auto opens = [&](const Text& n, const Text& a, const Text& text) {
    const ByteView whole_aad = a;
    const CipherPart whole{ByteView(text).first(out.size()), out};
    return gcm->open(n, {&whole_aad, 1}, {&whole, 1}, ByteView(text).last(kAeadTagSize));
  };
  EXPECT_TRUE(opens(nonce, aad, sealed));
  EXPECT_EQ(out, plaintext);
  const auto flipped = [](Text text, size_t bit) {
    text[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    return text;
  };
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) EXPECT_FALSE(opens(nonce, aad, flipped(sealed, bit))) << bit;
  for (size_t bit = 0; bit < 8 * aad.size(); ++bit) EXPECT_FALSE(opens(nonce, flipped(aad, bit), sealed)) << bit;
  for (size_t bit = 0; bit < 8 * nonce.size(); ++bit) EXPECT_FALSE(opens(flipped(nonce, bit), aad, sealed)) << bit;
}

}  // namespace
}  // namespace kaon::crypto::internal
