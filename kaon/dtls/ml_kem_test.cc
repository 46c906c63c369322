// X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem): policies, hellos in two datagrams, and shares that are none (C13).
// Without ML-KEM in libcrypto only what then has to be is looked at.
#include <gmock/gmock.h>

#include "kaon/dtls/cookie_gate.h"
#include "kaon/dtls/internal/flight.h"
#include "kaon/dtls/internal/messages13.h"
#include "kaon/dtls/internal/reassembler.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using crypto::Group;
using testing::config13_of;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kStart;
using testing::milliseconds;
using testing::Packet;
using testing::Pair;
using testing::seconds;
using testing::Side;
using ::testing::SizeIs;

constexpr Group kHybrid = Group::X25519MlKem768;

Config config_for(Role role, KeyExchangePolicy policy) {
  Config config = config13_of(role);
  config.min_version = Version::Dtls12;
  config.groups = groups_for(policy);
  config.handshake_timeout = seconds(20);
  return config;
}

TEST(KeyExchangePolicies, AreListsOfGroups) {
  EXPECT_THAT(groups_for(KeyExchangePolicy::Latency), ElementsAre(Group::X25519, Group::Secp256r1, Group::Secp384r1));
  EXPECT_THAT(groups_for(KeyExchangePolicy::PostQuantum),
              ElementsAre(kHybrid, Group::X25519, Group::Secp256r1, Group::Secp384r1));
  EXPECT_EQ(config13_of(Role::Client).groups, groups_for(KeyExchangePolicy::Latency));
}

TEST(KeyExchangePolicies, MeetWithoutAnotherRoundTrip) {
  const bool available = crypto::group_available(kHybrid);
  for (const auto client : {KeyExchangePolicy::Latency, KeyExchangePolicy::PostQuantum})
    for (const auto server : {KeyExchangePolicy::Latency, KeyExchangePolicy::PostQuantum}) {
      const bool both = client == KeyExchangePolicy::PostQuantum && server == client;
      Pair pair(config_for(Role::Client, client), config_for(Role::Server, server));
      ASSERT_TRUE(pair.run());
      ASSERT_TRUE(pair.both_connected());
      EXPECT_EQ(pair.client.connected->group, both && available ? kHybrid : Group::X25519);
      EXPECT_EQ(pair.server.connected->group, pair.client.connected->group);
      // Two round trips of 20 ms, and the ACK of the client's last flight.
      EXPECT_LE(pair.now, kStart + milliseconds(45));
      expect_carries_data(pair);
    }
}

TEST(KeyExchangePolicies, PostQuantumFallsBackTo12) {
  Config old = config_for(Role::Server, KeyExchangePolicy::PostQuantum);
  old.max_version = Version::Dtls12;
  Pair pair(config_for(Role::Client, KeyExchangePolicy::PostQuantum), old);
  ASSERT_TRUE(pair.run());
  ASSERT_TRUE(pair.both_connected());
  EXPECT_EQ(pair.client.connected->version, Version::Dtls12);
  EXPECT_EQ(pair.client.connected->group, Group::X25519);
}

