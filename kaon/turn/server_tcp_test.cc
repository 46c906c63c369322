// TCP relays of the server (RFC 6062), and the rows of the attack lists that are about them.
#include <gmock/gmock.h>

#include "kaon/turn/internal/test_world.h"

namespace kaon::turn {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

void tcp(stun::Builder& b) { b.add_u32(Attribute::RequestedTransport, requested_transport(kTransportTcp)); }

ServerConfig with_tcp() {
  ServerConfig config = World::default_config();
  config.tcp_relays = true;
  return config;
}

/// A client whose control connection runs over TCP.
class Client : public WireClient {
 public:
  explicit Client(World& w, std::string_view remote = "203.0.113.5:4000", net::Protocol protocol = net::Protocol::Tcp)
      : WireClient(w, remote, protocol) {}

  net::Endpoint allocate_tcp(const Fill& more = {}) {
    learn();
    const Sent answer = ask(Method::Allocate, [&](auto& b) {
      tcp(b);
      if (more) more(b);
    });
    return answer.message().xor_address(Attribute::XorRelayedAddress).value_or(net::Endpoint{});
  }
  static Fill to(std::string_view peer) {
    return [peer](auto& b) { b.add_xor_address(Attribute::XorPeerAddress, endpoint(peer)); };
  }
  /// A Connect that is not answered at once: the order to connect.
  std::optional<ConnectPeer> connect(std::string_view peer) {
    const size_t before = world.connects.size();
    world.take();
    world.handle(path, write(Method::Connect, to(peer)));
    EXPECT_THAT(world.take(), IsEmpty());
    return world.connects.size() == before ? std::nullopt : std::optional(world.connects.back());
  }
  /// Connects, and the peer answers.
  ConnectionId connected(std::string_view peer) {
    const auto order = connect(peer);
    EXPECT_TRUE(order);
    world.server.peer_connected(order->id, world.now);
    world.settle();
    const auto answers = world.take();
    EXPECT_THAT(answers, SizeIs(1));
    EXPECT_EQ(answers.at(0).message().u32(Attribute::ConnectionId), order->id.value());
    return order->id;
  }
  /// As this user, from another connection: the error, 0 for success.
  int bind_from(std::string_view remote, ConnectionId id, net::Protocol protocol = net::Protocol::Tcp) {
    Client data(world, remote, protocol);
    data.user = user, data.password = password, data.realm = realm, data.nonce = nonce;
    if (protocol == net::Protocol::Udp) data.learn();
    return data.code(Method::ConnectionBind, [&](auto& b) { b.add_u32(Attribute::ConnectionId, id.value()); });
  }
};

constexpr std::string_view kData = "203.0.113.5:4001";

TEST(TurnServerTcp, ConnectsToAPeerAndBindsTheClientsDataConnection) {
  World world(with_tcp());
  Client client(world);
  const net::Endpoint relayed = client.allocate_tcp();
  EXPECT_TRUE(world.relay_orders.at(0).tcp);
  const auto order = client.connect(kPeer);
  ASSERT_TRUE(order);
  EXPECT_EQ(order->relay, world.relay_at(relayed));
  EXPECT_EQ(order->peer, endpoint(kPeer));
  EXPECT_NE(order->id, ConnectionId());
  EXPECT_EQ(client.bind_from(kData, order->id), 400) << "the peer has not answered yet";
  world.server.peer_connected(order->id, world.now);
  world.settle();
  const auto answers = world.take();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].message().message_class(), Class::Success);
  EXPECT_EQ(answers[0].message().u32(Attribute::ConnectionId), order->id.value());
  EXPECT_TRUE(answers[0].message().has_integrity());
  EXPECT_EQ(client.bind_from(kData, order->id), 0);
  ASSERT_THAT(world.binds, SizeIs(1));
  EXPECT_EQ(world.binds[0].id, order->id);
  EXPECT_EQ(world.binds[0].client.remote, endpoint(kData));
  world.advance(500s);
  EXPECT_THAT(world.closed_peers, IsEmpty()) << "what is bound stays";
  EXPECT_TRUE(world.server.carry(order->id, true, 1000, world.now));
  EXPECT_TRUE(world.server.carry(order->id, false, 200, world.now));
  EXPECT_EQ(world.server.stats().bytes_to_peers, 1000u);
  EXPECT_EQ(world.server.stats().bytes_to_clients, 200u);
  world.server.peer_closed(order->id);
  EXPECT_EQ(world.server.connections(), 0u);
  EXPECT_TRUE(client.connect(kPeer)) << "what has ended may be had again";
}

