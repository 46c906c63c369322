#include "kaon/crypto/cipher.h"

#include <gtest/gtest.h>

#include "kaon/crypto/aead.h"
#include "kaon/crypto/internal/test_hex.h"

namespace kaon::crypto {
namespace {

using internal::from_hex;

TEST(AesCtr, PassesTheVectorsOfSp80038a) {
  const auto counter = from_hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  const auto plaintext = from_hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
  struct {
    const char* key;
    const char* ciphertext;
  } const vectors[] = {
      {"2b7e151628aed2a6abf7158809cf4f3c", "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"},
      {"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
       "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"},
      {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
       "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"},
  };
  for (const auto& v : vectors) {
    AesCtr cipher(from_hex(v.key));
    std::vector<uint8_t> out(plaintext.size());
    for (int round = 0; round < 2; ++round) {  // the second starts over with the same counter
      cipher.crypt(counter, plaintext, out);
      EXPECT_EQ(to_hex(out), v.ciphertext);
    }
    cipher.crypt(counter, out, out);
    EXPECT_EQ(out, plaintext) << "in place";
  }
}

TEST(AesBlock, PassesTheVectorOfFips197) {
  AesBlock cipher(from_hex("000102030405060708090a0b0c0d0e0f"));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(to_hex(cipher.encrypt(from_hex("00112233445566778899aabbccddeeff"))), "69c4e0d86a7b0430d8cdb78070b4c55a");
  }
}

TEST(ChaCha20, GivesTheStartOfTheKeyStreamOfRfc8439) {
  const auto key = from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  const auto counter_nonce = from_hex("01000000 000000090000004a00000000");
  EXPECT_EQ(to_hex(chacha20_mask(key, counter_nonce)), "10f1e7e4d13b5915500fdd1fa32071c4");
  ChaCha20Block block(key);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(to_hex(block.mask(counter_nonce)), "10f1e7e4d13b5915500fdd1fa32071c4");
  }
}

struct AeadVector {
  AeadAlgorithm algorithm;
  const char* key;
  const char* nonce;
  const char* aad;
  const char* plaintext;
  const char* sealed;
};

