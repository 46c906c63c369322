#include "kaon/turn/server.h"

#include <gmock/gmock.h>

#include "kaon/turn/internal/test_world.h"

namespace kaon::turn {
namespace {

using Client = WireClient;

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kPeer6 = "[2600::1]:7000";

int code_of(const Sent& answer) {
  const auto error = answer.message().error_code();
  return error ? error->number : 0;
}

TEST(TurnServer, AnswersBindingWithTheAddressItSees) {
  World world;
  Client client(world);
  const Sent answer = client.ask(Method::Binding);
  EXPECT_TRUE(answer.message().is(Method::Binding, Class::Success));
  EXPECT_EQ(answer.message().xor_address(Attribute::XorMappedAddress), endpoint("203.0.113.5:4000"));
}

TEST(TurnServer, GivesARelayToWhoHasAuthenticated) {
  World world;
  Client client(world);
  const Sent challenge = client.ask(Method::Allocate, Client::udp);
  EXPECT_EQ(code_of(challenge), 401);
  EXPECT_EQ(challenge.message().text(Attribute::Realm), "example.org");
  EXPECT_FALSE(challenge.message().has_integrity());
  client.learn();
  const Sent answer = client.ask(Method::Allocate, Client::udp);
  EXPECT_TRUE(answer.message().is(Method::Allocate, Class::Success)) << answer.to_string();
  EXPECT_EQ(answer.message().xor_address(Attribute::XorMappedAddress), endpoint("203.0.113.5:4000"));
  EXPECT_EQ(answer.message().xor_address(Attribute::XorRelayedAddress)->ip, ip("198.51.100.1"));
  EXPECT_EQ(answer.message().u32(Attribute::Lifetime), 600u);
  const auto key = stun::long_term_key("alice", "example.org", "secret");
  EXPECT_TRUE(answer.message().verify_integrity(crypto::Hmac(crypto::HashAlgorithm::Sha1, key.view())));
  EXPECT_EQ(world.server.allocations(), 1u);
  ASSERT_THAT(world.events, SizeIs(1));
  const auto& opened = std::get<AllocationOpened>(world.events[0]);
  EXPECT_EQ(opened.user, "alice");
  EXPECT_EQ(opened.client, client.path);
  EXPECT_THAT(opened.relayed, SizeIs(1));
}

TEST(TurnServer, UnderstandsSha256AndTheHashOfTheName) {
  for (const bool hashed : {false, true}) {
    World world;
    Client client(world);
    client.sha256 = true;
    client.hashed = hashed;
    EXPECT_NE(client.allocate().port, 0);
    const Sent answer = client.ask(Method::Refresh);
    const auto key = stun::long_term_key("alice", "example.org", "secret", stun::PasswordAlgorithm::Sha256);
    EXPECT_TRUE(answer.message().verify_integrity_sha256(crypto::Hmac(crypto::HashAlgorithm::Sha256, key.view())));
    EXPECT_FALSE(answer.message().has_integrity());
  }
}

TEST(TurnServer, ItsNonceTellsWhatItCan) {
  World world;
  Client client(world);
  client.learn();
  EXPECT_EQ(stun::nonce_features(client.nonce), (stun::SecurityFeatures{true, true}));
  auto config = World::default_config();
  config.secrets = {"north"};
  World with_secret(config);
  Client other(with_secret);
  other.learn();
  EXPECT_EQ(stun::nonce_features(other.nonce), (stun::SecurityFeatures{true, false}));
}

TEST(TurnServer, TakesTimeLimitedCredentialsOfEverySecretUntilTheyEnd) {
  auto config = World::default_config();
  config.users.clear();
  config.secrets = {"new", "old"};
  const auto wall = std::chrono::duration_cast<std::chrono::seconds>(config.unix_time_at_zero + 1h);
  for (const auto& [secret, expiry, code] : {std::tuple("new", wall + 60s, 0), std::tuple("old", wall + 60s, 0),
                                             std::tuple("older", wall + 60s, 401), std::tuple("new", wall, 401)}) {
    World world(config);
    Client client(world);
    client.learn();
    const auto credentials = stun::time_limited_credentials(secret, "carol", expiry);
    client.user = credentials.username;
    client.password = credentials.password;
    EXPECT_EQ(client.code(Method::Allocate, Client::udp), code) << secret;
    if (code != 0) continue;
    // Who has an allocation keeps it; a new one is not given.
    world.advance(120s);
    EXPECT_EQ(client.refresh(600), 0);
    Client late(world, "203.0.113.6:4000");
    late.learn();
    late.user = client.user;
    late.password = client.password;
    EXPECT_EQ(late.code(Method::Allocate, Client::udp), 401);
  }
}

TEST(TurnServer, RelaysByChannelAndByIndication) {
  World world;
  Client client(world);
  const auto relayed = client.allocate();
  EXPECT_THAT(client.send(kPeer, "early"), IsEmpty());
  EXPECT_EQ(world.server.drops()[ServerDrop::NoPermission], 1u);
  EXPECT_EQ(client.permit(kPeer), 0);
  auto sent = client.send(kPeer, "hello");
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(as_text(sent[0].bytes), "hello");
  EXPECT_EQ(sent[0].transmit.local, relayed);
  EXPECT_EQ(sent[0].transmit.remote, endpoint(kPeer));
  world.from_peer(relayed, endpoint("8.8.4.4:9999"), "from another port");
  sent = world.take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_TRUE(sent[0].message().is(Method::Data, Class::Indication));
  EXPECT_EQ(sent[0].message().xor_address(Attribute::XorPeerAddress), endpoint("8.8.4.4:9999"));
  EXPECT_EQ(sent[0].message().text(Attribute::Data), "from another port");
  EXPECT_EQ(client.bind(0x4001, kPeer), 0);
  sent = client.send(uint16_t{0x4001}, "over the channel");
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(as_text(sent[0].bytes), "over the channel");
  world.from_peer(relayed, endpoint(kPeer), "back");
  sent = world.take();
  ASSERT_THAT(sent, SizeIs(1));
  const auto data = parse_channel_data(sent[0].bytes);
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->channel, 0x4001);
  EXPECT_EQ(as_text(data->data), "back");
  EXPECT_EQ(world.server.stats().packets_to_peers, 2u);
  EXPECT_EQ(world.server.stats().bytes_to_clients, 21u);
}

TEST(TurnServer, PadsChannelDataOnStreamsOnly) {
  for (const auto& [protocol, size] : {std::pair(net::Protocol::Udp, 9u), std::pair(net::Protocol::Dtls, 9u),
                                       std::pair(net::Protocol::Tcp, 12u), std::pair(net::Protocol::Tls, 12u)}) {
    World world;
    Client client(world, "203.0.113.5:4000", protocol);
    const auto relayed = client.allocate();
    client.bind(0x4001, kPeer);
    world.take();
    world.from_peer(relayed, endpoint(kPeer), "12345");
    const auto sent = world.take();
    ASSERT_THAT(sent, SizeIs(1));
    EXPECT_EQ(sent[0].bytes.size(), size);
    for (size_t i = 9; i < size; ++i) EXPECT_EQ(sent[0].bytes[i], 0) << "B6";
  }
}

TEST(TurnServer, AllocationsPermissionsAndChannelsEndUnlessRefreshed) {
  World world;
  Client client(world);
  const auto relayed = client.allocate();
  client.bind(0x4001, kPeer);
  world.advance(299s);
  EXPECT_THAT(client.send(kPeer, "x"), SizeIs(1));
  world.advance(2s);
  EXPECT_THAT(client.send(kPeer, "x"), IsEmpty());
  EXPECT_THAT(client.send(uint16_t{0x4001}, "x"), SizeIs(1)) << "the channel lives for ten minutes";
  world.from_peer(relayed, endpoint(kPeer), "x");
  EXPECT_THAT(world.take(), IsEmpty());
  EXPECT_EQ(client.refresh(600), 0);
  world.advance(300s);
  EXPECT_THAT(client.send(uint16_t{0x4001}, "x"), IsEmpty());
  EXPECT_EQ(world.server.drops()[ServerDrop::NoChannel], 1u);
  EXPECT_EQ(world.server.allocations(), 1u);
  world.events.clear();
  world.advance(301s);
  EXPECT_EQ(world.server.allocations(), 0u);
  EXPECT_THAT(world.relays, IsEmpty());
  ASSERT_THAT(world.events, SizeIs(1));
  EXPECT_EQ(std::get<AllocationClosed>(world.events[0]).reason, CloseReason::Expired);
  EXPECT_EQ(std::get<AllocationClosed>(world.events[0]).packets_to_peers, 2u);
  EXPECT_EQ(world.server.next_timeout(), kNever);
}

TEST(TurnServer, RefreshGrantsWithinItsLimitsAndZeroEnds) {
  World world;
  Client client(world);
  client.allocate();
  for (const auto& [asked, granted] : {std::pair(1u, 600u), std::pair(1000u, 1000u), std::pair(~0u, 3600u)}) {
    const Sent answer = client.ask(Method::Refresh, [a = asked](auto& b) { b.add_u32(Attribute::Lifetime, a); });
    EXPECT_EQ(answer.message().u32(Attribute::Lifetime), granted);
  }
  EXPECT_EQ(client.refresh(0), 0);
  EXPECT_EQ(world.server.allocations(), 0u);
  EXPECT_THAT(world.relays, IsEmpty());
  EXPECT_EQ(client.refresh(0), 437);
}

TEST(TurnServer, ARepeatedAllocateGetsTheSameAnswer) {
  World world;
  Client client(world);
  client.learn();
  client.fixed_id = stun::TransactionId{{1, 2, 3}};
  const Sent first = client.ask(Method::Allocate, Client::udp);
  const Sent second = client.ask(Method::Allocate, Client::udp);
  EXPECT_EQ(first.bytes, second.bytes);
  client.fixed_id.reset();
  EXPECT_EQ(client.code(Method::Allocate, Client::udp), 437);
  EXPECT_EQ(world.server.allocations(), 1u);
}

TEST(TurnServer, EveryWrongRequestGetsItsError) {
  World world;
  Client client(world);
  const auto family = [](net::Family f) {
    return [f](auto& b) { Client::udp(b), b.add_u32(Attribute::RequestedAddressFamily, address_family_value(f)); };
  };
  client.learn();
  const std::vector<std::tuple<const char*, Method, Client::Fill, int>> cases = {
      {"no transport", Method::Allocate, {}, 400},
      {"TCP", Method::Allocate, [](auto& b) { b.add_u32(Attribute::RequestedTransport, requested_transport(6)); }, 442},
      {"unknown attribute", Method::Allocate, [](auto& b) { Client::udp(b), b.add_u32(Attribute(0x7fff), 1); }, 420},
      {"family 3", Method::Allocate,
       [](auto& b) { Client::udp(b), b.add_u32(Attribute::RequestedAddressFamily, 3 << 24); }, 440},
      {"both families twice", Method::Allocate,
       [&](auto& b) { family(net::Family::V4)(b), b.add_u32(Attribute::AdditionalAddressFamily, 2 << 24); }, 400},
      {"additional IPv4", Method::Allocate,
       [](auto& b) { Client::udp(b), b.add_u32(Attribute::AdditionalAddressFamily, 1 << 24); }, 400},
      {"unknown token", Method::Allocate, [](auto& b) { Client::udp(b), b.add_u64(Attribute::ReservationToken, 1); },
       508},
      {"token and even port", Method::Allocate,
       [](auto& b) {
         Client::udp(b), b.add_u64(Attribute::ReservationToken, 1).add(Attribute::EvenPort, std::array<uint8_t, 1>{0});
       },
       400},
      {"even port of two bytes", Method::Allocate,
       [](auto& b) { Client::udp(b), b.add(Attribute::EvenPort, std::array<uint8_t, 2>{}); }, 400},
      {"refresh of nothing", Method::Refresh, {}, 437},
      {"permission of nothing", Method::CreatePermission, {}, 437},
      {"channel of nothing", Method::ChannelBind, {}, 437},
  };
  for (const auto& [name, method, fill, code] : cases) EXPECT_EQ(client.code(method, fill), code) << name;
  EXPECT_EQ(client.code(Method::Allocate, Client::udp), 0);
  EXPECT_EQ(client.code(Method::CreatePermission), 400) << "no peer";
  EXPECT_EQ(client.permit(kPeer6), 443);
  EXPECT_EQ(client.bind(0x4001, kPeer6), 443);
  EXPECT_EQ(client.bind(0x3fff, kPeer), 400);
  EXPECT_EQ(client.bind(0x8000, kPeer), 400);
  EXPECT_EQ(client.bind(0x4001, kPeer), 0);
  EXPECT_EQ(client.bind(0x4001, kPeer), 0) << "refreshed";
  EXPECT_EQ(client.bind(0x4002, kPeer), 400) << "the peer has another channel";
  EXPECT_EQ(client.bind(0x4001, "8.8.4.4:7001"), 400) << "the channel has another peer";
  EXPECT_EQ(client.bind(0x4001, "8.8.4.4:0"), 403);
  client.user = "bob";
  client.password = "other";
  EXPECT_EQ(client.refresh(600), 441);
  EXPECT_EQ(client.permit(kPeer), 441);
  EXPECT_EQ(client.bind(0x4001, kPeer), 441);
  EXPECT_EQ(client.code(Method::Allocate, Client::udp), 437);
}

TEST(TurnServer, GivesBothFamiliesAtOnceOrSaysWhichItHasNot) {
  const auto both = [](auto& b) {
    b.add_u32(Attribute::AdditionalAddressFamily, address_family_value(net::Family::V6));
  };
  const auto ask = [&](Client& client) {
    client.learn();
    return client.ask(Method::Allocate, [&](auto& b) { Client::udp(b), both(b); });
  };
  World world;
  Client client(world);
  const Sent answer = ask(client);
  std::vector<net::Endpoint> relayed;
  answer.message().for_each([&](Attribute type, ByteView value) {
    if (type == Attribute::XorRelayedAddress) relayed.push_back(*answer.message().decode_xor_address(value));
  });
  ASSERT_THAT(relayed, SizeIs(2));
  EXPECT_EQ(client.permit(kPeer), 0);
  EXPECT_EQ(client.permit(kPeer6), 0);
  auto sent = client.send(kPeer6, "six");
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].transmit.local, relayed[1]);
  // The end of one of the two.
  const Sent end = client.ask(Method::Refresh, [](auto& b) {
    b.add_u32(Attribute::Lifetime, 0).add_u32(Attribute::RequestedAddressFamily, address_family_value(net::Family::V6));
  });
  EXPECT_EQ(code_of(end), 0);
  EXPECT_THAT(client.send(kPeer6, "six"), IsEmpty());
  EXPECT_THAT(client.send(kPeer, "four"), SizeIs(1));
  EXPECT_THAT(world.relays, SizeIs(1));

  auto config = World::default_config();
  config.relay_v6 = false;
  World only_v4(config);
  World broken_v6;
  broken_v6.refuse_v6 = true;
  for (auto [w, number] : {std::pair(&only_v4, 440), std::pair(&broken_v6, 508)}) {
    Client other(*w);
    const Sent half = ask(other);
    EXPECT_EQ(code_of(half), 0);
    const auto error = parse_address_error(half.message().find(Attribute::AddressErrorCode).value_or(ByteView()));
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->family, net::Family::V6);
    EXPECT_EQ(error->number, number);
  }
  Client six(only_v4, "203.0.113.7:1");
  six.learn();
  EXPECT_EQ(six.code(Method::Allocate,
                     [](auto& b) {
                       Client::udp(b),
                           b.add_u32(Attribute::RequestedAddressFamily, address_family_value(net::Family::V6));
                     }),
            440);
}