TEST(TurnServerTcp, TellsOfPeersThatConnect) {
  World world(with_tcp());
  Client client(world);
  const RelayId relay = world.relay_at(client.allocate_tcp());
  EXPECT_FALSE(world.server.accept_peer(relay, endpoint(kPeer), world.now)) << "without permission";
  EXPECT_EQ(world.server.drops()[ServerDrop::NoPermission], 1u);
  EXPECT_EQ(client.permit(kPeer), 0);
  world.take();
  const auto id = world.server.accept_peer(relay, endpoint(kPeer), world.now);
  ASSERT_TRUE(id);
  world.settle();
  const auto sent = world.take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_TRUE(sent[0].message().is(Method::ConnectionAttempt, Class::Indication));
  EXPECT_EQ(sent[0].message().u32(Attribute::ConnectionId), id->value());
  EXPECT_EQ(sent[0].message().xor_address(Attribute::XorPeerAddress), endpoint(kPeer));
  EXPECT_EQ(sent[0].transmit.remote, client.path.remote);
  EXPECT_EQ(client.bind_from(kData, *id), 0);
  world.advance(301s);
  EXPECT_FALSE(world.server.accept_peer(relay, endpoint("8.8.4.4:7001"), world.now)) << "the permission has ended";
}

TEST(TurnServerTcp, IsOffUnlessAskedForAndThereOverStreamsOnly) {
  World off;
  Client early(off);
  early.learn();
  EXPECT_EQ(early.code(Method::Allocate, tcp), 442);
  World world(with_tcp());
  Client datagrams(world, "203.0.113.5:4000", net::Protocol::Udp);
  datagrams.learn();
  EXPECT_EQ(datagrams.code(Method::Allocate, tcp), 400);
  Client client(world);
  client.learn();
  EXPECT_EQ(client.code(Method::Allocate, [](auto& b) { tcp(b), b.add_flag(Attribute::DontFragment); }), 400);
  EXPECT_EQ(
      client.code(Method::Allocate, [](auto& b) { tcp(b), b.add(Attribute::EvenPort, std::array<uint8_t, 1>{0}); }),
      400);
  EXPECT_EQ(client.code(Method::Allocate, [](auto& b) { tcp(b), b.add_u64(Attribute::ReservationToken, 1); }), 400);
  EXPECT_EQ(client.code(Method::Allocate, [](auto& b) { tcp(b), b.add_flag(Attribute::MobilityTicket); }), 405);
  EXPECT_EQ(client.code(Method::Allocate, tcp), 0);
}

TEST(TurnServerTcp, EveryWrongRequestGetsItsError) {
  World world(with_tcp());
  Client udp_client(world, "203.0.113.5:3000");
  EXPECT_NE(udp_client.allocate().port, 0);
  EXPECT_EQ(udp_client.code(Method::Connect, Client::to(kPeer)), 437) << "its relay is for UDP";
  Client client(world);
  client.learn();
  EXPECT_EQ(client.code(Method::Connect, Client::to(kPeer)), 437);
  const net::Endpoint relayed = client.allocate_tcp();
  EXPECT_EQ(client.code(Method::Connect), 400) << "no peer";
  EXPECT_EQ(client.code(Method::Connect, Client::to("[2600::1]:7000")), 443);
  EXPECT_EQ(client.code(Method::Connect, Client::to("8.8.4.4:0")), 403);
  EXPECT_EQ(client.code(Method::Connect, Client::to(relayed.to_string())), 403) << "itself";
  EXPECT_EQ(client.bind(0x4001, kPeer), 403) << "channels are for UDP";
  EXPECT_EQ(client.permit(kPeer), 0);
  EXPECT_THAT(client.send(kPeer, "x"), IsEmpty());
  const ConnectionId id = client.connected(kPeer);
  EXPECT_EQ(client.code(Method::Connect, Client::to(kPeer)), 446);
  EXPECT_EQ(client.bind_from(kData, ConnectionId(id.value() ^ 1)), 400) << "no such connection";
  EXPECT_EQ(client.bind_from(kData, id, net::Protocol::Udp), 400) << "no stream";
  EXPECT_EQ(client.code(Method::ConnectionBind), 400) << "no id";
  EXPECT_EQ(client.bind_from("203.0.113.5:4000", id), 400) << "the control connection itself";
  EXPECT_EQ(client.bind_from("203.0.113.5:3000", id), 400) << "the control connection of another allocation";
  EXPECT_EQ(client.bind_from(kData, id), 0);
  EXPECT_EQ(client.code(Method::Connect, Client::to(kPeer)), 446) << "also while it is bound";
  EXPECT_EQ(client.bind_from("203.0.113.5:4002", id), 400) << "bound already";
}

