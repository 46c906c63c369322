// Servers behind a CookieGate, and what strangers can do to one.
#include "kaon/dtls/cookie_gate.h"

#include <gmock/gmock.h>

#include "kaon/dtls/internal/flight.h"
#include "kaon/dtls/internal/messages13.h"
#include "kaon/dtls/internal/reassembler.h"
#include "kaon/dtls/internal/record_layer.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using testing::config13_of;
using testing::config_of;
using testing::kStart;
using testing::milliseconds;
using testing::Packet;
using testing::seconds;
using testing::Side;

const net::Endpoint kClient = *net::Endpoint::parse("192.0.2.1:4000");
const net::Endpoint kStranger = *net::Endpoint::parse("192.0.2.2:4000");

Config both_of(Role role) {
  Config config = config13_of(role);
  config.min_version = Version::Dtls12;
  return config;
}

struct Gate {
  explicit Gate(const Config& config, Duration key_lifetime = seconds(30))
      : gate({random, log}, config, key_lifetime) {}

  /// The answer, if there is one; a hello that is let in stays in `admitted`.
  Packet give(Packet packet, Time now = kStart, const net::Endpoint& from = kClient) {
    Packet out(CookieGate::kMaxAnswer);
    const size_t size = packet.size();
    auto verdict = gate.handle_packet(packet, from, now, out);
    EXPECT_LE(verdict.answer, std::max(size, last_size + size));
    last_size = size;
    out.resize(verdict.answer);
    if (verdict.hello) admitted = std::move(verdict.hello);
    return out;
  }

  SeededRandom random{7};
  NullLogger log;
  CookieGate gate;
  std::optional<AdmittedHello> admitted;
  size_t last_size = 0;
};

/// A client, and a server that is made when the gate lets its hello in.
struct Gated {
  explicit Gated(Config client_config, Config server_config, uint64_t seed = 1)
      : random(seed),
        gate(server_config),
        client((client_config.remote_fingerprints = {server_config.certificate.fingerprint()}, client_config), seed),
        server_config_((server_config.remote_fingerprints = {client_config.certificate.fingerprint()}, server_config)) {
    client.connection.start(now);
  }

  bool connected() const { return client.connected && server && server->connected; }
  bool lost(double loss) { return static_cast<double>(random.below(1000)) < loss * 1000; }

  void to_server(Packet packet) {
    if (server) return server->give(std::move(packet), now);
    Packet answer = gate.give(std::move(packet), now);
    if (!answer.empty()) answers.push_back(std::move(answer));
    if (!gate.admitted) return;
    server.emplace(server_config_, 99);
    server->connection.accept(*gate.admitted, now);
  }
  bool run(double loss = 0) {
    for (int rounds = 0; rounds < 2000 && !connected(); ++rounds) {
      for (Packet& packet : client.take_packets())
        if (!lost(loss)) to_server(std::move(packet));
      if (server)
        for (Packet& packet : server->take_packets()) answers.push_back(std::move(packet));
      for (Packet& packet : std::exchange(answers, {}))
        if (!lost(loss)) client.give(std::move(packet), now);
      now += milliseconds(10);
      client.connection.handle_timeout(now);
      if (server) server->connection.handle_timeout(now);
      client.drain();
      if (client.closed || (server && server->closed)) return false;
    }
    return connected();
  }

  Time now = kStart;
  SeededRandom random;
  Gate gate;
  Side client;
  std::optional<Side> server;
  std::vector<Packet> answers;

 private:
  Config server_config_;
};

void expect_works(Gated& gated) {
  ASSERT_TRUE(gated.connected()) << (gated.client.closed ? gated.client.closed->detail : "")
                                 << (gated.server && gated.server->closed ? gated.server->closed->detail : "");
  gated.server->give(gated.client.protect("over"), gated.now);
  EXPECT_EQ(gated.server->texts(), std::vector<std::string>{"over"});
  Packet keys[2] = {Packet(56), Packet(56)};
  EXPECT_TRUE(gated.client.connection.export_keying_material(kSrtpExporterLabel, {}, keys[0]));
  EXPECT_TRUE(gated.server->connection.export_keying_material(kSrtpExporterLabel, {}, keys[1]));
  EXPECT_EQ(keys[0], keys[1]);
}

Packet first_hello(const Config& config, uint64_t seed = 1) {
  Side client(config, seed);
  client.connection.start(kStart);
  return client.take_packets().at(0);
}

/// A client's second hello, after the gate's answer to the first.
Packet second_hello(Gate& gate, Side& client, Time now = kStart, const net::Endpoint& from = kClient) {
  client.connection.start(now);
  const Packet answer = gate.give(client.take_packets().at(0), now, from);
  EXPECT_FALSE(answer.empty());
  client.give(answer, now);
  return client.take_packets().at(0);
}