TEST(TurnServer, PutsAPortAsideForTheSecondAllocation) {
  World world;
  Client rtp(world);
  rtp.learn();
  const Sent answer = rtp.ask(
      Method::Allocate, [](auto& b) { Client::udp(b), b.add(Attribute::EvenPort, std::array<uint8_t, 1>{0x80}); });
  const auto first = answer.message().xor_address(Attribute::XorRelayedAddress).value();
  const auto token = answer.message().u64(Attribute::ReservationToken);
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(first.port % 2, 0);
  const auto with_token = [&](auto& b) { Client::udp(b), b.add_u64(Attribute::ReservationToken, *token); };
  Client thief(world, "203.0.113.9:1");
  thief.learn();
  thief.user = "bob";
  thief.password = "other";
  EXPECT_EQ(thief.code(Method::Allocate, with_token), 508);
  Client rtcp(world, "203.0.113.5:4001");
  rtcp.learn();
  const Sent second = rtcp.ask(Method::Allocate, with_token);
  EXPECT_EQ(second.message().xor_address(Attribute::XorRelayedAddress)->port, first.port + 1);
  Client third(world, "203.0.113.5:4002");
  third.learn();
  EXPECT_EQ(third.code(Method::Allocate, with_token), 508) << "taken";
  // The second lives on without the first.
  EXPECT_EQ(rtp.refresh(0), 0);
  EXPECT_EQ(rtcp.permit(kPeer), 0);
  EXPECT_THAT(rtcp.send(kPeer, "x"), SizeIs(1));
}

