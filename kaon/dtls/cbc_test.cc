// DTLS 1.2 with CBC and with CCM: only where both ask for it (RFC 5246 §6.2.3.2, RFC 7366, RFC 7251). What the peer
// does without RFC 7366 is tested against OpenSSL and GnuTLS, and record by record.
#include <gmock/gmock.h>

#include "kaon/dtls/internal/messages.h"
#include "kaon/dtls/internal/record_layer.h"
#include "kaon/dtls/internal/state_explorer.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using crypto::KeyType;
using testing::config_of;
using testing::expect_works;
using ::testing::IsEmpty;
using testing::kStart;
using testing::Liar12;
using testing::milliseconds;
using testing::Packet;
using testing::Pair;
using testing::Side;
using testing::Victim;

constexpr CipherSuite kOnlyWhereAskedFor[] = {
    CipherSuite::EcdheEcdsaAes128Ccm,    CipherSuite::EcdheEcdsaAes128Ccm8,   CipherSuite::EcdheEcdsaAes128CbcSha,
    CipherSuite::EcdheEcdsaAes256CbcSha, CipherSuite::EcdheRsaAes128CbcSha,   CipherSuite::EcdheRsaAes256CbcSha,
    CipherSuite::PskAes128CbcSha256,     CipherSuite::EcdhePskAes128CbcSha256};

Config with_suite(Role role, CipherSuite suite) {
  const bool rsa = suite == CipherSuite::EcdheRsaAes128CbcSha || suite == CipherSuite::EcdheRsaAes256CbcSha;
  Config config = config_of(role, rsa ? KeyType::Rsa2048 : KeyType::EcdsaP256);
  config.cipher_suites = {suite};
  config.psks = {{{'m', 'e'}, Packet(16, 7)}};
  return config;
}

/// The body of the one handshake message that a datagram in the clear begins with.
Packet first_body(Packet packet) {
  Bytes left = packet;
  const auto record = next_record(left);
  EXPECT_TRUE(record);
  const Bytes body = record->fragment.subspan(kHandshakeHeaderSize);
  return {body.begin(), body.end()};
}

