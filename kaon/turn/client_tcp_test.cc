// The client of TCP relays (RFC 6062), with a server and with what no server should say.
#include <gmock/gmock.h>

#include "kaon/turn/internal/client_pair.h"

namespace kaon::turn {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

ServerConfig with_tcp() {
  ServerConfig config = World::default_config();
  config.tcp_relays = true;
  return config;
}

/// A client with a TCP relay.
struct TcpPair : Pair {
  explicit TcpPair(ServerConfig server = with_tcp())
      : Pair(std::move(server), "alice", "secret", net::Protocol::Tcp, RelayFamilies::V4, true) {
    settle();
  }
  template <class Event>
  std::vector<Event> all() const {
    std::vector<Event> out;
    for (const ClientEvent& event : events) {
      if (const auto* one = std::get_if<Event>(&event)) out.push_back(*one);
    }
    return out;
  }
  /// The peer answers what was last asked for.
  ConnectionId peer_answers() {
    const ConnectionId id = world.connects.back().id;
    world.server.peer_connected(id, world.now);
    world.settle();
    settle();
    return id;
  }
  /// One round of a request to bind by a connection from another port.
  BindRequest::Step bind(BindRequest& request, const net::Endpoint& from) {
    std::vector<uint8_t> out(BindRequest::kMaxPacket);
    out.resize(request.write(out, world.random));
    world.handle({kServer, from, net::Protocol::Tcp}, out);
    const auto answers = world.take();
    EXPECT_THAT(answers, SizeIs(1));
    return request.handle(answers.at(0).bytes);
  }
};

const net::Endpoint kData = endpoint("203.0.113.5:4001");

TEST(TurnClientTcp, ConnectsToAPeerAndBindsItsConnection) {
  TcpPair p;
  ASSERT_THAT(p.all<Allocated>(), SizeIs(1));
  EXPECT_TRUE(p.world.relay_orders.at(0).tcp);
  ASSERT_TRUE(p.client.connect(endpoint(kPeer), p.world.now));
  p.settle();
  EXPECT_THAT(p.all<PeerConnected>(), IsEmpty());
  const ConnectionId id = p.peer_answers();
  const auto connected = p.all<PeerConnected>();
  ASSERT_THAT(connected, SizeIs(1));
  EXPECT_EQ(connected[0].id, id);
  EXPECT_EQ(connected[0].peer, endpoint(kPeer));
  EXPECT_TRUE(connected[0].asked);
  BindRequest request = p.client.bind(id);
  EXPECT_EQ(p.bind(request, kData), BindRequest::Step::Bound);
  EXPECT_THAT(p.world.binds, SizeIs(1));
}

TEST(TurnClientTcp, PeersThatItLetsInComeAndStayLetIn) {
  TcpPair p;
  ASSERT_TRUE(p.client.let_in(endpoint(kPeer).ip, p.world.now));
  p.settle();
  p.advance(20min);
  const RelayId relay = p.world.relay_at(*p.client.relayed());
  const auto id = p.world.server.accept_peer(relay, endpoint(kPeer), p.world.now);
  ASSERT_TRUE(id) << "the permission has been renewed";
  p.world.settle();
  p.settle();
  const auto connected = p.all<PeerConnected>();
  ASSERT_THAT(connected, SizeIs(1));
  EXPECT_EQ(connected[0].id, *id);
  EXPECT_FALSE(connected[0].asked);
}

TEST(TurnClientTcp, WhatCannotBeReachedIsToldWithItsNumberAndNothingElseEnds) {
  TcpPair p;
  p.client.connect(endpoint("127.0.0.1:22"), p.world.now);
  p.client.connect(endpoint(kPeer), p.world.now);
  p.settle();
  p.advance(31s);
  const auto failed = p.all<ConnectFailed>();
  ASSERT_THAT(failed, SizeIs(2));
  EXPECT_EQ(failed[0].number, 403);
  EXPECT_EQ(failed[1].number, 447);
  EXPECT_EQ(failed[1].peer, endpoint(kPeer));
  EXPECT_FALSE(p.client.closed());
  p.lose = true;
  p.client.connect(endpoint(kPeer), p.world.now);
  p.settle();
  p.advance(41s);
  EXPECT_EQ(p.all<ConnectFailed>().back().number, 701) << "no answer";
}

TEST(TurnClientTcp, AServerWithoutTcpRelaysIsUnsupported) {
  TcpPair p(World::default_config());
  ASSERT_NE(p.failure(), nullptr);
  EXPECT_EQ(p.failure()->error, ClientError::Unsupported);
  EXPECT_FALSE(p.client.connect(endpoint(kPeer), p.world.now));
  EXPECT_FALSE(p.client.let_in(endpoint(kPeer).ip, p.world.now));
}

TEST(TurnClientTcp, ItSendsNoPacketsAndAClientOfPacketsConnectsToNobody) {
  TcpPair p;
  std::array<uint8_t, Client::kMaxHeader> header{};
  EXPECT_FALSE(p.client.wrap(endpoint(kPeer), as_bytes("x"), header, p.world.now));
  Pair packets;
  packets.settle();
  EXPECT_FALSE(packets.client.connect(endpoint(kPeer), packets.world.now));
}

TEST(TurnClientTcp, ANonceForEachConnectionIsTakenAndAWrongPasswordGivenUp) {
  TcpPair p;
  p.client.connect(endpoint(kPeer), p.world.now);
  p.settle();
  const ConnectionId id = p.peer_answers();
  BindRequest moved = p.client.bind(id);
  const net::Endpoint elsewhere = endpoint("203.0.113.9:1");
  EXPECT_EQ(p.bind(moved, elsewhere), BindRequest::Step::Again) << "another address wants another nonce";
  EXPECT_EQ(p.bind(moved, elsewhere), BindRequest::Step::Bound);
  BindRequest late = p.client.bind(id);
  EXPECT_EQ(p.bind(late, kData), BindRequest::Step::Failed);
  EXPECT_EQ(late.number(), 400);
}

TEST(TurnClientTcp, B4AServerThatAlwaysWantsAnotherNonceIsGivenUp) {
  TcpPair p;
  BindRequest request = p.client.bind(ConnectionId(7));
  std::vector<uint8_t> memory(BindRequest::kMaxPacket);
  for (int round = 0;; ++round) {
    ASSERT_LT(round, 10);
    const size_t size = request.write(memory, p.world.random);
    const auto id = stun::Message::parse(ByteView(memory).first(size)).value().transaction_id();
    std::vector<uint8_t> answer(512);
    stun::Builder builder(answer, Method::ConnectionBind, Class::Error, id);
    builder.add_error(ErrorNumber::StaleNonce);
    builder.add_text(Attribute::Realm, "example.org").add_text(Attribute::Nonce, cat("nonce", round));
    answer.resize(builder.finish().size());
    const auto step = request.handle(answer);
    if (step == BindRequest::Step::Failed) break;
    ASSERT_EQ(step, BindRequest::Step::Again);
  }
  EXPECT_EQ(request.number(), 438);
}

TEST(TurnClientTcp, B7AnAnswerThatIsNotTheServersBindsNothing) {
  TcpPair p;
  BindRequest request = p.client.bind(ConnectionId(7));
  std::vector<uint8_t> memory(BindRequest::kMaxPacket);
  const auto forged = [&](Method method, bool right_id, Class what) {
    const size_t size = request.write(memory, p.world.random);
    auto id = stun::Message::parse(ByteView(memory).first(size)).value().transaction_id();
    if (!right_id) id.bytes[0] ^= 1;
    std::vector<uint8_t> answer(512);
    answer.resize(stun::Builder(answer, method, what, id).finish().size());
    return request.handle(answer);
  };
  EXPECT_EQ(forged(Method::ConnectionBind, true, Class::Success), BindRequest::Step::Failed) << "not signed";
  EXPECT_EQ(forged(Method::ConnectionBind, false, Class::Success), BindRequest::Step::Failed);
  EXPECT_EQ(forged(Method::Connect, true, Class::Success), BindRequest::Step::Failed);
  EXPECT_EQ(forged(Method::ConnectionBind, true, Class::Error), BindRequest::Step::Failed);
  EXPECT_EQ(request.handle(as_bytes("HTTP/1.1 200 OK\r\n")), BindRequest::Step::Failed);
}

TEST(TurnClientTcp, B8AttemptsOfPeersThatAreNotLetInAreDropped) {
  TcpPair p;
  const auto attempt = [&](std::string_view peer, bool id) {
    std::vector<uint8_t> bytes(128);
    stun::Builder builder(bytes, Method::ConnectionAttempt, Class::Indication, {});
    builder.add_xor_address(Attribute::XorPeerAddress, endpoint(peer));
    if (id) builder.add_u32(Attribute::ConnectionId, 5);
    bytes.resize(builder.finish().size());
    p.from_server(bytes);
  };
  attempt(kPeer, true);
  EXPECT_EQ(p.client.drops()[ClientDrop::UnknownPeer], 1u);
  p.client.let_in(endpoint(kPeer).ip, p.world.now);
  p.settle();
  attempt(kPeer, false);
  EXPECT_EQ(p.client.drops()[ClientDrop::Malformed], 1u);
  EXPECT_THAT(p.all<PeerConnected>(), IsEmpty());
  for (int i = 0; i < 1000; ++i) attempt(kPeer, true);
  p.settle();
  EXPECT_LE(p.all<PeerConnected>().size(), Client::kMaxEvents);
  size_t asked = 0;
  for (uint16_t port = 1; port <= 1000; ++port) asked += p.client.connect(endpoint(cat("8.8.4.4:", port)), p.world.now);
  EXPECT_EQ(asked, Client::kMaxConnects);
}

}  // namespace
}  // namespace kaon::turn