TEST(TurnServer, AReservedPortGoesWithItsAllocation) {
  World world;
  Client client(world);
  client.allocate([](auto& b) { b.add(Attribute::EvenPort, std::array<uint8_t, 1>{0x80}); });
  EXPECT_THAT(world.relays, SizeIs(2));
  world.advance(601s);
  EXPECT_THAT(world.relays, IsEmpty());
}

TEST(TurnServer, AClientMovesWithItsTicket) {
  World world;
  Client client(world);
  client.learn();
  const Sent answer =
      client.ask(Method::Allocate, [](auto& b) { Client::udp(b), b.add_flag(Attribute::MobilityTicket); });
  const auto relayed = answer.message().xor_address(Attribute::XorRelayedAddress).value();
  const auto view = answer.message().find(Attribute::MobilityTicket).value();
  std::vector<uint8_t> ticket(view.begin(), view.end());
  ASSERT_EQ(ticket.size(), 16u);
  EXPECT_EQ(client.bind(0x4001, kPeer), 0);

  const auto with_ticket = [&](auto& b) { b.add(Attribute::MobilityTicket, ticket); };
  Client moved(world, "203.0.113.77:1");
  moved.nonce = client.nonce;
  moved.realm = client.realm;
  EXPECT_EQ(moved.code(Method::Refresh, with_ticket), 438) << "the nonce was made for another address";
  moved.learn();
  auto wrong = ticket;
  wrong.back() ^= 1;
  EXPECT_EQ(moved.code(Method::Refresh, [&](auto& b) { b.add(Attribute::MobilityTicket, wrong); }), 400);
  Client thief(world, "203.0.113.88:1");
  thief.learn();
  thief.user = "bob";
  thief.password = "other";
  EXPECT_EQ(thief.code(Method::Refresh, with_ticket), 441);

  const Sent refreshed = moved.ask(Method::Refresh, with_ticket);
  EXPECT_EQ(code_of(refreshed), 0);
  const auto next = refreshed.message().find(Attribute::MobilityTicket);
  ASSERT_TRUE(next.has_value());
  EXPECT_NE(std::vector<uint8_t>(next->begin(), next->end()), ticket);
  world.from_peer(relayed, endpoint(kPeer), "x");
  const auto sent = world.take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_EQ(sent[0].transmit.remote, endpoint("203.0.113.77:1"));
  EXPECT_THAT(client.send(uint16_t{0x4001}, "x"), IsEmpty()) << "the old address has nothing any more";
  EXPECT_THAT(moved.send(uint16_t{0x4001}, "x"), SizeIs(1));
  EXPECT_EQ(world.server.allocations(), 1u);

  auto config = World::default_config();
  config.mobility = false;
  World without(config);
  Client other(without);
  other.learn();
  EXPECT_EQ(other.code(Method::Allocate, [](auto& b) { Client::udp(b), b.add_flag(Attribute::MobilityTicket); }), 405);
}