/// A record with the ClientHello or ServerHello that `packet` begins with, its share of `group` replaced.
Packet with_share(Packet packet, Group group, const Packet& share) {
  Bytes left = packet;
  const auto record = next_record(left);
  Reader reader(record->fragment);
  const auto fragment = Fragment::parse(reader, 0);
  Packet body(fragment->bytes.begin(), fragment->bytes.end());
  const bool client = fragment->type == HandshakeType::ClientHello;
  ByteView old;
  size_t lists = 0;  // lengths around the share: of it, of the list of shares (client), of the extension
  if (client) {
    old = *ClientHello::parse(body)->share_of(group);
    lists = 3;
  } else {
    old = ServerHello::parse(body)->share;
    lists = 2;
  }
  const auto at = static_cast<size_t>(old.data() - body.data());
  const auto grow = [&](size_t position, size_t size) {
    store_be16(&body[position], static_cast<uint16_t>(load_be16(&body[position]) + share.size() - size));
  };
  const size_t old_size = old.size();
  grow(at - 2, old_size);
  // The key_share extension's own lengths stand before its first entry; that of all extensions behind the fixed part.
  Reader head(body);
  head.skip(2 + kRandomSize);
  head.vector8();
  if (client) {
    head.vector8();
    head.vector16();
    head.vector8();
  } else {
    head.skip(3);
  }
  grow(head.position(), old_size);
  Reader extensions(ByteView(body).subspan(head.position() + 2));
  size_t extension = 0;
  while (!extensions.at_end()) {
    extension = head.position() + 2 + extensions.position();
    const uint16_t type = extensions.u16();
    if (type == static_cast<uint16_t>(ExtensionType::KeyShare)) break;
    extensions.vector16();
  }
  grow(extension + 2, old_size);
  if (lists == 3) grow(extension + 4, old_size);
  body.erase(body.begin() + static_cast<ptrdiff_t>(at), body.begin() + static_cast<ptrdiff_t>(at + old_size));
  body.insert(body.begin() + static_cast<ptrdiff_t>(at), share.begin(), share.end());
  Flight flight;
  flight.number_from(fragment->sequence);
  RecordLayer records;
  records.number_clear_from(record->sequence);
  flight.add(fragment->type, kEpochClear, body);
  Packet out(20'000);
  out.resize(flight.write_datagram(records, out));
  out.insert(out.end(), left.begin(), left.end());
  return out;
}

class MlKem : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!crypto::group_available(kHybrid)) GTEST_SKIP() << "libcrypto has no ML-KEM";
  }
  static Pair hybrid_pair(size_t mtu = 4000, uint64_t seed = 1) {
    Config client = config_for(Role::Client, KeyExchangePolicy::PostQuantum);
    Config server = config_for(Role::Server, KeyExchangePolicy::PostQuantum);
    client.mtu = server.mtu = mtu;
    return Pair(client, server, seed);
  }
  /// Runs with the share of the client or the server changed each time it is sent.
  template <class Change>
  static void run_with(Pair& pair, bool of_client, const Change& change) {
    int changed = 0;
    pair.tamper = [&](bool from_client, Packet packet) -> std::vector<Packet> {
      const bool hello = packet[0] == 22 && packet[kRecordHeaderSize] == (of_client ? 1 : 2);
      if (from_client != of_client || !hello) return {std::move(packet)};
      Bytes left = packet;
      const auto record = next_record(left);
      const ByteView body = record->fragment.subspan(kHandshakeHeaderSize);
      const ByteView old = of_client ? *ClientHello::parse(body)->share_of(kHybrid) : ServerHello::parse(body)->share;
      Packet share(old.begin(), old.end());
      change(share);
      ++changed;
      return {with_share(std::move(packet), kHybrid, share)};
    };
    pair.run();
    EXPECT_GT(changed, 0);
    EXPECT_FALSE(pair.client.connected);
    EXPECT_FALSE(pair.server.connected);
  }
};

TEST_F(MlKem, HellosInPiecesComeThroughLossAndReorder) {
  for (const size_t mtu : {size_t{200}, size_t{576}, size_t{1200}, size_t{1500}})
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      Pair pair = hybrid_pair(mtu, seed);
      ASSERT_TRUE(pair.run({0.1, 0.1, milliseconds(20), milliseconds(15)})) << mtu << " " << seed;
      ASSERT_TRUE(pair.both_connected());
      EXPECT_EQ(pair.server.connected->group, kHybrid);
      expect_carries_data(pair);
    }
}

TEST_F(MlKem, AnUntouchedShareThatIsWrittenAnewConnects) {  // the tests below change something
  Pair pair = hybrid_pair();
  pair.tamper = [&](bool from_client, Packet packet) -> std::vector<Packet> {
    if (!from_client || packet[0] != 22) return {std::move(packet)};
    const ByteView body = ByteView(packet).subspan(kRecordHeaderSize + kHandshakeHeaderSize);
    const ByteView share = *ClientHello::parse(body)->share_of(kHybrid);
    return {with_share(packet, kHybrid, Packet(share.begin(), share.end()))};
  };
  ASSERT_TRUE(pair.run());
  EXPECT_TRUE(pair.both_connected());
}

