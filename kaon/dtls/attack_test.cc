// What others may send: the rows of the attack list for DTLS, by number.
#include <gmock/gmock.h>

#include <cstdlib>
#include <set>

#include "kaon/base/reader.h"
#include "kaon/base/text.h"
#include "kaon/base/writer.h"
#include "kaon/dtls/internal/browser_hello.h"
#include "kaon/dtls/internal/messages.h"
#include "kaon/dtls/internal/reassembler.h"
#include "kaon/dtls/internal/record_layer.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using crypto::KeyType;
using testing::config_of;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kStart;
using testing::Packet;
using testing::Pair;
using testing::Side;
using ::testing::SizeIs;

/// What holds for both versions.
class EveryVersion : public ::testing::TestWithParam<Version> {
 protected:
  static Config config(Role role) {
    return GetParam() == Version::Dtls13 ? testing::config13_of(role) : config_of(role);
  }
  static Pair pair_of_version() { return Pair(config(Role::Client), config(Role::Server)); }
};
INSTANTIATE_TEST_SUITE_P(Dtls, EveryVersion, ::testing::Values(Version::Dtls12, Version::Dtls13),
                         [](const auto& test) { return test.param == Version::Dtls13 ? "Of13" : "Of12"; });

Packet clear_record(uint8_t type, ByteView fragment, uint16_t version = 0xfeff) {
  Packet packet(kRecordHeaderSize + fragment.size());
  Writer out(packet);
  out.u8(type);
  out.u16(version);
  out.u16(0);
  out.u48(77);
  out.u16(static_cast<uint16_t>(fragment.size()));
  out.bytes(fragment);
  return packet;
}

/// A record with one fragment of a handshake message.
Packet fragment_record(HandshakeType type, uint16_t sequence, ByteView body, size_t offset, size_t size) {
  Packet fragment(kHandshakeHeaderSize + size);
  Writer out(fragment);
  out.u8(static_cast<uint8_t>(type));
  out.u24(static_cast<uint32_t>(body.size()));
  out.u16(sequence);
  out.u24(static_cast<uint32_t>(offset));
  out.u24(static_cast<uint32_t>(size));
  out.bytes(body.subspan(offset, size));
  return clear_record(22, fragment);
}
Packet whole_record(HandshakeType type, uint16_t sequence, ByteView body) {
  return fragment_record(type, sequence, body, 0, body.size());
}

/// The first message of the flight that the server has to say; empty if it says nothing.
std::optional<Packet> server_hello_of(Side& server) {
  for (Packet& packet : server.take_packets()) {
    Bytes left = packet;
    const auto record = next_record(left);
    if (!record || record->type != ContentType::Handshake) continue;
    Reader reader(record->fragment);
    const auto fragment = Fragment::parse(reader, 0);
    if (fragment && fragment->type == HandshakeType::ServerHello)
      return Packet(fragment->bytes.begin(), fragment->bytes.end());
  }
  return std::nullopt;
}

void expect_answers_browser(Side& server) {
  const auto body = server_hello_of(server);
  ASSERT_TRUE(body);
  const auto hello = ServerHello::parse(*body);
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->version, 0xfefd);
  EXPECT_EQ(hello->cipher_suite, 0xc02b);
  EXPECT_EQ(hello->srtp_profile, kSrtpAeadAes128Gcm);
  EXPECT_TRUE(hello->extended_master_secret);
}

TEST(C6ClientHelloInTwoDatagrams, IsAnsweredInBothOrdersWithDuplicates) {
  SeededRandom random(3);
  for (const bool firefox : {false, true})
    for (const std::vector<int>& order : {std::vector{0, 1}, {1, 0}, {0, 0, 1}, {1, 1, 0}, {0, 0, 1, 1}}) {
      const Packet body = firefox ? testing::firefox_client_hello(random) : testing::chromium_client_hello(random);
      constexpr size_t kFirst = 1200 - kRecordHeaderSize - kHandshakeHeaderSize;
      const Packet parts[] = {fragment_record(HandshakeType::ClientHello, 0, body, 0, kFirst),
                              fragment_record(HandshakeType::ClientHello, 0, body, kFirst, body.size() - kFirst)};
      EXPECT_EQ(parts[0].size(), 1200u);
      Side server(config_of(Role::Server), 1);
      for (const int part : order) server.give(parts[part], kStart);
      expect_answers_browser(server);
    }
}

