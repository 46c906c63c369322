// Connection ids in both versions (RFC 9146, RFC 9147 §9).
#include <gmock/gmock.h>

#include <charconv>

#include "kaon/base/writer.h"
#include "kaon/dtls/internal/messages13.h"
#include "kaon/dtls/internal/record_layer.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using testing::config13_of;
using testing::config_of;
using ::testing::ElementsAre;
using testing::exchange;
using testing::expect_carries_data;
using ::testing::IsEmpty;
using testing::milliseconds;
using testing::Packet;
using testing::Pair;
using testing::Path;
using testing::Side;

using Id = std::optional<Packet>;

Packet id_of(size_t size, uint8_t first = 1) {
  Packet id(size);
  for (size_t i = 0; i < size; ++i) id[i] = static_cast<uint8_t>(first + i);
  return id;
}

Config with_id(Role role, Version version, Id id) {
  Config config = version == Version::Dtls13 ? config13_of(role) : config_of(role);
  config.connection_id = std::move(id);
  return config;
}

/// Whether the first protected record of a datagram has an id, and its id.
std::optional<Packet> first_id(const Packet& packet, size_t size) {
  const auto id = Connection::connection_id_of(packet, size);
  if (!id) return std::nullopt;
  return Packet(id->begin(), id->end());
}

class ConnectionIds : public ::testing::TestWithParam<Version> {
 protected:
  static Pair make_pair(Id of_client, Id of_server, uint64_t seed = 1) {
    return Pair(with_id(Role::Client, GetParam(), std::move(of_client)),
                with_id(Role::Server, GetParam(), std::move(of_server)), seed);
  }
  static bool is13() { return GetParam() == Version::Dtls13; }
};
INSTANTIATE_TEST_SUITE_P(Dtls, ConnectionIds, ::testing::Values(Version::Dtls12, Version::Dtls13),
                         [](const auto& test) { return test.param == Version::Dtls13 ? "Of13" : "Of12"; });

TEST_P(ConnectionIds, OfEverySizeBothWaysIndependently) {
  const std::vector<Id> ids = {std::nullopt, Packet{}, id_of(1), id_of(20), id_of(255)};
  for (const Id& of_client : ids)
    for (const Id& of_server : ids) {
      SCOPED_TRACE(::testing::Message() << (of_client ? static_cast<int>(of_client->size()) : -1) << " "
                                        << (of_server ? static_cast<int>(of_server->size()) : -1));
      Pair pair = make_pair(of_client, of_server);
      ASSERT_TRUE(pair.run());
      ASSERT_TRUE(pair.both_connected());
      expect_carries_data(pair);
      const bool negotiated = of_client && of_server;
      for (const bool client : {true, false}) {
        // What this side writes is what the other wants.
        const Packet expected = negotiated ? (client ? *of_server : *of_client) : Packet{};
        Side& side = pair.side(client);
        const ByteView remote = side.connection.remote_connection_id();
        EXPECT_EQ(Packet(remote.begin(), remote.end()), expected);
        const Packet packet = side.protect("text");
        EXPECT_EQ(first_id(packet, expected.size()), expected.empty() ? std::nullopt : Id(expected));
        const size_t plain = is13() ? 22 : 37;
        const size_t type = is13() || expected.empty() ? 0 : 1;
        EXPECT_EQ(side.connection.overhead(), plain + type + expected.size());
        EXPECT_EQ(packet.size(), 4 + side.connection.overhead());
        EXPECT_EQ(side.connection.dropped()[DropReason::WrongConnectionId], 0u);
      }
    }
}

TEST_P(ConnectionIds, CompleteUnderLossDuplicationAndReorder) {
  const uint64_t first_seed = testing::test_seed(1);
  for (uint64_t seed = first_seed; seed < first_seed + 10; ++seed) {
    SCOPED_TRACE(::testing::Message() << "KAON_SEED=" << seed);
    Config client = with_id(Role::Client, GetParam(), id_of(seed % 2 == 0 ? 0 : 20));
    Config server = with_id(Role::Server, GetParam(), id_of(seed % 3 == 0 ? 8 : 60));
    client.mtu = server.mtu = 400;
    Pair pair(client, server, seed);
    ASSERT_TRUE(pair.run({0.3, 0.1, milliseconds(20), milliseconds(seed % 3 * 15)}));
    ASSERT_TRUE(pair.both_connected());
    for (const auto& [from_client, packet] : pair.sent) ASSERT_LE(packet.size(), 400u);
    expect_carries_data(pair);
  }
}

