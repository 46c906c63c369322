// DTLS 1.3: two of our connections in virtual time.
#include <gmock/gmock.h>

#include <set>

#include "kaon/dtls/internal/record_layer.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using crypto::KeyType;
using testing::certificate;
using testing::config13_of;
using testing::config_of;
using ::testing::ElementsAre;
using testing::exchange;
using testing::expect_carries_data;
using testing::expect_works;
using testing::exported;
using ::testing::IsEmpty;
using testing::kStart;
using testing::milliseconds;
using testing::Packet;
using testing::Pair;
using testing::pair13;
using testing::Path;
using testing::seconds;
using testing::Side;
using ::testing::SizeIs;

struct SuiteCase {
  CipherSuite suite;
  KeyType server_key, client_key;
  crypto::Group group;
};

class EverySuite13 : public ::testing::TestWithParam<SuiteCase> {};

TEST_P(EverySuite13, ConnectsAndCarriesDataBothWays) {
  const SuiteCase& c = GetParam();
  Config client = config13_of(Role::Client, c.client_key);
  Config server = config13_of(Role::Server, c.server_key);
  client.cipher_suites = {c.suite};
  client.groups = {c.group};
  Pair pair(client, server);
  ASSERT_TRUE(pair.run());
  expect_works(pair);
  for (const Side* side : {&pair.client, &pair.server}) {
    EXPECT_EQ(side->connected->version, Version::Dtls13);
    EXPECT_EQ(side->connected->cipher_suite, c.suite);
    EXPECT_EQ(side->connected->group, c.group);
    EXPECT_EQ(side->connected->srtp_profile, kSrtpAeadAes128Gcm);
  }
  const ByteView der = client.certificate.der();
  EXPECT_EQ(pair.server.connected->peer_certificate, Packet(der.begin(), der.end()));
}

INSTANTIATE_TEST_SUITE_P(
    Dtls13, EverySuite13,
    ::testing::Values(
        SuiteCase{CipherSuite::Aes128GcmSha256, KeyType::EcdsaP256, KeyType::EcdsaP256, crypto::Group::X25519},
        SuiteCase{CipherSuite::Aes256GcmSha384, KeyType::EcdsaP384, KeyType::Ed25519, crypto::Group::Secp256r1},
        SuiteCase{CipherSuite::ChaCha20Poly1305Sha256, KeyType::Ed25519, KeyType::Rsa2048, crypto::Group::Secp384r1},
        SuiteCase{CipherSuite::Aes128GcmSha256, KeyType::Rsa2048, KeyType::EcdsaP384, crypto::Group::X25519}));

struct PathCase {
  size_t mtu;
  int loss_percent;
};

class EveryPath13 : public ::testing::TestWithParam<PathCase> {};

TEST_P(EveryPath13, CompletesUnderLossDuplicationAndReorder) {
  const PathCase& c = GetParam();
  const uint64_t first_seed = testing::test_seed(1);
  for (uint64_t seed = first_seed; seed < first_seed + 8; ++seed) {
    SCOPED_TRACE(::testing::Message() << "KAON_SEED=" << seed);
    Config client = config13_of(Role::Client, seed % 2 == 0 ? KeyType::EcdsaP256 : KeyType::Ed25519);
    Config server = config13_of(Role::Server, seed % 4 == 3 ? KeyType::Rsa2048 : KeyType::EcdsaP256);
    client.mtu = server.mtu = c.mtu;
    if (seed % 3 == 0) server.groups = {crypto::Group::Secp384r1};  // by a HelloRetryRequest
    Pair pair(client, server, seed);
    const Path path{c.loss_percent / 100.0, 0.1, milliseconds(20), milliseconds(seed % 3 * 15)};
    ASSERT_TRUE(pair.run(path));
    for (const auto& [from_client, packet] : pair.sent) ASSERT_LE(packet.size(), c.mtu);
    expect_works(pair);
  }
}

