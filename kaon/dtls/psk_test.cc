// DTLS 1.2 with a pre-shared key: two of our connections in virtual time (RFC 4279, RFC 5489).
#include <gmock/gmock.h>

#include "kaon/dtls/internal/messages.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using testing::config_of;
using testing::expect_works;
using ::testing::IsEmpty;
using testing::milliseconds;
using testing::Packet;
using testing::Pair;
using testing::seconds;
using testing::Side;

constexpr CipherSuite kSuites[] = {CipherSuite::PskAes128GcmSha256,      CipherSuite::PskAes128Ccm,
                                   CipherSuite::PskAes128Ccm8,           CipherSuite::PskChaCha20Poly1305Sha256,
                                   CipherSuite::EcdhePskAes128GcmSha256, CipherSuite::EcdhePskChaCha20Poly1305Sha256,
                                   CipherSuite::EcdhePskAes128CcmSha256, CipherSuite::EcdhePskAes128Ccm8Sha256,
                                   CipherSuite::PskAes128CbcSha256,      CipherSuite::EcdhePskAes128CbcSha256};

const PreSharedKey kKey = {{'m', 'e'}, Packet(16, 7)};
const PreSharedKey kOther = {{'y', 'o', 'u'}, Packet(32, 8)};

Config psk_config(Role role, CipherSuite suite, std::vector<PreSharedKey> keys = {kKey}) {
  Config config = config_of(role);
  config.cipher_suites = {suite};
  config.psks = std::move(keys);
  config.handshake_timeout = seconds(20);
  return config;
}

/// Nobody knows a fingerprint: the key is the proof.
Pair psk_pair(const Config& client, const Config& server, uint64_t seed = 1) {
  return Pair(client, server, seed, false);
}

class PreSharedKeys : public ::testing::TestWithParam<CipherSuite> {};
INSTANTIATE_TEST_SUITE_P(Dtls12, PreSharedKeys, ::testing::ValuesIn(kSuites),
                         [](const auto& test) { return std::string(to_string(test.param)); });

TEST_P(PreSharedKeys, ConnectWithoutCertificatesAndFingerprints) {
  Pair pair = psk_pair(psk_config(Role::Client, GetParam()), psk_config(Role::Server, GetParam(), {kOther, kKey}));
  ASSERT_TRUE(pair.run());
  expect_works(pair);
  for (const Side* side : {&pair.client, &pair.server}) {
    EXPECT_EQ(side->connected->cipher_suite, GetParam());
    EXPECT_EQ(side->connected->psk_identity, kKey.identity);
    EXPECT_THAT(side->connected->peer_certificate, IsEmpty());
    const bool ecdhe = to_string(GetParam()).find("ECDHE") != std::string_view::npos;
    EXPECT_EQ(side->connected->group, ecdhe ? crypto::Group::X25519 : crypto::Group{});
  }
}

TEST_P(PreSharedKeys, CompleteUnderLossDuplicationAndReorder) {
  const uint64_t first_seed = testing::test_seed(1);
  for (uint64_t seed = first_seed; seed < first_seed + 6; ++seed) {
    SCOPED_TRACE(::testing::Message() << "KAON_SEED=" << seed);
    Config client = psk_config(Role::Client, GetParam());
    Config server = psk_config(Role::Server, GetParam());
    client.handshake_timeout = server.handshake_timeout = std::chrono::minutes(30);
    client.mtu = server.mtu = 200;
    Pair pair = psk_pair(client, server, seed);
    ASSERT_TRUE(pair.run({0.4, 0.1, milliseconds(20), milliseconds(seed % 3 * 15)}));
    expect_works(pair);
  }
}

TEST_P(PreSharedKeys, AWrongOneConnectsNobody) {
  PreSharedKey wrong = kKey;
  wrong.key[15] ^= 1;
  Pair pair = psk_pair(psk_config(Role::Client, GetParam(), {wrong}), psk_config(Role::Server, GetParam()));
  pair.run();
  EXPECT_FALSE(pair.client.connected);
  EXPECT_FALSE(pair.server.connected);
}