class Cbc : public ::testing::TestWithParam<CipherSuite> {
 protected:
  static Config config(Role role) { return with_suite(role, GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Dtls12, Cbc,
                         ::testing::Values(CipherSuite::EcdheEcdsaAes128CbcSha, CipherSuite::EcdheEcdsaAes256CbcSha,
                                           CipherSuite::EcdheRsaAes128CbcSha, CipherSuite::EcdheRsaAes256CbcSha,
                                           CipherSuite::PskAes128CbcSha256, CipherSuite::EcdhePskAes128CbcSha256),
                         [](const auto& test) { return std::string(to_string(test.param)); });

TEST_P(Cbc, TheMacComesLastWhereBothCan) {
  Pair pair(config(Role::Client), config(Role::Server));
  ASSERT_TRUE(pair.run());
  expect_works(pair);
  const auto client_hello = std::ranges::find(pair.sent, true, &std::pair<bool, Packet>::first);
  const auto server_hello = std::ranges::find(pair.sent, false, &std::pair<bool, Packet>::first);
  const Packet client_body = first_body(client_hello->second);
  const Packet server_body = first_body(server_hello->second);
  EXPECT_TRUE(ClientHello::parse(client_body)->encrypt_then_mac);
  EXPECT_TRUE(ServerHello::parse(server_body)->encrypt_then_mac);
}

TEST_P(Cbc, RecordsOfEverySizeFitIntoTheOverheadInPlaceAndApart) {
  Pair pair(config(Role::Client), config(Role::Server));
  ASSERT_TRUE(pair.run());
  Connection& connection = pair.client.connection;
  EXPECT_LE(connection.overhead(), Connection::kMaxOverhead);
  for (size_t size = 0; size < 100; ++size) {
    const std::string text(size, 'x');
    Packet apart = pair.client.protect(text);
    EXPECT_GT(apart.size() + 16, size + connection.overhead());
    EXPECT_LE(apart.size(), size + connection.overhead());
    pair.server.give(apart, pair.now);
    Packet in_place(size + connection.overhead(), 'x');
    const size_t written = connection.protect(ByteView(in_place).subspan(connection.payload_offset(), size), in_place);
    EXPECT_EQ(written, apart.size());
    in_place.resize(written);
    pair.server.give(in_place, pair.now);
    ASSERT_EQ(pair.server.received.size(), 2 * (size + 1));
    EXPECT_EQ(pair.server.texts().back(), text);
  }
  Packet out(Connection::kMaxPlaintext + connection.overhead());
  out.resize(connection.protect(Packet(Connection::kMaxPlaintext, 5), out));
  pair.server.give(out, pair.now);
  EXPECT_EQ(pair.server.received.back().size(), Connection::kMaxPlaintext);
}

TEST_P(Cbc, CompletesUnderLossDuplicationAndReorder) {
  const uint64_t first_seed = testing::test_seed(1);
  for (uint64_t seed = first_seed; seed < first_seed + 6; ++seed) {
    SCOPED_TRACE(::testing::Message() << "KAON_SEED=" << seed);
    Config client = config(Role::Client);
    Config server = config(Role::Server);
    client.mtu = server.mtu = seed % 2 == 0 ? kMinMtu : 400;
    Pair pair(client, server, seed);
    ASSERT_TRUE(pair.run({0.3, 0.1, milliseconds(20), milliseconds(seed % 3 * 15)}));
    expect_works(pair);
    for (const auto& [by_client, packet] : pair.sent) EXPECT_LE(packet.size(), client.mtu);
  }
}

TEST_P(Cbc, ConnectionIdsOfEverySizeGoWithIt) {
  for (const size_t size : {1, 6, 7, 255}) {
    Config client = config(Role::Client);
    Config server = config(Role::Server);
    client.connection_id = Packet(4, 1);
    server.connection_id = Packet(size, 2);
    Pair pair(client, server);
    ASSERT_TRUE(pair.run());
    expect_works(pair);
  }
}

TEST_P(Cbc, AServerThatPrefersAeadGetsIt) {
  Config client = config(Role::Client);
  client.cipher_suites = {GetParam(), CipherSuite::EcdheEcdsaAes128GcmSha256, CipherSuite::EcdheRsaAes128GcmSha256};
  Config server = config(Role::Server);
  server.cipher_suites = Config{.certificate = server.certificate}.cipher_suites;
  Pair pair(client, server);
  ASSERT_TRUE(pair.run());
  expect_works(pair);
  EXPECT_NE(pair.client.connected->cipher_suite, GetParam());
  const auto answer = std::ranges::find(pair.sent, false, &std::pair<bool, Packet>::first);
  EXPECT_FALSE(ServerHello::parse(first_body(answer->second))->encrypt_then_mac);  // RFC 7366 §3
}

TEST(CbcAndCcm, AreNotOfferedByDefault) {
  for (const Version highest : {Version::Dtls12, Version::Dtls13}) {
    Config config = config_of(Role::Client);
    config.psks = {{{'m', 'e'}, Packet(16, 7)}};
    config.max_version = highest;
    Side client(config, 1);
    client.connection.start(kStart);
    const Packet body = first_body(client.take_packets().at(0));
    const auto hello = ClientHello::parse(body);
    ASSERT_TRUE(hello);
    EXPECT_FALSE(hello->encrypt_then_mac);
    for (const CipherSuite suite : kOnlyWhereAskedFor)
      EXPECT_FALSE(hello->cipher_suites.contains(static_cast<uint16_t>(suite))) << to_string(suite);
  }
}

// Like any hello that cannot be used it is not answered, because it may not be the peer's.
TEST(CbcAndCcm, AreNotTakenByDefault) {
  for (const CipherSuite suite : kOnlyWhereAskedFor)
    for (const bool speaks13_too : {false, true}) {
      SCOPED_TRACE(to_string(suite));
      const Config client = with_suite(Role::Client, suite);
      Config server = config_of(Role::Server, client.certificate.type());
      server.psks = client.psks;
      if (speaks13_too) server.max_version = Version::Dtls13;
      Side asks(client, 1);
      Side answers(server, 2);
      asks.connection.start(kStart);
      for (const Packet& packet : asks.take_packets()) answers.give(packet, kStart);
      EXPECT_THAT(answers.take_packets(), IsEmpty());
      EXPECT_EQ(answers.connection.dropped()[DropReason::HelloRefused], 1u);
    }
}

TEST(EncryptThenMac, IsRefusedWhereItWasNotOfferedOrTheSuiteIsNoneWithCbc) {
  const auto step_of = [](const std::vector<CipherSuite>& offered, CipherSuite chosen, bool answered) {
    Victim client(Role::Client, Version::Dtls12, offered);
    Liar12 liar(Role::Server, chosen);
    liar.hear_hello(client);
    ServerHello hello;
    hello.version = kVersionDtls12;
    hello.random = liar.keys.server_random;
    hello.cipher_suite = static_cast<uint16_t>(chosen);
    hello.encrypt_then_mac = answered;
    const Step step = client.give(liar.make(HandshakeType::ServerHello, hello.write()));
    if (!step) return std::optional(step.error().alert);
    EXPECT_EQ(client.session.encrypt_then_mac, answered);
    return std::optional<AlertDescription>();
  };
  constexpr CipherSuite kCbc = CipherSuite::EcdheEcdsaAes128CbcSha;
  constexpr CipherSuite kGcm = CipherSuite::EcdheEcdsaAes128GcmSha256;
  EXPECT_EQ(step_of({kCbc}, kCbc, true), std::nullopt);
  EXPECT_EQ(step_of({kCbc}, kCbc, false), std::nullopt);
  EXPECT_EQ(step_of({kCbc, kGcm}, kGcm, true), AlertDescription::UnsupportedExtension);
  EXPECT_EQ(step_of({kGcm}, kGcm, true), AlertDescription::UnsupportedExtension);
  EXPECT_EQ(step_of({kCbc, kGcm}, kGcm, false), std::nullopt);
}

}  // namespace
}  // namespace kaon::dtls