INSTANTIATE_TEST_SUITE_P(Dtls13, EveryPath13,
                         ::testing::Values(PathCase{256, 0}, PathCase{256, 10}, PathCase{256, 30}, PathCase{256, 50},
                                           PathCase{576, 0}, PathCase{576, 10}, PathCase{576, 30}, PathCase{576, 50},
                                           PathCase{900, 0}, PathCase{900, 10}, PathCase{900, 30}, PathCase{900, 50},
                                           PathCase{1200, 0}, PathCase{1200, 10}, PathCase{1200, 30},
                                           PathCase{1200, 50}, PathCase{1500, 0}, PathCase{1500, 10},
                                           PathCase{1500, 30}, PathCase{1500, 50}),
                         [](const auto& test) {
                           return "Mtu" + std::to_string(test.param.mtu) + "Loss" +
                                  std::to_string(test.param.loss_percent);
                         });

TEST(Dtls13, ClientIsConnectedAfterOneRoundTrip) {
  Pair pair = pair13();
  pair.client.connection.set_rtt(milliseconds(200));
  pair.server.connection.set_rtt(milliseconds(200));
  std::optional<Time> client_connected;
  pair.tamper = [&](bool from_client, Packet packet) -> std::vector<Packet> {
    if (from_client && pair.client.connected && !client_connected) client_connected = pair.now;
    return {packet};
  };
  ASSERT_TRUE(pair.run({.delay = milliseconds(100)}));
  EXPECT_EQ(client_connected, kStart + milliseconds(200));
  EXPECT_EQ(pair.now, kStart + milliseconds(400));  // the server's ACK has arrived
}

TEST(Dtls13, NeedsOneDatagramPerFlightAndOneForTheAck) {
  Pair pair = pair13();
  ASSERT_TRUE(pair.run());
  EXPECT_THAT(pair.sent, SizeIs(4));
  EXPECT_EQ(pair.client.connection.next_timeout(), kNever);
}

// NSS, so Firefox too, throws away what stands in a record behind a message that it has already.
TEST(Dtls13, AFlightOfSeveralRecordsThatIsSentOftenHasOneForEachMessageAtTimes) {
  const auto records = [](const std::vector<Packet>& packets) {
    size_t count = 0;
    for (const Packet& packet : packets)
      for (size_t at = 0; at < packet.size(); ++count) {
        at += packet[at] == 22 ? 13 : 5;  // that of ours: a number of 16 bits, and a length
        at += load_be16(&packet.at(at - 2));
      }
    return count;
  };
  // ServerHello, and the five messages that follow; small datagrams split one of them.
  for (const auto& [mtu, first, again] : {std::tuple(1200u, 2u, 2u), {256u, 4u, 7u}}) {
    Config server = config13_of(Role::Server);
    server.mtu = mtu;
    Pair pair(config13_of(Role::Client), server);
    pair.client.connection.start(kStart);
    pair.server.give(pair.client.take_packets().at(0), kStart);
    for (const size_t count : {first, first, first, again, first, again}) {
      EXPECT_EQ(records(pair.server.take_packets()), count);
      pair.server.connection.handle_timeout(pair.server.connection.next_timeout());
    }
  }
}

TEST(Dtls13, OverheadIsSmallerThanThatOf12) {
  Pair pair = pair13();
  ASSERT_TRUE(pair.run());
  EXPECT_EQ(pair.client.connection.overhead(), 22u);
  EXPECT_EQ(pair.client.protect("text").size(), 26u);
}

TEST(Dtls13, ProtectsInPlaceAsWellAsApart) {
  Pair pair = pair13();
  ASSERT_TRUE(pair.run());
  Connection& connection = pair.client.connection;
  const std::string text = "in place";
  Packet out(text.size() + connection.overhead());
  std::ranges::copy(text, out.begin() + static_cast<ptrdiff_t>(connection.payload_offset()));
  EXPECT_EQ(connection.protect(ByteView(out).subspan(connection.payload_offset(), text.size()), out), out.size());
  pair.server.give(out, pair.now);
  EXPECT_THAT(pair.server.texts(), ElementsAre(text));
}