TEST(C6ClientHelloInTwoDatagrams, GetsTheVersionThatBothHave) {
  for (const bool firefox : {false, true}) {
    SeededRandom random(3);
    const Packet body = firefox ? testing::firefox_client_hello(random) : testing::chromium_client_hello(random);
    Side server(testing::config13_of(Role::Server), 1);
    server.give(fragment_record(HandshakeType::ClientHello, 0, body, 700, body.size() - 700), kStart);
    server.give(fragment_record(HandshakeType::ClientHello, 0, body, 0, 700), kStart);
    const auto answer = server_hello_of(server);
    ASSERT_TRUE(answer);
    const auto hello = ServerHello::parse(*answer);
    ASSERT_TRUE(hello);
    EXPECT_EQ(hello->selected_version, static_cast<uint16_t>(Version::Dtls13));
    EXPECT_EQ(hello->cipher_suite, static_cast<uint16_t>(CipherSuite::Aes128GcmSha256));
    EXPECT_EQ(hello->group, crypto::Group::X25519);  // no post-quantum share of ours: no retry either
  }
}

TEST(C6ClientHelloInTwoDatagrams, SurvivesADelayedSecondHalf) {
  SeededRandom random(3);
  const Packet body = testing::chromium_client_hello(random);
  Side server(config_of(Role::Server), 1);
  server.give(fragment_record(HandshakeType::ClientHello, 0, body, 0, 1000), kStart);
  EXPECT_THAT(server.take_packets(), IsEmpty());
  server.connection.handle_timeout(kStart + testing::seconds(20));
  server.give(fragment_record(HandshakeType::ClientHello, 0, body, 1000, body.size() - 1000),
              kStart + testing::seconds(20));
  expect_answers_browser(server);
}

TEST(C5Fragments, OfOneByteOverlapping) {
  SeededRandom random(3);
  const Packet body = testing::chromium_client_hello(random);
  Side server(config_of(Role::Server), 1);
  for (size_t i = body.size(); i-- > 0;)
    server.give(fragment_record(HandshakeType::ClientHello, 0, body, i, std::min<size_t>(1 + i % 3, body.size() - i)),
                kStart);
  expect_answers_browser(server);
}

TEST_P(EveryVersion, C1ForeignClientHellosBeforeBetweenAndAfterDoNoHarm) {
  SeededRandom random(3);
  const Packet valid = testing::chromium_client_hello(random);
  Packet no_suite = valid;
  for (size_t i = 38; i < 38 + 28; ++i) no_suite[i] = 0;
  Packet truncated = valid;
  truncated.resize(100);
  const std::vector<Packet> foreign = {
      whole_record(HandshakeType::ClientHello, 0, no_suite), whole_record(HandshakeType::ClientHello, 0, truncated),
      whole_record(HandshakeType::ClientHello, 0, {}), whole_record(HandshakeType::Certificate, 0, truncated),
      fragment_record(HandshakeType::ClientHello, 0, valid, 0, 50)};
  Pair pair = pair_of_version();
  pair.tamper = [&](bool from_client, const Packet& packet) -> std::vector<Packet> {
    if (!from_client) return {packet};
    std::vector<Packet> all = foreign;
    all.push_back(packet);
    // After the real one even a flawless one is a repetition to the server.
    all.push_back(whole_record(HandshakeType::ClientHello, 0, valid));
    all.insert(all.end(), foreign.begin(), foreign.end());
    return all;
  };
  ASSERT_TRUE(pair.run());
  EXPECT_TRUE(pair.both_connected());
  EXPECT_EQ(pair.server.connection.dropped()[DropReason::HelloRefused], 4u);
}

TEST_P(EveryVersion, C1AForeignClientHelloWithTheNextNumberDoesNotEndTheHandshake) {
  SeededRandom random(3);
  const Packet valid = testing::chromium_client_hello(random);
  Pair pair = pair_of_version();
  size_t injected = 0;
  pair.tamper = [&](bool from_client, Packet packet) -> std::vector<Packet> {
    // Before the second flight of the client, whose first message has the number 1.
    if (!from_client || injected++ == 0) return {std::move(packet)};
    return {whole_record(HandshakeType::ClientHello, 1, valid), whole_record(HandshakeType::ClientHello, 2, valid),
            std::move(packet)};
  };
  ASSERT_TRUE(pair.run());
  EXPECT_GT(injected, 1u);
  EXPECT_TRUE(pair.both_connected());
  EXPECT_GE(pair.server.connection.dropped()[DropReason::HelloRefused], 1u);
}