TEST(TurnServerTcp, APeerThatDoesNotAnswerInThirtySecondsOrRefusesIs447) {
  World world(with_tcp());
  Client client(world);
  client.allocate_tcp();
  const auto silent = client.connect(kPeer);
  world.advance(29s);
  EXPECT_THAT(world.take(), IsEmpty());
  world.advance(1s);
  auto answers = world.take();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].message().error_code()->number, 447);
  EXPECT_THAT(world.closed_peers, ElementsAre(silent->id));
  world.server.peer_connected(silent->id, world.now);
  world.settle();
  EXPECT_THAT(world.take(), IsEmpty()) << "too late";
  const auto refused = client.connect(kPeer);
  world.server.peer_failed(refused->id, world.now);
  world.settle();
  answers = world.take();
  ASSERT_THAT(answers, SizeIs(1));
  EXPECT_EQ(answers[0].message().error_code()->number, 447);
  EXPECT_TRUE(answers[0].message().has_integrity());
  EXPECT_EQ(world.server.connections(), 0u);
}

TEST(TurnServerTcp, AConnectionThatIsNotBoundInThirtySecondsIsClosed) {
  World world(with_tcp());
  Client client(world);
  const RelayId relay = world.relay_at(client.allocate_tcp());
  client.permit(kPeer);
  const ConnectionId asked = client.connected("8.8.4.4:7001");
  const auto came = world.server.accept_peer(relay, endpoint(kPeer), world.now);
  world.advance(29s);
  EXPECT_THAT(world.closed_peers, IsEmpty());
  world.advance(1s);
  EXPECT_THAT(world.closed_peers, testing::UnorderedElementsAre(asked, *came));
  EXPECT_EQ(client.bind_from(kData, asked), 400);
}

TEST(TurnServerTcp, WithAnAllocationItsConnectionsEnd) {
  World world(with_tcp());
  for (const int how : {0, 1, 2}) {
    Client client(world, cat("203.0.113.5:", 5000 + how));
    const RelayId relay = world.relay_at(client.allocate_tcp());
    const ConnectionId id = client.connected(kPeer);
    EXPECT_EQ(client.bind_from(cat("203.0.113.5:", 6000 + how), id), 0);
    const auto waiting = client.connect("8.8.4.4:7001");
    world.closed_peers.clear();
    if (how == 0) client.refresh(0);
    if (how == 1) world.server.client_gone(client.path, world.now);
    if (how == 2) world.advance(601s);
    world.settle();
    EXPECT_THAT(world.closed_peers, testing::IsSupersetOf({id, waiting->id})) << how;
    EXPECT_EQ(world.server.connections(), 0u);
    EXPECT_FALSE(world.server.accept_peer(relay, endpoint(kPeer), world.now));
    EXPECT_FALSE(world.server.carry(id, true, 1, world.now));
  }
  EXPECT_EQ(world.server.next_timeout(), kNever);
  EXPECT_EQ(world.pool.free(), 1000u);
}