TEST(TurnServer, AConnectionThatEndsTakesItsAllocationAlong) {
  World world;
  Client client(world, "203.0.113.5:4000", net::Protocol::Tls);
  client.allocate();
  world.server.client_gone(client.path, world.now);
  world.settle();
  EXPECT_EQ(world.server.allocations(), 0u);
  EXPECT_EQ(std::get<AllocationClosed>(world.events.back()).reason, CloseReason::ClientGone);
  world.server.client_gone(client.path, world.now);
}

TEST(TurnServer, TellsTheClientWhatIcmpSaidOfAPermittedPeer) {
  World world;
  Client client(world);
  const auto relayed = client.allocate();
  client.permit(kPeer);
  world.take();
  world.server.handle_peer_error(world.relay_at(relayed), endpoint("8.8.8.8:1"), {3, 3, 0}, world.now);
  world.settle();
  EXPECT_THAT(world.take(), IsEmpty());
  world.server.handle_peer_error(world.relay_at(relayed), endpoint(kPeer), {3, 4, 1280}, world.now);
  world.settle();
  const auto sent = world.take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_TRUE(sent[0].message().is(Method::Data, Class::Indication));
  EXPECT_EQ(icmp_of(sent[0].message().u64(Attribute::Icmp).value()), (IcmpError{3, 4, 1280}));
}