TEST(C1ClientHelloRace, NothingIsSaidToARefusedOne) {
  SeededRandom random(3);
  Packet old = testing::chromium_client_hello(random);
  old.resize(100);
  Side server(config_of(Role::Server), 1);
  server.give(whole_record(HandshakeType::ClientHello, 0, old), kStart);
  EXPECT_THAT(server.take_packets(), IsEmpty());
  EXPECT_FALSE(server.closed);
  server.connection.handle_timeout(server.connection.next_timeout());
  server.drain();
  EXPECT_EQ(server.closed->reason, CloseReason::Timeout);
  EXPECT_EQ(server.closed->detail, "ClientHello refused: malformed");
}

/// Alerts, application data, ChangeCipherSpec, ACK and heartbeat in the clear.
std::vector<Packet> unauthenticated_records() {
  std::vector<Packet> all;
  for (const uint16_t version : {0xfeff, 0xfefd}) {
    all.push_back(clear_record(21, Packet{2, 40}, version));
    all.push_back(clear_record(21, Packet{1, 0}, version));
    all.push_back(clear_record(23, as_bytes("evil"), version));
    all.push_back(clear_record(20, Packet{1}, version));
    all.push_back(clear_record(26, Packet{0, 0}, version));
    all.push_back(clear_record(24, Packet{1, 0, 9}, version));
  }
  return all;
}

TEST_P(EveryVersion, C2C18PlaintextRecordsAreIgnoredDuringAndAfterTheHandshake) {
  Pair pair = pair_of_version();
  pair.tamper = [&](bool, const Packet& packet) {
    std::vector<Packet> all = unauthenticated_records();
    all.insert(all.begin() + 6, packet);
    return all;
  };
  ASSERT_TRUE(pair.run());
  ASSERT_TRUE(pair.both_connected());
  for (const bool client : {true, false}) {
    for (const Packet& packet : unauthenticated_records()) pair.side(client).give(packet, pair.now);
    EXPECT_FALSE(pair.side(client).closed);
    EXPECT_THAT(pair.side(client).received, IsEmpty());
  }
}

TEST(C3Signatures, OfAnotherKeyAreFatal) {
  // The honest certificate, used by somebody who does not have its key: the fingerprint fits, the signatures do not.
  for (const bool client_lies : {true, false}) {
    Pair pair;
    pair.tamper = [&](bool from_client, Packet packet) -> std::vector<Packet> {
      if (from_client != client_lies) return {packet};
      const auto der = testing::certificate(KeyType::EcdsaP256, from_client ? 1 : 2).der();
      const auto found = std::search(packet.begin(), packet.end(), der.begin(), der.end());
      // Any bit of the signature after the certificate: the last byte of the last handshake message in the clear.
      if (found != packet.end()) {
        Bytes left = packet;
        while (!left.empty()) {
          const auto record = next_record(left);
          const bool is_signed = record && record->epoch == 0 && record->type == ContentType::Handshake &&
                                 (record->fragment[0] == 12 || record->fragment[0] == 15);
          if (is_signed) record->fragment.back() ^= 1;
        }
      }
      return {packet};
    };
    ASSERT_TRUE(pair.run());
    EXPECT_FALSE(pair.both_connected());
    Side& deceived = pair.side(!client_lies);
    EXPECT_FALSE(deceived.connected);
    ASSERT_TRUE(deceived.closed);
    EXPECT_EQ(deceived.closed->detail.substr(0, 15), "wrong signature");
  }
}

/// A handshake message in the clear, changed in one way each time it is sent. Swap: it and the one behind it have each
/// other's place and number. Move: it comes last in its flight, numbered accordingly.
enum class Change { Drop, Double, Truncate, FlipBit, Swap, Move };