TEST(TurnServerTcp, OneFamilyOfTwoEndsWithItsConnections) {
  World world(with_tcp());
  Client client(world);
  client.allocate_tcp(
      [](auto& b) { b.add_u32(Attribute::AdditionalAddressFamily, address_family_value(net::Family::V6)); });
  const ConnectionId four = client.connected(kPeer);
  const ConnectionId six = client.connected("[2600::1]:7000");
  EXPECT_EQ(client.code(Method::Refresh,
                        [](auto& b) {
                          b.add_u32(Attribute::Lifetime, 0);
                          b.add_u32(Attribute::RequestedAddressFamily, address_family_value(net::Family::V4));
                        }),
            0);
  EXPECT_THAT(world.closed_peers, ElementsAre(four));
  EXPECT_EQ(client.bind_from(kData, six), 0);
}

TEST(TurnServerTcp, CredentialsThatHaveEndedStillBindWhatTheirAllocationHas) {
  auto config = with_tcp();
  config.secrets = {"north"};
  World world(config);
  const auto wall = std::chrono::duration_cast<std::chrono::seconds>(config.unix_time_at_zero + 1h);
  const auto credentials = stun::time_limited_credentials("north", "carol", wall + 60s);
  Client client(world);
  client.learn();
  client.user = credentials.username, client.password = credentials.password;
  EXPECT_EQ(client.code(Method::Allocate, tcp), 0);
  world.advance(61s);
  const ConnectionId id = client.connected(kPeer);
  EXPECT_EQ(client.bind_from(kData, ConnectionId(id.value() ^ 1)), 401);
  EXPECT_EQ(client.bind_from(kData, id), 0);
}

