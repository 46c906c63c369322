// Names of application protocols (RFC 7301): what is offered, chosen and refused, in both versions.
#include <gmock/gmock.h>

#include "kaon/dtls/cookie_gate.h"
#include "kaon/dtls/internal/state_explorer.h"

namespace kaon::dtls {
namespace {

using testing::config13_of;
using testing::config_of;
using testing::Packet;
using testing::Pair;
using testing::seconds;
using testing::Victim;
using Names = std::vector<std::string>;

class Alpn : public ::testing::TestWithParam<Version> {
 protected:
  static Config config(Role role, Names names) {
    Config made = GetParam() == Version::Dtls13 ? config13_of(role) : config_of(role);
    made.alpn = std::move(names);
    made.handshake_timeout = seconds(5);
    return made;
  }
  static Pair pair_of(Names client, Names server) {
    return Pair(config(Role::Client, std::move(client)), config(Role::Server, std::move(server)));
  }
};

INSTANTIATE_TEST_SUITE_P(EveryVersion, Alpn, ::testing::Values(Version::Dtls12, Version::Dtls13),
                         [](const auto& test) { return test.param == Version::Dtls12 ? "Dtls12" : "Dtls13"; });

TEST_P(Alpn, IsTheServersFirstOfThoseThatTheClientOffers) {
  struct Case {
    Names client, server;
    std::string agreed;
  };
  const std::string longest(kMaxProtocolNameSize, 'x');
  for (const Case& c : {Case{{"a", "b", "c"}, {"d", "c", "b"}, "c"}, Case{{"webrtc"}, {"webrtc", "c-webrtc"}, "webrtc"},
                        Case{{"aa", longest}, {"a", longest}, longest}}) {
    Pair pair = pair_of(c.client, c.server);
    ASSERT_TRUE(pair.run());
    ASSERT_TRUE(pair.both_connected());
    EXPECT_EQ(pair.client.connected->alpn, c.agreed);
    EXPECT_EQ(pair.server.connected->alpn, c.agreed);
    testing::expect_carries_data(pair);
  }
}

TEST_P(Alpn, NothingIsAgreedIfOneSideHasNoNames) {
  for (const bool client_has_some : {true, false}) {
    Pair pair = client_has_some ? pair_of({"a"}, {}) : pair_of({}, {"a"});
    ASSERT_TRUE(pair.run());
    ASSERT_TRUE(pair.both_connected());
    EXPECT_EQ(pair.client.connected->alpn, "");
    EXPECT_EQ(pair.server.connected->alpn, "");
  }
}

TEST_P(Alpn, AServerWithoutNamesTakesWebRtc) {  // RFC 8833; Firefox offers both
  Pair pair = pair_of({"c-webrtc", "webrtc"}, {});
  ASSERT_TRUE(pair.run());
  ASSERT_TRUE(pair.both_connected());
  EXPECT_EQ(pair.client.connected->alpn, "webrtc");
  EXPECT_EQ(pair.server.connected->alpn, "webrtc");
}

TEST_P(Alpn, AClientOfOtherNamesIsRefused) {
  Pair pair = pair_of({"a", "b"}, {"c", "aa"});
  ASSERT_TRUE(pair.run());
  EXPECT_FALSE(pair.client.connected || pair.server.connected);
  ASSERT_TRUE(pair.server.closed);
  EXPECT_EQ(pair.server.closed->reason, CloseReason::Timeout);
  EXPECT_EQ(pair.server.closed->detail, "ClientHello refused: no common application protocol");
  EXPECT_GT(pair.server.connection.dropped()[DropReason::HelloRefused], 0u);
}

TEST_P(Alpn, ComesThroughLossAndSmallDatagrams) {
  const Names names = {std::string(kMaxProtocolNameSize, 'x'), std::string(kMaxProtocolNameSize, 'y'), "z"};
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Config client = config(Role::Client, names), server = config(Role::Server, {"z"});
    client.mtu = server.mtu = 200;
    client.handshake_timeout = server.handshake_timeout = seconds(600);
    client.groups = {crypto::Group::Secp384r1, crypto::Group::X25519};
    server.groups = {crypto::Group::X25519};  // in 1.3 the client has to come again
    Pair pair(client, server, seed);
    ASSERT_TRUE(pair.run({.loss = 0.3, .duplicate = 0.1, .jitter = testing::milliseconds(15)}));
    ASSERT_TRUE(pair.both_connected());
    EXPECT_EQ(pair.client.connected->alpn, "z");
    EXPECT_EQ(pair.server.connected->alpn, "z");
  }
}

TEST_P(Alpn, ComesThroughACookieGate) {
  testing::Side client(config(Role::Client, {"a", "b"}), 1);
  const Config server_config = config(Role::Server, {"b"});
  testing::Side server(server_config, 2);
  CookieGate gate({server.random, server.log}, server_config);
  const net::Endpoint from{net::IpAddress::v4(192, 0, 2, 1), 1000};
  Packet out(CookieGate::kMaxAnswer);
  client.connection.start(testing::kStart);
  for (int turn = 0; turn < 2; ++turn) {
    for (Packet& packet : client.take_packets()) {
      const auto verdict = gate.handle_packet(packet, from, testing::kStart, out);
      if (verdict.hello) server.connection.accept(*verdict.hello, testing::kStart);
      if (verdict.answer != 0)
        client.give({out.begin(), out.begin() + static_cast<ptrdiff_t>(verdict.answer)}, testing::kStart);
    }
  }
  client.connection.set_remote_fingerprints({server_config.certificate.fingerprint()});
  server.connection.set_remote_fingerprints({config(Role::Client, {}).certificate.fingerprint()});
  for (int turn = 0; turn < 4; ++turn) {
    for (Packet& packet : server.take_packets()) client.give(std::move(packet), testing::kStart);
    for (Packet& packet : client.take_packets()) server.give(std::move(packet), testing::kStart);
  }
  ASSERT_TRUE(client.connected && server.connected);
  EXPECT_EQ(client.connected->alpn, "b");
  EXPECT_EQ(server.connected->alpn, "b");
}

// The server of 1.3, which has to have the keys, is in state_explorer13_test.cc.
TEST(AlpnOfALiar, IsRefusedIn12) {
  const auto alert_of = [](Names offered, std::string_view chosen) -> std::optional<AlertDescription> {
    constexpr CipherSuite kSuite = CipherSuite::EcdheEcdsaAes128GcmSha256;
    Victim client(Role::Client, Version::Dtls12, {kSuite});
    client.config.alpn = std::move(offered);
    testing::Liar12 liar(Role::Server, kSuite);
    liar.hear_hello(client);
    ServerHello hello;
    hello.version = kVersionDtls12;
    hello.random = liar.keys.server_random;
    hello.cipher_suite = static_cast<uint16_t>(kSuite);
    hello.alpn = chosen;
    const Step step = client.give(liar.make(HandshakeType::ServerHello, hello.write()));
    if (step) return std::nullopt;
    EXPECT_TRUE(step.error().fatal);
    return step.error().alert;
  };
  EXPECT_EQ(alert_of({"a", "b"}, "b"), std::nullopt);
  EXPECT_EQ(alert_of({"a", "b"}, "c"), AlertDescription::IllegalParameter);
  EXPECT_EQ(alert_of({"aa"}, "a"), AlertDescription::IllegalParameter);
  EXPECT_EQ(alert_of({}, "webrtc"), AlertDescription::UnsupportedExtension);
  EXPECT_EQ(alert_of({"a"}, ""), AlertDescription::DecodeError);
}

TEST(AlpnDeathTest, NamesHaveOneTo255Bytes) {
  for (const std::string& name : {std::string(), std::string(kMaxProtocolNameSize + 1, 'x')}) {
    Config config = config_of(Role::Client);
    config.alpn = {name};
    EXPECT_DEATH(testing::Side(config, 1), "");
  }
}

}  // namespace
}  // namespace kaon::dtls