TEST(TurnServer, IcmpIsToldSoManyTimesPerSecondAndOnlyWhatMatters) {
  World world;
  Client client(world);
  const RelayId relay = world.relay_at(client.allocate());
  client.permit(kPeer);
  world.take();
  const auto told = [&](const IcmpError& error) {
    world.server.handle_peer_error(relay, endpoint(kPeer), error, world.now);
    world.settle();
    const auto sent = world.take();
    if (sent.empty()) return std::optional<IcmpError>();
    return std::optional(icmp_of(sent[0].message().u64(Attribute::Icmp).value()));
  };
  EXPECT_EQ(told({5, 0, 0}), std::nullopt);  // a redirect
  EXPECT_EQ(told({11, 0, 77}), (IcmpError{11, 0, 0}));
  for (int i = 1; i < Server::kMaxPeerErrorsPerSecond; ++i) EXPECT_NE(told({3, 1, 0}), std::nullopt) << i;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(told({3, 1, 0}), std::nullopt) << i;
  EXPECT_EQ(world.server.drops()[ServerDrop::PeerErrors], 100u);
  EXPECT_EQ(world.server.stats().peer_errors, static_cast<uint64_t>(Server::kMaxPeerErrorsPerSecond));
  world.advance(std::chrono::seconds(1));
  EXPECT_EQ(told({3, 3, 0}), (IcmpError{3, 3, 0}));
}