TEST(Dtls13, SameSeedGivesTheSameBytes) {
  const auto bytes_of_run = [] {
    Pair pair(config13_of(Role::Client, KeyType::Ed25519), config13_of(Role::Server, KeyType::Ed25519), 7);
    EXPECT_TRUE(pair.run());
    return pair.sent;
  };
  EXPECT_EQ(bytes_of_run(), bytes_of_run());
}

TEST(Dtls13, KeyLogHasTheSameLinesOnBothSides) {
  Config client = config13_of(Role::Client);
  Config server = config13_of(Role::Server);
  client.key_log = server.key_log = true;
  Pair pair(client, server);
  ASSERT_TRUE(pair.run());
  ASSERT_THAT(pair.client.key_log, SizeIs(5));
  EXPECT_EQ(pair.client.key_log, pair.server.key_log);
  EXPECT_THAT(pair.client.key_log[0], ::testing::MatchesRegex("CLIENT_HANDSHAKE_TRAFFIC_SECRET [0-9a-f]+ [0-9a-f]+"));
}

// -- version negotiation ----------------------------------------------------------------------------------------------

struct Range {
  Version min;
  Version max;
};
constexpr Range kOnly12{Version::Dtls12, Version::Dtls12};
constexpr Range kBoth{Version::Dtls12, Version::Dtls13};
constexpr Range kOnly13{Version::Dtls13, Version::Dtls13};

Pair pair_of(Range client_range, Range server_range) {
  Config client = config_of(Role::Client);
  Config server = config_of(Role::Server);
  client.min_version = client_range.min;
  client.max_version = client_range.max;
  server.min_version = server_range.min;
  server.max_version = server_range.max;
  client.handshake_timeout = server.handshake_timeout = seconds(20);
  return Pair(client, server);
}

TEST(Versions, TheHighestCommonOneIsTaken) {
  for (const Range client : {kOnly12, kBoth, kOnly13})
    for (const Range server : {kOnly12, kBoth, kOnly13}) {
      Pair pair = pair_of(client, server);
      ASSERT_TRUE(pair.run());
      const bool both13 = client.max == Version::Dtls13 && server.max == Version::Dtls13;
      const bool both12 = client.min == Version::Dtls12 && server.min == Version::Dtls12;
      EXPECT_EQ(pair.both_connected(), both13 || both12);
      if (!pair.both_connected()) continue;
      EXPECT_EQ(pair.client.connected->version, both13 ? Version::Dtls13 : Version::Dtls12);
      expect_works(pair);
    }
}

TEST(Versions, AFallBackTo12LosesNoRoundTrip) {
  Pair pair = pair_of(kBoth, kOnly12);
  pair.client.connection.set_rtt(milliseconds(200));
  pair.server.connection.set_rtt(milliseconds(200));
  ASSERT_TRUE(pair.run({.delay = milliseconds(100)}));
  EXPECT_EQ(pair.now, kStart + milliseconds(400));
}

/// What somebody on the path does to the ClientHello: supported_versions becomes an extension that nobody knows.
Packet without_13(Packet packet) {
  const Packet versions = {0, 43, 0, 5, 4, 0xfe, 0xfc, 0xfe, 0xfd};
  const auto found = std::search(packet.begin(), packet.end(), versions.begin(), versions.end());
  if (found != packet.end()) *found = 0x7a;
  return packet;
}

TEST(Versions, ADowngradeByTheAttackerIsNoticed) {  // C10
  Pair pair = pair_of(kBoth, kBoth);
  pair.tamper = [](bool from_client, Packet packet) -> std::vector<Packet> {
    return {from_client ? without_13(std::move(packet)) : packet};
  };
  ASSERT_TRUE(pair.run());
  EXPECT_FALSE(pair.client.connected || pair.server.connected);
  ASSERT_TRUE(pair.client.closed);
  EXPECT_EQ(pair.client.closed->detail, "downgraded to DTLS 1.2");
}

// -- HelloRetryRequest ------------------------------------------------------------------------------------------------

Config server_with_group(crypto::Group group) {
  Config server = config13_of(Role::Server);
  server.groups = {group};
  return server;
}