TEST_P(ConnectionIds, ThatLeaveNoRoomAreNotNegotiatedByAServerAndRefusedByAClient) {
  Config client = with_id(Role::Client, GetParam(), id_of(200));
  Config server = with_id(Role::Server, GetParam(), id_of(8));
  server.mtu = 200;
  Pair answered(client, server);
  ASSERT_TRUE(answered.run());
  ASSERT_TRUE(answered.both_connected());
  EXPECT_THAT(answered.client.connection.remote_connection_id(), IsEmpty());

  client = with_id(Role::Client, GetParam(), id_of(8));
  server = with_id(Role::Server, GetParam(), id_of(200));
  client.mtu = 200;
  Pair refused(client, server);
  ASSERT_TRUE(refused.run());
  ASSERT_TRUE(refused.client.closed);
  EXPECT_EQ(refused.client.closed->reason, CloseReason::HandshakeFailure);
}

TEST_P(ConnectionIds, AnotherMtuLeavesRoomForThem) {
  Pair pair = make_pair(id_of(255), id_of(255));
  ASSERT_TRUE(pair.run());
  pair.client.connection.set_mtu(kMinMtu);
  pair.client.connection.close();
  EXPECT_THAT(pair.client.take_packets(), ::testing::SizeIs(1));
}

TEST_P(ConnectionIds, AWrongOneIsDroppedCountedAndNotAskedForKeys) {
  Pair pair = make_pair(id_of(4), id_of(4));
  ASSERT_TRUE(pair.run());
  const size_t at = is13() ? 1 : 11;
  Packet packet = pair.client.protect("text");
  packet[at] ^= 1;
  // RFC 9147 §4: what follows it is not ours either.
  const Packet right = pair.client.protect("behind it");
  packet.insert(packet.end(), right.begin(), right.end());
  pair.server.give(packet, pair.now);
  EXPECT_THAT(pair.server.texts(), IsEmpty());
  const auto& dropped = pair.server.connection.dropped();
  EXPECT_EQ(dropped[DropReason::WrongConnectionId], 1u);
  EXPECT_EQ(dropped[DropReason::BadTag], 0u);
  pair.server.give(right, pair.now);
  EXPECT_THAT(pair.server.texts(), ElementsAre("behind it"));
}

TEST_P(ConnectionIds, ARecordWithoutOneIsDroppedWhereOneIsDue) {
  Pair pair = make_pair(id_of(4), id_of(4));
  ASSERT_TRUE(pair.run());
  Packet packet = pair.client.protect("text");
  const auto at = packet.begin() + (is13() ? 1 : 11);
  packet.erase(at, at + 4);
  packet[0] = is13() ? static_cast<uint8_t>(packet[0] & ~0x10) : 23;
  pair.server.give(packet, pair.now);
  EXPECT_THAT(pair.server.texts(), IsEmpty());
  EXPECT_EQ(pair.server.connection.dropped()[DropReason::WrongConnectionId], 1u);
}

TEST_P(ConnectionIds, ARecordWithOneIsDroppedWhereNoneIsDue) {
  Pair with = make_pair(id_of(4), id_of(4));
  ASSERT_TRUE(with.run());
  const Packet packet = with.client.protect("text");
  for (const Id& of_server : {Id(), Id(Packet{})}) {
    Pair without = make_pair(id_of(4), of_server);
    ASSERT_TRUE(without.run());
    without.server.give(packet, without.now);
    EXPECT_THAT(without.server.texts(), IsEmpty());
    EXPECT_FALSE(without.server.closed);
  }
}

