// Relayed addresses of one family and of both.
#include <gmock/gmock.h>

#include "kaon/turn/internal/client_pair.h"

namespace kaon::turn {
namespace {

using std::chrono::minutes;

/// A client that wants relayed addresses of these families.
struct FamilyPair : Pair {
  explicit FamilyPair(RelayFamilies families, ServerConfig server = World::default_config())
      : Pair(std::move(server), "alice", "secret", net::Protocol::Udp, families) {
    world.server.handle_timeout(world.now);
  }
  const Allocated* allocated() const { return events.size() == 1 ? std::get_if<Allocated>(&events[0]) : nullptr; }
  /// Answers the request that is due with an error, unsigned.
  void answer_with(ErrorNumber number) {
    std::vector<uint8_t> answer(256);
    stun::Builder builder(answer, Method::Allocate, Class::Error, request_of(*this));
    builder.add_error(number);
    answer.resize(builder.finish().size());
    from_server(answer);
  }
  /// What the next Allocate asks for.
  std::pair<bool, bool> requested_and_additional() {
    client.handle_timeout(world.now);
    const auto t = client.poll_transmit(memory);
    if (!t) return {false, false};
    const auto message = stun::Message::parse(ByteView(memory).first(t->size)).value();
    return {message.has(Attribute::RequestedAddressFamily), message.has(Attribute::AdditionalAddressFamily)};
  }
};

const net::Endpoint kPeer6 = endpoint("[2600::1]:7000");

TEST(TurnClient, OneAllocationRelaysForBothFamilies) {
  FamilyPair p(RelayFamilies::Both);
  p.settle();
  ASSERT_NE(p.allocated(), nullptr);
  EXPECT_EQ(p.allocated()->relayed.ip, ip("198.51.100.1"));
  EXPECT_EQ(p.allocated()->second.value().ip, ip("2001:db9::1"));
  EXPECT_EQ(p.client.relayed(net::Family::V4), p.allocated()->relayed);
  EXPECT_EQ(p.client.relayed(net::Family::V6), p.allocated()->second);
  EXPECT_EQ(p.world.server.allocations(), 1u);
  // First by indication, then by a channel of its own.
  for (const auto& peer : {endpoint(kPeer), kPeer6}) {
    p.at_peers.clear();
    for (const char* text : {"one", "two"}) ASSERT_TRUE(p.send(peer, text));
    ASSERT_EQ(p.at_peers.size(), 2u);
    EXPECT_EQ(p.overhead, 4u);
    for (const Sent& sent : p.at_peers) {
      EXPECT_EQ(sent.transmit.remote, peer);
      EXPECT_EQ(sent.transmit.local, *p.client.relayed(peer.ip.family()));
    }
    p.received.clear();
    p.world.from_peer(*p.client.relayed(peer.ip.family()), peer, "back");
    p.settle();
    EXPECT_THAT(p.received, testing::ElementsAre(testing::Pair(peer, "back")));
  }
  // One refresh keeps both, and one ends both.
  p.advance(minutes(30));
  EXPECT_EQ(p.failure(), nullptr);
  EXPECT_EQ(p.world.relays.size(), 2u);
  p.client.close(p.world.now);
  p.settle();
  EXPECT_EQ(p.world.relays.size(), 0u);
}

TEST(TurnClient, AServerWithOneFamilyGivesThatOne) {
  for (const bool v4 : {true, false}) {
    ServerConfig config = World::default_config();
    (v4 ? config.relay_v6 : config.relay_v4) = false;
    FamilyPair p(RelayFamilies::Both, config);
    p.settle();
    ASSERT_NE(p.allocated(), nullptr) << v4;
    EXPECT_EQ(p.allocated()->relayed.ip.is_v4(), v4);
    EXPECT_FALSE(p.allocated()->second);
    EXPECT_FALSE(p.send(v4 ? kPeer6 : endpoint(kPeer), "nobody carries this"));
    EXPECT_EQ(p.client.drops()[ClientDrop::NoRelay], 1u);
    EXPECT_TRUE(p.send(v4 ? endpoint(kPeer) : kPeer6, "but this"));
  }
}

TEST(TurnClient, WhoIsRefusedTwoAddressesAsksForOne) {
  for (const auto number : {ErrorNumber::AddressFamilyNotSupported, ErrorNumber::BadRequest,
                            ErrorNumber::AllocationQuotaReached, ErrorNumber::InsufficientCapacity}) {
    FamilyPair p(RelayFamilies::Both);
    p.answer_with(number);
    EXPECT_EQ(p.requested_and_additional(), std::pair(false, false));
  }
  FamilyPair p(RelayFamilies::Both);
  for (int i = 0; i < 2; ++i) p.answer_with(ErrorNumber::AddressFamilyNotSupported);
  EXPECT_EQ(p.requested_and_additional(), std::pair(true, false));
}

TEST(TurnClient, WhoWantsOneFamilyIsNotGivenAnother) {
  for (const auto wanted : {RelayFamilies::V4, RelayFamilies::V6}) {
    FamilyPair p(wanted);
    p.answer_with(ErrorNumber::AddressFamilyNotSupported);
    p.settle();
    ASSERT_NE(p.failure(), nullptr);
    EXPECT_EQ(p.failure()->error, ClientError::Unsupported);
  }
  FamilyPair p(RelayFamilies::V6);
  p.settle();
  ASSERT_NE(p.allocated(), nullptr);
  EXPECT_TRUE(p.allocated()->relayed.ip.is_v6());
}

TEST(TurnClient, RelayedAddressesThatNobodyHasAskedForAreLeftAloneAndTwoOfOneFamilyAreNone) {
  const auto answered = [](RelayFamilies families, std::initializer_list<std::string_view> relayed) {
    FamilyPair p(families);
    std::vector<uint8_t> answer(512);
    stun::Builder builder(answer, Method::Allocate, Class::Success, request_of(p));
    for (const std::string_view address : relayed)
      builder.add_xor_address(Attribute::XorRelayedAddress, endpoint(address));
    builder.add_xor_address(Attribute::XorMappedAddress, kClient);
    answer.resize(builder.finish().size());
    p.from_server(answer);
    return std::pair(p.client.relayed(net::Family::V4).has_value(), p.client.relayed(net::Family::V6).has_value());
  };
  EXPECT_EQ(answered(RelayFamilies::V4, {"198.51.100.1:5", "[2001:db9::1]:5"}), std::pair(true, false));
  EXPECT_EQ(answered(RelayFamilies::V6, {"198.51.100.1:5", "[2001:db9::1]:5"}), std::pair(false, true));
  EXPECT_EQ(answered(RelayFamilies::Both, {"[2001:db9::1]:5", "198.51.100.1:5"}), std::pair(true, true));
  EXPECT_EQ(answered(RelayFamilies::V4, {"[2001:db9::1]:5"}), std::pair(false, false));
  EXPECT_EQ(answered(RelayFamilies::Both, {"198.51.100.1:5", "198.51.100.1:6"}), std::pair(false, false));
  EXPECT_EQ(answered(RelayFamilies::Both, {"198.51.100.1:5", "[2001:db9::1]:0"}), std::pair(false, false));
  EXPECT_EQ(answered(RelayFamilies::Both, {}), std::pair(false, false));
}

}  // namespace
}  // namespace kaon::turn
