#include "kaon/turn/client.h"

#include <gmock/gmock.h>

#include "kaon/turn/internal/client_pair.h"

namespace kaon::turn {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(TurnClient, AllocatesWithTheCredentialsThatTheServerAsksFor) {
  Pair p;
  p.settle();
  ASSERT_EQ(p.events.size(), 1u);
  const auto& allocated = std::get<Allocated>(p.events[0]);
  EXPECT_EQ(allocated.relayed.ip, ip("198.51.100.1"));
  EXPECT_EQ(allocated.mapped, kClient);
  EXPECT_EQ(p.client.relayed(), allocated.relayed);
  EXPECT_EQ(p.requests, 2);  // without and with
  EXPECT_EQ(p.world.server.allocations(), 1u);
}

TEST(TurnClient, CarriesDataBothWaysFirstByIndicationThenByChannel) {
  Pair p;
  p.settle();
  ASSERT_TRUE(p.send(endpoint(kPeer), "hello"));
  ASSERT_EQ(p.at_peers.size(), 1u);
  EXPECT_EQ(p.at_peers[0].transmit.remote, endpoint(kPeer));
  EXPECT_EQ(as_text(p.at_peers[0].bytes), "hello");
  EXPECT_EQ(p.overhead, 20u + 12 + 4 + 3);
  ASSERT_TRUE(p.send(endpoint(kPeer), "again"));
  EXPECT_EQ(p.overhead, 4u);
  EXPECT_EQ(as_text(p.at_peers[1].bytes), "again");

  p.world.from_peer(*p.client.relayed(), endpoint(kPeer), "back");
  p.world.from_peer(*p.client.relayed(), kOther, "same address, no channel");
  p.settle();
  EXPECT_THAT(p.received, testing::ElementsAre(testing::Pair(endpoint(kPeer), "back"),
                                               testing::Pair(kOther, "same address, no channel")));
}

TEST(TurnClient, StunToAPeerAsksForNoChannel) {
  Pair p;
  p.settle();
  std::vector<uint8_t> check(20);
  stun::Builder(check, Method::Binding, Class::Request, stun::TransactionId::random(p.world.random));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(p.send(endpoint(kPeer), as_text(check)));
  EXPECT_EQ(p.overhead, 36u);
  EXPECT_EQ(p.at_peers.size(), 3u);
}

TEST(TurnClient, OnAStreamChannelDataIsPadded) {
  Pair p(World::default_config(), "alice", "secret", net::Protocol::Tcp);
  p.settle();
  p.send(endpoint(kPeer), "hello");
  p.send(endpoint(kPeer), "hello");
  EXPECT_EQ(p.overhead, 4u + 3);
  EXPECT_EQ(as_text(p.at_peers.at(1).bytes), "hello");
}

TEST(TurnClient, WrongPasswordUnknownUserAndNoUserAreUnauthorized) {
  for (const auto& [user, password] : {std::pair("alice", "wrong"), std::pair("nobody", "secret"), std::pair("", "")}) {
    Pair p(World::default_config(), user, password);
    p.settle();
    ASSERT_NE(p.failure(), nullptr) << user;
    EXPECT_EQ(p.failure()->error, ClientError::Unauthorized) << user;
    EXPECT_EQ(p.failure()->number, 401) << user;
    EXPECT_TRUE(p.client.closed());
    EXPECT_EQ(p.client.next_timeout(), kNever);
  }
}

TEST(TurnClient, QuotaAndCapacityAreToldApart) {
  ServerConfig config = World::default_config();
  config.max_allocations_per_user = 0;
  Pair quota(config);
  quota.settle();
  ASSERT_NE(quota.failure(), nullptr);
  EXPECT_EQ(quota.failure()->error, ClientError::QuotaReached);
  EXPECT_EQ(quota.failure()->number, 486);

  Pair capacity;
  capacity.world.refuse_relays = true;
  capacity.settle();
  ASSERT_NE(capacity.failure(), nullptr);
  EXPECT_EQ(capacity.failure()->error, ClientError::InsufficientCapacity);
}

TEST(TurnClient, AnAddressThatHasAnAllocationAlreadyIsAMismatch) {
  Pair p;
  WireClient earlier(p.world, kClient.to_string());
  earlier.allocate();
  p.settle();
  ASSERT_NE(p.failure(), nullptr);
  EXPECT_EQ(p.failure()->error, ClientError::AllocationMismatch);
  EXPECT_EQ(p.failure()->number, 437);
}

TEST(TurnClient, ASilentServerIsATimeoutAfterTenSeconds) {
  Pair p;
  p.lose = true;
  const Time start = p.world.now;
  p.settle();
  while (p.events.empty()) p.advance(milliseconds(100));
  EXPECT_EQ(p.failure()->error, ClientError::Timeout);
  EXPECT_EQ(p.failure()->number, 701);
  EXPECT_EQ(p.requests, 5);
  EXPECT_NEAR(static_cast<double>((p.world.now - start) / milliseconds(1)), 9500, 200);
}

TEST(TurnClient, KeepsAllocationPermissionAndChannelForHours) {
  Pair p;
  p.settle();
  for (int i = 0; i < 3 * 60; ++i) {
    p.advance(minutes(1));
    ASSERT_TRUE(p.send(endpoint(kPeer), "tick"));
  }
  EXPECT_EQ(p.at_peers.size(), 180u);
  EXPECT_EQ(p.overhead, 4u);
  EXPECT_EQ(p.failure(), nullptr);
  EXPECT_EQ(p.world.server.allocations(), 1u);
  EXPECT_GT(p.world.server.stats().refreshes, 15u);
}

TEST(TurnClient, ANonceThatHasEndedIsReplacedWithoutAnybodyNoticing) {
  ServerConfig config = World::default_config();
  config.nonce_lifetime = seconds(30);
  Pair p(config);
  p.settle();
  for (int i = 0; i < 30; ++i) {
    p.advance(minutes(1));
    ASSERT_TRUE(p.send(endpoint(kPeer), "tick"));
  }
  EXPECT_EQ(p.at_peers.size(), 30u);
  EXPECT_EQ(p.failure(), nullptr);
}

TEST(TurnClient, AnUnusedPermissionEnds) {
  Pair p;
  p.settle();
  p.send(endpoint(kPeer), "once");
  p.advance(minutes(11));
  p.world.from_peer(*p.client.relayed(), endpoint(kPeer), "late");
  p.settle();
  EXPECT_TRUE(p.received.empty());
}

TEST(TurnClient, ARefusedPeerIsToldOnceAndNotAskedForAgain) {
  Pair p;
  p.settle();
  p.send(endpoint("10.0.0.1:22"), "knock");
  ASSERT_EQ(p.events.size(), 2u);
  EXPECT_EQ(std::get<PeerRefused>(p.events[1]).peer, ip("10.0.0.1"));
  EXPECT_EQ(std::get<PeerRefused>(p.events[1]).number, 403);
  const int requests = p.requests;
  EXPECT_FALSE(p.send(endpoint("10.0.0.1:22"), "knock"));
  EXPECT_EQ(p.requests, requests);
  EXPECT_EQ(p.client.drops()[ClientDrop::Refused], 1u);
  EXPECT_TRUE(p.at_peers.empty());
  EXPECT_TRUE(p.send(endpoint(kPeer), "hello"));
}

TEST(TurnClient, CloseGivesTheAllocationBackAtOnce) {
  Pair p;
  p.settle();
  p.client.close(p.world.now);
  const int before = p.requests;
  p.settle();
  EXPECT_EQ(p.requests, before + 1);
  EXPECT_EQ(p.world.server.allocations(), 0u);
  EXPECT_TRUE(p.client.closed());
  EXPECT_FALSE(p.send(endpoint(kPeer), "late"));
}

TEST(TurnClient, CloseBeforeTheServerHasAnsweredSendsNothing) {
  Pair p;
  p.client.close(p.world.now);
  p.settle();
  EXPECT_EQ(p.requests, 0);
  EXPECT_TRUE(p.client.closed());
}

TEST(TurnClient, AnAllocationThatTheServerHasLostIsTold) {
  Pair p;
  p.settle();
  p.world.server.client_gone({kServer, kClient, net::Protocol::Udp}, p.world.now);
  p.world.settle();
  ASSERT_EQ(p.world.server.allocations(), 0u);
  p.send(endpoint(kPeer), "hello");
  ASSERT_NE(p.failure(), nullptr);
  EXPECT_EQ(p.failure()->error, ClientError::AllocationMismatch);
}

TEST(TurnClient, BelievesNoAnswerThatIsNotSigned) {
  Pair p;
  p.client.handle_timeout(p.world.now);
  // The challenge, then our signed request, whose id the attacker knows.
  auto t = p.client.poll_transmit(p.memory);
  p.to_server(ByteView(p.memory).first(t->size));
  p.from_server(p.world.take().at(0).bytes);
  t = p.client.poll_transmit(p.memory);
  ASSERT_TRUE(t);
  const auto request = stun::Message::parse(ByteView(p.memory).first(t->size)).value();
  std::vector<uint8_t> forged(256);
  forged.resize(stun::Builder(forged, Method::Allocate, Class::Success, request.transaction_id())
                    .add_xor_address(Attribute::XorRelayedAddress, endpoint("6.6.6.6:6666"))
                    .add_xor_address(Attribute::XorMappedAddress, kClient)
                    .finish()
                    .size());
  p.from_server(forged);
  EXPECT_FALSE(p.client.relayed());
  EXPECT_EQ(p.client.drops()[ClientDrop::BadIntegrity], 1u);
  p.to_server(ByteView(p.memory).first(t->size));
  p.settle();
  EXPECT_TRUE(p.client.relayed());
}

TEST(TurnClient, GarbageStrangersAndForeignChannelsAreDroppedAndCounted) {
  Pair p;
  p.settle();
  p.from_server({0x40, 0x00, 0x00, 0x01, 'x'});
  p.from_server({0x40, 0x00, 0xff, 0xff, 'x'});
  p.from_server({1, 2, 3});
  p.from_server({});
  EXPECT_EQ(p.client.drops()[ClientDrop::UnknownChannel], 1u);
  EXPECT_EQ(p.client.drops()[ClientDrop::Malformed], 3u);
  std::vector<uint8_t> bytes{1, 2, 3};
  net::Datagram stranger;
  stranger.local = kClient;
  stranger.remote = endpoint("6.6.6.6:1");
  stranger.bytes = bytes;
  p.client.handle_packet(stranger, p.world.now);
  EXPECT_EQ(p.client.drops()[ClientDrop::WrongAddress], 1u);
}

TEST(TurnClient, B4AServerThatNeverLikesItsOwnNonceIsGivenUp) {
  Pair p;
  for (int i = 0; i < 10 && !p.client.closed(); ++i) {
    std::vector<uint8_t> answer(256);
    answer.resize(stun::Builder(answer, Method::Allocate, Class::Error, request_of(p))
                      .add_error(i == 0 ? ErrorNumber::Unauthenticated : ErrorNumber::StaleNonce)
                      .add_text(Attribute::Realm, "example.org")
                      .add_text(Attribute::Nonce, cat("nonce", i))
                      .finish()
                      .size());
    p.from_server(answer);
    ++p.requests;
  }
  EXPECT_TRUE(p.client.closed());
  EXPECT_LE(p.requests, 4);
}

TEST(TurnClient, B7AHostileServerEndsTheClientAndNothingElse) {
  const auto answer_with = [](Class message_class, const std::function<void(stun::Builder&)>& fill) {
    Pair p;
    std::vector<uint8_t> answer(8192);
    stun::Builder builder(answer, Method::Allocate, message_class, request_of(p));
    fill(builder);
    answer.resize(builder.finish().size());
    p.from_server(answer);
    p.settle();
    EXPECT_TRUE(p.client.closed());
    EXPECT_EQ(p.events.size(), 1u);
    EXPECT_EQ(p.client.next_timeout(), kNever);
    return p.failure() == nullptr ? ClientError::Timeout : p.failure()->error;
  };
  const auto challenge = [&](size_t realm, size_t nonce) {
    return answer_with(Class::Error, [&](stun::Builder& b) {
      b.add_error(ErrorNumber::Unauthenticated);
      b.add_text(Attribute::Realm, std::string(realm, 'r')).add_text(Attribute::Nonce, std::string(nonce, 'n'));
    });
  };
  EXPECT_EQ(challenge(3000, 10), ClientError::BadResponse);
  EXPECT_EQ(challenge(10, 3000), ClientError::BadResponse);
  EXPECT_EQ(challenge(10, 0), ClientError::BadResponse);
  EXPECT_EQ(answer_with(Class::Error, [](stun::Builder& b) { b.add_error(ErrorNumber::Unauthenticated); }),
            ClientError::BadResponse);
  EXPECT_EQ(answer_with(Class::Error,
                        [](stun::Builder& b) {
                          b.add_error(ErrorNumber::TryAlternate).add_address(Attribute::AlternateServer, kServer);
                        }),
            ClientError::TryAlternate);
  EXPECT_EQ(answer_with(Class::Success, [](stun::Builder&) {}), ClientError::BadResponse);
  EXPECT_EQ(answer_with(Class::Success,
                        [](stun::Builder& b) {
                          b.add_xor_address(Attribute::XorRelayedAddress, endpoint("[2001:db8::1]:5"));
                          b.add_xor_address(Attribute::XorMappedAddress, kClient);
                        }),
            ClientError::BadResponse);
}

TEST(TurnClient, TellsTheServerAndTheDomainThatShallBeAsked) {
  const auto told = [](const std::optional<std::string>& domain) {
    Pair p;
    std::vector<uint8_t> answer(1024);
    stun::Builder builder(answer, Method::Allocate, Class::Error, request_of(p));
    builder.add_error(ErrorNumber::TryAlternate).add_address(Attribute::AlternateServer, kOther);
    if (domain) builder.add_text(Attribute::AlternateDomain, *domain);
    answer.resize(builder.finish().size());
    p.from_server(answer);
    p.settle();
    EXPECT_EQ(p.failure()->error, ClientError::TryAlternate);
    return p.failure()->alternate;
  };
  EXPECT_EQ(told({}).server, kOther);
  EXPECT_EQ(told("turn.example.org").server, kOther);
  EXPECT_EQ(told("turn.example.org").domain, "turn.example.org");
  // Rather nowhere than there without the name.
  for (const std::string& bad : {std::string(), std::string(256, 'a'), std::string("a\0b", 3), std::string("a b")}) {
    EXPECT_EQ(told(bad).server, net::Endpoint{}) << bad;
  }
}

// The nonce says that the server knows SHA-256, and somebody has taken out the list of algorithms.
TEST(TurnClient, B7ADowngradeOfTheAlgorithmIsNoticed) {
  Pair p;
  std::vector<uint8_t> answer(512);
  answer.resize(stun::Builder(answer, Method::Allocate, Class::Error, request_of(p))
                    .add_error(ErrorNumber::Unauthenticated)
                    .add_text(Attribute::Realm, "example.org")
                    .add_text(Attribute::Nonce, stun::nonce_prefix({.password_algorithms = true}) + "abc")
                    .finish()
                    .size());
  p.from_server(answer);
  p.settle();
  ASSERT_NE(p.failure(), nullptr);
  EXPECT_EQ(p.failure()->error, ClientError::BadResponse);
}

TEST(TurnClient, B8DataOfPeersThatWeHaveNoPermissionForIsDropped) {
  Pair p;
  p.settle();
  std::vector<uint8_t> indication(128);
  indication.resize(stun::Builder(indication, Method::Data, Class::Indication, {})
                        .add_xor_address(Attribute::XorPeerAddress, endpoint("6.6.6.6:1"))
                        .add_text(Attribute::Data, "evil")
                        .finish()
                        .size());
  p.from_server(indication);
  p.from_server({0x40, 0x00, 0x00, 0x04, 'e', 'v', 'i', 'l'});
  EXPECT_TRUE(p.received.empty());
  EXPECT_EQ(p.client.drops()[ClientDrop::UnknownPeer], 1u);
  EXPECT_EQ(p.client.drops()[ClientDrop::UnknownChannel], 1u);
}

TEST(TurnClient, AnUnreachablePeerIsToldAndNothingEnds) {
  Pair p;
  p.settle();
  ASSERT_TRUE(p.send(endpoint(kPeer), "x"));
  const RelayId relay = p.world.relay_at(*p.client.relayed());
  p.world.server.handle_peer_error(relay, endpoint(kPeer), {3, 3, 0}, p.world.now);
  p.world.settle();
  p.settle();
  const auto* told = std::get_if<PeerUnreachable>(&p.events.back());
  ASSERT_NE(told, nullptr);
  EXPECT_EQ(told->peer, endpoint(kPeer));
  EXPECT_EQ(told->error, (IcmpError{3, 3, 0}));
  p.at_peers.clear();
  EXPECT_TRUE(p.send(endpoint(kPeer), "y"));
  EXPECT_EQ(p.at_peers.size(), 1u);
}

TEST(TurnClient, IcmpOfPeersThatWeHaveNoPermissionForIsDroppedAndEventsAreBounded) {
  Pair p;
  p.settle();
  const auto indication = [](std::string_view peer) {
    std::vector<uint8_t> bytes(128);
    bytes.resize(stun::Builder(bytes, Method::Data, Class::Indication, {})
                     .add_xor_address(Attribute::XorPeerAddress, endpoint(peer))
                     .add_u64(Attribute::Icmp, icmp_value({3, 1, 0}))
                     .finish()
                     .size());
    return bytes;
  };
  p.from_server(indication("6.6.6.6:1"));
  EXPECT_EQ(p.client.drops()[ClientDrop::UnknownPeer], 1u);
  ASSERT_TRUE(p.send(endpoint(kPeer), "x"));
  p.events.clear();
  for (int i = 0; i < 10'000; ++i) p.from_server(indication(kPeer));
  p.settle();
  EXPECT_EQ(p.events.size(), Client::kMaxEvents);
}

TEST(TurnClient, TenThousandPeersAreBounded) {
  Pair p;
  p.settle();
  size_t sent = 0;
  for (uint32_t i = 0; i < 10'000; ++i) {
    sent += p.send({net::IpAddress::v4(0x08080000 + i), 7000}, "x") ? 1 : 0;
  }
  EXPECT_GT(sent, 200u);
  EXPECT_EQ(p.failure(), nullptr);
}

TEST(TurnClient, EveryErrorHasAText) {
  for (int i = 0; i <= static_cast<int>(ClientError::ProxyRefused); ++i) {
    EXPECT_FALSE(to_text(static_cast<ClientError>(i)).empty());
  }
}

}  // namespace
}  // namespace kaon::turn