/// The handshake messages of a datagram of ours in the clear, in records; what is protected follows in one piece.
struct Messages {
  explicit Messages(Packet& packet) {
    Bytes left = packet;
    while (!left.empty() && left[0] == 22 && load_be16(&left[3]) == 0) {
      const uint8_t* begin = left.data();
      const auto record = next_record(left);
      if (!record) break;
      clear.emplace_back(begin, static_cast<const uint8_t*>(record->fragment.data()) + record->fragment.size());
    }
    rest.assign(left.begin(), left.end());
  }
  static int type_of(const Packet& record) { return record[kRecordHeaderSize]; }
  static uint8_t* number_of(Packet& record) { return &record[kRecordHeaderSize + 4]; }
  Packet joined() const {
    Packet out;
    for (const Packet& record : clear) out.insert(out.end(), record.begin(), record.end());
    out.insert(out.end(), rest.begin(), rest.end());
    return out;
  }
  /// Message and record numbers stay with the place.
  void exchange(size_t a, size_t b) {
    std::swap(clear[a], clear[b]);
    std::swap_ranges(number_of(clear[a]), number_of(clear[a]) + 2, number_of(clear[b]));
    std::swap_ranges(&clear[a][5], &clear[a][11], &clear[b][5]);
  }
  void change_one(size_t i, Change change) {
    Packet& record = clear[i];
    const size_t size = record.size() - kRecordHeaderSize - kHandshakeHeaderSize;
    switch (change) {
      case Change::Drop: clear.erase(clear.begin() + static_cast<ptrdiff_t>(i)); return;
      case Change::Double: clear.insert(clear.begin() + static_cast<ptrdiff_t>(i), Packet(record)); return;
      case Change::Swap:
        if (i + 1 < clear.size()) exchange(i, i + 1);
        return;
      case Change::Move:
        for (; i + 1 < clear.size(); ++i) exchange(i, i + 1);
        return;
      case Change::FlipBit:
        if (size > 0) record[kRecordHeaderSize + kHandshakeHeaderSize + size / 2] ^= 4;
        return;
      case Change::Truncate:
        if (size == 0) return;
        record.pop_back();
        store_be16(&record[11], static_cast<uint16_t>(record.size() - kRecordHeaderSize));
        for (const size_t at : {1, 9}) store_be24(&record[kRecordHeaderSize + at], static_cast<uint32_t>(size - 1));
        return;
    }
  }

  std::vector<Packet> clear;
  Packet rest;
};

/// Whether something was changed.
bool run_with_a_change(Pair& pair, bool of_client, int which, Change change) {
  bool changed = false;
  pair.tamper = [&](bool from_client, Packet packet) -> std::vector<Packet> {
    if (from_client != of_client) return {packet};
    Messages messages(packet);
    for (size_t i = 0; i < messages.clear.size(); ++i) {
      if (Messages::type_of(messages.clear[i]) != which) continue;
      messages.change_one(i, change);
      break;
    }
    const Packet out = messages.joined();
    changed = changed || out != packet;
    return {out};
  };
  pair.run();
  return changed;
}

void expect_only_doubled_ones_connect(const Config& client, const Config& server,
                                      const std::vector<std::pair<bool, int>>& messages, size_t changes) {
  size_t changed = 0;
  for (const auto& [of_client, which] : messages)
    for (const Change change :
         {Change::Drop, Change::Double, Change::Truncate, Change::FlipBit, Change::Swap, Change::Move}) {
      SCOPED_TRACE(::testing::Message() << of_client << " " << which << " " << static_cast<int>(change));
      Config configs[] = {client, server};
      for (Config& config : configs) {
        config.mtu = 4000;  // no fragments
        config.handshake_timeout = testing::seconds(30);
      }
      Pair pair(configs[0], configs[1]);
      // Bodies without a byte have none to lose, and the last of a flight has nothing behind it.
      if (!run_with_a_change(pair, of_client, which, change)) continue;
      ++changed;
      if (change == Change::Double) {
        EXPECT_TRUE(pair.both_connected());
      } else {
        EXPECT_FALSE(pair.client.connected);
        EXPECT_FALSE(pair.server.connected);
        EXPECT_TRUE(pair.client.closed || pair.server.closed);
      }
    }
  EXPECT_EQ(changed, changes);
}

constexpr int kClientHello = 1, kServerHello = 2, kCertificate = 11, kServerKeyExchange = 12, kCertificateRequest = 13,
              kServerHelloDone = 14, kCertificateVerify = 15, kClientKeyExchange = 16;