class GateOfEveryVersion : public ::testing::TestWithParam<Version> {
 protected:
  static Config config(Role role) { return GetParam() == Version::Dtls12 ? config_of(role) : config13_of(role); }
};
INSTANTIATE_TEST_SUITE_P(CookieGate, GateOfEveryVersion, ::testing::Values(Version::Dtls12, Version::Dtls13),
                         [](const auto& test) { return test.param == Version::Dtls13 ? "Of13" : "Of12"; });

TEST_P(GateOfEveryVersion, LetsAClientInAfterOneRoundTrip) {
  Gated gated(config(Role::Client), both_of(Role::Server));
  ASSERT_TRUE(gated.run());
  expect_works(gated);
  EXPECT_EQ(gated.server->connected->version, GetParam());
  EXPECT_EQ(gated.gate.gate.stats().asked, 1u);
  EXPECT_EQ(gated.gate.gate.stats().admitted, 1u);
  EXPECT_EQ(gated.gate.gate.dropped().total(), 0u);
}

TEST_P(GateOfEveryVersion, LetsAClientInOverALossyPathWithHellosInPieces) {
  for (const size_t mtu : {size_t{kMinMtu}, size_t{200}, size_t{1200}})
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      SCOPED_TRACE(::testing::Message() << "mtu " << mtu << " seed " << seed);
      Config client = config(Role::Client);
      client.mtu = mtu;
      Gated gated(client, both_of(Role::Server), seed);
      ASSERT_TRUE(gated.run(0.3));
      expect_works(gated);
      EXPECT_EQ(gated.gate.gate.partial_bytes(), 0u);
    }
}

TEST_P(GateOfEveryVersion, ACookieIsGoodForItsAddressAlone) {
  Gate gate(both_of(Role::Server));
  Side client(config(Role::Client), 1);
  const Packet second = second_hello(gate, client);
  net::Endpoint other_port = kClient;
  ++other_port.port;
  for (const net::Endpoint& from : {kStranger, other_port, *net::Endpoint::parse("[::1]:4000")}) {
    EXPECT_FALSE(gate.give(second, kStart, from).empty());
    EXPECT_FALSE(gate.admitted);
  }
  EXPECT_TRUE(gate.give(second).empty());
  EXPECT_TRUE(gate.admitted);
}

TEST_P(GateOfEveryVersion, NoBitOfTheHelloBeforeItsExtensionsNorOfTheCookieMayChange) {
  Gate gate(both_of(Role::Server));
  Side client(config(Role::Client), 1);
  const Packet second = second_hello(gate, client);
  constexpr size_t kBody = kRecordHeaderSize + kHandshakeHeaderSize;
  const ByteView body = ByteView(second).subspan(kBody);
  const auto hello = ClientHello::parse(body);
  ASSERT_TRUE(hello);
  const ByteView cookie = GetParam() == Version::Dtls12 ? hello->legacy_cookie : hello->cookie;
  ASSERT_GT(cookie.size(), 16u);
  const auto position = [&](ByteView part) { return static_cast<size_t>(part.data() - second.data()); };
  size_t tried = 0;
  const auto flip = [&](size_t from, size_t size) {
    for (size_t i = 8 * from; i < 8 * (from + size); ++i, ++tried) {
      Packet changed = second;
      changed[i / 8] ^= static_cast<uint8_t>(1 << (i % 8));
      gate.give(changed);
      EXPECT_FALSE(gate.admitted) << "bit " << i;
      gate.admitted.reset();
    }
  };
  flip(position(hello->random), kRandomSize);
  flip(position(cookie), cookie.size());
  flip(position(hello->compression_methods) - 1 - 2 * hello->cipher_suites.size(), 2 * hello->cipher_suites.size());
  EXPECT_GT(tried, 400u);
  gate.give(second);
  EXPECT_TRUE(gate.admitted);
}

TEST_P(GateOfEveryVersion, CookiesGrowOld) {
  const auto age_works = [](Duration age) {
    Gate gate(both_of(Role::Server), seconds(10));
    Side client(config(Role::Client), 1);
    // The key has been in use for 9 s.
    gate.give({}, kStart - seconds(9));
    const Packet second = second_hello(gate, client);
    gate.give(second, kStart + age);
    return gate.admitted.has_value();
  };
  EXPECT_TRUE(age_works(seconds(0)));
  EXPECT_TRUE(age_works(seconds(10)));
  EXPECT_FALSE(age_works(seconds(11)));
  EXPECT_FALSE(age_works(seconds(1000)));
}