TEST_P(ConnectionIds, TellWhenThePeerMayHaveMoved) {
  Pair pair = make_pair(id_of(4), id_of(8));
  ASSERT_TRUE(pair.run());
  const Connection& server = pair.server.connection;
  const Packet first = pair.client.protect("first");
  const Packet second = pair.client.protect("second");
  pair.server.give(second, pair.now);
  EXPECT_TRUE(server.peer_may_have_moved());
  pair.server.give(first, pair.now);  // authentic, but overtaken
  EXPECT_FALSE(server.peer_may_have_moved());
  pair.server.give(second, pair.now);  // replayed
  EXPECT_FALSE(server.peer_may_have_moved());
  Packet forged = pair.client.protect("third");
  forged.back() ^= 1;
  pair.server.give(forged, pair.now);
  EXPECT_FALSE(server.peer_may_have_moved());
  forged.back() ^= 1;
  pair.server.give(forged, pair.now);
  EXPECT_TRUE(server.peer_may_have_moved());
  EXPECT_THAT(pair.server.texts(), ElementsAre("second", "first", "third"));
}

TEST_P(ConnectionIds, NothingTellsThatThePeerMovedWithoutThem) {
  Pair pair = make_pair(std::nullopt, std::nullopt);
  ASSERT_TRUE(pair.run());
  pair.server.give(pair.client.protect("text"), pair.now);
  EXPECT_THAT(pair.server.texts(), ElementsAre("text"));
  EXPECT_FALSE(pair.server.connection.peer_may_have_moved());
}

/// A ClientHello in one record with an extension more that offers an empty id.
Packet with_offer(Packet packet) {
  if (packet[0] != 22 || packet[13] != 1) return packet;
  const auto grow = [&](size_t at, size_t size) {
    size_t value = 0;
    for (size_t i = 0; i < size; ++i) value = value << 8 | packet[at + i];
    value += 5;
    for (size_t i = size; i-- > 0; value >>= 8) packet[at + i] = static_cast<uint8_t>(value);
  };
  size_t at = 13 + 12 + 2 + 32;
  at += 1u + packet[at];              // session id
  at += 1u + packet[at];              // cookie
  at += 2u + load_be16(&packet[at]);  // suites
  at += 1u + packet[at];              // compression
  grow(at, 2);
  grow(11, 2);
  grow(14, 3);
  grow(22, 3);
  for (const uint8_t byte : {0, 54, 0, 1, 0}) packet.push_back(byte);
  return packet;
}

TEST_P(ConnectionIds, AClientThatOfferedNoneRefusesAnAnswer) {
  Pair pair = make_pair(std::nullopt, id_of(4));
  pair.tamper = [](bool from_client, Packet packet) -> std::vector<Packet> {
    return {from_client ? with_offer(std::move(packet)) : std::move(packet)};
  };
  ASSERT_TRUE(pair.run());
  ASSERT_TRUE(pair.client.closed);
  EXPECT_EQ(pair.client.closed->reason, CloseReason::HandshakeFailure);
  EXPECT_THAT(pair.client.closed->detail, ::testing::HasSubstr("connection id"));
}

TEST(ConnectionIdOfAPacket, IsWhereItsVersionHasIt) {
  EXPECT_EQ(first_id({25, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4}, 4), Packet({1, 2, 3, 4}));
  EXPECT_EQ(first_id({0x3f, 1, 2, 3, 4}, 4), Packet({1, 2, 3, 4}));
  EXPECT_EQ(first_id({0x3f, 1, 2, 3}, 4), std::nullopt);
  EXPECT_EQ(first_id({0x2f, 1, 2, 3, 4}, 4), std::nullopt);
  EXPECT_EQ(first_id({23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 7, 1, 2, 3, 4}, 4), std::nullopt);
  EXPECT_EQ(first_id({}, 4), std::nullopt);
}

// -- new ids of 1.3 ---------------------------------------------------------------------------------------------------

