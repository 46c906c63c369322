// Which pairs are tried first, and which at all, where there are more than can be.
#include <gmock/gmock.h>

#include "kaon/ice/internal/test_world.h"

namespace kaon::ice {
namespace {

using namespace test;

Config config(Role role) {
  Config config;
  config.role = role;
  return config;
}

struct Many {
  Many() : world(1), a(world.add(config(Role::Controlling))), b(world.add(config(Role::Controlled))) {}
  bool connected() const { return a.path() && b.path(); }
  // From knowing each other until both have a path.
  Duration connect() {
    const Time start = world.now + world.signalling;
    world.connect(a, b);
    EXPECT_TRUE(world.run(seconds(20), [&] { return connected(); }));
    return world.now - start;
  }

  World world;
  Node& a;
  Node& b;
};

// Four hundred pairs, of which the very last is the one that works.
TEST(IcePairOrder, TheLastInterfaceOfTwentyIsTriedAfterTwentyChecks) {
  Many m;
  for (int i = 0; i < 20; ++i) {
    m.a.add_address(cat("10.1.", i, ".1:1000"));
    m.b.add_address(cat("10.2.", i, ".1:2000"));
  }
  m.world.tap = [](const Packet& packet) {
    const auto is_last = [](const net::Endpoint& end) {
      return end.ip == at("10.1.19.1:1").ip || end.ip == at("10.2.19.1:1").ip;
    };
    return is_last(packet.from) && is_last(packet.to);
  };
  EXPECT_LE(m.connect(), 20 * Agent::kMinPace + 2 * m.world.latency);
  EXPECT_LE(m.a.agent.pair_stats().size(), Agent::kMaxPairs);
}

// More pairs of host addresses that lead nowhere than there may be pairs.
TEST(IcePairOrder, HostAddressesDoNotKeepReflexiveOnesWaiting) {
  Many m;
  Nat home{at("203.0.113.1:1").ip}, office{at("203.0.113.2:1").ip};
  m.a.nat = &home;
  m.b.nat = &office;
  for (Node* node : {&m.a, &m.b}) {
    for (int i = 0; i < 15; ++i) node->add_address(cat(node == &m.a ? "10.1." : "10.2.", i, ".1:1000"));
    ASSERT_TRUE(node->agent.add_stun_server(m.world.stun_server, m.world.now).has_value());
    node->agent.end_of_local_candidates(m.world.now);
    m.world.drain(*node);
  }
  ASSERT_TRUE(m.world.run(seconds(2), [&] { return m.a.gathering_done && m.b.gathering_done; }));
  EXPECT_LE(m.connect(), 3 * Agent::kMinPace + 3 * m.world.latency);
  EXPECT_EQ(m.a.path()->remote.ip, office.outside);
}

TEST(IcePairOrder, TwoAddressesOfOneNetworkAreTriedBeforeOthers) {
  for (const bool v6 : {false, true}) {
    Many m;
    std::vector<net::Endpoint> asked;
    m.world.tap = [&](const Packet& packet) {
      if (packet.from.port == 1000) asked.push_back(packet.to);
      return false;
    };
    for (const int network : {1, 2, 3}) {
      m.a.add_address(v6 ? cat("[2001:db8:1:", network, "::1]:1000") : cat("192.168.", network, ".1:1000"));
    }
    for (const int network : {7, 8, 9, 3}) {
      m.b.add_address(v6 ? cat("[2001:db8:1:", network, "::2]:2000") : cat("192.168.", network, ".2:2000"));
    }
    m.world.connect(m.a, m.b);
    m.world.run(m.world.signalling + 2 * Agent::kMinPace);
    // When the first one came nobody knew of the others.
    ASSERT_GE(asked.size(), 2u);
    EXPECT_EQ(asked[1], at(v6 ? "[2001:db8:1:3::2]:2000" : "192.168.3.2:2000"));
  }
}

// An address that was not signalled, in a full table: the peer's check has proved that it works.
TEST(IcePairOrder, APairThatThePeerHasCheckedIsKeptHoweverManyThereAre) {
  Many m;
  m.a.add_address("10.1.0.1:1000");
  for (int i = 0; i < 16; ++i) m.a.add_address(cat("10.3.", i, ".1:1000"));
  m.b.add_address("10.2.0.1:2000");
  // What the peer signals is all wrong, and of higher priority.
  for (int i = 0; i < 16; ++i) {
    Candidate wrong;
    wrong.foundation = "1";
    wrong.priority = 0x7effffff;
    wrong.address = {net::IpAddress::v4(10, 4, static_cast<uint8_t>(i), 1), 2000};
    ASSERT_TRUE(m.a.agent.add_remote_candidate(wrong, m.world.now).has_value());
  }
  m.world.trickle = false;
  Candidate right;
  right.foundation = "1";
  right.address = at("10.1.0.1:1000");
  ASSERT_TRUE(m.b.agent.add_remote_candidate(right, m.world.now).has_value());
  ASSERT_EQ(m.a.agent.pair_stats().size(), Agent::kMaxPairs);
  EXPECT_LE(m.connect(), 4 * m.world.latency);
}

}  // namespace
}  // namespace kaon::ice
