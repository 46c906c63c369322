#include "kaon/dtls/connection.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {

uint64_t testing::test_seed(uint64_t fallback) {
  const char* text = std::getenv("KAON_SEED");
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

namespace {

using crypto::KeyType;
using testing::certificate;
using testing::config13_of;
using testing::config_of;
using ::testing::ElementsAre;
using testing::expect_works;
using testing::exported;
using ::testing::IsEmpty;
using testing::kStart;
using testing::milliseconds;
using testing::Packet;
using testing::Pair;
using testing::Path;
using testing::seconds;
using testing::Side;
using ::testing::SizeIs;

struct SuiteCase {
  CipherSuite suite;
  KeyType server_key;
  KeyType client_key;
  crypto::Group group;
};

class EverySuite : public ::testing::TestWithParam<SuiteCase> {};

TEST_P(EverySuite, ConnectsAndCarriesDataBothWays) {
  const SuiteCase& c = GetParam();
  Config client = config_of(Role::Client, c.client_key);
  Config server = config_of(Role::Server, c.server_key);
  client.cipher_suites = {c.suite};
  server.cipher_suites.push_back(c.suite);
  client.groups = {c.group};
  Pair pair(client, server);
  ASSERT_TRUE(pair.run());
  expect_works(pair);
  EXPECT_EQ(pair.client.connected->cipher_suite, c.suite);
  EXPECT_EQ(pair.server.connected->cipher_suite, c.suite);
  EXPECT_EQ(pair.server.connected->group, c.group);
  EXPECT_EQ(pair.server.connected->version, Version::Dtls12);
  EXPECT_EQ(pair.server.connected->srtp_profile, kSrtpAeadAes128Gcm);
  const ByteView der = client.certificate.der();
  EXPECT_EQ(pair.server.connected->peer_certificate, Packet(der.begin(), der.end()));
}

INSTANTIATE_TEST_SUITE_P(
    Dtls12, EverySuite,
    ::testing::Values(
        SuiteCase{CipherSuite::EcdheEcdsaAes128GcmSha256, KeyType::EcdsaP256, KeyType::EcdsaP256,
                  crypto::Group::X25519},
        SuiteCase{CipherSuite::EcdheEcdsaAes256GcmSha384, KeyType::EcdsaP384, KeyType::Ed25519,
                  crypto::Group::Secp256r1},
        SuiteCase{CipherSuite::EcdheEcdsaChaCha20Poly1305Sha256, KeyType::Ed25519, KeyType::EcdsaP384,
                  crypto::Group::Secp384r1},
        SuiteCase{CipherSuite::EcdheEcdsaAes128Ccm, KeyType::EcdsaP256, KeyType::EcdsaP256, crypto::Group::X25519},
        SuiteCase{CipherSuite::EcdheEcdsaAes128Ccm8, KeyType::EcdsaP256, KeyType::EcdsaP256, crypto::Group::X25519},
        SuiteCase{CipherSuite::EcdheEcdsaAes128CbcSha, KeyType::EcdsaP256, KeyType::EcdsaP256, crypto::Group::X25519},
        SuiteCase{CipherSuite::EcdheEcdsaAes256CbcSha, KeyType::Ed25519, KeyType::EcdsaP256, crypto::Group::X25519},
        SuiteCase{CipherSuite::EcdheRsaAes128CbcSha, KeyType::Rsa2048, KeyType::Rsa2048, crypto::Group::X25519},
        SuiteCase{CipherSuite::EcdheRsaAes256CbcSha, KeyType::Rsa2048, KeyType::EcdsaP256, crypto::Group::X25519},
        SuiteCase{CipherSuite::EcdheRsaAes128GcmSha256, KeyType::Rsa2048, KeyType::EcdsaP256, crypto::Group::X25519},
        SuiteCase{CipherSuite::EcdheRsaAes256GcmSha384, KeyType::Rsa2048, KeyType::Rsa2048, crypto::Group::X25519},
        SuiteCase{CipherSuite::EcdheRsaChaCha20Poly1305Sha256, KeyType::Rsa2048, KeyType::Ed25519,
                  crypto::Group::X25519}));

struct PathCase {
  size_t mtu;
  int loss_percent;
};

class EveryPath : public ::testing::TestWithParam<PathCase> {};

TEST_P(EveryPath, CompletesUnderLossDuplicationAndReorder) {
  const PathCase& c = GetParam();
  const uint64_t first_seed = testing::test_seed(1);
  for (uint64_t seed = first_seed; seed < first_seed + 8; ++seed) {
    SCOPED_TRACE(::testing::Message() << "KAON_SEED=" << seed);
    Config client = config_of(Role::Client, seed % 2 == 0 ? KeyType::EcdsaP256 : KeyType::Ed25519);
    Config server = config_of(Role::Server, seed % 4 == 3 ? KeyType::Rsa2048 : KeyType::EcdsaP256);
    client.mtu = server.mtu = c.mtu;
    Pair pair(client, server, seed);
    const Path path{c.loss_percent / 100.0, 0.1, milliseconds(20), milliseconds(seed % 3 * 15)};
    ASSERT_TRUE(pair.run(path));
    for (const auto& [from_client, packet] : pair.sent) ASSERT_LE(packet.size(), c.mtu);
    expect_works(pair);
  }
}

INSTANTIATE_TEST_SUITE_P(Dtls12, EveryPath,
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

TEST(Connection, NeedsOneDatagramPerFlightWhereTheMtuAllows) {
  Pair pair;
  ASSERT_TRUE(pair.run());
  EXPECT_THAT(pair.sent, SizeIs(4));
}

TEST(Connection, TakesTwoRoundTrips) {
  Pair pair;
  pair.client.connection.set_rtt(milliseconds(200));
  pair.server.connection.set_rtt(milliseconds(200));
  ASSERT_TRUE(pair.run({.delay = milliseconds(100)}));
  EXPECT_EQ(pair.now, kStart + milliseconds(400));
}

TEST(Connection, SameSeedGivesTheSameBytes) {
  const auto bytes_of_run = [] {
    Pair pair(config_of(Role::Client, KeyType::Ed25519), config_of(Role::Server, KeyType::Ed25519), 7);
    EXPECT_TRUE(pair.run());
    return pair.sent;
  };
  const auto first = bytes_of_run();
  EXPECT_THAT(first, SizeIs(4));
  EXPECT_EQ(first, bytes_of_run());
}

TEST(Connection, ServerChoosesAes128GcmFirstAndTheProfileItPrefers) {
  Config client = config_of(Role::Client);
  std::reverse(client.cipher_suites.begin(), client.cipher_suites.end());
  client.srtp_profiles = {kSrtpAes128CmSha1_80, kSrtpAeadAes256Gcm};
  Pair pair(client);
  ASSERT_TRUE(pair.run());
  EXPECT_EQ(pair.client.connected->cipher_suite, CipherSuite::EcdheEcdsaAes128GcmSha256);
  EXPECT_EQ(pair.client.connected->srtp_profile, kSrtpAeadAes256Gcm);
  EXPECT_EQ(to_string(pair.client.connected->cipher_suite), "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
}

TEST(Connection, WorksWithoutSrtp) {
  Config client = config_of(Role::Client);
  client.srtp_profiles = {};
  Pair pair(client);
  ASSERT_TRUE(pair.run());
  EXPECT_EQ(pair.server.connected->srtp_profile, kNoSrtpProfile);
  EXPECT_EQ(pair.client.connected->srtp_profile, kNoSrtpProfile);
}

TEST(Connection, KeyLogHasTheSameLineOnBothSides) {
  Config client = config_of(Role::Client);
  Config server = config_of(Role::Server);
  client.key_log = server.key_log = true;
  Pair pair(client, server);
  ASSERT_TRUE(pair.run());
  ASSERT_THAT(pair.client.key_log, SizeIs(1));
  EXPECT_EQ(pair.client.key_log, pair.server.key_log);
  EXPECT_THAT(pair.client.key_log[0], ::testing::MatchesRegex("CLIENT_RANDOM [0-9a-f]+ [0-9a-f]+"));
  EXPECT_EQ(pair.client.key_log[0].size(), 14 + 64 + 1 + 96);
}

TEST(Connection, ExporterDependsOnLabelAndContext) {
  Pair pair;
  EXPECT_EQ(pair.client.connection.export_keying_material("a", {}, {}).error(), Error::NotConnected);
  ASSERT_TRUE(pair.run());
  const auto export_of = [&](Side& side, std::string_view label, std::string_view context) {
    std::vector<uint8_t> out(32);
    EXPECT_TRUE(side.connection.export_keying_material(label, as_bytes(context), out));
    return to_hex(out);
  };
  EXPECT_EQ(export_of(pair.client, "a", "x"), export_of(pair.server, "a", "x"));
  EXPECT_NE(export_of(pair.client, "a", "x"), export_of(pair.client, "a", "y"));
  EXPECT_NE(export_of(pair.client, "a", ""), export_of(pair.client, "b", ""));
}

TEST(Connection, ProtectsInPlaceAsWellAsApart) {
  for (const CipherSuite suite :
       {CipherSuite::EcdheEcdsaAes128GcmSha256, CipherSuite::EcdheEcdsaChaCha20Poly1305Sha256}) {
    Config client = config_of(Role::Client);
    client.cipher_suites = {suite};
    Pair pair(client);
    ASSERT_TRUE(pair.run());
    Connection& connection = pair.client.connection;
    const std::string text = "in place";
    Packet out(text.size() + connection.overhead());
    std::copy(text.begin(), text.end(), out.begin() + static_cast<ptrdiff_t>(connection.payload_offset()));
    EXPECT_LE(connection.overhead(), Connection::kMaxOverhead);
    EXPECT_EQ(connection.protect(ByteView(out).subspan(connection.payload_offset(), text.size()), out), out.size());
    pair.server.give(out, pair.now);
    EXPECT_THAT(pair.server.texts(), ElementsAre(text));
  }
}

TEST(Connection, ProtectRefusesWhatDoesNotFit) {
  Pair pair;
  Packet out(Connection::kMaxPlaintext + 100);
  EXPECT_EQ(pair.client.connection.protect(as_bytes("early"), out), 0u);
  ASSERT_TRUE(pair.run());
  Connection& connection = pair.client.connection;
  EXPECT_EQ(connection.protect(Packet(10), Bytes(out).first(9 + connection.overhead())), 0u);
  EXPECT_EQ(connection.protect(Packet(Connection::kMaxPlaintext + 1), out), 0u);
  const Packet largest(Connection::kMaxPlaintext, 5);
  const size_t size = connection.protect(largest, out);
  EXPECT_EQ(size, largest.size() + connection.overhead());
  out.resize(size);
  pair.server.give(out, pair.now);
  EXPECT_THAT(pair.server.received, ElementsAre(largest));
}

TEST(Connection, ReadsSeveralRecordsOfOneDatagram) {
  Pair pair;
  ASSERT_TRUE(pair.run());
  Packet datagram;
  for (const char* text : {"one", "two", "three"}) {
    const Packet record = pair.client.protect(text);
    datagram.insert(datagram.end(), record.begin(), record.end());
  }
  pair.server.give(datagram, pair.now);
  EXPECT_THAT(pair.server.texts(), ElementsAre("one", "two", "three"));
}

TEST(Connection, DropsApplicationDataNobodyPolled) {
  Pair pair;
  ASSERT_TRUE(pair.run());
  Packet first = pair.client.protect("first");
  Packet second = pair.client.protect("second");
  pair.server.connection.handle_packet(first, pair.now);
  pair.server.connection.handle_packet(second, pair.now);
  pair.server.drain();
  EXPECT_THAT(pair.server.texts(), ElementsAre("second"));
  EXPECT_EQ(pair.server.connection.dropped()[DropReason::NotPolled], 1u);
}

TEST(Closing, ReachesThePeerAndIsFinal) {
  for (const bool client_closes : {true, false}) {
    Pair pair;
    ASSERT_TRUE(pair.run());
    Side& closing = pair.side(client_closes);
    Side& other = pair.side(!client_closes);
    closing.connection.close();
    closing.drain();
    ASSERT_TRUE(closing.closed);
    EXPECT_EQ(closing.closed->reason, CloseReason::LocalClose);
    for (const Packet& packet : closing.take_packets()) other.give(packet, pair.now);
    ASSERT_TRUE(other.closed);
    EXPECT_EQ(other.closed->reason, CloseReason::PeerClose);
    EXPECT_THAT(other.take_packets(), SizeIs(1));  // close_notify in return
    EXPECT_EQ(other.connection.next_timeout(), kNever);
    Packet out(100);
    EXPECT_EQ(other.connection.protect(as_bytes("late"), out), 0u);
    other.give(out, pair.now);
    other.connection.handle_timeout(pair.now + std::chrono::hours(1));
    EXPECT_THAT(other.take_packets(), IsEmpty());
  }
}

TEST(Closing, BeforeTheHandshakeSaysNothing) {
  Side side(config_of(Role::Client), 1);
  side.connection.start(kStart);
  side.connection.close();
  side.drain();
  EXPECT_EQ(side.closed->reason, CloseReason::LocalClose);
  EXPECT_THAT(side.take_packets(), IsEmpty());
}

TEST(Fingerprints, MayComeAfterTheHandshakeAndNothingIsDeliveredBefore) {
  Pair pair(config_of(Role::Client), config_of(Role::Server), 1, false);
  pair.client.connection.set_remote_fingerprints({certificate(KeyType::EcdsaP256, 2).fingerprint()});
  pair.run({}, testing::seconds(5));
  ASSERT_TRUE(pair.client.connected);
  ASSERT_FALSE(pair.server.connected);
  pair.server.give(pair.client.protect("early"), pair.now);
  EXPECT_THAT(pair.server.received, IsEmpty());
  Packet out(100);
  EXPECT_EQ(pair.server.connection.protect(as_bytes("x"), out), 0u);
  EXPECT_FALSE(pair.server.connection.export_keying_material(kSrtpExporterLabel, {}, out));

  pair.server.connection.set_remote_fingerprints({certificate(KeyType::EcdsaP256, 1).fingerprint()});
  pair.server.drain();
  EXPECT_TRUE(pair.server.connected);
  EXPECT_THAT(pair.server.texts(), ElementsAre("early"));
}

TEST(Fingerprints, EarlyDataIsBoundedAndDroppedOnMismatch) {  // C17
  Pair pair(config_of(Role::Client), config_of(Role::Server), 1, false);
  pair.client.connection.set_remote_fingerprints({certificate(KeyType::EcdsaP256, 2).fingerprint()});
  pair.run({}, testing::seconds(5));
  for (int i = 0; i < 20; ++i) pair.server.give(pair.client.protect("early"), pair.now);
  EXPECT_EQ(pair.server.connection.dropped()[DropReason::EarlyDataFull], 20 - Connection::kMaxEarlyRecords);
  pair.server.connection.set_remote_fingerprints({certificate(KeyType::EcdsaP256, 9).fingerprint()});
  pair.server.drain();
  EXPECT_FALSE(pair.server.connected);
  EXPECT_EQ(pair.server.closed->reason, CloseReason::FingerprintMismatch);
  EXPECT_THAT(pair.server.received, IsEmpty());
  for (const Packet& packet : pair.server.take_packets()) pair.client.give(packet, pair.now);
  EXPECT_EQ(pair.client.closed->reason, CloseReason::PeerAlert);
}

TEST(Fingerprints, MismatchIsFatalForBothRoles) {  // C3
  for (const bool at_client : {true, false}) {
    Config client = config_of(Role::Client);
    Config server = config_of(Role::Server);
    (at_client ? client : server).remote_fingerprints = {certificate(KeyType::EcdsaP256, 9).fingerprint()};
    Pair pair(client, server);
    ASSERT_TRUE(pair.run());
    EXPECT_FALSE(pair.side(at_client).connected);
    EXPECT_EQ(pair.side(at_client).closed->reason, CloseReason::FingerprintMismatch);
  }
}

TEST(Fingerprints, OfSeveralHashesTheStrongestCountsAndSha1Never) {  // C3, weak hash
  using crypto::HashAlgorithm;
  const crypto::Certificate& right = certificate(KeyType::EcdsaP256, 1);
  const crypto::Certificate& wrong = certificate(KeyType::EcdsaP256, 9);
  const auto accepts = [](std::vector<crypto::Fingerprint> fingerprints) {
    Config server = config_of(Role::Server);
    server.remote_fingerprints = std::move(fingerprints);
    Pair pair(config_of(Role::Client), server);
    EXPECT_TRUE(pair.run());
    return pair.server.connected.has_value();
  };
  EXPECT_TRUE(accepts({right.fingerprint(HashAlgorithm::Sha512)}));
  EXPECT_TRUE(accepts({wrong.fingerprint(), right.fingerprint()}));
  EXPECT_FALSE(accepts({right.fingerprint(HashAlgorithm::Sha1)}));
  EXPECT_FALSE(accepts({right.fingerprint(HashAlgorithm::Sha256), wrong.fingerprint(HashAlgorithm::Sha384)}));
}

TEST(Timers, RetransmitFromTheInitialTimeoutDoubling) {
  Side client(config_of(Role::Client), 1);
  client.connection.start(kStart);
  EXPECT_THAT(client.take_packets(), SizeIs(1));
  Time due = kStart;
  for (int ms = 50; ms <= 50 << 12; ms *= 2) {
    due += std::min<Duration>(milliseconds(ms), testing::seconds(60));
    EXPECT_EQ(client.connection.next_timeout(), due);
    client.connection.handle_timeout(due - Duration(1));
    EXPECT_THAT(client.take_packets(), IsEmpty());
    client.connection.handle_timeout(due);
    EXPECT_THAT(client.take_packets(), SizeIs(1));
  }
}

TEST(Timers, FollowTheRoundTripTimeOfIce) {
  for (const auto& [rtt, first] : {std::pair(1, 50), std::pair(100, 150), std::pair(60'000, 60'000)}) {
    Side client(config_of(Role::Client), 1);
    client.connection.set_rtt(milliseconds(rtt));
    client.connection.start(kStart);
    EXPECT_EQ(client.connection.next_timeout(), kStart + milliseconds(first));
  }
}

// SPED: something else carried the flight, and repeats it, until there is a path.
TEST(Timers, BeginAnewWithAPathThatComesLater) {
  for (const bool lost : {false, true}) {
    Config config = config_of(Role::Client);
    config.handshake_timeout = seconds(30);
    Side client(config, 1);
    client.connection.start(kStart);
    EXPECT_THAT(client.take_packets(), SizeIs(1));
    const Time path = kStart + testing::seconds(100);
    client.connection.set_rtt(milliseconds(100));
    client.connection.path_ready(lost, path);
    EXPECT_THAT(client.take_packets(), SizeIs(lost ? 1 : 0));
    EXPECT_EQ(client.connection.next_timeout(), path + milliseconds(150));
    client.connection.handle_timeout(path + milliseconds(150));
    EXPECT_THAT(client.take_packets(), SizeIs(1));
    client.connection.handle_timeout(path + seconds(30));
    client.drain();
    EXPECT_TRUE(client.closed) << "its patience begins with the path too";
  }
}

TEST(Timers, HandshakeGivesUp) {
  Config config = config_of(Role::Client);
  config.handshake_timeout = seconds(30);
  Side client(config, 1);
  client.connection.start(kStart);
  client.connection.handle_timeout(kStart + seconds(30));
  client.drain();
  EXPECT_EQ(client.closed->reason, CloseReason::Timeout);
  EXPECT_EQ(client.connection.next_timeout(), kNever);
}

TEST(Timers, WaitingForFingerprintsGivesUpToo) {
  Config server = config_of(Role::Server);
  server.handshake_timeout = seconds(30);
  Pair pair(config_of(Role::Client), server, 1, false);
  pair.client.connection.set_remote_fingerprints({certificate(KeyType::EcdsaP256, 2).fingerprint()});
  pair.run();
  EXPECT_EQ(pair.server.closed->reason, CloseReason::Timeout);
}

TEST(FinalFlight, IsSentAgainWhenThePeerRepeatsItsOwn) {
  Pair pair;
  int dropped = 0;
  size_t server_packets = 0;
  pair.tamper = [&](bool from_client, Packet packet) -> std::vector<Packet> {
    // The server's second datagram is the final flight; three copies of it are lost.
    if (!from_client && ++server_packets >= 2 && dropped < 3) return ++dropped, std::vector<Packet>{};
    return {packet};
  };
  ASSERT_TRUE(pair.run());
  EXPECT_TRUE(pair.both_connected());
  EXPECT_EQ(dropped, 3);
}

TEST(FinalFlight, IsForgottenOnceThePeerSpeaksOrTimePasses) {
  for (const bool speaks : {true, false}) {
    Pair pair;
    ASSERT_TRUE(pair.run());
    EXPECT_NE(pair.server.connection.next_timeout(), kNever);
    EXPECT_EQ(pair.client.connection.next_timeout(), kNever);
    if (speaks) {
      pair.server.give(pair.client.protect("x"), pair.now);
    } else {
      pair.server.connection.handle_timeout(pair.server.connection.next_timeout());
    }
    EXPECT_EQ(pair.server.connection.next_timeout(), kNever);
  }
}

TEST(Connection, TellsDtlsByItsFirstByte) {
  for (int first = 0; first < 256; ++first) {
    const uint8_t byte = static_cast<uint8_t>(first);
    EXPECT_EQ(Connection::is_dtls(ByteView(&byte, 1)), first >= 20 && first <= 63);
  }
  EXPECT_FALSE(Connection::is_dtls({}));
}

// RFC 9147 §5.8.1. A server that misses some of it may wait without a timer of its own, as NSS does: nobody would ever
// tell that nothing comes through.
TEST(FinalFlight13, ThatIsNeverAcknowledgedEndsTheConnection) {
  enum class Sign : uint8_t { None, Data, Srtp };
  for (const Sign sign : {Sign::None, Sign::Data, Sign::Srtp}) {
    Pair pair(config13_of(Role::Client), config13_of(Role::Server));
    pair.client.connection.start(kStart);
    pair.server.give(pair.client.take_packets().at(0), kStart);
    pair.client.give(pair.server.take_packets().at(0), kStart);
    ASSERT_TRUE(pair.client.connected);
    const auto final_flight = pair.client.take_packets();
    if (sign == Sign::Srtp) pair.client.connection.peer_has_keys();
    if (sign == Sign::Data) {  // all but its ACK comes through
      for (const Packet& packet : final_flight) pair.server.give(packet, kStart);
      pair.client.give(pair.server.protect("here"), kStart);
    }
    Time now = kStart;
    while (pair.client.connection.next_timeout() != kNever) {
      now = pair.client.connection.next_timeout();
      pair.client.connection.handle_timeout(now);
      pair.client.drain();
      pair.client.take_packets();
    }
    EXPECT_EQ(now, kStart + seconds(240));
    ASSERT_EQ(pair.client.closed.has_value(), sign == Sign::None);
    if (sign != Sign::None) continue;
    EXPECT_EQ(pair.client.closed->reason, CloseReason::Timeout);
    EXPECT_EQ(pair.client.closed->detail, "the server never acknowledged our last flight");
  }
}

}  // namespace
}  // namespace kaon::dtls