TEST(C4Messages, LeftOutMovedOrChangedNeverConnectAndDoubledAlwaysDo) {
  expect_only_doubled_ones_connect(config_of(Role::Client), config_of(Role::Server),
                                   {{true, kClientHello},
                                    {true, kCertificate},
                                    {true, kClientKeyExchange},
                                    {true, kCertificateVerify},
                                    {false, kServerHello},
                                    {false, kCertificate},
                                    {false, kServerKeyExchange},
                                    {false, kCertificateRequest},
                                    {false, kServerHelloDone}},
                                   9 * 6 - 2 - 3 * 2);
}

TEST(C4Messages, OfPreSharedKeysToo) {
  const auto config_with = [](Role role, CipherSuite suite) {
    Config config = config_of(role);
    config.cipher_suites = {suite};
    config.psks = {{{'m', 'e'}, Packet(16, 7)}};
    return config;
  };
  std::vector<std::pair<bool, int>> messages = {
      {true, kClientHello}, {true, kClientKeyExchange}, {false, kServerHello}, {false, kServerHelloDone}};
  for (const CipherSuite suite : {CipherSuite::PskAes128GcmSha256, CipherSuite::EcdhePskAes128GcmSha256}) {
    const bool ecdhe = suite == CipherSuite::EcdhePskAes128GcmSha256;
    if (ecdhe) messages.emplace_back(false, kServerKeyExchange);
    expect_only_doubled_ones_connect(config_with(Role::Client, suite), config_with(Role::Server, suite), messages,
                                     messages.size() * 6 - 2 - 3 * 2);
  }
}

TEST_P(EveryVersion, C8ReplayOfAWholeHandshakeAndOfDataDoesNothing) {
  Pair pair = pair_of_version();
  ASSERT_TRUE(pair.run());
  const Packet data = pair.client.protect("once");
  for (int i = 0; i < 3; ++i) pair.server.give(data, pair.now);
  EXPECT_THAT(pair.server.texts(), ElementsAre("once"));
  for (const auto& [from_client, packet] : pair.sent) pair.side(!from_client).give(packet, pair.now);
  EXPECT_TRUE(pair.both_connected());
  EXPECT_THAT(pair.server.texts(), ElementsAre("once"));
  EXPECT_GE(pair.server.connection.dropped()[DropReason::Replayed], 3u);
  EXPECT_THAT(pair.server.take_packets(), IsEmpty());
}

TEST(C11HelloVerifyRequests, InALoopAreFatal) {
  Side client(config_of(Role::Client), 1);
  client.connection.start(kStart);
  EXPECT_THAT(client.take_packets(), SizeIs(1));
  const Packet body = {0xfe, 0xff, 2, 0xaa, 0xbb};
  for (uint16_t i = 0; i < 2; ++i) {
    client.give(whole_record(HandshakeType::HelloVerifyRequest, i, body), kStart);
    // The answer has the cookie and the next message number; a copy of the request is not answered again.
    EXPECT_THAT(client.take_packets(), SizeIs(1));
    client.give(whole_record(HandshakeType::HelloVerifyRequest, i, body), kStart);
    EXPECT_THAT(client.take_packets(), IsEmpty());
  }
  EXPECT_FALSE(client.closed);
  client.give(whole_record(HandshakeType::HelloVerifyRequest, 2, body), kStart);
  ASSERT_TRUE(client.closed);
  EXPECT_EQ(client.closed->reason, CloseReason::HandshakeFailure);
}

TEST(C12Caps, AGiantMessageIsNotCollected) {
  SeededRandom random(3);
  Pair pair;
  ASSERT_TRUE(pair.server.connection.dropped().total() == 0);
  const Packet giant(kMaxHandshakeMessage + 1);
  Side server(config_of(Role::Server), 1);
  for (size_t offset = 0; offset + 1000 < giant.size(); offset += 1000)
    server.give(fragment_record(HandshakeType::ClientHello, 0, giant, offset, 1000), kStart);
  EXPECT_EQ(server.connection.dropped()[DropReason::MessageTooLarge], 16u);
  server.give(whole_record(HandshakeType::ClientHello, 0, testing::chromium_client_hello(random)), kStart);
  expect_answers_browser(server);
}

