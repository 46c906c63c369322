// C14, C15 and C16 of the attack list: floods behind the handshake, what a forger learns from answers, ACKs that lie.
// The attacker of C14 and C16 is the authenticated peer.
#include <gmock/gmock.h>

#include "kaon/dtls/internal/dishonest_peer.h"
#include "kaon/dtls/internal/handshake.h"

namespace kaon::dtls {
namespace {

using namespace testing;
using ::testing::AnyOf;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint8_t kKeyUpdate = static_cast<uint8_t>(HandshakeType::KeyUpdate);

/// A whole handshake message.
Packet whole(uint8_t type, uint16_t sequence, const Packet& body) {
  Packet fragment = message(type, sequence, body.size(), body.size());
  std::ranges::copy(body, fragment.end() - static_cast<ptrdiff_t>(body.size()));
  return fragment;
}

/// Two that are connected, one of whom is the attacker: it speaks by its keys alone.
struct Connected13 {
  explicit Connected13(bool attack_client) : pair(pair_with_key_log()), victim(pair.side(attack_client)) {
    EXPECT_TRUE(pair.run());
    victim.take_packets();
    keys.emplace(victim, attack_client ? Role::Server : Role::Client, kEpochApplication13);
    // Behind the attacker's own messages: for a client Certificate, CertificateVerify and Finished behind its hello.
    next_message = attack_client ? 6 : 4;
  }
  void say(uint8_t type, const Packet& plaintext) { victim.give(keys->record(type, plaintext, sequence++), pair.now); }
  void say_message(uint8_t type, const Packet& body) { say(kHandshake, whole(type, next_message++, body)); }