TEST(HelloRetryRequest, AsksForAShareOfAnotherGroup) {
  for (const crypto::Group group : {crypto::Group::Secp256r1, crypto::Group::Secp384r1}) {
    Pair pair(config13_of(Role::Client), server_with_group(group));
    ASSERT_TRUE(pair.run());
    expect_works(pair);
    EXPECT_EQ(pair.client.connected->group, group);
    EXPECT_THAT(pair.sent, SizeIs(6));
  }
}

TEST(HelloRetryRequest, IsNotSentTwice) {  // C11
  // A server that asks, and asks again: its second answer is its first with the next message number.
  Side client(config13_of(Role::Client), 1);
  Side server(server_with_group(crypto::Group::Secp384r1), 2);
  client.connection.start(kStart);
  server.give(client.take_packets().at(0), kStart);
  Packet retry = server.take_packets().at(0);
  client.give(retry, kStart);
  EXPECT_THAT(client.take_packets(), SizeIs(1));
  constexpr size_t kMessageSequence = kRecordHeaderSize + 5;
  retry[kMessageSequence] = 1;
  client.give(retry, kStart);
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->detail, "second HelloRetryRequest");
}

TEST(HelloRetryRequest, ForAGroupThatWasSharedOrNotOfferedIsRefused) {  // C11
  for (const uint8_t group : {0x1d, 0x1e}) {
    Side client(config13_of(Role::Client), 1);
    Side server(server_with_group(crypto::Group::Secp384r1), 2);
    client.connection.start(kStart);
    server.give(client.take_packets().at(0), kStart);
    Packet retry = server.take_packets().at(0);
    retry.back() = group;
    client.give(retry, kStart);
    ASSERT_TRUE(client.closed);
    EXPECT_EQ(client.closed->reason, CloseReason::HandshakeFailure);
  }
}

TEST(HelloRetryRequest, AChangedSecondHelloIsNotAnswered) {  // C11
  Side client(config13_of(Role::Client), 1);
  Side server(server_with_group(crypto::Group::Secp384r1), 2);
  client.connection.start(kStart);
  server.give(client.take_packets().at(0), kStart);
  client.give(server.take_packets().at(0), kStart);
  const Packet second = client.take_packets().at(0);
  Packet changed = second;
  changed[kRecordHeaderSize + kHandshakeHeaderSize + 10] ^= 1;  // in the random
  server.give(changed, kStart);
  EXPECT_THAT(server.take_packets(), IsEmpty());
  EXPECT_EQ(server.connection.dropped()[DropReason::HelloRefused], 1u);
  server.give(second, kStart);
  EXPECT_THAT(server.take_packets(), SizeIs(1));
}

// -- ACKs -------------------------------------------------------------------------------------------------------------

TEST(Ack, OfTheFinalFlightIsSentAgainWhenItWasLost) {
  Pair pair = pair13();
  int lost = 0;
  pair.tamper = [&](bool from_client, Packet packet) -> std::vector<Packet> {
    if (!from_client && pair.server.connected && lost < 3) return ++lost, std::vector<Packet>{};
    return {packet};
  };
  ASSERT_TRUE(pair.run());
  pair.run({}, seconds(30));
  for (int i = 0; i < 10 && pair.client.connection.next_timeout() != kNever; ++i) {
    pair.now = pair.client.connection.next_timeout();
    pair.client.connection.handle_timeout(pair.now);
    pair.run();
    exchange(pair);
  }
  EXPECT_EQ(lost, 3);
  EXPECT_EQ(pair.client.connection.next_timeout(), kNever);
  expect_works(pair);
}