TEST(TurnServer, DontFragmentGoesToTheSocket) {
  World world;
  Client client(world);
  client.allocate([](auto& b) { b.add_flag(Attribute::DontFragment); });
  client.permit(kPeer);
  std::vector<uint8_t> memory(200);
  const ByteView bytes = stun::Builder(memory, Method::Send, Class::Indication, {})
                             .add_xor_address(Attribute::XorPeerAddress, endpoint(kPeer))
                             .add_flag(Attribute::DontFragment)
                             .add_text(Attribute::Data, "x")
                             .finish();
  world.take();
  world.handle(client.path, bytes);
  ASSERT_THAT(world.sent, SizeIs(1));
  EXPECT_TRUE(world.sent[0].transmit.dont_fragment);
}

TEST(TurnServer, WhileDrainingItGivesNothingNewAndKeepsWhatItHas) {
  World world;
  Client client(world);
  client.allocate();
  client.permit(kPeer);
  world.server.drain();
  Client late(world, "203.0.113.6:1");
  late.learn();
  EXPECT_EQ(late.code(Method::Allocate, Client::udp), 508);
  EXPECT_EQ(client.refresh(600), 0);
  EXPECT_THAT(client.send(kPeer, "x"), SizeIs(1));
}

TEST(TurnServer, WhileFullOrDrainingItNamesAnotherServerOfTheClientsFamily) {
  ServerConfig config = World::default_config();
  config.max_allocations = 1;
  config.alternates = {endpoint("[2001:db9::7]:3478"), endpoint("192.0.2.1:3478"), endpoint("192.0.2.7:3478")};
  World world(config);
  Client first(world);
  first.allocate();
  Client second(world, "203.0.113.6:4000");
  second.learn();
  const auto sent_elsewhere = [&] {
    const Sent answer = second.ask(Method::Allocate, [](auto& b) { Client::udp(b); });
    EXPECT_EQ(answer.message().error_code().value().number, 300);
    EXPECT_TRUE(answer.message().has_integrity());
    return answer.message().address(Attribute::AlternateServer);
  };
  EXPECT_EQ(sent_elsewhere(), endpoint("192.0.2.7:3478"));  // not itself
  EXPECT_EQ(first.refresh(0), 0);
  EXPECT_NE(second.allocate(), net::Endpoint{});
  EXPECT_EQ(second.refresh(0), 0);
  world.server.drain();
  EXPECT_EQ(sent_elsewhere(), endpoint("192.0.2.7:3478"));
}