  Pair pair;
  Side& victim;
  std::optional<PeerKeys> keys;
  uint16_t next_message = 0;
  uint16_t sequence = 20;
};

// -- C14: floods behind the handshake ---------------------------------------------------------------------------------

TEST(C14PostHandshake, AFloodOfKeyUpdatesThatAskForOthersGetsOneAtATime) {
  for (const bool attack_client : {true, false}) {
    Connected13 world(attack_client);
    size_t answers = 0;
    for (int i = 0; i < 5000; ++i) {
      world.say_message(kKeyUpdate, {1});
      ASSERT_FALSE(world.victim.closed) << world.victim.closed->detail;
      world.keys->update();
      world.sequence = 0;
      answers += world.victim.take_packets().size();
    }
    // An ACK each, and the victim's only KeyUpdate, for which it gets no ACK.
    EXPECT_LE(answers, 5001u);
    EXPECT_GE(answers, 5000u);
    // It still reads what the peer says with its newest keys.
    world.say(kApplicationData, {'x'});
    EXPECT_THAT(world.victim.texts(), ::testing::ElementsAre("x"));
    // And its own KeyUpdate goes out again and again, no faster than its timer.
    size_t again = 0;
    for (const Time end = world.pair.now + seconds(60); world.pair.now < end;) {
      world.pair.now = std::max(world.pair.now, world.victim.connection.next_timeout());
      world.victim.connection.handle_timeout(world.pair.now);
      again += world.victim.take_packets().size();
    }
    EXPECT_LE(again, 12u);
  }
}

TEST(C14PostHandshake, AKeyUpdateOfAnEpochThatIsOverIsDropped) {
  Connected13 world(true);
  const PeerKeys old = *world.keys;
  world.say_message(kKeyUpdate, {0});
  world.victim.give(old.record(kHandshake, whole(kKeyUpdate, world.next_message++, {0}), 30), world.pair.now);
  EXPECT_FALSE(world.victim.closed);
  EXPECT_EQ(world.victim.connection.dropped()[DropReason::WrongEpoch], 1u);
  world.keys->update();
  world.say(kApplicationData, {'x'});
  EXPECT_THAT(world.victim.texts(), SizeIs(1));
}

TEST(C14PostHandshake, MalformedKeyUpdatesAreFatal) {
  for (const Packet& body : {Packet{}, Packet{2}, Packet{255}, Packet{0, 0}}) {
    Connected13 world(true);
    world.say_message(kKeyUpdate, body);
    expect_closed_with(world.victim, "malformed KeyUpdate");
  }
}

TEST(C14PostHandshake, AFloodOfTicketsIsAcknowledgedAndForgotten) {
  Connected13 world(true);
  const Packet ticket(1000, 3);
  for (int i = 0; i < 5000; ++i) {
    world.say_message(static_cast<uint8_t>(HandshakeType::NewSessionTicket), ticket);
    ASSERT_FALSE(world.victim.closed);
    EXPECT_THAT(world.victim.take_packets(), SizeIs(1));
  }
  EXPECT_EQ(world.victim.connection.next_timeout(), kNever);
  world.say(kApplicationData, {'x'});
  EXPECT_THAT(world.victim.texts(), SizeIs(1));
}

TEST(C14PostHandshake, MessagesThatNobodyMaySendAreFatal) {
  using enum HandshakeType;
  for (const bool attack_client : {true, false})
    for (int type = 0; type < 256; ++type) {
      const auto known = static_cast<HandshakeType>(type);
      if (known == KeyUpdate || (known == NewSessionTicket && attack_client)) continue;
      Connected13 world(attack_client);
      world.say_message(static_cast<uint8_t>(type), Packet(8, 0));
      ASSERT_TRUE(world.victim.closed) << type;
      EXPECT_EQ(world.victim.closed->reason, CloseReason::HandshakeFailure);
      EXPECT_THAT(world.victim.take_packets(), SizeIs(1));  // the alert
    }
}

TEST(C14PostHandshake, HalfAMessageIsHeldAndNoMore) {
  Connected13 world(false);
  for (int i = 0; i < 2000; ++i) {
    // Numbers ahead, each of a message that never ends.
    const auto number = static_cast<uint16_t>(world.next_message + i % 40);
    world.say(kHandshake, message(kKeyUpdate, number, 16'000, 100));
    EXPECT_LE(world.victim.take_packets().size(), 1u);
  }
  EXPECT_FALSE(world.victim.closed);
  EXPECT_GT(world.victim.connection.dropped()[DropReason::ReassemblyFull], 1500u);
}

TEST(C14PostHandshake, RenegotiationOf12IsIgnored) {
  // Nobody can make a protected record of 1.2 here but a connection, so the records are replayed in the clear too.
  Pair pair;
  ASSERT_TRUE(pair.run());
  for (const bool at_client : {true, false})
    for (const uint8_t type : {0, 1, 4, 13, 20})
      for (int i = 0; i < 100; ++i) {
        Packet record(kRecordHeaderSize);
        const Packet fragment = message(type, static_cast<uint16_t>(i), 0, 0);
        record[0] = kHandshake;
        store_be16(&record[1], kVersionDtls12);
        store_be16(&record[11], static_cast<uint16_t>(fragment.size()));
        record.insert(record.end(), fragment.begin(), fragment.end());
        pair.side(at_client).give(record, pair.now);
        EXPECT_THAT(pair.side(at_client).take_packets(), IsEmpty());
      }
  EXPECT_TRUE(pair.both_connected());
  expect_carries_data(pair);
}

// -- C15: what a forger learns from answers ---------------------------------------------------------------------------

class C15 : public ::testing::TestWithParam<CipherSuite> {};
INSTANTIATE_TEST_SUITE_P(Oracles, C15,
                         ::testing::Values(CipherSuite::Aes128GcmSha256, CipherSuite::ChaCha20Poly1305Sha256,
                                           CipherSuite::EcdheEcdsaAes128GcmSha256,
                                           CipherSuite::EcdheEcdsaChaCha20Poly1305Sha256, CipherSuite::PskAes128Ccm8,
                                           CipherSuite::EcdheEcdsaAes128CbcSha, CipherSuite::PskAes128CbcSha256),
                         [](const auto& test) { return std::string(to_string(test.param)); });

// With CBC some of these bits are padding: to get it wrong looks like a wrong MAC. Where the MAC comes first, the tests
// of records and of CbcHmac have it.
TEST_P(C15, AForgeryIsDroppedAlikeWhereverItIsWrong) {
  const bool is13 = to_string(GetParam()).find("WITH") == std::string_view::npos;
  Config client = is13 ? config13_of(Role::Client) : config_of(Role::Client);
  Config server = is13 ? config13_of(Role::Server) : config_of(Role::Server);
  client.cipher_suites = server.cipher_suites = {GetParam()};
  client.psks = server.psks = {{{'m', 'e'}, Packet(16, 7)}};
  Pair pair(client, server);
  ASSERT_TRUE(pair.run());
  Side& victim = pair.server;
  victim.take_packets();
  const Time timeout = victim.connection.next_timeout();
  const Packet genuine = pair.client.protect("genuine data of some length");
  const size_t header = is13 ? kUnifiedHeaderSize : kRecordHeaderSize;
  for (size_t bit = 8 * header; bit < 8 * genuine.size(); ++bit) {
    Packet forged = genuine;
    forged[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    const uint64_t bad = victim.connection.dropped()[DropReason::BadTag];
    const uint64_t all = victim.connection.dropped().total();
    victim.give(forged, pair.now);
    // In 1.3 another ciphertext makes another record number, which may be one that has been seen.
    EXPECT_EQ(victim.connection.dropped().total(), all + 1) << bit;
    if (!is13) {
      EXPECT_EQ(victim.connection.dropped()[DropReason::BadTag], bad + 1) << bit;
    }
    EXPECT_THAT(victim.take_packets(), IsEmpty());
    EXPECT_EQ(victim.connection.next_timeout(), timeout);
  }
  EXPECT_THAT(victim.received, IsEmpty());
  victim.give(genuine, pair.now);
  EXPECT_THAT(victim.received, SizeIs(1));
}

TEST(C15Oracles, AWrongFinishedIsTheSameAlertWhicheverByteIsWrong) {
  for (size_t wrong = 0; wrong < 32; ++wrong) {
    Pair pair = half_connected();
    const PeerKeys keys(pair.server, Role::Client, kEpochHandshake13);
    // The honest client's flight, but for its last message.
    const auto flight = pair.client.take_packets();
    ASSERT_THAT(flight, SizeIs(1));
    Packet opened = flight[0];
    Bytes left = opened;
    const auto record = next_record(left);
    RecordLayer reader;
    reader.install_read(kEpochHandshake13, keys.cipher());
    const auto inner = reader.open(*record);
    ASSERT_TRUE(inner);
    Packet plaintext(inner->plaintext.begin(), inner->plaintext.end());
    plaintext[plaintext.size() - 1 - wrong] ^= 0x40;
    pair.server.give(keys.record(kHandshake, plaintext, 0), kStart);
    expect_closed_with(pair.server, "wrong Finished");
    EXPECT_FALSE(pair.server.connected);
  }
}

TEST(C15Oracles, SecretsOfUnequalLengthAreUnequal) {
  EXPECT_TRUE(equal_in_constant_time(Packet{1, 2}, Packet{1, 2}));
  EXPECT_FALSE(equal_in_constant_time(Packet{1, 2}, Packet{1, 2, 0}));
  EXPECT_FALSE(equal_in_constant_time(Packet{}, Packet{0}));
  for (size_t i = 0; i < 32; ++i) {
    Packet other(32, 0xaa);
    other[i] ^= 1;
    EXPECT_FALSE(equal_in_constant_time(Packet(32, 0xaa), other)) << i;
  }
}

// -- C16: ACKs that lie -----------------------------------------------------------------------------------------------

TEST(C16Acks, OfRecordsThatWereNeverSentStopNothing) {
  for (const uint64_t epoch : {uint64_t{0}, uint64_t{1}, uint64_t{2}, uint64_t{3}, uint64_t{4}, UINT64_MAX}) {
    Pair pair = half_connected();
    // The flight's numbers are 0 in the epochs 0 and 2.
    pair.server.give(record_from_peer(pair.server, Role::Client, 2, kAck, ack_of({{epoch, 77}, {epoch, UINT64_MAX}})),
                     kStart);
    EXPECT_FALSE(pair.server.closed);
    pair.server.connection.handle_timeout(kStart + milliseconds(60));
    EXPECT_FALSE(pair.server.take_packets().empty()) << "sent again after its timeout";
    for (const Packet& packet : pair.client.take_packets()) pair.server.give(packet, kStart);
    EXPECT_TRUE(pair.server.connected);
  }
}

TEST(C16Acks, OfAHigherEpochThanTheFlightsAcknowledgeNothingBelow) {
  Pair pair = half_connected();
  // As if the client had read the application's epoch, in which nothing has been sent.
  pair.server.give(record_from_peer(pair.server, Role::Client, 2, kAck, ack_of({{3, 0}, {3, 1}})), kStart);
  pair.server.connection.handle_timeout(kStart + milliseconds(60));
  size_t bytes = 0;
  for (const Packet& packet : pair.server.take_packets()) bytes += packet.size();
  EXPECT_GT(bytes, 500u) << "all of the flight";
}

TEST(C16Acks, AFloodOfTheLongestListsChangesNothing) {
  Connected13 world(true);
  std::vector<RecordNumber> all;
  for (uint64_t i = 0; i < 1000; ++i) all.push_back({i % 6, i});
  ASSERT_TRUE(world.victim.connection.update_keys());
  world.victim.connection.handle_timeout(world.pair.now);
  const auto update = world.victim.take_packets();
  ASSERT_THAT(update, SizeIs(1));
  std::erase_if(all, [](const RecordNumber& number) { return number.epoch == kEpochApplication13; });
  const uint8_t before = world.victim.protect("x")[0] & 3;
  for (int i = 0; i < 500; ++i) {
    world.say(kAck, ack_of(all));
    EXPECT_LE(world.victim.take_packets().size(), 1u);
  }
  EXPECT_EQ(world.victim.protect("x")[0] & 3, before) << "no new keys without the right ACK";
  EXPECT_FALSE(world.victim.closed);
}

TEST(C16Acks, ThatAreMalformedAreDropped) {
  Connected13 world(true);
  const Packet good = ack_of({{3, 1}});
  for (size_t size = 0; size < good.size(); ++size)
    world.say(kAck, Packet(good.begin(), good.begin() + static_cast<ptrdiff_t>(size)));
  Packet longer = good;
  longer.push_back(0);
  world.say(kAck, longer);
  Packet lies = good;
  lies[1] = 15;
  world.say(kAck, lies);
  EXPECT_EQ(world.victim.connection.dropped()[DropReason::Malformed], good.size() + 2);
  EXPECT_FALSE(world.victim.closed);
  EXPECT_THAT(world.victim.take_packets(), IsEmpty());
}

TEST(C16Acks, InTheClearOrOf12AreNoAcks) {
  Pair pair;
  ASSERT_TRUE(pair.run());
  Packet record(kRecordHeaderSize);
  record[0] = kAck;
  store_be16(&record[1], kVersionDtls12);
  const Packet body = ack_of({{1, 0}});
  store_be16(&record[11], static_cast<uint16_t>(body.size()));
  record.insert(record.end(), body.begin(), body.end());
  const uint64_t before = pair.client.connection.dropped().total();
  pair.client.give(record, pair.now);
  EXPECT_EQ(pair.client.connection.dropped().total(), before + 1);
  EXPECT_TRUE(pair.both_connected());
}

// -- C10: a HelloVerifyRequest of an attacker -------------------------------------------------------------------------

TEST(C10Downgrade, AHelloVerifyRequestOfAnAttackerMakesNobodySpeak12) {
  Config config = config13_of(Role::Client);
  config.min_version = Version::Dtls12;
  Config server = config13_of(Role::Server);
  server.min_version = Version::Dtls12;
  config.handshake_timeout = server.handshake_timeout = seconds(20);
  for (const bool before_the_answer : {true, false}) {
    Pair pair(config, server);
    bool injected = false;
    pair.tamper = [&](bool from_client, Packet packet) -> std::vector<Packet> {
      if (from_client || std::exchange(injected, true)) return {std::move(packet)};
      Packet record = {22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 9, 0, 17, 3, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 5};
      for (const uint8_t byte : {0xfe, 0xff, 2, 0xaa, 0xbb}) record.push_back(byte);
      if (before_the_answer) return {std::move(record), std::move(packet)};
      return {std::move(packet), std::move(record)};
    };
    pair.run();
    EXPECT_TRUE(injected);
    for (const Side* side : {&pair.client, &pair.server})
      EXPECT_TRUE(!side->connected || side->connected->version == Version::Dtls13);
    EXPECT_EQ(pair.both_connected(), !before_the_answer);
  }
}

}  // namespace
}  // namespace kaon::dtls