TEST(Ack, OnlyWhatIsMissingIsSentAgain) {
  Config client = config13_of(Role::Client);
  Config server = config13_of(Role::Server);
  server.mtu = 200;  // several datagrams
  Pair pair(client, server);
  pair.client.connection.start(kStart);
  pair.server.give(pair.client.take_packets().at(0), kStart);
  const auto flight = pair.server.take_packets();
  ASSERT_GE(flight.size(), 4u);
  for (size_t i = 0; i < flight.size(); ++i)
    if (i != 2) pair.client.give(flight[i], kStart);
  // A quarter of the timeout later the client tells what it has.
  const Time soon = pair.client.connection.next_timeout();
  EXPECT_LT(soon, kStart + milliseconds(50));
  pair.client.connection.handle_timeout(soon);
  const auto ack = pair.client.take_packets();
  ASSERT_THAT(ack, SizeIs(1));
  pair.server.give(ack[0], soon);
  size_t sent_again = 0;
  for (const Packet& packet : pair.server.take_packets()) {
    sent_again += packet.size();
    pair.client.give(packet, soon);
  }
  EXPECT_TRUE(pair.client.connected);
  // The lost datagram, and the ServerHello, which cannot be acknowledged because it is in the clear.
  EXPECT_LE(sent_again, flight[2].size() + flight[0].size());
}

TEST(Ack, OfRecordsThatWereNeverSentDoesNothing) {  // C16
  Pair pair = pair13();
  ASSERT_TRUE(pair.run());
  ASSERT_TRUE(pair.client.connection.update_keys());
  pair.client.connection.handle_timeout(pair.now);
  EXPECT_THAT(pair.client.take_packets(), SizeIs(1));
  // The server acknowledges its own view of the world: an ACK of the handshake's records again.
  for (const auto& [from_client, packet] : pair.sent) pair.side(!from_client).give(packet, pair.now);
  expect_carries_data(pair);
}

// -- KeyUpdate --------------------------------------------------------------------------------------------------------

TEST(KeyUpdate, ChangesTheKeysOfOneDirection) {
  Pair pair = pair13();
  ASSERT_TRUE(pair.run());
  for (int round = 0; round < 5; ++round) {
    for (const bool of_client : {true, false}) {
      Side& side = pair.side(of_client);
      const uint8_t epoch_bits = side.protect("x")[0] & 3;
      ASSERT_TRUE(side.connection.update_keys());
      side.connection.handle_timeout(pair.now);
      EXPECT_EQ(side.protect("x")[0] & 3, epoch_bits);  // not before the ACK
      exchange(pair);
      EXPECT_EQ(side.protect("x")[0] & 3, (epoch_bits + 1) & 3);
      expect_carries_data(pair);
    }
  }
  EXPECT_FALSE(pair.client.closed || pair.server.closed);
}

TEST(KeyUpdate, RecordsUnderWayInTheOldEpochAreStillRead) {
  Pair pair = pair13();
  ASSERT_TRUE(pair.run());
  const Packet old = pair.client.protect("old");
  ASSERT_TRUE(pair.client.connection.update_keys());
  pair.client.connection.handle_timeout(pair.now);
  exchange(pair);
  pair.server.give(pair.client.protect("new"), pair.now);
  pair.server.give(old, pair.now);
  EXPECT_THAT(pair.server.texts(), ElementsAre("new", "old"));
}

TEST(KeyUpdate, IsSentAgainUntilItIsAcknowledged) {
  Pair pair = pair13();
  ASSERT_TRUE(pair.run());
  ASSERT_TRUE(pair.server.connection.update_keys());
  pair.server.connection.handle_timeout(pair.now);
  EXPECT_THAT(pair.server.take_packets(), SizeIs(1));  // lost
  pair.now += milliseconds(60);
  pair.server.connection.handle_timeout(pair.now);
  const auto again = pair.server.take_packets();
  ASSERT_THAT(again, SizeIs(1));
  pair.client.give(again[0], pair.now);
  EXPECT_THAT(pair.client.take_packets(), SizeIs(1));  // its ACK is lost as well
  pair.now += milliseconds(200);
  pair.server.connection.handle_timeout(pair.now);
  exchange(pair);
  EXPECT_EQ(pair.server.protect("x")[0] & 3, 0);  // epoch 4
  expect_carries_data(pair);
}