TEST_P(PreSharedKeys, AnUnknownIdentityIsRefused) {
  Pair pair = psk_pair(psk_config(Role::Client, GetParam(), {kOther}), psk_config(Role::Server, GetParam()));
  ASSERT_TRUE(pair.run());
  EXPECT_FALSE(pair.client.connected);
  ASSERT_TRUE(pair.server.closed);
  EXPECT_EQ(pair.server.closed->reason, CloseReason::HandshakeFailure);
  EXPECT_EQ(pair.server.closed->detail, "unknown identity of a pre-shared key");
}

TEST_P(PreSharedKeys, AreNotOfferedOrTakenWithoutAKey) {
  for (const bool client_has_one : {true, false}) {
    std::vector<PreSharedKey> none;
    Config client = psk_config(Role::Client, GetParam(), client_has_one ? std::vector{kKey} : none);
    Config server = psk_config(Role::Server, GetParam(), client_has_one ? none : std::vector{kKey});
    Pair pair = psk_pair(client, server);
    pair.run();
    EXPECT_FALSE(pair.client.connected);
    EXPECT_FALSE(pair.server.connected);
  }
}

TEST_P(PreSharedKeys, GoBesideCertificates) {
  // The server's order counts, and what the one side lacks is left out.
  const CipherSuite by_certificate = CipherSuite::EcdheEcdsaAes128GcmSha256;
  Config client = psk_config(Role::Client, GetParam());
  Config server = psk_config(Role::Server, GetParam());
  client.cipher_suites.push_back(by_certificate);
  server.cipher_suites.push_back(by_certificate);
  Pair with_key(client, server);
  ASSERT_TRUE(with_key.run());
  expect_works(with_key);
  EXPECT_EQ(with_key.client.connected->cipher_suite, GetParam());
  client.psks.clear();
  Pair without(client, server);
  ASSERT_TRUE(without.run());
  expect_works(without);
  EXPECT_EQ(without.client.connected->cipher_suite, by_certificate);
}

TEST_P(PreSharedKeys, ConnectionIdsGoWithThem) {
  Config client = psk_config(Role::Client, GetParam());
  Config server = psk_config(Role::Server, GetParam());
  client.connection_id = Packet(4, 1);
  server.connection_id = Packet(4, 2);
  Pair pair = psk_pair(client, server);
  ASSERT_TRUE(pair.run());
  expect_works(pair);
}

TEST(PskMessages, RoundTripAndRefuseTruncations) {
  const Packet share = {4, 5, 6};
  const PskServerKeyExchange server{crypto::Group::X25519, share};
  const PskClientKeyExchange client{kKey.identity, share};
  const Packet from_server = server.write();
  const Packet from_client = client.write();
  EXPECT_EQ(from_server, Packet({0, 0, 3, 0, 29, 3, 4, 5, 6}));
  EXPECT_EQ(from_client, Packet({0, 2, 'm', 'e', 3, 4, 5, 6}));
  ASSERT_TRUE(PskServerKeyExchange::parse(from_server, true));
  EXPECT_EQ(PskServerKeyExchange::parse(from_server, true)->group, crypto::Group::X25519);
  EXPECT_FALSE(PskServerKeyExchange::parse(from_server, false));
  EXPECT_TRUE(PskServerKeyExchange::parse(Packet{0, 4, 'h', 'i', 'n', 't'}, false));
  EXPECT_FALSE(PskClientKeyExchange::parse(from_client, false));
  for (size_t size = 0; size < from_server.size(); ++size)
    EXPECT_FALSE(PskServerKeyExchange::parse(ByteView(from_server).first(size), true)) << size;
  for (size_t size = 0; size < from_client.size(); ++size)
    EXPECT_FALSE(PskClientKeyExchange::parse(ByteView(from_client).first(size), true)) << size;
}

TEST(PskMessages, PremasterHasTheFormOfRfc4279AndRfc5489) {
  EXPECT_EQ(psk_premaster({}, Packet{7, 8}), Packet({0, 2, 0, 0, 0, 2, 7, 8}));
  EXPECT_EQ(psk_premaster(Packet{1, 2, 3}, Packet{7, 8}), Packet({0, 3, 1, 2, 3, 0, 2, 7, 8}));
}

}  // namespace
}  // namespace kaon::dtls