TEST(TurnServerTcp, WhatIsBeyondTheRateWaitsAndIsNotLost) {
  auto config = with_tcp();
  config.max_rate_per_user = DataRate::kilobits_per_second(800);  // 100 bytes a millisecond
  config.max_rate = DataRate::kilobits_per_second(80'000);
  World world(config);
  Client client(world);
  client.allocate_tcp();
  const ConnectionId id = client.connected(kPeer);
  EXPECT_EQ(client.bind_from(kData, id), 0);
  size_t passed = 0;
  for (int ms = 0; ms < 4000; ++ms) {
    while (world.server.carry(id, ms % 2 == 0, 16384, world.now)) passed += 16384;
    world.advance(1ms);
  }
  // The burst at the beginning, and what the rate gives.
  EXPECT_NEAR(static_cast<double>(passed), 65536 + 400'000, 16384);
  EXPECT_EQ(world.server.stats().bytes_to_peers + world.server.stats().bytes_to_clients, passed);
  EXPECT_EQ(world.server.drops()[ServerDrop::OverRate], 0u);
}

TEST(TurnAttack, B1NoServiceInsideIsReachedByTcp) {
  World world(with_tcp());
  Client client(world);
  client.allocate_tcp(
      [](auto& b) { b.add_u32(Attribute::AdditionalAddressFamily, address_family_value(net::Family::V6)); });
  for (const char* inside : {"127.0.0.1:22", "0.0.0.0:80", "10.0.0.1:80", "169.254.169.254:80", "192.168.1.1:80",
                             "255.255.255.255:80", "198.51.100.1:22", "198.51.100.1:3478", "192.0.2.1:80", "8.8.0.1:80",
                             "[::]:80", "[::1]:22", "[::ffff:127.0.0.1]:22", "[::ffff:169.254.169.254]:80",
                             "[64:ff9b::7f00:1]:80", "[2002:7f00:1::1]:80", "[fd00:ec2::254]:80", "[fe80::1]:80"}) {
    EXPECT_EQ(client.code(Method::Connect, Client::to(inside)), 403) << inside;
  }
  EXPECT_THAT(world.connects, IsEmpty());
  EXPECT_TRUE(client.connect("198.51.100.1:50000")) << "another relay";
  EXPECT_TRUE(client.connect("8.8.8.8:80"));
}

TEST(TurnAttack, B2ConnectionsHaveBoundsPerAllocationUserAndInAll) {
  auto config = with_tcp();
  config.max_connections_per_user = Server::kMaxConnections + 10;
  config.max_connections = Server::kMaxConnections + 15;
  World world(config);
  Client first(world);
  const RelayId relay = world.relay_at(first.allocate_tcp());
  first.permit("8.8.4.4:1");
  for (uint16_t port = 1; port <= Server::kMaxConnections; ++port) {
    EXPECT_TRUE(world.server.accept_peer(relay, endpoint(cat("8.8.4.4:", port)), world.now)) << port;
  }
  EXPECT_FALSE(world.server.accept_peer(relay, endpoint("8.8.4.4:1000"), world.now)) << "a flood of one peer";
  EXPECT_EQ(world.server.drops()[ServerDrop::TooManyPeers], 1u);
  world.settle();
  EXPECT_EQ(first.code(Method::Connect, Client::to("8.8.4.4:1000")), 508);
  Client second(world, "203.0.113.5:4100");
  second.allocate_tcp();
  for (uint16_t port = 1; port <= 10; ++port) EXPECT_TRUE(second.connect(cat("8.8.4.4:", port)));
  EXPECT_EQ(second.code(Method::Connect, Client::to("8.8.4.4:1000")), 486) << "of this user";
  Client other(world, "203.0.113.6:4200");
  other.learn();
  other.user = "bob", other.password = "other";
  EXPECT_EQ(other.code(Method::Allocate, tcp), 0);
  for (uint16_t port = 1; port <= 5; ++port) EXPECT_TRUE(other.connect(cat("8.8.4.4:", port)));
  EXPECT_EQ(other.code(Method::Connect, Client::to("8.8.4.4:1000")), 508) << "in all";
  world.advance(31s);
  EXPECT_EQ(world.server.connections(), 0u);
  EXPECT_TRUE(second.connect(kPeer)) << "what nobody has bound makes room";
}

TEST(TurnAttack, B2AMillionConnectsToSilentPeersLeaveNothingBehind) {
  World world(with_tcp());
  Client client(world);
  client.allocate_tcp();
  for (uint32_t i = 0; i < 2000; ++i) {
    const auto order = client.connect(cat("8.8.4.4:", 1 + i));
    ASSERT_TRUE(order) << i;
    world.server.peer_failed(order->id, world.now);
    world.settle();
    world.take();
    world.events.clear();
  }
  world.connects.clear();
  EXPECT_EQ(world.server.connections(), 0u);
  EXPECT_EQ(client.refresh(0), 0);
  EXPECT_EQ(world.server.next_timeout(), kNever);
}

TEST(TurnAttack, B4AConnectionIsBoundByItsOwnUserOnlyAndItsIdCannotBeGuessed) {
  World world(with_tcp());
  Client client(world);
  client.allocate_tcp();
  std::set<uint32_t> high;
  for (uint16_t port = 1; port <= 50; ++port) high.insert(client.connected(cat("8.8.4.4:", port)).value() >> 24);
  EXPECT_GT(high.size(), 25u) << "the ids are drawn, not counted";
  const ConnectionId id = client.connected(kPeer);
  Client thief(world, "203.0.113.66:4000");
  thief.learn();
  thief.user = "bob", thief.password = "other";
  EXPECT_EQ(thief.code(Method::ConnectionBind, [&](auto& b) { b.add_u32(Attribute::ConnectionId, id.value()); }), 441);
  thief.nonce.clear();
  EXPECT_EQ(thief.code(Method::ConnectionBind, [&](auto& b) { b.add_u32(Attribute::ConnectionId, id.value()); }), 401);
  EXPECT_EQ(client.bind_from(kData, id), 0) << "the owner's chance is not spent";
}

TEST(TurnAttack, B4ANonceIsForOneAddressOverStreamsAndForOnePortOverDatagrams) {
  World world(with_tcp());
  Client client(world);
  client.allocate_tcp();
  const ConnectionId id = client.connected(kPeer);
  EXPECT_EQ(client.bind_from("203.0.113.6:4001", id), 438) << "from another address";
  EXPECT_EQ(client.bind_from(kData, id, net::Protocol::Tls), 438) << "by another transport";
  EXPECT_EQ(client.bind_from(kData, id), 0);
}

}  // namespace
}  // namespace kaon::turn