class NewConnectionIds : public ::testing::Test {
 protected:
  explicit NewConnectionIds(const Id& of_client = id_of(4), const Id& of_server = id_of(4, 50))
      : pair(with_key_log(Role::Client, of_client), with_key_log(Role::Server, of_server)) {
    EXPECT_TRUE(pair.run());
    EXPECT_TRUE(pair.both_connected());
  }
  static Config with_key_log(Role role, const Id& id) {
    Config config = with_id(role, Version::Dtls13, id);
    config.key_log = true;
    return config;
  }
  static Packet written_by(Side& side, size_t size = 4) { return first_id(side.protect("x"), size).value_or(Packet{}); }
  /// A handshake message that the client did not mean to send, far ahead of its record and at its next message number.
  Packet forged_by_client(HandshakeType type, ByteView body, const Packet& id) {
    const std::string& line = pair.client.key_log[2];
    EXPECT_EQ(line.find("CLIENT_TRAFFIC_SECRET_0"), 0u);
    const std::string hex = line.substr(line.rfind(' ') + 1);
    Packet secret(hex.size() / 2);
    for (size_t i = 0; i < secret.size(); ++i) std::from_chars(&hex[2 * i], &hex[2 * i] + 2, secret[i], 16);
    RecordLayer records;
    records.use_connection_ids({}, id);
    records.install_write(kEpochApplication13,
                          {crypto::AeadAlgorithm::Aes128Gcm, crypto::HashAlgorithm::Sha256, secret});
    records.skip_to(1000 + forged_++);
    Packet message(kHandshakeHeaderSize + body.size());
    Writer writer(message);
    writer.u8(static_cast<uint8_t>(type));
    writer.u24(static_cast<uint32_t>(body.size()));
    writer.u16(4);  // behind ClientHello, Certificate, CertificateVerify, Finished
    writer.u24(0);
    writer.u24(static_cast<uint32_t>(body.size()));
    writer.bytes(body);
    Packet out(message.size() + records.overhead(kEpochApplication13));
    EXPECT_EQ(records.seal(kEpochApplication13, ContentType::Handshake, message, out), out.size());
    return out;
  }

  Pair pair;
  uint64_t forged_ = 0;
};

TEST_F(NewConnectionIds, SpareOnesWaitUntilTheyAreUsed) {
  ASSERT_TRUE(pair.server.connection.send_new_connection_ids({id_of(4, 100), id_of(4, 110)}, ConnectionIdUsage::Spare));
  EXPECT_LE(pair.server.connection.next_timeout(), pair.now);
  exchange(pair);
  EXPECT_EQ(written_by(pair.client), id_of(4, 50));
  expect_carries_data(pair);
  EXPECT_TRUE(pair.client.connection.use_spare_connection_id());
  EXPECT_EQ(written_by(pair.client), id_of(4, 100));
  expect_carries_data(pair);
  EXPECT_TRUE(pair.client.connection.use_spare_connection_id());
  EXPECT_EQ(written_by(pair.client), id_of(4, 110));
  EXPECT_FALSE(pair.client.connection.use_spare_connection_id());
  expect_carries_data(pair);
  EXPECT_EQ(written_by(pair.server), id_of(4));
}

TEST_F(NewConnectionIds, ImmediateOnesAreUsedAtOnce) {
  ASSERT_TRUE(pair.client.connection.send_new_connection_ids({id_of(4, 100)}, ConnectionIdUsage::Immediate));
  exchange(pair);
  EXPECT_EQ(written_by(pair.server), id_of(4, 100));
  expect_carries_data(pair);
  const Packet old = id_of(4);
  pair.client.connection.forget_connection_id(old);
  expect_carries_data(pair);
  EXPECT_EQ(pair.client.connection.next_timeout(), kNever);
}

TEST_F(NewConnectionIds, AreAskedForOncePerAnswer) {
  Connection& client = pair.client.connection;
  ASSERT_TRUE(client.request_connection_ids(2));
  EXPECT_EQ(client.request_connection_ids(2).error(), Error::Busy);
  exchange(pair);
  EXPECT_EQ(pair.server.ids_requested, 2);
  EXPECT_EQ(client.request_connection_ids(2).error(), Error::Busy);
  ASSERT_TRUE(pair.server.connection.send_new_connection_ids({}, ConnectionIdUsage::Spare));
  exchange(pair);
  EXPECT_FALSE(client.use_spare_connection_id());
  ASSERT_TRUE(client.request_connection_ids(1));
  exchange(pair);
  EXPECT_EQ(pair.server.ids_requested, 1);
}

