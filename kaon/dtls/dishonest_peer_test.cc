// DTLS 1.3 against a peer that has the keys and breaks the protocol: what nobody else can have made ends the
// connection.
#include <gmock/gmock.h>

#include "kaon/base/writer.h"
#include "kaon/dtls/internal/dishonest_peer.h"
#include "kaon/dtls/internal/handshake.h"
#include "kaon/dtls/internal/messages.h"

namespace kaon::dtls {
namespace {

using namespace testing;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(DishonestPeer13, AMessageThatNeverComesInTheHandshakeIsFatal) {
  Pair pair = half_connected();
  pair.server.give(record_from_peer(pair.server, Role::Client, 2, kHandshake, message(77, 1, 4, 4)), kStart);
  expect_closed_with(pair.server, "handshake message 77 out of turn");
}

TEST(DishonestPeer13, RecordsThatSayWhatTheyMustNotAreFatal) {
  struct Case {
    uint64_t epoch;
    uint8_t type;
    size_t size;
    std::string_view detail;
  };
  for (const Case& c : {Case{3, kApplicationData, (1 << 14) + 1, "too much"}, Case{3, 77, 5, "record of type 77"},
                        Case{3, 0, 5, "record of type 0"}, Case{3, 20, 1, "record of type 20"},
                        Case{3, kAlert, 3, "malformed alert"}}) {
    Pair pair = pair_with_key_log();
    ASSERT_TRUE(pair.run());
    pair.client.give(record_from_peer(pair.client, Role::Server, c.epoch, c.type, Packet(c.size, 0)), pair.now);
    expect_closed_with(pair.client, c.detail);
    EXPECT_THAT(pair.client.received, IsEmpty());
  }
}

TEST(DishonestPeer13, DataWithTheKeysOfTheHandshakeIsFatal) {
  Pair pair = half_connected();
  pair.server.give(record_from_peer(pair.server, Role::Client, 2, kApplicationData, Packet(5, 1)), kStart);
  expect_closed_with(pair.server, "record of type 23");
}

TEST(DishonestPeer13, TheLargestRecordIsDelivered) {
  Pair pair = pair_with_key_log();
  ASSERT_TRUE(pair.run());
  pair.client.give(record_from_peer(pair.client, Role::Server, 3, kApplicationData, Packet(1 << 14, 1)), pair.now);
  EXPECT_THAT(pair.client.received, SizeIs(1));
}

TEST(DishonestPeer13, AMessageBehindTheLastOneIsFatal) {
  const Packet late = message(20, 4, 32, 32);  // behind the client's Certificate, CertificateVerify and Finished
  Pair pair = half_connected();
  pair.server.give(record_from_peer(pair.server, Role::Client, 2, kHandshake, late), kStart);  // waits for its turn
  EXPECT_FALSE(pair.server.closed);
  for (const Packet& packet : pair.client.take_packets()) pair.server.give(packet, kStart);
  expect_closed_with(pair.server, "behind the end of the handshake");

  Pair other = half_connected();
  for (const Packet& packet : other.client.take_packets()) other.server.give(packet, kStart);
  ASSERT_TRUE(other.server.connected);
  EXPECT_THAT(other.server.take_packets(), SizeIs(1));  // the ACK
  other.server.give(record_from_peer(other.server, Role::Client, 2, kHandshake, late), kStart);
  expect_closed_with(other.server, "handshake message 20 out of turn");
}

TEST(DishonestPeer13, AClientThatGivesUpAtTheEndIsUnderstoodByTheServer) {
  Config config = with_key_log(config13_of(Role::Server));
  config.mtu = 200;  // several datagrams
  Pair pair(with_key_log(config13_of(Role::Client)), config);
  pair.client.connection.start(kStart);
  pair.server.give(pair.client.take_packets().at(0), kStart);
  bool first = true;
  for (const Packet& packet : pair.server.take_packets()) {
    pair.client.give(packet, kStart);
    if (!std::exchange(first, false)) continue;
    pair.client.give(record_from_peer(pair.client, Role::Server, 2, kHandshake, message(20, 6, 32, 32)), kStart);
  }
  ASSERT_TRUE(pair.client.closed);
  for (const Packet& packet : pair.client.take_packets()) pair.server.give(packet, kStart);
  ASSERT_TRUE(pair.server.closed);
  EXPECT_EQ(pair.server.closed->reason, CloseReason::PeerAlert);
}

// RFC 9147 §7: what was thrown away would be missing for ever if it were acknowledged.
TEST(DishonestPeer13, ARecordOfWhichAFragmentWasDiscardedIsNotAcknowledged) {
  Pair pair = half_connected();
  const Time before = pair.server.connection.next_timeout();
  pair.server.give(record_from_peer(pair.server, Role::Client, 2, kHandshake, message(11, 100, 4, 4)), kStart);
  EXPECT_EQ(pair.server.connection.next_timeout(), before);
  Packet both = message(11, 1, 40, 4);
  const Packet far_ahead = message(15, 100, 4, 4);
  both.insert(both.end(), far_ahead.begin(), far_ahead.end());
  pair.server.give(record_from_peer(pair.server, Role::Client, 2, kHandshake, both), kStart);
  pair.server.connection.handle_timeout(kStart + milliseconds(40));
  EXPECT_THAT(pair.server.take_packets(), IsEmpty());
  EXPECT_GE(pair.server.connection.dropped()[DropReason::ReassemblyFull], 2u);
  EXPECT_FALSE(pair.server.closed);
}

TEST(DishonestPeer13, AServerSpeaksWithTheKeysOfTheApplicationOnceItsFinishedIsSent) {
  Pair pair = half_connected();
  pair.server.give(record_from_peer(pair.server, Role::Client, 2, kHandshake, message(77, 1, 4, 4)), kStart);
  const auto alert = pair.server.take_packets();
  ASSERT_THAT(alert, SizeIs(1));
  EXPECT_EQ(alert[0][0] & 3, 3);
  pair.client.give(alert[0], kStart);
  ASSERT_TRUE(pair.client.closed);
  EXPECT_EQ(pair.client.closed->reason, CloseReason::PeerAlert);
}

TEST(DishonestPeer13, AHelloVerifyRequestAndThenDtls13IsRefused) {
  Config config = config13_of(Role::Client);
  config.min_version = Version::Dtls12;
  Pair pair(config, config13_of(Role::Server));
  pair.client.connection.start(kStart);
  EXPECT_THAT(pair.client.take_packets(), SizeIs(1));
  Packet request = message(static_cast<uint8_t>(HandshakeType::HelloVerifyRequest), 0, 3, 0);
  const Packet body = {0xfe, 0xff, 0};  // an empty cookie, which the next hello does not show
  request[11] = 3;
  request.insert(request.end(), body.begin(), body.end());
  Packet record(kRecordHeaderSize + request.size());
  Writer out(record);
  out.u8(kHandshake);
  out.u16(kVersionDtls12);
  out.u64(0);
  out.u16(static_cast<uint16_t>(request.size()));
  out.bytes(request);
  pair.client.give(record, kStart);
  // As if the server had seen the first hello too.
  for (Packet& hello : pair.client.take_packets()) {
    hello[18] = 0;
    pair.server.give(hello, kStart);
  }
  const auto answer = pair.server.take_packets();
  ASSERT_FALSE(answer.empty());
  Packet first = answer[0];
  first[10] = 9;  // a record number of its own
  first[18] = 1;
  pair.client.give(first, kStart);
  expect_closed_with(pair.client, "a version that was not offered");
}

// RFC 9147 §5.3.
TEST(DishonestPeer13, AClientHelloWithTheCookieOfDtls12IsRefused) {
  for (const bool with_cookie : {false, true}) {
    Side client(config13_of(Role::Client), 1);
    Side server(config13_of(Role::Server), 2);
    client.connection.start(kStart);
    Packet hello = client.take_packets().at(0);
    // Record header 13, message header 12, version 2, random 32, session id 1; then the cookie.
    constexpr size_t kCookie = 13 + 12 + 2 + 32 + 1;
    ASSERT_EQ(hello[kCookie], 0);
    if (with_cookie) {
      hello[kCookie] = 1;
      hello.insert(hello.begin() + kCookie + 1, 0xaa);
      store_be16(&hello[11], static_cast<uint16_t>(load_be16(&hello[11]) + 1));
      for (const size_t length : {13 + 2, 13 + 10})
        store_be16(&hello[length], static_cast<uint16_t>(load_be16(&hello[length]) + 1));
    }
    server.give(hello, kStart);
    EXPECT_EQ(server.take_packets().empty(), with_cookie);
  }
}

// RFC 9147 §5.8.1.
TEST(Ack13, OfAllThatWasSentStopsTheTimer) {
  Pair pair = half_connected();
  EXPECT_LE(pair.server.connection.next_timeout(), kStart + milliseconds(50));
  const Packet ack = ack_of({{0, 0}, {2, 0}});  // the ServerHello, and all the others
  pair.server.give(record_from_peer(pair.server, Role::Client, 2, kAck, ack), kStart);
  EXPECT_GT(pair.server.connection.next_timeout(), kStart + testing::seconds(1));
  for (const Packet& packet : pair.client.take_packets()) pair.server.give(packet, kStart);
  EXPECT_TRUE(pair.server.connected);
}

TEST(Flight13, MessagesOfOneEpochShareARecord) {
  Pair pair = pair_with_key_log();
  ASSERT_TRUE(pair.run());
  std::vector<size_t> records;
  for (auto& [from_client, packet] : pair.sent) {
    Bytes left = packet;
    size_t count = 0;
    for (; !left.empty(); ++count) ASSERT_TRUE(next_record(left));
    records.push_back(count);
  }
  // ClientHello; ServerHello and the rest; the client's flight; the ACK.
  EXPECT_THAT(records, ::testing::ElementsAre(1, 2, 1, 1));
}

TEST(KeyUpdate13, BehindTheFinalFlightIsNotSentTwiceWhenThatIsAcknowledged) {
  Pair pair = half_connected();
  ASSERT_TRUE(pair.client.connected);
  for (const Packet& packet : pair.client.take_packets()) pair.server.give(packet, kStart);
  const auto ack = pair.server.take_packets();
  ASSERT_THAT(ack, SizeIs(1));
  ASSERT_TRUE(pair.client.connection.update_keys());
  pair.client.connection.handle_timeout(kStart);
  EXPECT_THAT(pair.client.take_packets(), SizeIs(1));
  pair.client.give(ack[0], kStart);
  EXPECT_THAT(pair.client.take_packets(), IsEmpty());
}

}  // namespace
}  // namespace kaon::dtls
