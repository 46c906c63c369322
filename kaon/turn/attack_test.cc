// Rows of the attack lists A (STUN) and B (TURN) that are about the server.
#include <gmock/gmock.h>

#include "kaon/turn/internal/test_world.h"

namespace kaon::turn {
namespace {

using Client = WireClient;

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

// Addresses behind which one finds the server's own network, in every form they can be written in.
constexpr const char* kForbidden[] = {"127.0.0.1",
                                      "127.255.255.254",
                                      "0.0.0.0",
                                      "0.1.2.3",
                                      "10.0.0.1",
                                      "100.64.0.1",
                                      "100.100.100.200",
                                      "169.254.169.254",
                                      "168.63.129.16",
                                      "172.16.0.1",
                                      "172.31.255.255",
                                      "192.0.0.192",
                                      "192.0.2.9",
                                      "192.88.99.1",
                                      "192.168.1.1",
                                      "198.18.0.1",
                                      "203.0.113.1",
                                      "224.0.0.251",
                                      "239.255.255.250",
                                      "240.0.0.1",
                                      "255.255.255.255",
                                      "::",
                                      "::1",
                                      "::127.0.0.1",
                                      "::ffff:127.0.0.1",
                                      "::ffff:10.0.0.1",
                                      "::ffff:169.254.169.254",
                                      "::ffff:8.8.8.8",
                                      "::ffff:0:127.0.0.1",
                                      "64:ff9b::127.0.0.1",
                                      "64:ff9b::8.8.8.8",
                                      "64:ff9b:1::10.0.0.1",
                                      "100::1",
                                      "2001::1",
                                      "2001:0:7f00:1::",
                                      "2001:10::1",
                                      "2001:db8::1",
                                      "2002:7f00:1::1",
                                      "2002:a00:1::1",
                                      "3fff::1",
                                      "5f00::1",
                                      "fc00::1",
                                      "fd00:ec2::254",
                                      "fe80::1",
                                      "fec0::1",
                                      "ff02::1",
                                      "ff0e::1"};

TEST(TurnAttack, B1NoPeerInsideIsReachedInAnyForm) {
  World world;
  Client client(world);
  client.allocate(
      [](auto& b) { b.add_u32(Attribute::AdditionalAddressFamily, address_family_value(net::Family::V6)); });
  for (const char* text : kForbidden) {
    const net::Endpoint peer{ip(text), 80};
    EXPECT_EQ(client.permit(peer.to_string()), 403) << text;
    EXPECT_EQ(client.bind(0x4001, peer.to_string()), 403) << text;
    EXPECT_THAT(client.send(peer.to_string(), "x"), IsEmpty()) << text;
  }
  for (const char* text : {"8.8.8.8:80", "1.1.1.1:80", "172.32.0.1:80", "[2600::1]:80", "[2a00:1450::1]:80"}) {
    EXPECT_EQ(client.permit(text), 0) << text;
    EXPECT_THAT(client.send(text, "x"), SizeIs(1)) << text;
  }
}

TEST(TurnAttack, B1OneForbiddenPeerForbidsTheWholeRequest) {
  World world;
  Client client(world);
  client.allocate();
  EXPECT_EQ(client.code(Method::CreatePermission,
                        [](auto& b) {
                          b.add_xor_address(Attribute::XorPeerAddress, endpoint(kPeer));
                          b.add_xor_address(Attribute::XorPeerAddress, endpoint("127.0.0.1:1"));
                        }),
            403);
  EXPECT_THAT(client.send(kPeer, "x"), IsEmpty());
}

TEST(TurnAttack, B1OfOurOwnAddressesOnlyRelaysAreReached) {
  World world;
  Client client(world);
  client.allocate();
  EXPECT_EQ(client.permit("198.51.100.1:22"), 0) << "a permission has no port";
  EXPECT_THAT(client.send("198.51.100.1:22", "x"), IsEmpty());
  EXPECT_THAT(client.send("198.51.100.1:49999", "x"), IsEmpty());
  EXPECT_THAT(client.send("198.51.100.1:50000", "x"), SizeIs(1));
  EXPECT_EQ(client.bind(0x4001, "198.51.100.1:3478"), 403);
  for (const char* other : {"192.0.2.1:50000", "8.8.0.1:50000"}) {
    EXPECT_EQ(client.permit(other), 403);
    EXPECT_EQ(client.bind(0x4001, other), 403);
  }
}

TEST(TurnAttack, B1OneServiceOfThisMachineMayBeReachedAndNoOther) {
  PeerPolicy policy;
  policy.set_own({ip("10.0.0.1")}, {50000, 50010}, {ip("127.0.0.1"), ip("8.8.0.1")});
  for (const char* own : {"127.0.0.1", "8.8.0.1"}) EXPECT_FALSE(policy.allows(ip(own)));
  policy.open_own_port(7878);
  for (const char* own : {"10.0.0.1", "127.0.0.1", "8.8.0.1"}) {
    EXPECT_TRUE(policy.allows(ip(own))) << own;
    EXPECT_TRUE(policy.allows_port({ip(own), 7878})) << own;
    for (const uint16_t other : {0, 22, 8080}) EXPECT_FALSE(policy.allows_port({ip(own), other})) << own;
  }
  EXPECT_TRUE(policy.allows_port({ip("10.0.0.1"), 50000})) << "another relay";
  EXPECT_FALSE(policy.allows_port({ip("127.0.0.1"), 50000}));
  EXPECT_FALSE(policy.allows(ip("10.0.0.2"))) << "a neighbour";
}

TEST(TurnAttack, B1WhatIsAllowedIsReachedAndWhatIsDeniedIsNot) {
  PeerPolicy policy;
  policy.allow(net::IpRange::parse("10.0.0.0/8").value());
  policy.deny(net::IpRange::parse("10.1.0.0/16").value());
  policy.deny(net::IpRange::parse("8.8.8.0/24").value());
  EXPECT_TRUE(policy.allows(ip("10.0.0.1")));
  EXPECT_FALSE(policy.allows(ip("10.1.0.1")));
  EXPECT_FALSE(policy.allows(ip("8.8.8.8")));
  EXPECT_FALSE(policy.allows(ip("::ffff:10.0.0.1"))) << "another form of it is not what was allowed";
  EXPECT_FALSE(policy.allows(net::IpAddress()));
}

TEST(TurnAttack, B2QuotasHoldPerUserAndInAll) {
  auto config = World::default_config();
  config.max_allocations_per_user = 3;
  config.max_allocations = 5;
  World world(config);
  int alice = 0;
  int bob = 0;
  for (uint16_t port = 1; port <= 10; ++port) {
    Client client(world, cat("203.0.113.5:", port));
    client.learn();
    if (port % 2 == 0) client.user = "bob", client.password = "other";
    const int code = client.code(Method::Allocate, Client::udp);
    (port % 2 == 0 ? bob : alice) += code == 0;
    EXPECT_TRUE(code == 0 || code == (world.server.allocations() == 5 ? 508 : 486)) << code;
  }
  EXPECT_EQ(alice + bob, 5);
  EXPECT_LE(alice, 3);
  world.advance(601s);
  EXPECT_EQ(world.server.allocations(), 0u);
  Client again(world);
  EXPECT_NE(again.allocate().port, 0) << "what has ended counts no more";
}

TEST(TurnAttack, B2TimeLimitedNamesOfOneUserShareAQuota) {
  auto config = World::default_config();
  config.secrets = {"north"};
  config.max_allocations_per_user = 2;
  World world(config);
  const auto wall = std::chrono::duration_cast<std::chrono::seconds>(config.unix_time_at_zero + 1h);
  std::vector<int> codes;
  for (uint16_t i = 1; i <= 3; ++i) {
    Client client(world, cat("203.0.113.5:", i));
    client.learn();
    const auto credentials = stun::time_limited_credentials("north", "carol", wall + std::chrono::seconds(60 + i));
    client.user = credentials.username;
    client.password = credentials.password;
    codes.push_back(client.code(Method::Allocate, Client::udp));
  }
  EXPECT_THAT(codes, testing::ElementsAre(0, 0, 486));
}

TEST(TurnAttack, B2PermissionsAndChannelsHaveBounds) {
  World world;
  Client client(world);
  client.allocate();
  size_t permitted = 0;
  for (size_t i = 0; i < 2 * Server::kMaxPermissions; ++i)
    permitted += client.permit(cat("8.1.", i / 250, ".", i % 250, ":1")) == 0;
  EXPECT_EQ(permitted, Server::kMaxPermissions);
  EXPECT_EQ(client.permit("8.1.0.0:1"), 0) << "one that is there is refreshed";
  world.advance(301s);
  EXPECT_EQ(client.permit("8.2.0.0:1"), 0) << "what has ended makes room";
  size_t bound = 0;
  for (uint16_t i = 0; i < 2 * Server::kMaxChannels; ++i)
    bound += client.bind(static_cast<uint16_t>(0x4000 + i), cat("8.3.0.1:", 1 + i)) == 0;
  EXPECT_EQ(bound, Server::kMaxChannels);
}

TEST(TurnAttack, B2RefreshGamesLeaveNothingBehind) {
  World world;
  Client client(world);
  client.allocate();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(client.refresh(i % 2 == 0 ? 3600 : 600), 0);
  EXPECT_EQ(client.refresh(0), 0);
  EXPECT_EQ(world.server.next_timeout(), kNever);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(client.code(Method::Allocate, Client::udp), 0);
    EXPECT_EQ(client.refresh(0), 0);
  }
  EXPECT_EQ(world.pool.free(), 1000u);
}

TEST(TurnAttack, B2RatesHoldPerUserAndInAll) {
  auto config = World::default_config();
  config.max_rate_per_user = DataRate::kilobits_per_second(8000);
  World world(config);
  Client client(world);
  client.allocate();
  client.bind(0x4001, kPeer);
  const std::string data(1000, 'x');
  size_t passed = 0;
  for (int ms = 0; ms < 4000; ++ms) {
    for (int i = 0; i < 4; ++i) passed += client.send(uint16_t{0x4001}, data).size();
    world.advance(1ms);
  }
  // One per millisecond, and the burst at the beginning.
  EXPECT_NEAR(static_cast<double>(passed), 4000 + 250, 20);
  EXPECT_EQ(world.server.drops()[ServerDrop::OverRate], 16000 - passed);
}

TEST(TurnAttack, A5B3StrangersGetFewAnswersAndNoLargeOnes) {
  World world;
  Client client(world);
  size_t in = 0;
  size_t out = 0;
  for (int i = 0; i < 100000; ++i) {
    const auto bytes =
        client.write(i % 2 == 0 ? Method::Binding : Method::Allocate, i % 2 == 0 ? Client::Fill() : Client::udp);
    in += bytes.size();
    world.handle(client.path, bytes);
    for (const Sent& answer : world.take()) {
      out += answer.bytes.size();
      EXPECT_LE(answer.bytes.size(), Server::kMaxChallenge);
    }
    world.now += 100us;
  }
  // Ten seconds: at most the burst of 1,000 and 100 a second.
  EXPECT_LE(out, 2001 * Server::kMaxChallenge);
  EXPECT_LT(out, in / 10);
  EXPECT_GT(world.server.drops()[ServerDrop::TooMany], 90000u);
  Client other(world, "203.0.113.200:1");
  EXPECT_EQ(other.code(Method::Binding), 0) << "others are not hindered";
}

TEST(TurnAttack, A1MillionsOfUnauthenticatedRequestsLeaveNoState) {
  World world;
  for (uint32_t i = 0; i < 100000; ++i) {
    Client client(world, cat(net::IpAddress::v4(0x0b000000 + i * 7), ":", 1 + i % 60000));
    client.nonce = "x";
    client.password = "wrong";
    world.handle(client.path, client.write(Method::Allocate, Client::udp));
    world.take();
    world.events.clear();
  }
  EXPECT_EQ(world.server.allocations(), 0u);
  EXPECT_EQ(world.server.next_timeout(), kNever);
}

TEST(TurnAttack, B3UnauthenticatedErrorsOtherThanTheChallengeAreNoLargerThanTheRequest) {
  World world;
  Client client(world);
  std::vector<uint8_t> memory(100);
  // Integrity without a name: 400, which fits into the request.
  const ByteView bytes =
      stun::Builder(memory, Method::Allocate, Class::Request, {}).add_integrity(stun::short_term_key("x")).finish();
  world.handle(client.path, bytes);
  ASSERT_THAT(world.sent, SizeIs(1));
  EXPECT_EQ(world.sent[0].message().error_code()->number, 400);
  EXPECT_LE(world.sent[0].bytes.size(), bytes.size());
}

TEST(TurnAttack, B4NoncesAreForOneClientAndOneTime) {
  World world;
  Client client(world);
  client.learn();
  const std::string nonce = client.nonce;
  Client thief(world, "203.0.113.5:4001");
  thief.realm = client.realm;
  thief.nonce = nonce;
  EXPECT_EQ(thief.code(Method::Allocate, Client::udp), 438);
  for (size_t i = 0; i < nonce.size(); ++i) {
    client.nonce = nonce;
    client.nonce[i] ^= 1;
    EXPECT_EQ(client.code(Method::Allocate, Client::udp), 438) << i;
  }
  client.nonce = nonce;
  EXPECT_EQ(client.code(Method::Allocate, Client::udp), 0);
  world.advance(590s);
  EXPECT_EQ(client.refresh(3600), 0);
  world.advance(3400s);
  const Sent stale = client.ask(Method::Refresh);
  EXPECT_EQ(stale.message().error_code()->number, 438);
  client.nonce = stale.message().text(Attribute::Nonce).value();
  EXPECT_EQ(client.refresh(600), 0);
  World another;
  Client elsewhere(another);
  elsewhere.learn();
  EXPECT_EQ(elsewhere.nonce, nonce) << "the same seed gives the same bytes";
}

TEST(TurnAttack, B4GuessersDoNotFillTheLog) {
  World world;
  for (int i = 0; i < 5000; ++i) {
    Client client(world, cat("203.0.113.", i % 250, ":", 1 + i));
    client.nonce = "x";
    world.handle(client.path, client.write(Method::Allocate, Client::udp));
  }
  EXPECT_LE(world.events.size(), Server::kMaxRefusedPerSecond);
  world.advance(2s);
  world.events.clear();
  Client client(world);
  client.nonce = "x";
  world.handle(client.path, client.write(Method::Allocate, Client::udp));
  EXPECT_THAT(world.events, SizeIs(1));
}

TEST(TurnAttack, B4WrongPasswordsAreRefusedHoweverTheyAreSigned) {
  World world;
  for (const bool sha256 : {false, true}) {
    Client client(world, sha256 ? "203.0.113.5:1" : "203.0.113.5:2");
    client.learn();
    client.sha256 = sha256;
    for (const auto& [user, password] :
         {std::pair("alice", "Secret"), std::pair("alice", ""), std::pair("mallory", "secret"), std::pair("", "")}) {
      client.user = user;
      client.password = password;
      EXPECT_EQ(client.code(Method::Allocate, Client::udp), 401) << user;
    }
    client.user = "alice";
    client.password = "secret";
    client.realm = "example.net";
    EXPECT_EQ(client.code(Method::Allocate, Client::udp), 401);
  }
}

TEST(TurnAttack, B4TheListOfAlgorithmsMayNotBeShortened) {
  World world;
  Client client(world);
  client.learn();
  const std::array one{stun::PasswordAlgorithm::Md5};
  EXPECT_EQ(client.code(Method::Allocate,
                        [&](auto& b) {
                          Client::udp(b),
                              b.add_password_algorithms(one).add_password_algorithm(stun::PasswordAlgorithm::Md5);
                        }),
            400);
  EXPECT_EQ(client.code(Method::Allocate,
                        [&](auto& b) { Client::udp(b), b.add_password_algorithm(stun::PasswordAlgorithm::Md5); }),
            400);
}

TEST(TurnAttack, A2RandomBytesNeverDoHarm) {
  World world;
  Client client(world);
  const auto relayed = client.allocate();
  client.bind(0x4001, kPeer);
  for (int round = 0; round < 50000; ++round) {
    std::vector<uint8_t> bytes;
    switch (round % 4) {
      case 0:
        bytes = client.write(Method::ChannelBind, [](auto& b) {
          b.add_u32(Attribute::ChannelNumber, 0x40020000).add_xor_address(Attribute::XorPeerAddress, endpoint(kPeer));
        });
        break;
      case 1: bytes = client.write(Method::Refresh, [](auto& b) { b.add_flag(Attribute::MobilityTicket); }); break;
      case 2: bytes = {0x40, 0x01, 0, 4, 1, 2, 3, 4}; break;
      default: bytes.resize(world.random.below(80)); world.random.fill(bytes);
    }
    for (int i = 0; i < 3 && !bytes.empty(); ++i)
      bytes[world.random.below(bytes.size())] = static_cast<uint8_t>(world.random.u32());
    bytes.resize(bytes.size() - std::min<size_t>(bytes.size(), world.random.below(3)));
    world.handle(client.path, bytes);
    world.take();
    world.events.clear();
  }
  EXPECT_EQ(world.server.allocations(), 1u);
  EXPECT_THAT(client.send(uint16_t{0x4001}, "x"), SizeIs(1));
  EXPECT_EQ(world.relays.begin()->second, relayed);
}

TEST(TurnAttack, A3AttributesBehindTheIntegrityAreNotThere) {
  World world;
  Client client(world);
  client.allocate();
  auto bytes = client.write(Method::Refresh, {});
  // LIFETIME 0 behind it would end the allocation.
  bytes.insert(bytes.end(), {0x00, 0x0d, 0x00, 0x04, 0, 0, 0, 0});
  store_be16(&bytes[2], static_cast<uint16_t>(bytes.size() - 20));
  world.handle(client.path, bytes);
  EXPECT_EQ(world.server.allocations(), 1u);
}

TEST(TurnAttack, B6EveryAnswerIsPaddedWithZeros) {
  auto config = World::default_config();
  config.realm = "r";
  config.software = "12345";
  World world(config);
  Client client(world);
  client.learn();
  for (const Sent& answer :
       {client.ask(Method::Allocate, Client::udp), client.ask(Method::Refresh), client.ask(Method::CreatePermission)}) {
    for (size_t at = 20; at < answer.bytes.size();) {
      const size_t size = load_be16(&answer.bytes[at + 2]);
      for (size_t i = size; i < padded(size); ++i) EXPECT_EQ(answer.bytes[at + 4 + i], 0);
      at += 4 + padded(size);
    }
  }
}

TEST(TurnAttack, B8DataOfForeignPeersAndForUnboundChannelsIsDropped) {
  World world;
  Client client(world);
  const auto relayed = client.allocate();
  client.bind(0x4001, kPeer);
  world.take();
  world.from_peer(relayed, endpoint("8.8.8.8:7000"), "x");
  EXPECT_THAT(world.take(), IsEmpty());
  EXPECT_THAT(client.send(uint16_t{0x4002}, "x"), IsEmpty());
  EXPECT_THAT(client.send(uint16_t{0x4fff}, "x"), IsEmpty());
  Client stranger(world, "203.0.113.66:1");
  EXPECT_THAT(stranger.send(uint16_t{0x4001}, "x"), IsEmpty());
  EXPECT_THAT(stranger.send(kPeer, "x"), IsEmpty());
  EXPECT_EQ(world.server.drops()[ServerDrop::NoPermission], 1u);
  EXPECT_EQ(world.server.drops()[ServerDrop::NoChannel], 2u);
  EXPECT_EQ(world.server.drops()[ServerDrop::NoAllocation], 2u);
}

TEST(TurnAttack, B8WhatComesForAClosedRelayIsDropped) {
  World world;
  Client client(world);
  const auto relayed = client.allocate();
  client.permit(kPeer);
  const RelayId old = world.relay_at(relayed);
  client.refresh(0);
  client.allocate();
  client.permit(kPeer);
  world.take();
  world.server.handle_peer_packet(old, endpoint(kPeer), as_bytes("late"), world.now);
  world.server.relay_opened(old, relayed, world.now);
  world.server.relay_failed(old, world.now);
  world.settle();
  EXPECT_THAT(world.take(), IsEmpty());
  EXPECT_EQ(world.server.allocations(), 1u);
}

TEST(TurnAttack, TheQueueOfAnswersHasABound) {
  World world;
  Client client(world, "203.0.113.5:4000", net::Protocol::Tcp);
  auto bytes = client.write(Method::Binding, {});
  net::Datagram datagram;
  datagram.local = client.path.local;
  datagram.remote = client.path.remote;
  datagram.protocol = client.path.protocol;
  datagram.bytes = bytes;
  for (size_t i = 0; i < 2 * Server::kMaxQueued; ++i) world.server.handle_packet(datagram, world.now);
  EXPECT_EQ(world.server.drops()[ServerDrop::QueueFull], Server::kMaxQueued);
  world.settle();
  EXPECT_THAT(world.sent, SizeIs(Server::kMaxQueued));
}

TEST(TurnAttack, PortsAreDrawnAtRandomAndAllOfThem) {
  SeededRandom random(3);
  PortPool pool({40000, 40099});
  std::vector<uint16_t> drawn;
  while (const auto port = pool.take(random, false, false)) drawn.push_back(*port);
  EXPECT_EQ(drawn.size(), 100u);
  size_t neighbours = 0;
  for (size_t i = 1; i < drawn.size(); ++i) neighbours += drawn[i] == drawn[i - 1] + 1;
  EXPECT_LT(neighbours, 60u);
  EXPECT_EQ(pool.free(), 0u);
  for (const uint16_t port : drawn) pool.give_back(port);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(*pool.take(random, true, true) % 2, 0);
  EXPECT_FALSE(pool.take(random, false, false).has_value());
}

}  // namespace
}  // namespace kaon::turn