TEST_F(NewConnectionIds, TheCallersMistakesAreErrors) {
  Connection& server = pair.server.connection;
  const auto send = [&](std::vector<Packet> ids, ConnectionIdUsage usage = ConnectionIdUsage::Spare) {
    return server.send_new_connection_ids(ids, usage).error();
  };
  EXPECT_EQ(send({id_of(5)}), Error::InvalidConnectionId);
  EXPECT_EQ(send({id_of(4, 50)}), Error::InvalidConnectionId);
  EXPECT_EQ(send({id_of(4, 60), id_of(4, 60)}), Error::InvalidConnectionId);
  EXPECT_EQ(send({}, ConnectionIdUsage::Immediate), Error::InvalidConnectionId);
  std::vector<Packet> many;
  for (uint8_t i = 0; i < Connection::kMaxConnectionIds; ++i) many.push_back(id_of(4, static_cast<uint8_t>(100 + i)));
  EXPECT_EQ(send(many), Error::InvalidConnectionId);
  many.pop_back();
  ASSERT_TRUE(server.send_new_connection_ids(many, ConnectionIdUsage::Spare));
  EXPECT_EQ(send({}), Error::Busy);
  exchange(pair);
  EXPECT_EQ(send({id_of(4, 200)}), Error::InvalidConnectionId);
  server.forget_connection_id(many[0]);
  EXPECT_TRUE(server.send_new_connection_ids({id_of(4, 200)}, ConnectionIdUsage::Spare));
}

TEST_F(NewConnectionIds, NeverAreInFlightWhileAKeyUpdateCompletes) {
  // A retransmission of the one needs keys that the other takes away.
  for (const bool update_first : {false, true}) {
    Side& server = pair.server;
    const auto update = [&] { ASSERT_TRUE(server.connection.update_keys()); };
    if (update_first) update();
    const uint8_t id = update_first ? 100 : 120;
    ASSERT_TRUE(server.connection.send_new_connection_ids({id_of(4, id)}, ConnectionIdUsage::Immediate));
    server.connection.handle_timeout(pair.now);
    if (!update_first) update();
    server.connection.handle_timeout(pair.now);
    for (int lost = 0; lost < 5; ++lost) {
      EXPECT_THAT(server.take_packets(), ::testing::SizeIs(1));
      pair.now = server.connection.next_timeout();
      server.connection.handle_timeout(pair.now);
    }
    exchange(pair);
    EXPECT_EQ(server.connection.next_timeout(), kNever);
    EXPECT_EQ(written_by(pair.client), id_of(4, id));
    // The new keys are in use: the low bits of the epoch say so.
    const Packet record = server.protect("x");
    EXPECT_EQ(record[0] & 3, update_first ? 1 : 0);
    expect_carries_data(pair);
  }
}

TEST_F(NewConnectionIds, ComeThroughALossyPath) {
  const uint64_t seed = testing::test_seed(5);
  SCOPED_TRACE(::testing::Message() << "KAON_SEED=" << seed);
  SeededRandom random(seed);
  for (uint8_t round = 0; round < 6; ++round) {
    const Packet of_client = id_of(4, static_cast<uint8_t>(100 + 8 * round));
    const Packet of_server = id_of(4, static_cast<uint8_t>(101 + 8 * round));
    ASSERT_TRUE(pair.client.connection.send_new_connection_ids({of_client}, ConnectionIdUsage::Immediate));
    ASSERT_TRUE(pair.server.connection.send_new_connection_ids({of_server}, ConnectionIdUsage::Immediate));
    ASSERT_TRUE(pair.client.connection.update_keys());
    ASSERT_TRUE(pair.server.connection.update_keys());
    for (int step = 0; step < 400; ++step) {
      for (const bool client : {true, false}) {
        Side& side = pair.side(client);
        if (side.connection.next_timeout() <= pair.now) side.connection.handle_timeout(pair.now);
        for (const Packet& packet : side.take_packets())
          if (random.below(2) == 0) pair.side(!client).give(packet, pair.now);
      }
      pair.now = std::min({pair.client.connection.next_timeout(), pair.server.connection.next_timeout(),
                           pair.now + testing::seconds(60)});
    }
    EXPECT_EQ(written_by(pair.server), of_client);
    EXPECT_EQ(written_by(pair.client), of_server);
    for (const bool client : {true, false}) {
      const Packet old =
          id_of(4, static_cast<uint8_t>((round == 0 ? (client ? 1 : 50) : (client ? 92 : 93) + 8 * round)));
      pair.side(client).connection.forget_connection_id(old);
    }
    expect_carries_data(pair);
  }
}