TEST(KeyUpdate, ComesByItselfBeforeAKeyIsUsedUp) {  // C9
  Config client = config13_of(Role::Client);
  client.records_per_key = 100;
  Pair pair(client, config13_of(Role::Server));
  ASSERT_TRUE(pair.run());
  std::set<int> epochs;
  for (int i = 0; i < 1000; ++i) {
    const Packet packet = pair.client.protect("x");
    epochs.insert(packet[0] & 3);
    pair.server.give(packet, pair.now);
    pair.client.give(pair.server.protect("y"), pair.now);
    exchange(pair);
  }
  EXPECT_THAT(epochs, SizeIs(4));
  EXPECT_THAT(pair.server.received, SizeIs(1000));
}

TEST(KeyUpdate, OfAClientDoesNotWaitForTheAckOfItsFinalFlight) {
  Pair pair = pair13();
  pair.client.connection.start(kStart);
  pair.server.give(pair.client.take_packets().at(0), kStart);
  for (const Packet& packet : pair.server.take_packets()) pair.client.give(packet, kStart);
  ASSERT_TRUE(pair.client.connected);
  for (const Packet& packet : pair.client.take_packets()) pair.server.give(packet, kStart);
  ASSERT_TRUE(pair.server.connected);
  EXPECT_THAT(pair.server.take_packets(), SizeIs(1));  // the ACK is lost
  ASSERT_TRUE(pair.client.connection.update_keys());
  EXPECT_LE(pair.client.connection.next_timeout(), kStart);  // due at once
  pair.client.connection.handle_timeout(kStart);
  exchange(pair);
  EXPECT_EQ(pair.client.protect("x")[0] & 3, 0);  // epoch 4
  expect_carries_data(pair);
  EXPECT_EQ(pair.client.connection.next_timeout(), kNever);
}

TEST(KeyUpdate, OvertakesTheFinalFlightAndIsReadAfterIt) {
  Pair pair = pair13();
  pair.client.connection.start(kStart);
  pair.server.give(pair.client.take_packets().at(0), kStart);
  for (const Packet& packet : pair.server.take_packets()) pair.client.give(packet, kStart);
  const auto final_flight = pair.client.take_packets();
  ASSERT_TRUE(pair.client.connection.update_keys());
  pair.client.connection.handle_timeout(kStart);
  for (const Packet& packet : pair.client.take_packets()) pair.server.give(packet, kStart);
  EXPECT_FALSE(pair.server.connected);
  for (const Packet& packet : final_flight) pair.server.give(packet, kStart);
  ASSERT_TRUE(pair.server.connected);
  exchange(pair);
  EXPECT_EQ(pair.client.protect("x")[0] & 3, 0);
  expect_carries_data(pair);
}

TEST(KeyUpdate, RightAfterConnectedComesThroughAnyLoss) {
  const uint64_t first_seed = testing::test_seed(1);
  for (uint64_t seed = first_seed; seed < first_seed + 20; ++seed) {
    SCOPED_TRACE(::testing::Message() << "KAON_SEED=" << seed);
    Pair pair(config13_of(Role::Client), config13_of(Role::Server), seed);
    bool asked = false;
    pair.tamper = [&](bool, Packet packet) -> std::vector<Packet> {
      if (pair.client.connected && !asked) asked = pair.client.connection.update_keys().has_value();
      return {std::move(packet)};
    };
    ASSERT_TRUE(pair.run({.loss = 0.3}));
    pair.tamper = {};
    while (pair.client.connection.next_timeout() != kNever && pair.now < kStart + seconds(100)) {
      pair.now = std::max(pair.now, pair.client.connection.next_timeout());
      pair.client.connection.handle_timeout(pair.now);
      exchange(pair);
    }
    ASSERT_TRUE(asked);
    EXPECT_EQ(pair.client.protect("x")[0] & 3, 0);
    expect_carries_data(pair);
  }
}