// GCM specification, test cases 1, 4 and 16 (NIST SP 800-38D); RFC 8439 §2.8.2; NIST SP 800-38C, example 3.
constexpr AeadVector kAeadVectors[] = {
    {AeadAlgorithm::Aes128Gcm, "00000000000000000000000000000000", "000000000000000000000000", "", "",
     "58e2fccefa7e3061367f1d57a4e7455a"},
    {AeadAlgorithm::Aes128Gcm, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {AeadAlgorithm::Aes256Gcm, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    {AeadAlgorithm::ChaCha20Poly1305, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
     "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
     "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
     "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
     "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
     "637265656e20776f756c642062652069742e",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
     "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
     "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
     "3ff4def08e4b7a9de576d26586cec64b6116"
     "1ae10b594f09e26a7e902ecbd0600691"},
    {AeadAlgorithm::Aes128Ccm8, "404142434445464748494a4b4c4d4e4f", "101112131415161718191a1b",
     "000102030405060708090a0b0c0d0e0f10111213", "202122232425262728292a2b2c2d2e2f3031323334353637",
     "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951"},
};

TEST(Aead, SealsAndOpensThePublishedVectorsWithOneContext) {
  for (const AeadVector& v : kAeadVectors) {
    Aead aead(v.algorithm, from_hex(v.key));
    const auto nonce = from_hex(v.nonce);
    const auto aad = from_hex(v.aad);
    const auto plaintext = from_hex(v.plaintext);
    for (int round = 0; round < 2; ++round) {
      std::vector<uint8_t> sealed(plaintext.size() + aead.tag_size());
      aead.seal(nonce, aad, plaintext, sealed);
      EXPECT_EQ(to_hex(sealed), v.sealed);
      std::vector<uint8_t> opened(plaintext.size());
      EXPECT_TRUE(aead.open(nonce, aad, sealed, opened));
      EXPECT_EQ(opened, plaintext);
    }
  }
}

TEST(Aead, WorksInPlace) {
  for (const AeadVector& v : kAeadVectors) {
    Aead aead(v.algorithm, from_hex(v.key));
    const auto nonce = from_hex(v.nonce);
    const auto aad = from_hex(v.aad);
    auto memory = from_hex(v.plaintext);
    const size_t size = memory.size();
    memory.resize(size + aead.tag_size());
    aead.seal(nonce, aad, ByteView(memory).first(size), memory);
    EXPECT_EQ(to_hex(memory), v.sealed);
    EXPECT_TRUE(aead.open(nonce, aad, memory, Bytes(memory).first(size)));
    EXPECT_EQ(to_hex(ByteView(memory).first(size)), v.plaintext);
  }
}

// A message cut anywhere into three is the message.
TEST(CipherParts, GiveTheSameAsTheWhole) {
  const auto counter = from_hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
  for (const AeadVector& v : kAeadVectors) {
    if (v.algorithm == AeadAlgorithm::Aes128Ccm || v.algorithm == AeadAlgorithm::Aes128Ccm8) continue;
    Aead aead(v.algorithm, from_hex(v.key));
    AesCtr ctr(from_hex(v.key));
    const auto nonce = from_hex(v.nonce);
    const auto aad = from_hex(v.aad);
    const auto plaintext = from_hex(v.plaintext);
    std::vector<uint8_t> stream(plaintext.size());
    ctr.crypt(counter, plaintext, stream);
    for (size_t first = 0; first <= plaintext.size(); ++first) {
      const size_t second = first + (plaintext.size() - first) / 2;
      const auto cut = [&](ByteView in, Bytes out) {
        const auto part = [&](size_t from, size_t to) {
          return CipherPart{in.subspan(from, to - from), out.subspan(from, to - from)};
        };
        return std::array{part(0, first), part(first, second), part(second, in.size())};
      };
      const std::array<ByteView, 2> two = {ByteView(aad).first(aad.size() / 3), ByteView(aad).subspan(aad.size() / 3)};
      std::vector<uint8_t> out(plaintext.size());
      ctr.crypt(counter, cut(plaintext, out));
      ASSERT_EQ(out, stream);
      std::array<uint8_t, kAeadTagSize> tag;
      aead.seal(nonce, two, cut(plaintext, out), tag);
      ASSERT_EQ(to_hex(out) + to_hex(tag), v.sealed);
      ASSERT_TRUE(aead.open(nonce, two, cut(out, out), tag)) << "in place";
      ASSERT_EQ(out, plaintext);
      tag[0] ^= 1;
      ASSERT_FALSE(aead.open(nonce, two, cut(out, out), tag));
    }
  }
}

TEST(Aead, RefusesEveryFlippedBitAndEveryTruncation) {
  for (const AeadVector& v : kAeadVectors) {
    Aead aead(v.algorithm, from_hex(v.key));
    const auto nonce = from_hex(v.nonce);
    const auto aad = from_hex(v.aad);
    const auto sealed = from_hex(v.sealed);
    std::vector<uint8_t> out(sealed.size());
    for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      auto forged = sealed;
      forged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      ASSERT_FALSE(aead.open(nonce, aad, forged, out)) << "bit " << bit;
    }
    for (size_t size = 0; size < sealed.size(); ++size) {
      ASSERT_FALSE(aead.open(nonce, aad, ByteView(sealed).first(size), out)) << size << " bytes";
    }
    auto other_aad = aad;
    other_aad.push_back(0);
    EXPECT_FALSE(aead.open(nonce, other_aad, sealed, out));
    EXPECT_TRUE(aead.open(nonce, aad, sealed, out)) << "failures leave no trace";
  }
}

TEST(Aead, KeysAreOfTheSizeOfTheAlgorithm) {
  EXPECT_EQ(aead_key_size(AeadAlgorithm::Aes128Gcm), 16u);
  EXPECT_EQ(aead_key_size(AeadAlgorithm::Aes256Gcm), 32u);
  EXPECT_EQ(aead_key_size(AeadAlgorithm::ChaCha20Poly1305), 32u);
  EXPECT_DEATH(Aead(AeadAlgorithm::Aes128Gcm, from_hex("0011")), "");
}

}  // namespace
}  // namespace kaon::crypto
