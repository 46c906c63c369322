#include "kaon/crypto/hash.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "kaon/crypto/internal/test_hex.h"

namespace kaon::crypto {
namespace {

using internal::from_hex;

TEST(Hash, KnowsTheDigestsOfAbc) {
  EXPECT_EQ(to_hex(hash(HashAlgorithm::Md5, as_bytes("abc")).view()), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(to_hex(hash(HashAlgorithm::Sha1, as_bytes("abc")).view()), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(hash(HashAlgorithm::Sha256, as_bytes("abc")).view()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash(HashAlgorithm::Sha384, as_bytes("abc")).size, 48u);
  EXPECT_EQ(hash(HashAlgorithm::Sha512, {}).size, 64u);
}

TEST(Hasher, CanBeReadWhileItGoesOn) {
  Hasher hasher(HashAlgorithm::Sha256);
  EXPECT_EQ(hasher.digest().view()[0], 0xe3) << "SHA-256 of nothing";
  hasher.update(as_bytes("a"));
  EXPECT_EQ(to_hex(hasher.digest().view()), to_hex(hash(HashAlgorithm::Sha256, as_bytes("a")).view()));
  hasher.update(as_bytes("bc"));
  EXPECT_EQ(to_hex(hasher.digest().view()), to_hex(hash(HashAlgorithm::Sha256, as_bytes("abc")).view()));
  Hasher moved = std::move(hasher);
  EXPECT_EQ(to_hex(moved.digest().view()), to_hex(hash(HashAlgorithm::Sha256, as_bytes("abc")).view()));
}

struct MacVector {
  const char* source;
  HashAlgorithm algorithm;
  std::vector<uint8_t> key;
  std::vector<uint8_t> data;
  const char* mac;
};

std::vector<uint8_t> bytes_of(std::string_view text) { return {as_bytes(text).begin(), as_bytes(text).end()}; }

std::vector<MacVector> mac_vectors() {
  const std::vector<uint8_t> long_key(131, 0xaa);
  const auto long_key_text = bytes_of("Test Using Larger Than Block-Size Key - Hash Key First");
  const auto jefe = bytes_of("Jefe");
  const auto question = bytes_of("what do ya want for nothing?");
  return {
      {"RFC 2202 MD5 2", HashAlgorithm::Md5, jefe, question, "750c783e6ab0b503eaa86e310a5db738"},
      {"RFC 2202 SHA-1 1", HashAlgorithm::Sha1, std::vector<uint8_t>(20, 0x0b), bytes_of("Hi There"),
       "b617318655057264e28bc0b6fb378c8ef146be00"},
      {"RFC 2202 SHA-1 2", HashAlgorithm::Sha1, jefe, question, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
      {"RFC 4231 1", HashAlgorithm::Sha256, std::vector<uint8_t>(20, 0x0b), bytes_of("Hi There"),
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"RFC 4231 2", HashAlgorithm::Sha256, jefe, question,
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {"RFC 4231 2", HashAlgorithm::Sha384, jefe, question,
       "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
      {"RFC 4231 2", HashAlgorithm::Sha512, jefe, question,
       "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
       "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
      {"RFC 4231 6", HashAlgorithm::Sha256, long_key, long_key_text,
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {"RFC 4231 6", HashAlgorithm::Sha512, long_key, long_key_text,
       "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
       "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
  };
}

TEST(Hmac, PassesTheVectorsOfItsRfcs) {
  for (const MacVector& v : mac_vectors()) {
    EXPECT_EQ(to_hex(hmac(v.algorithm, v.key, v.data).view()), v.mac) << v.source;
  }
}

TEST(Hmac, KeyedOnceGivesTheSameAsKeyedEachTimeHoweverTheDataIsCut) {
  for (const MacVector& v : mac_vectors()) {
    const Hmac keyed(v.algorithm, v.key);
    for (size_t cut = 0; cut <= v.data.size(); ++cut) {
      const std::array<ByteView, 2> parts = {ByteView(v.data).first(cut), ByteView(v.data).subspan(cut)};
      ASSERT_EQ(to_hex(keyed.compute(parts).view()), v.mac) << v.source << " cut at " << cut;
    }
  }
}

}  // namespace
}  // namespace kaon::crypto
