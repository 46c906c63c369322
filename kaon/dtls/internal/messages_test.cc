#include "kaon/dtls/internal/messages.h"

#include <gmock/gmock.h>

#include "kaon/dtls/internal/browser_hello.h"
#include "kaon/dtls/internal/builder.h"

namespace kaon::dtls {
namespace {

using Packet = std::vector<uint8_t>;

TEST(ClientHello, OfChromiumIsReadInEveryOrderOfExtensions) {
  SeededRandom random(1);
  for (int i = 0; i < 50; ++i) {
    const Packet body = testing::chromium_client_hello(random);
    EXPECT_EQ(body.size(), 1413u);  // as measured
    const auto hello = ClientHello::parse(body);
    ASSERT_TRUE(hello);
    EXPECT_TRUE(hello->offers(Version::Dtls12));
    EXPECT_TRUE(hello->offers(Version::Dtls13));
    EXPECT_TRUE(hello->extended_master_secret);
    EXPECT_TRUE(hello->cipher_suites.contains(0xc02b));
    EXPECT_TRUE(hello->supported_groups->contains(0x001d));
    EXPECT_TRUE(hello->signature_algorithms->contains(0x0403));
    EXPECT_EQ(hello->srtp_profiles->size(), 3u);
    EXPECT_TRUE(hello->renegotiation_info);
    EXPECT_FALSE(hello->offers_alpn("webrtc"));
  }
}

TEST(ClientHello, OfFirefoxOffersAlpnAndAVersionOfTls) {
  SeededRandom random(1);
  const Packet body = testing::firefox_client_hello(random);
  const auto hello = ClientHello::parse(body);
  ASSERT_TRUE(hello);
  EXPECT_TRUE(hello->offers(Version::Dtls12));
  EXPECT_TRUE(hello->offers_alpn("webrtc"));
  EXPECT_TRUE(hello->offers_alpn("c-webrtc"));
  EXPECT_FALSE(hello->offers_alpn("web"));
  EXPECT_EQ((*hello->srtp_profiles)[0], kSrtpAeadAes128Gcm);
}

TEST(ClientHello, EveryTruncationIsRefused) {
  SeededRandom random(1);
  const Packet body = testing::chromium_client_hello(random);
  // Without extensions a ClientHello may end after the compression methods (RFC 5246 §7.4.1.2).
  constexpr size_t kBeforeExtensions = 2 + 32 + 1 + 1 + 2 + 28 + 2;
  for (size_t size = 0; size < body.size(); ++size)
    EXPECT_EQ(ClientHello::parse(ByteView(body).first(size)).has_value(), size == kBeforeExtensions) << size;
}

TEST(ClientHello, VersionComesFromSupportedVersionsOrElseTheOldField) {
  ClientHello hello;
  hello.legacy_version = 0xfeff;
  EXPECT_FALSE(hello.offers(Version::Dtls12));
  hello.legacy_version = 0xfefd;
  EXPECT_TRUE(hello.offers(Version::Dtls12));
  EXPECT_FALSE(hello.offers(Version::Dtls13));
  hello.legacy_version = 0x0303;
  EXPECT_FALSE(hello.offers(Version::Dtls12));
  const Packet only_13 = {0xfe, 0xfc};
  hello.legacy_version = 0xfefd;
  hello.supported_versions = U16List(only_13);
  EXPECT_FALSE(hello.offers(Version::Dtls12));
  EXPECT_TRUE(hello.offers(Version::Dtls13));
}

TEST(ClientHello, DuplicateExtensionsAndOddListsAreRefused) {
  const auto parses = [](const Packet& extensions) {
    Builder out;
    out.u16(0xfefd);
    out.bytes(Packet(32));
    out.vector8({});
    out.vector8({});
    out.vector16(Packet{0xc0, 0x2b});
    out.vector8(Packet{0});
    out.vector16(extensions);
    return ClientHello::parse(out.take()).has_value();
  };
  EXPECT_TRUE(parses({0, 23, 0, 0}));
  EXPECT_FALSE(parses({0, 23, 0, 0, 0, 23, 0, 0}));
  EXPECT_FALSE(parses({0, 23, 0, 1, 0}));                      // extended_master_secret is empty
  EXPECT_FALSE(parses({0, 10, 0, 3, 0, 1, 0}));                // half a group
  EXPECT_FALSE(parses({0, 10, 0, 5, 0, 2, 0, 29, 0}));         // something after the list
  EXPECT_TRUE(parses({0xaa, 0xaa, 0, 2, 1, 2, 0, 23, 0, 0}));  // unknown ones are skipped
  EXPECT_TRUE(parses({0, 16, 0, 6, 0, 4, 1, 'a', 1, 'b'}));
  EXPECT_FALSE(parses({0, 16, 0, 2, 0, 0}));                  // no protocol name
  EXPECT_FALSE(parses({0, 16, 0, 5, 0, 3, 1, 'a', 0}));       // an empty one
  EXPECT_FALSE(parses({0, 16, 0, 6, 0, 4, 1, 'a', 2, 'b'}));  // one that ends early
}

TEST(ClientHello, OursIsReadBack) {
  const CipherSuite suites[] = {CipherSuite::EcdheEcdsaAes128GcmSha256};
  const crypto::Group groups[] = {crypto::Group::X25519, crypto::Group::Secp256r1};
  const SrtpProfileId profiles[] = {7, 1};
  const Packet cookie = {1, 2, 3};
  const Packet body =
      ClientHelloOffer{.cookie = cookie, .cipher_suites = suites, .groups = groups, .srtp_profiles = profiles}.write();
  const auto hello = ClientHello::parse(body);
  ASSERT_TRUE(hello);
  EXPECT_TRUE(hello->extended_master_secret);
  EXPECT_TRUE(hello->renegotiation_info && hello->renegotiation_info->empty());
  EXPECT_EQ(hello->supported_groups->size(), 2u);
  EXPECT_EQ(hello->srtp_profiles->size(), 2u);
  EXPECT_TRUE(hello->ec_point_formats);
  EXPECT_EQ(hello->signature_algorithms->size(), verifiable_schemes().size());
  EXPECT_FALSE(hello->signature_algorithms->contains(0x0201));
}

TEST(ServerHello, RoundTripsAndRefusesTruncations) {
  ServerHello hello;
  const Packet random(32, 5);
  hello.version = 0xfefd;
  hello.random = random;
  hello.cipher_suite = 0xc02b;
  hello.srtp_profile = 7;
  hello.renegotiation_info = ByteView{};
  hello.ec_point_formats = ByteView{};
  const Packet body = hello.write();
  const auto parsed = ServerHello::parse(body);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->srtp_profile, 7);
  EXPECT_TRUE(parsed->extended_master_secret);
  EXPECT_TRUE(parsed->renegotiation_info);
  EXPECT_FALSE(parsed->unsolicited_extension);
  constexpr size_t kBeforeExtensions = 2 + 32 + 1 + 2 + 1;
  for (size_t size = 0; size < body.size(); ++size)
    EXPECT_EQ(ServerHello::parse(ByteView(body).first(size)).has_value(), size == kBeforeExtensions) << size;
  hello.alpn = "webrtc";
  const Packet with_alpn = hello.write();
  EXPECT_EQ(ServerHello::parse(with_alpn)->alpn, "webrtc");
  hello.alpn = "";
  EXPECT_FALSE(ServerHello::parse(hello.write()));
}

TEST(Messages, ShortOnesRefuseTruncations) {
  const Packet certificate = write_certificate(Packet(5, 1));
  for (size_t size = 0; size < certificate.size(); ++size)
    EXPECT_FALSE(parse_certificate(ByteView(certificate).first(size)));
  EXPECT_EQ(parse_certificate(certificate)->size(), 5u);
  EXPECT_TRUE(parse_certificate(Packet{0, 0, 0})->empty());
  EXPECT_FALSE(parse_certificate(Packet{0, 0, 3, 0, 0, 0}));  // an empty certificate in the list

  const Packet params = ServerKeyExchange::write_params(crypto::Group::X25519, Packet(32, 2));
  const Packet exchange = write_signed(params, crypto::SignatureScheme::Ed25519, Packet(64, 3));
  for (size_t size = 0; size < exchange.size(); ++size)
    EXPECT_FALSE(ServerKeyExchange::parse(ByteView(exchange).first(size)));
  const auto parsed = ServerKeyExchange::parse(exchange);
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(std::equal(params.begin(), params.end(), parsed->params.begin(), parsed->params.end()));
  EXPECT_EQ(parsed->signature.size(), 64u);

  const Packet request = write_certificate_request();
  for (size_t size = 0; size < request.size(); ++size)
    EXPECT_FALSE(parse_certificate_request(ByteView(request).first(size)));
  EXPECT_TRUE(parse_certificate_request(request)->contains(0x0403));
}

TEST(Schemes, FitTheKeyAndTheOffer) {
  using crypto::KeyType;
  using crypto::SignatureScheme;
  const Packet offer = {0x02, 0x01, 0x08, 0x04, 0x04, 0x03, 0x04, 0x01};
  EXPECT_EQ(choose_scheme(Version::Dtls12, KeyType::EcdsaP256, U16List(offer)), SignatureScheme::EcdsaSecp256r1Sha256);
  EXPECT_EQ(choose_scheme(Version::Dtls12, KeyType::Rsa2048, U16List(offer)), SignatureScheme::RsaPssRsaeSha256);
  EXPECT_EQ(choose_scheme(Version::Dtls12, KeyType::Ed25519, U16List(offer)), std::nullopt);
}

TEST(DowngradeSentinel, IsTheEndOfTheRandom) {
  Packet random(32);
  EXPECT_FALSE(has_downgrade_sentinel(random));
  std::copy_n("DOWNGRD\x01", 8, random.begin() + 24);
  EXPECT_TRUE(has_downgrade_sentinel(random));
}

}  // namespace
}  // namespace kaon::dtls