// C13. A hello comes in the clear and may be a stranger's: it is dropped, and the right one may still come.
TEST_F(MlKem, AShareThatIsNoneIsDroppedByAServerLikeAnyUnusableHello) {
  const auto expect_refused = [](const auto& change) {
    Pair pair = hybrid_pair();
    run_with(pair, true, change);
    EXPECT_GE(pair.server.connection.dropped()[DropReason::HelloRefused], 1u);
    ASSERT_TRUE(pair.server.closed);
    EXPECT_EQ(pair.server.closed->detail, "ClientHello refused: invalid key share");
  };
  expect_refused([](Packet& share) { share.pop_back(); });
  expect_refused([](Packet& share) { share.push_back(0); });
  expect_refused([](Packet& share) { share.resize(32); });
  expect_refused([](Packet& share) { share[0] = 0xff, share[1] |= 0x0f; });                     // 4095, not reduced
  expect_refused([](Packet& share) { share[1150] |= 0xf0, share[1151] = 0xff; });               // the last coefficient
  expect_refused([](Packet& share) { std::fill(share.end() - 32, share.end(), uint8_t{0}); });  // X25519 of small order
}

TEST_F(MlKem, AServersShareThatIsNoneIsIllegal) {
  const auto expect_fatal = [](const auto& change) {
    Pair pair = hybrid_pair();
    run_with(pair, false, change);
    ASSERT_TRUE(pair.client.closed);
    EXPECT_EQ(pair.client.closed->reason, CloseReason::HandshakeFailure);
    EXPECT_EQ(pair.client.closed->detail, "invalid key share of the server");
    bool alerted = false;
    for (const auto& [from_client, packet] : pair.sent)
      alerted = alerted || (from_client && packet.size() == 15 && packet[0] == 21 && packet[14] == 47);
    EXPECT_TRUE(alerted) << "illegal_parameter";
  };
  expect_fatal([](Packet& share) { share.pop_back(); });
  expect_fatal([](Packet& share) { share.push_back(0); });
  expect_fatal([](Packet& share) { share.resize(32); });
  expect_fatal([](Packet& share) { std::fill(share.end() - 32, share.end(), uint8_t{0}); });
}

// FIPS 203 §7.3: a wrong ciphertext is not told; the secrets differ, and nobody can read what the other says.
TEST_F(MlKem, AWrongCiphertextConnectsNobody) {
  Pair pair = hybrid_pair();
  run_with(pair, false, [](Packet& share) { share[500] ^= 1; });
  EXPECT_GT(pair.client.connection.dropped()[DropReason::BadTag], 0u);
}

TEST_F(MlKem, ComesThroughACookieGate) {
  Config server_config = config_for(Role::Server, KeyExchangePolicy::PostQuantum);
  Config client_config = config_for(Role::Client, KeyExchangePolicy::PostQuantum);
  client_config.remote_fingerprints = {server_config.certificate.fingerprint()};
  server_config.remote_fingerprints = {client_config.certificate.fingerprint()};
  SeededRandom random(5);
  NullLogger log;
  CookieGate gate({random, log}, server_config);
  Side client(client_config, 1);
  client.connection.start(kStart);
  std::optional<AdmittedHello> hello;
  for (int round = 0; round < 2; ++round) {
    const auto packets = client.take_packets();
    EXPECT_THAT(packets, SizeIs(2));
    for (Packet packet : packets) {
      Packet out(CookieGate::kMaxAnswer);
      auto verdict = gate.handle_packet(packet, *net::Endpoint::parse("192.0.2.1:4000"), kStart, out);
      out.resize(verdict.answer);
      if (!out.empty()) client.give(out, kStart);
      if (verdict.hello) hello = std::move(verdict.hello);
    }
  }
  ASSERT_TRUE(hello);
  EXPECT_EQ(gate.partial_bytes(), 0u);
  Side server(server_config, 2);
  server.connection.accept(*hello, kStart);
  for (Packet& packet : server.take_packets()) client.give(std::move(packet), kStart);
  for (Packet& packet : client.take_packets()) server.give(std::move(packet), kStart);
  ASSERT_TRUE(server.connected);
  EXPECT_EQ(server.connected->group, kHybrid);
}

}  // namespace
}  // namespace kaon::dtls