TEST(CookieGate, AClientOf12WhoseCookieIsTooOldGetsAnother) {
  Gate gate(both_of(Role::Server), seconds(1));
  Side client(config_of(Role::Client), 1);
  const Packet second = second_hello(gate, client);
  const Time later = kStart + seconds(20);
  client.give(gate.give(second, later), later);
  EXPECT_FALSE(gate.admitted);
  gate.give(client.take_packets().at(0), later);
  ASSERT_TRUE(gate.admitted);
  EXPECT_EQ(gate.admitted->message_sequence, 2);
}

TEST(CookieGate, AWrongCookieOf13IsAnsweredByIllegalParameter) {  // RFC 9147 §5.1
  Gate gate(both_of(Role::Server), seconds(1));
  Side client(config13_of(Role::Client), 1);
  const Packet second = second_hello(gate, client);
  const Packet alert = gate.give(second, kStart + seconds(20));
  EXPECT_FALSE(gate.admitted);
  EXPECT_EQ(alert, Packet({21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 47}));
  EXPECT_EQ(gate.gate.stats().refused, 1u);
}

TEST(CookieGate, AnswersTakeTheNumbersOfWhatTheyAnswer) {  // RFC 6347 §4.2.1
  Gate gate(both_of(Role::Server));
  for (const Config& config : {config_of(Role::Client), config13_of(Role::Client)}) {
    Packet hello = first_hello(config);
    store_be32(&hello[7], 0x01020304);
    Packet answer = gate.give(hello);
    Bytes left = answer;
    const auto record = next_record(left);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->sequence, 0x01020304u);
    EXPECT_EQ(record->version, config.max_version == Version::Dtls13 ? kVersionDtls12 : kVersionDtls10);
    EXPECT_TRUE(left.empty());
  }
}

TEST(CookieGate, AsksForAShareInTheSameBreath) {
  Config client = config13_of(Role::Client);
  Config server = both_of(Role::Server);
  client.groups = {crypto::Group::X25519, crypto::Group::Secp384r1};
  server.groups = {crypto::Group::Secp384r1};
  Gated gated(client, server);
  ASSERT_TRUE(gated.run());
  expect_works(gated);
  EXPECT_EQ(gated.server->connected->group, crypto::Group::Secp384r1);
  EXPECT_EQ(gated.gate.gate.stats().asked, 1u);
}

TEST(CookieGate, WorksWithEverySuite) {
  for (const CipherSuite suite : both_of(Role::Client).cipher_suites) {
    SCOPED_TRACE(to_string(suite));
    const bool of12 = to_string(suite).find("WITH") != std::string_view::npos;
    Config client = of12 ? config_of(Role::Client) : config13_of(Role::Client);
    client.cipher_suites = {suite};
    const bool rsa = to_string(suite).find("RSA_WITH") != std::string_view::npos &&
                     to_string(suite).find("ECDSA") == std::string_view::npos;
    Config server = both_of(Role::Server);
    if (rsa) server.certificate = testing::certificate(crypto::KeyType::Rsa2048, 2);
    Gated gated(client, server);
    EXPECT_TRUE(gated.run());
    expect_works(gated);
  }
}

TEST(CookieGate, LetsPreSharedKeysIn) {
  Config client = config_of(Role::Client);
  client.cipher_suites = {CipherSuite::EcdhePskAes128GcmSha256};
  client.psks = {{{'m', 'e'}, Packet(16, 7)}};
  Config server = client;
  server.role = Role::Server;
  Gated gated(client, server);
  ASSERT_TRUE(gated.run());
  expect_works(gated);
}

