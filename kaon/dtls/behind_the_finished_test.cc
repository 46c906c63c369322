// What a server of DTLS 1.3 says behind its Finished, before it knows who the client is.
#include <gmock/gmock.h>

#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using crypto::KeyType;
using testing::certificate;
using testing::config13_of;
using ::testing::ElementsAre;
using testing::exchange;
using testing::expect_works;
using ::testing::IsEmpty;
using testing::Packet;
using testing::Pair;
using testing::pair13;
using ::testing::SizeIs;

// RFC 8446 §2: a server may speak behind its Finished.
TEST(BehindTheFinished, AServerMaySpeakHalfARoundTripBeforeItKnowsTheClient) {
  Pair pair = pair13();
  pair.client.connection.start(pair.now);
  EXPECT_FALSE(pair.client.connection.writable());
  EXPECT_FALSE(pair.server.connection.writable());
  for (const Packet& hello : pair.client.take_packets()) pair.server.give(hello, pair.now);
  const auto flight = pair.server.take_packets();
  ASSERT_TRUE(pair.server.connection.writable());
  ASSERT_FALSE(pair.server.connection.connected());
  const Packet early = pair.server.protect("early");
  ASSERT_FALSE(early.empty());
  std::vector<uint8_t> keys(56);
  EXPECT_FALSE(pair.server.connection.export_keying_material(kSrtpExporterLabel, {}, keys));
  // It may overtake the flight.
  pair.client.give(early, pair.now);
  EXPECT_THAT(pair.client.texts(), IsEmpty());
  for (const Packet& packet : flight) pair.client.give(packet, pair.now);
  EXPECT_THAT(pair.client.texts(), ElementsAre("early"));
  EXPECT_TRUE(pair.client.connection.writable());
  exchange(pair);
  expect_works(pair);
}

// The flight and the data behind it overtake the ServerHello, so that they are kept until it has brought the keys.
TEST(BehindTheFinished, DataThatWasKeptWithTheFlightIsStillThereWhenItIsRead) {
  Pair pair = pair13();
  pair.client.connection.start(pair.now);
  for (const Packet& hello : pair.client.take_packets()) pair.server.give(hello, pair.now);
  const auto flight = pair.server.take_packets();
  ASSERT_THAT(flight, SizeIs(1));
  const auto second = flight[0].begin() + 13 + load_be16(&flight[0][11]);
  pair.client.give({second, flight[0].end()}, pair.now);
  pair.client.give(pair.server.protect("behind the flight"), pair.now);
  pair.client.give({flight[0].begin(), second}, pair.now);
  EXPECT_THAT(pair.client.texts(), ElementsAre("behind the flight"));
  exchange(pair);
  expect_works(pair);
}

TEST(BehindTheFinished, AServerMaySpeakEarlyBehindAHelloRetryRequestAndOnlyOfItsFinished) {
  Config server = config13_of(Role::Server);
  server.groups = {crypto::Group::Secp384r1};
  Pair pair(config13_of(Role::Client), server);
  pair.client.connection.start(pair.now);
  for (const Packet& hello : pair.client.take_packets()) pair.server.give(hello, pair.now);
  EXPECT_FALSE(pair.server.connection.writable()) << "it has asked for another hello";
  for (const Packet& retry : pair.server.take_packets()) pair.client.give(retry, pair.now);
  for (const Packet& hello : pair.client.take_packets()) pair.server.give(hello, pair.now);
  EXPECT_TRUE(pair.server.connection.writable());
  exchange(pair);
  expect_works(pair);
}

TEST(BehindTheFinished, NobodyElseMaySpeakBeforeConnected) {
  for (const Version version : {Version::Dtls12, Version::Dtls13}) {
    Config client = config13_of(Role::Client), server = config13_of(Role::Server);
    client.min_version = server.min_version = client.max_version = server.max_version = version;
    Pair pair(client, server);
    int early = 0;
    pair.tamper = [&](bool from_client, Packet packet) -> std::vector<Packet> {
      const Connection& c = pair.client.connection;
      const Connection& s = pair.server.connection;
      EXPECT_EQ(c.writable(), c.connected());
      if (version == Version::Dtls12) {
        EXPECT_EQ(s.writable(), s.connected());
      }
      if (s.writable() && !s.connected()) ++early;
      static_cast<void>(from_client);
      return {packet};
    };
    ASSERT_TRUE(pair.run());
    EXPECT_EQ(early != 0, version == Version::Dtls13);
  }
}

TEST(BehindTheFinished, AServerThatRefusesTheClientSpeaksNoMore) {
  Config server = config13_of(Role::Server);
  server.remote_fingerprints = {certificate(KeyType::EcdsaP256, 7).fingerprint()};
  Pair pair(config13_of(Role::Client), server);
  ASSERT_TRUE(pair.run());
  ASSERT_TRUE(pair.server.closed);
  EXPECT_FALSE(pair.server.connection.writable());
  EXPECT_TRUE(pair.server.protect("late").empty());
}

}  // namespace
}  // namespace kaon::dtls