TEST(KeyUpdate, OfAServerThatNeverAcknowledgesIsGivenUpWithTheHandshakeKeys) {
  Pair pair = pair13();
  pair.client.connection.start(kStart);
  pair.server.give(pair.client.take_packets().at(0), kStart);
  for (const Packet& packet : pair.server.take_packets()) pair.client.give(packet, kStart);
  pair.server.give(pair.client.take_packets().at(0), kStart);
  pair.client.give(pair.server.protect("here"), kStart);  // all but its ACKs comes through
  ASSERT_TRUE(pair.client.connection.update_keys());
  std::vector<Packet> last;
  for (pair.now = kStart; pair.now < kStart + seconds(600); pair.now = pair.client.connection.next_timeout()) {
    pair.client.connection.handle_timeout(pair.now);
    last = pair.client.take_packets();
  }
  // Only the KeyUpdate goes on being sent, in epoch 3.
  ASSERT_THAT(last, SizeIs(1));
  EXPECT_EQ(last[0][0] & 3, 3);
}

TEST(KeyUpdate, IsNothingIn12) {
  Pair pair;
  EXPECT_EQ(pair.client.connection.update_keys().error(), Error::NotConnected);
  ASSERT_TRUE(pair.run());
  EXPECT_TRUE(pair.client.connection.update_keys());
  pair.client.connection.handle_timeout(pair.now);
  EXPECT_THAT(pair.client.take_packets(), IsEmpty());
}

// -- the end of it ----------------------------------------------------------------------------------------------------

TEST(Closing13, ReachesThePeer) {
  for (const bool client_closes : {true, false}) {
    Pair pair = pair13();
    ASSERT_TRUE(pair.run());
    Side& closing = pair.side(client_closes);
    Side& other = pair.side(!client_closes);
    closing.connection.close();
    for (const Packet& packet : closing.take_packets()) other.give(packet, pair.now);
    ASSERT_TRUE(other.closed);
    EXPECT_EQ(other.closed->reason, CloseReason::PeerClose);
  }
}

TEST(Fingerprints13, NothingIsDeliveredBeforeTheyFit) {  // C17
  Pair pair(config13_of(Role::Client), config13_of(Role::Server), 1, false);
  pair.client.connection.set_remote_fingerprints({certificate(KeyType::EcdsaP256, 2).fingerprint()});
  pair.run({}, seconds(5));
  ASSERT_TRUE(pair.client.connected);
  ASSERT_FALSE(pair.server.connected);
  pair.server.give(pair.client.protect("early"), pair.now);
  EXPECT_THAT(pair.server.received, IsEmpty());
  pair.server.connection.set_remote_fingerprints({certificate(KeyType::EcdsaP256, 1).fingerprint()});
  pair.server.drain();
  EXPECT_TRUE(pair.server.connected);
  EXPECT_THAT(pair.server.texts(), ElementsAre("early"));
}

TEST(Fingerprints13, MismatchIsFatalForBothRoles) {  // C3
  for (const bool at_client : {true, false}) {
    Config client = config13_of(Role::Client);
    Config server = config13_of(Role::Server);
    (at_client ? client : server).remote_fingerprints = {certificate(KeyType::EcdsaP256, 9).fingerprint()};
    Pair pair(client, server);
    ASSERT_TRUE(pair.run());
    EXPECT_FALSE(pair.side(at_client).connected);
    EXPECT_EQ(pair.side(at_client).closed->reason, CloseReason::FingerprintMismatch);
  }
}

TEST(EarlyData13, OfAClientWhoseFinalFlightIsOvertakenIsKept) {
  Pair pair = pair13();
  pair.client.connection.start(kStart);
  pair.server.give(pair.client.take_packets().at(0), kStart);
  pair.client.give(pair.server.take_packets().at(0), kStart);
  ASSERT_TRUE(pair.client.connected);
  const auto final_flight = pair.client.take_packets();
  pair.server.give(pair.client.protect("overtakes"), kStart);
  EXPECT_THAT(pair.server.received, IsEmpty());
  for (const Packet& packet : final_flight) pair.server.give(packet, kStart);
  EXPECT_THAT(pair.server.texts(), ElementsAre("overtakes"));
}

}  // namespace
}  // namespace kaon::dtls