TEST(CookieGate, DropsWhatIsNoUsableHello) {
  Gate gate(both_of(Role::Server));
  const Packet hello = first_hello(both_of(Role::Client));
  const auto expect_dropped = [&](const Packet& packet, DropReason reason) {
    const uint64_t before = gate.gate.dropped()[reason];
    EXPECT_TRUE(gate.give(packet).empty());
    EXPECT_FALSE(gate.admitted);
    EXPECT_EQ(gate.gate.dropped()[reason], before + 1) << to_string(reason);
  };
  for (size_t size = 1; size < hello.size(); ++size) {
    gate.last_size = 0;
    EXPECT_TRUE(gate.give({hello.begin(), hello.begin() + static_cast<ptrdiff_t>(size)}).empty());
  }
  Packet other = hello;
  other[0] = 21;
  expect_dropped(other, DropReason::Unauthenticated);
  other = hello;
  other[4] = 1;
  expect_dropped(other, DropReason::WrongEpoch);
  other = hello;
  other[13] = 16;  // ClientKeyExchange
  expect_dropped(other, DropReason::BadFragment);
  other = hello;
  other[18] = CookieGate::kMaxHelloSequence + 1;
  expect_dropped(other, DropReason::BadFragment);
  other = hello;
  store_be24(&other[14], CookieGate::kMaxHello + 1);
  expect_dropped(other, DropReason::MessageTooLarge);
  other = hello;
  other[25] = 0;  // version 0.x, but supported_versions counts: nothing is wrong
  EXPECT_FALSE(gate.give(other).empty());
  expect_dropped(Packet(20, 0x3f), DropReason::Malformed);
  Config nothing_in_common = both_of(Role::Client);
  nothing_in_common.cipher_suites = {CipherSuite::PskAes128Ccm};
  nothing_in_common.psks = {{{1}, {1}}};
  expect_dropped(first_hello(nothing_in_common), DropReason::HelloRefused);
  Config no_group = config13_of(Role::Client);
  no_group.groups = {crypto::Group::Secp256r1};
  Config server = config13_of(Role::Server);
  server.groups = {crypto::Group::X25519};
  Gate other_gate(server);
  EXPECT_TRUE(other_gate.give(first_hello(no_group)).empty());
  EXPECT_TRUE(other_gate.give(first_hello(config_of(Role::Client))).empty());
  EXPECT_EQ(other_gate.gate.dropped()[DropReason::HelloRefused], 2u);
}

TEST(CookieGate, NeverAnswersWithMoreThanItGot) {
  // A hello of 1.3 as small as can be: one suite, one group, no share, one scheme.
  ClientHelloOffer offer{.min_version = Version::Dtls13, .max_version = Version::Dtls13, .cookie = {}};
  const CipherSuite suites[] = {CipherSuite::Aes256GcmSha384};
  const crypto::Group groups[] = {crypto::Group::X25519};
  offer.cipher_suites = suites;
  offer.groups = groups;
  Flight flight;
  RecordLayer records;
  flight.add(HandshakeType::ClientHello, 0, offer.write());
  Packet packet(1200);
  packet.resize(flight.write_datagram(records, packet));
  Gate gate(both_of(Role::Server));
  ASSERT_LT(packet.size(), CookieGate::kMaxAnswer);
  const Packet answer = gate.give(packet);  // which checks
  EXPECT_TRUE(answer.empty() || answer.size() <= packet.size());
  // Pieces are answered for all together.
  Config client = config13_of(Role::Client);
  client.mtu = kMinMtu;
  Side side(client, 1);
  side.connection.start(kStart);
  size_t given = 0;
  size_t answered = 0;
  for (int round = 0; round < 3; ++round)
    for (const Packet& piece : side.take_packets()) {
      given += piece.size();
      answered += gate.give(piece).size();
      EXPECT_LE(answered, given);
    }
  EXPECT_GT(answered, 0u);
}

TEST(CookieGate, AFloodOfPiecesTakesNoMoreThanItsTable) {
  Gate gate(both_of(Role::Server));
  Packet piece = first_hello(both_of(Role::Client));
  store_be24(&piece[14], CookieGate::kMaxHello);
  net::Endpoint from = kStranger;
  for (int i = 0; i < 10000; ++i) {
    from.port = static_cast<uint16_t>(i + 1);
    EXPECT_TRUE(gate.give(piece, kStart, from).empty());
    EXPECT_LE(gate.gate.partial_bytes(), CookieGate::kMaxPartialHellos * CookieGate::kMaxHello);
  }
  EXPECT_EQ(gate.gate.dropped()[DropReason::ReassemblyFull], 10000 - CookieGate::kMaxPartialHellos);
  EXPECT_EQ(gate.gate.stats().macs, 0u);
  // Whoever has his hello in one datagram does not notice.
  Side client(both_of(Role::Client), 1);
  gate.give(second_hello(gate, client));
  EXPECT_TRUE(gate.admitted);
}

TEST(CookieGate, WhatWasLetInIsTakenOnceByAFreshServerOnly) {
  Gate gate(both_of(Role::Server));
  Side client(both_of(Role::Client), 1);
  gate.give(second_hello(gate, client));
  ASSERT_TRUE(gate.admitted);
  Side not_a_server(both_of(Role::Client), 2);
  not_a_server.connection.accept(*gate.admitted, kStart);
  EXPECT_TRUE(not_a_server.take_packets().empty());
  Side started(both_of(Role::Server), 3);
  started.connection.start(kStart);
  started.connection.accept(*gate.admitted, kStart);
  EXPECT_TRUE(started.take_packets().empty());
}

}  // namespace
}  // namespace kaon::dtls