TEST_P(EveryVersion, GarbageNeverChangesState) {
  const uint64_t seed = testing::test_seed(11);
  SCOPED_TRACE(::testing::Message() << "KAON_SEED=" << seed);
  SeededRandom random(seed);
  Pair pair = pair_of_version();
  pair.tamper = [&](bool, const Packet& packet) {
    std::vector<Packet> all;
    for (int i = 0; i < 20; ++i) {
      Packet noise(random.below(100));
      random.fill(noise);
      all.push_back(noise);
      // Looks like records, of both epochs, and like handshake fragments of no known type.
      Packet record = clear_record(static_cast<uint8_t>(20 + random.below(8)), noise, 0xfefd);
      record[4] = static_cast<uint8_t>(random.below(3));
      if (record[0] == 22 && record[4] == 0 && !noise.empty()) record[kRecordHeaderSize] = 99;
      all.push_back(record);
    }
    all.insert(all.begin() + 10, packet);
    return all;
  };
  ASSERT_TRUE(pair.run());
  EXPECT_TRUE(pair.both_connected());
  EXPECT_GT(pair.client.connection.dropped().total() + pair.server.connection.dropped().total(), 100u);
}

TEST_P(EveryVersion, PeersOfTheSameRoleNeverConnect) {
  for (const Role role : {Role::Client, Role::Server}) {
    Config same = config(role);
    same.handshake_timeout = testing::seconds(5);
    Side a(same, 1);
    Side b(same, 2);
    for (Time now = kStart; now < kStart + testing::seconds(6); now += testing::milliseconds(50)) {
      a.connection.start(now);
      b.connection.start(now);
      for (const Packet& packet : a.take_packets()) b.give(packet, now);
      for (const Packet& packet : b.take_packets()) a.give(packet, now);
      a.connection.handle_timeout(now);
      b.connection.handle_timeout(now);
    }
    a.drain();
    EXPECT_FALSE(a.connected);
    EXPECT_EQ(a.closed->reason, CloseReason::Timeout);
  }
}

/// 10^5 records, or what KAON_RECORDS says.
size_t record_count() {
  const char* const told = std::getenv("KAON_RECORDS");
  return told != nullptr ? parse_number<size_t>(told).value_or(0) : 100'000;
}

// A sequence number that a key uses twice would be a nonce that it uses twice. The receiver takes each number of a key
// once, so all that arrive were different; where the nonce is on the wire (1.2) it is looked at as well.
TEST_P(EveryVersion, C7NoKeyUsesANonceTwice) {
  Config client = config(Role::Client), server = config(Role::Server);
  client.records_per_key = server.records_per_key = 700;
  Pair pair(client, server);
  ASSERT_TRUE(pair.run());
  ASSERT_TRUE(pair.both_connected());
  std::set<Packet> nonces;
  const size_t records = record_count();
  size_t delivered = 0, lost = 0;
  for (size_t i = 0; i < records; ++i) {
    for (const bool of_client : {true, false}) {
      Side& from = pair.side(of_client);
      const Packet packet = from.protect("x");
      if (GetParam() == Version::Dtls12) {
        Packet nonce(packet.begin() + kRecordHeaderSize, packet.begin() + kRecordHeaderSize + 8);
        nonce.push_back(of_client ? 1 : 0);
        EXPECT_TRUE(nonces.insert(std::move(nonce)).second) << i;
        if (nonces.size() > 200'000) nonces.erase(nonces.begin(), std::next(nonces.begin(), 100'000));
      }
      pair.side(!of_client).give(packet, pair.now);
      delivered += std::exchange(pair.side(!of_client).received, {}).size();
    }
    // What changes keys is lost now and then, and sent again.
    for (const bool of_client : {true, false}) {
      for (Packet& packet : pair.side(of_client).take_packets()) {
        if (++lost % 3 != 0) pair.side(!of_client).give(std::move(packet), pair.now);
      }
    }
    pair.now += std::chrono::milliseconds(5);
    pair.client.connection.handle_timeout(pair.now);
    pair.server.connection.handle_timeout(pair.now);
  }
  EXPECT_EQ(delivered, 2 * records);
  EXPECT_FALSE(pair.client.closed || pair.server.closed);
  EXPECT_TRUE(GetParam() == Version::Dtls12 || lost > records / 700) << "keys were changed";
}

}  // namespace
}  // namespace kaon::dtls
