#include "kaon/crypto/kdf.h"

#include <gtest/gtest.h>

#include "kaon/crypto/internal/test_hex.h"

namespace kaon::crypto {
namespace {

using internal::from_hex;

// The vector for P_SHA256 that the TLS working group's list published and every implementation uses.
TEST(Tls12Prf, PassesThePublishedVectorAtEveryLength) {
  const auto secret = from_hex("9bbe436ba940f017b17652849a71db35");
  const auto seed = from_hex("a0ba9f936cda311827a6f796ffd5198c");
  const auto expected = from_hex(
      "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
      "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab"
      "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701"
      "87347b66");
  for (size_t size = 0; size <= expected.size(); ++size) {
    std::vector<uint8_t> out(size);
    tls12_prf(HashAlgorithm::Sha256, secret, "test label", seed, out);
    ASSERT_EQ(to_hex(out), to_hex(ByteView(expected).first(size)));
  }
}

TEST(Hkdf, PassesTheVectorsOfRfc5869) {
  const Digest key1 =
      hkdf_extract(HashAlgorithm::Sha256, from_hex("000102030405060708090a0b0c"), std::vector<uint8_t>(22, 0x0b));
  EXPECT_EQ(to_hex(key1.view()), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  std::vector<uint8_t> out(42);
  hkdf_expand(HashAlgorithm::Sha256, key1.view(), from_hex("f0f1f2f3f4f5f6f7f8f9"), out);
  EXPECT_EQ(to_hex(out), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");

  const Digest key3 = hkdf_extract(HashAlgorithm::Sha256, {}, std::vector<uint8_t>(22, 0x0b));  // no salt, no info
  EXPECT_EQ(to_hex(key3.view()), "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04");
  hkdf_expand(HashAlgorithm::Sha256, key3.view(), {}, out);
  EXPECT_EQ(to_hex(out), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

// RFC 8448 §3, "Simple 1-RTT Handshake".
TEST(HkdfExpandLabel, FollowsTheKeyScheduleOfRfc8448) {
  const Digest early = hkdf_extract(HashAlgorithm::Sha256, std::vector<uint8_t>(32), std::vector<uint8_t>(32));
  EXPECT_EQ(to_hex(early.view()), "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a");
  std::vector<uint8_t> derived(32);
  hkdf_expand_label(HashAlgorithm::Sha256, early.view(), "tls13 ", "derived", hash(HashAlgorithm::Sha256, {}).view(),
                    derived);
  EXPECT_EQ(to_hex(derived), "6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba");
  const Digest handshake = hkdf_extract(HashAlgorithm::Sha256, derived,
                                        from_hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d"));
  EXPECT_EQ(to_hex(handshake.view()), "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");

  const auto traffic = from_hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38");
  std::vector<uint8_t> key(16);
  hkdf_expand_label(HashAlgorithm::Sha256, traffic, "tls13 ", "key", {}, key);
  EXPECT_EQ(to_hex(key), "3fce516009c21727d0f2e4e86ee403bc");
  std::vector<uint8_t> iv(12);
  hkdf_expand_label(HashAlgorithm::Sha256, traffic, "tls13 ", "iv", {}, iv);
  EXPECT_EQ(to_hex(iv), "5d313eb2671276ee13000b30");
}

TEST(HkdfExpandLabel, SeparatesDtlsFromTls) {
  const auto secret = std::vector<uint8_t>(32, 1);
  std::vector<uint8_t> tls(16);
  std::vector<uint8_t> dtls(16);
  hkdf_expand_label(HashAlgorithm::Sha256, secret, "tls13 ", "key", {}, tls);
  hkdf_expand_label(HashAlgorithm::Sha256, secret, "dtls13", "key", {}, dtls);
  EXPECT_NE(tls, dtls);
}

}  // namespace
}  // namespace kaon::crypto