TEST(TurnServer, TheNameOfTheOtherServerIsToldWhereCertificatesAre) {
  for (const auto protocol : {net::Protocol::Udp, net::Protocol::Tcp, net::Protocol::Tls, net::Protocol::Dtls}) {
    ServerConfig config = World::default_config();
    config.max_allocations = 0;
    config.alternates = {endpoint("192.0.2.7:3478")};
    config.alternate_domain = "other.example.org";
    World world(config);
    Client client(world, "203.0.113.6:4000", protocol);
    client.learn();
    const Sent answer = client.ask(Method::Allocate, [](auto& b) { Client::udp(b); });
    const bool certified = protocol == net::Protocol::Tls || protocol == net::Protocol::Dtls;
    EXPECT_EQ(answer.message().text(Attribute::AlternateDomain).has_value(), certified);
  }
}

TEST(TurnServer, ASocketThatCannotBeOpenedIsInsufficientCapacity) {
  World world;
  world.refuse_relays = true;
  Client client(world);
  client.learn();
  EXPECT_EQ(client.code(Method::Allocate, Client::udp), 508);
  EXPECT_EQ(world.server.allocations(), 0u);
  world.refuse_relays = false;
  EXPECT_EQ(client.code(Method::Allocate, Client::udp), 0);
}

TEST(TurnServer, TheFastWayWritesIntoTheCallersMemory) {
  World world;
  Client client(world);
  const auto relayed = client.allocate();
  client.bind(0x4001, kPeer);
  std::vector<uint8_t> bytes(kChannelHeader + 1200, 5);
  write_channel_header(bytes.data(), 0x4001, 1200);
  net::Datagram datagram;
  datagram.local = client.path.local;
  datagram.remote = client.path.remote;
  datagram.bytes = bytes;
  std::vector<uint8_t> out(1200);
  const auto up = world.server.forward(datagram, world.now, out);
  ASSERT_TRUE(up.has_value());
  EXPECT_EQ(up->relay, world.relay_at(relayed));
  EXPECT_EQ(up->transmit.size, 1200u);
  EXPECT_EQ(out, std::vector<uint8_t>(1200, 5));
  std::vector<uint8_t> back(1204);
  const auto down = world.server.forward_from_peer(*up->relay, endpoint(kPeer), out, world.now, back);
  ASSERT_TRUE(down.has_value());
  EXPECT_FALSE(down->relay.has_value());
  EXPECT_EQ(back, bytes);
  out.resize(1199);
  EXPECT_FALSE(world.server.forward(datagram, world.now, out).has_value());
  back.resize(1203);
  EXPECT_FALSE(world.server.forward_from_peer(*up->relay, endpoint(kPeer), out, world.now, back).has_value() &&
               out.size() == 1200);
  EXPECT_EQ(world.server.drops()[ServerDrop::TooBig], 1u);
}

}  // namespace
}  // namespace kaon::turn