TEST_F(NewConnectionIds, MalformedMessagesEndTheConnection) {
  pair.server.give(forged_by_client(HandshakeType::NewConnectionId, Packet{0, 2, 1, 7, 2}, id_of(4, 50)), pair.now);
  ASSERT_TRUE(pair.server.closed);
  EXPECT_EQ(pair.server.closed->detail, "malformed NewConnectionId");
}

TEST_F(NewConnectionIds, AnImmediateOneWithoutAnIdEndsTheConnection) {
  pair.server.give(forged_by_client(HandshakeType::NewConnectionId, Packet{0, 0, 0}, id_of(4, 50)), pair.now);
  ASSERT_TRUE(pair.server.closed);
  EXPECT_EQ(pair.server.closed->reason, CloseReason::HandshakeFailure);
}

TEST_F(NewConnectionIds, OfMoreThanAreKeptTheRestIsSkipped) {
  NewConnectionId message{{}, ConnectionIdUsage::Spare};
  std::vector<Packet> ids;
  for (uint8_t i = 0; i < 100; ++i) ids.push_back(id_of(4, static_cast<uint8_t>(100 + i)));
  message.ids.assign(ids.begin(), ids.end());
  pair.server.give(forged_by_client(HandshakeType::NewConnectionId, message.write(), id_of(4, 50)), pair.now);
  size_t used = 0;
  while (pair.server.connection.use_spare_connection_id()) ++used;
  EXPECT_EQ(used, Connection::kMaxConnectionIds);
}

/// The client wants no ids and the server none either, in the two ways there are.
class WithoutConnectionIds : public NewConnectionIds {
 protected:
  WithoutConnectionIds() : NewConnectionIds(std::nullopt, id_of(4)) {}
};
class WithEmptyConnectionIds : public NewConnectionIds {
 protected:
  WithEmptyConnectionIds() : NewConnectionIds(Packet{}, Packet{}) {}
};

TEST_F(WithoutConnectionIds, NewOnesEndTheConnectionAndCannotBeSent) {
  EXPECT_EQ(pair.client.connection.request_connection_ids(1).error(), Error::NoConnectionIds);
  EXPECT_EQ(pair.client.connection.send_new_connection_ids({}, ConnectionIdUsage::Spare).error(),
            Error::NoConnectionIds);
  pair.server.give(forged_by_client(HandshakeType::NewConnectionId, Packet{0, 2, 1, 7, 1}, {}), pair.now);
  ASSERT_TRUE(pair.server.closed);
  EXPECT_EQ(pair.server.closed->detail, "NewConnectionId without connection ids");
}

TEST_F(WithEmptyConnectionIds, NewOnesEndTheConnection) {
  pair.server.give(forged_by_client(HandshakeType::NewConnectionId, Packet{0, 2, 1, 7, 1}, {}), pair.now);
  ASSERT_TRUE(pair.server.closed);
  EXPECT_EQ(pair.server.closed->detail, "NewConnectionId without connection ids");
}

TEST_F(WithEmptyConnectionIds, RequestsEndTheConnection) {
  pair.server.give(forged_by_client(HandshakeType::RequestConnectionId, Packet{1}, {}), pair.now);
  ASSERT_TRUE(pair.server.closed);
  EXPECT_EQ(pair.server.closed->detail, "RequestConnectionId without connection ids");
}

TEST(NewConnectionIdsOf12, DoNotExist) {
  Pair pair(with_id(Role::Client, Version::Dtls12, id_of(4)), with_id(Role::Server, Version::Dtls12, id_of(4)));
  EXPECT_EQ(pair.client.connection.request_connection_ids(1).error(), Error::NotConnected);
  ASSERT_TRUE(pair.run());
  EXPECT_EQ(pair.client.connection.request_connection_ids(1).error(), Error::NoConnectionIds);
  EXPECT_EQ(pair.client.connection.send_new_connection_ids({id_of(4, 9)}, ConnectionIdUsage::Spare).error(),
            Error::NoConnectionIds);
}

}  // namespace
}  // namespace kaon::dtls
