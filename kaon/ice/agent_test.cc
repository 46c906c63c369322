#include "kaon/ice/agent.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "kaon/ice/internal/test_world.h"

namespace kaon::ice {

uint64_t test::seed_or(uint64_t fallback) {
  const char* text = std::getenv("KAON_SEED");
  return text == nullptr ? fallback : parse_number<uint64_t>(text).value_or(fallback);
}

namespace {

using namespace test;
using testing::Contains;
using testing::Not;

Config controlling() {
  Config config;
  config.role = Role::Controlling;
  return config;
}
Config controlled() { return {}; }

bool usable(const Node& node) { return node.agent.selected().has_value(); }
bool nominated(const Node& node) {
  return !node.selections.empty() && node.selections.back().nominated && usable(node);
}
bool mirrored(const Node& a, const Node& b) {
  return usable(a) && usable(b) && a.path()->local == b.path()->remote && a.path()->remote == b.path()->local;
}

struct Pairing {
  explicit Pairing(uint64_t seed, Config ca = controlling(), Config cb = controlled())
      : world(seed), a(world.add(ca)), b(world.add(cb)) {}
  World world;
  Node& a;
  Node& b;
  bool settle(Duration limit = seconds(20)) {
    return world.run(limit, [this] { return nominated(a) && nominated(b) && mirrored(a, b); });
  }
  void hosts() {
    a.add_address("10.0.0.1:1000");
    b.add_address("10.0.0.2:2000");
  }
};

TEST(IceAgent, TwoFullAgentsCarryDataOneRoundTripAfterSignalling) {
  Pairing p(1);
  p.hosts();
  p.world.connect(p.a, p.b);
  const Time start = p.world.now + p.world.signalling;
  ASSERT_TRUE(p.settle());
  EXPECT_LE(p.a.first_selected, start + 2 * p.world.latency);
  EXPECT_LE(p.b.first_selected, start + 2 * p.world.latency);
  EXPECT_LE(p.world.now, start + 4 * p.world.latency + milliseconds(5));
  EXPECT_EQ(p.a.agent.rtt(), 2 * p.world.latency);
  EXPECT_EQ(p.a.agent.source_of(at("10.0.0.1:1000"), at("10.0.0.2:2000")), Source::Validated);
  EXPECT_EQ(p.a.agent.source_of(at("10.0.0.1:1000"), at("10.0.0.3:2000")), Source::Unknown);
}

TEST(IceAgent, ReachesCompletedWhenBothSidesHaveNamedTheirLastCandidate) {
  Pairing p(2);
  p.hosts();
  p.world.connect(p.a, p.b);
  p.a.agent.end_of_local_candidates(p.world.now);
  p.b.agent.end_of_local_candidates(p.world.now);
  ASSERT_TRUE(p.world.run(
      seconds(5), [&] { return p.a.agent.state() == State::Completed && p.b.agent.state() == State::Completed; }));
  EXPECT_THAT(p.a.states, testing::ElementsAre(State::Checking, State::Connected, State::Completed));
  EXPECT_TRUE(p.a.gathering_done);
}

TEST(IceAgent, BothSidesAgreeOnTheBestOfManyPairs) {
  Pairing p(3);
  for (const auto address : {"10.0.0.1:1", "10.0.1.1:1", "[2001:db8::1]:1"}) p.a.add_address(address);
  for (const auto address : {"10.0.0.2:2", "10.0.1.2:2", "[2001:db8::2]:2"}) p.b.add_address(address);
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.world.run(
      seconds(10), [&] { return nominated(p.a) && mirrored(p.a, p.b) && p.a.path()->local == at("[2001:db8::1]:1"); }));
  p.world.run(seconds(5));
  EXPECT_EQ(p.a.path()->local, at("[2001:db8::1]:1"));
  EXPECT_EQ(p.a.path()->remote, at("[2001:db8::2]:2"));
  EXPECT_TRUE(mirrored(p.a, p.b));
}

TEST(IceAgent, ConnectsUnderLossReorderingAndDuplication) {
  for (uint64_t seed = seed_or(1), last = seed + 60; seed < last; ++seed) {
    SCOPED_TRACE(cat("KAON_SEED=", seed));
    Pairing p(seed);
    p.world.loss_percent = 30;
    p.world.duplicate_percent = 10;
    p.world.jitter = milliseconds(60);
    p.a.add_address("10.0.0.1:1000");
    p.a.add_address("10.0.1.1:1000");
    p.b.add_address("10.0.0.2:2000");
    p.world.connect(p.a, p.b);
    ASSERT_TRUE(p.settle());
    p.world.run(seconds(60));
    EXPECT_TRUE(p.settle(seconds(10)));
    EXPECT_NE(p.a.agent.state(), State::Failed);
    EXPECT_NE(p.b.agent.state(), State::Failed);
  }
}

TEST(IceAgent, FindsItsWayThroughTwoNatsWithServerReflexiveCandidates) {
  Pairing p(4);
  Nat nat_a{net::IpAddress::v4(203, 0, 113, 1)};
  Nat nat_b{net::IpAddress::v4(203, 0, 113, 2)};
  p.a.nat = &nat_a;
  p.b.nat = &nat_b;
  p.hosts();
  for (Node* node : {&p.a, &p.b}) {
    ASSERT_TRUE(node->agent.add_stun_server(p.world.stun_server, p.world.now).has_value());
    node->agent.end_of_local_candidates(p.world.now);
  }
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.world.run(seconds(10), [&] { return nominated(p.a) && nominated(p.b); }));
  EXPECT_EQ(p.a.path()->remote.ip, nat_b.outside);
  EXPECT_EQ(p.b.path()->remote.ip, nat_a.outside);
  EXPECT_EQ(p.a.selections.back().local.type, CandidateType::ServerReflexive);
  ASSERT_EQ(p.a.candidates.size(), 2u);
  EXPECT_EQ(p.a.candidates[1].type, CandidateType::ServerReflexive);
  EXPECT_EQ(p.a.candidates[1].related, at("10.0.0.1:1000"));
  EXPECT_TRUE(p.a.gathering_done);
}

// As where the first check comes before the peer's translator is open.
TEST(IceAgent, ACheckThatWasLostIsRepeatedSoonWhenThePeersHasCome) {
  Pairing p(5);
  p.hosts();
  bool first = true;
  p.world.tap = [&](const Packet& packet) {
    return packet.from != at("10.0.0.1:1000") || !std::exchange(first, false);
  };
  const Time start = p.world.now;
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.world.run(seconds(5), [&] { return p.a.path() && p.b.path(); }));
  EXPECT_FALSE(first);
  EXPECT_LE(p.world.now - start, p.world.signalling + 3 * p.world.latency);
}

TEST(IceAgent, GatheringEndsWhenTheStunServerIsSilent) {
  World world(5);
  Node& a = world.add(controlling());
  world.tap = [](const Packet&) { return false; };
  a.add_address("10.0.0.1:1000");
  ASSERT_TRUE(a.agent.add_stun_server(world.stun_server, world.now).has_value());
  a.agent.end_of_local_candidates(world.now);
  EXPECT_FALSE(a.agent.gathering_done());
  EXPECT_TRUE(world.run(seconds(11), [&] { return a.gathering_done; }));
}

TEST(IceAgent, ConnectsIfOnlyOneSideKnowsCandidates) {
  Pairing p(6);
  p.world.trickle = false;
  p.hosts();
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.b.agent.add_remote_candidate(p.a.candidates[0], p.world.now).has_value());
  ASSERT_TRUE(p.settle());
  EXPECT_EQ(p.a.selections.back().remote.type, CandidateType::PeerReflexive);
}

TEST(IceAgent, ASignalledCandidateReplacesItsPeerReflexiveTwin) {
  Pairing p(7);
  p.world.trickle = false;
  p.hosts();
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.b.agent.add_remote_candidate(p.a.candidates[0], p.world.now).has_value());
  ASSERT_TRUE(p.settle());
  ASSERT_TRUE(p.a.agent.add_remote_candidate(p.b.candidates[0], p.world.now).has_value());
  ASSERT_EQ(p.a.agent.remote_candidates().size(), 1u);
  EXPECT_EQ(p.a.agent.remote_candidates()[0].type, CandidateType::Host);
  EXPECT_EQ(p.a.agent.pair_stats()[0].priority, p.b.agent.pair_stats()[0].priority);
}

TEST(IceAgent, ChecksThatOvertakeTheAnswerAreAnsweredAndUsedLater) {
  Pairing p(8);
  p.hosts();
  p.a.peer = &p.b;
  p.b.peer = &p.a;
  // The answerer has everything, the offerer waits for the answer.
  p.b.accept_peer();
  ASSERT_TRUE(p.b.agent.add_remote_candidate(p.a.candidates[0], p.world.now).has_value());
  p.world.drain(p.b);
  p.world.run(milliseconds(500));
  EXPECT_TRUE(usable(p.b));
  EXPECT_FALSE(usable(p.a));
  EXPECT_EQ(p.a.agent.source_of(at("10.0.0.1:1000"), at("10.0.0.2:2000")), Source::Validated);
  p.a.accept_peer();
  EXPECT_TRUE(p.settle(2 * p.world.latency * 2 + milliseconds(10)));
}

TEST(IceAgent, LateTrickledCandidatesStillConnect) {
  Pairing p(9);
  p.world.connect(p.a, p.b);
  p.world.run(seconds(30));
  p.hosts();
  EXPECT_TRUE(p.settle());
}

TEST(IceAgent, WithoutAnyAnswerItFailsAfterItsPatienceAndStaysQuiet) {
  Pairing p(10);
  p.world.tap = [](const Packet&) { return false; };
  p.hosts();
  p.world.connect(p.a, p.b);
  p.world.run(seconds(39));
  EXPECT_EQ(p.a.agent.state(), State::Checking);
  p.world.run(seconds(2));
  EXPECT_EQ(p.a.agent.state(), State::Failed);
  EXPECT_EQ(p.a.fail_reason, FailReason::ChecksFailed);
  const size_t sent = p.a.packets_sent;
  p.world.run(seconds(60));
  EXPECT_EQ(p.a.packets_sent, sent);
}

TEST(IceAgent, APeerThatBeginsMinutesLaterIsFoundByWhoKeepsChecking) {
  Config patient;
  patient.patience = std::chrono::minutes(15);
  patient.recheck = seconds(8);
  Pairing p(10, patient, patient);
  p.hosts();
  // Only one side knows the other: its checks are not answered.
  p.world.tap = [](const Packet&) { return false; };
  p.world.connect(p.a, p.b);
  p.world.run(std::chrono::minutes(10));
  ASSERT_EQ(p.a.agent.state(), State::Checking);
  EXPECT_LE(p.a.packets_sent, 10u * 60 / 8 * 10) << "no more than a series of checks each 8 s";
  p.world.tap = nullptr;
  EXPECT_TRUE(p.world.run(seconds(9), [&] { return usable(p.a) && usable(p.b); }));
}

TEST(IceAgent, BothControllingOrBothControlledEndsWithOneOfEach) {
  for (const Role role : {Role::Controlling, Role::Controlled}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      Config config;
      config.role = role;
      Pairing p(seed, config, config);
      p.hosts();
      p.world.connect(p.a, p.b);
      ASSERT_TRUE(p.settle()) << seed;
      EXPECT_NE(p.a.agent.role(), p.b.agent.role());
    }
  }
}

TEST(IceAgent, A8EqualTieBreakersEndInBoundedMessages) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    World world(seed);
    Config config = controlling();
    config.password = "0123456789012345678901";
    config.ufrag = "aaaa";
    Node& a = world.add_seeded(config, seed);  // equal seeds: equal tie-breakers
    config.ufrag = "bbbb";
    Node& b = world.add_seeded(config, seed);
    a.add_address("10.0.0.1:1000");
    b.add_address("10.0.0.2:2000");
    // Random numbers part ways after the first conflict.
    b.random.u64();
    world.connect(a, b);
    ASSERT_TRUE(world.run(seconds(5), [&] { return nominated(a) && nominated(b); }));
    EXPECT_NE(a.agent.role(), b.agent.role());
    EXPECT_LT(a.packets_sent + b.packets_sent, 60u);
  }
}

TEST(IceAgent, ALiteAgentOnlyAnswersAndFollowsTheNomination) {
  Config lite;
  lite.lite = true;
  lite.role = Role::Controlling;  // a lite agent never controls
  Pairing p(11, controlled(), lite);
  p.a.add_address("10.0.0.1:1000");
  p.b.add_address("192.0.2.1:2000");
  size_t requests_of_lite = 0;
  p.world.tap = [&](const Packet& packet) {
    const auto m = stun::Message::parse(packet.bytes);
    if (packet.from == at("192.0.2.1:2000") && m->message_class() == stun::Class::Request) ++requests_of_lite;
    return true;
  };
  p.a.peer = &p.b;
  p.b.peer = &p.a;
  p.a.accept_peer(true);
  p.b.accept_peer();
  ASSERT_TRUE(p.a.agent.add_remote_candidate(p.b.candidates[0], p.world.now).has_value());
  p.world.drain(p.a);
  const Time start = p.world.now;
  ASSERT_TRUE(p.world.run(seconds(5), [&] { return nominated(p.b); }));
  // USE-CANDIDATE came with the first check.
  EXPECT_EQ(p.world.now, start + p.world.latency);
  ASSERT_TRUE(p.settle());
  p.world.run(seconds(60));
  EXPECT_EQ(p.a.agent.role(), Role::Controlling);
  EXPECT_EQ(p.b.agent.role(), Role::Controlled);
  EXPECT_EQ(requests_of_lite, 0u);
  EXPECT_EQ(p.b.agent.state(), State::Connected);
}

TEST(IceAgent, ARestartKeepsTheOldPathUntilTheNewOneIsFound) {
  for (uint64_t seed = seed_or(1), last = seed + 20; seed < last; ++seed) {
    SCOPED_TRACE(cat("KAON_SEED=", seed));
    Pairing p(seed);
    p.world.loss_percent = 10;
    p.hosts();
    p.world.connect(p.a, p.b);
    ASSERT_TRUE(p.settle());
    const Credentials before = p.a.agent.local_credentials();
    ASSERT_TRUE(p.a.agent.restart(p.world.now).has_value());
    p.world.drain(p.a);
    EXPECT_NE(p.a.agent.local_credentials(), before);
    EXPECT_TRUE(usable(p.a));
    // Signalling takes its time; the old path keeps its consent meanwhile.
    p.world.trickle = false;
    p.world.run(seconds(40));
    EXPECT_TRUE(usable(p.a));
    EXPECT_TRUE(usable(p.b));
    ASSERT_TRUE(p.b.agent.restart(p.world.now).has_value());
    p.world.drain(p.b);
    for (Node* node : {&p.a, &p.b}) {
      node->accept_peer();
      ASSERT_TRUE(node->agent.add_remote_candidate(node->peer->candidates.back(), p.world.now).has_value());
      EXPECT_TRUE(usable(*node));
    }
    bool gap = false;
    p.world.run(seconds(20), [&] {
      gap = gap || !usable(p.a) || !usable(p.b);
      return false;
    });
    EXPECT_FALSE(gap);
    EXPECT_TRUE(mirrored(p.a, p.b));
    EXPECT_TRUE(p.a.selections.back().nominated);
    EXPECT_NE(p.a.agent.state(), State::Failed);
  }
}

TEST(IceAgent, ARestartRevivesAFailedAgent) {
  Pairing p(12);
  p.hosts();
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.settle());
  p.world.tap = [](const Packet&) { return false; };
  p.world.run(seconds(40));
  ASSERT_EQ(p.a.agent.state(), State::Failed);
  ASSERT_EQ(p.b.agent.state(), State::Failed);
  p.world.tap = nullptr;
  ASSERT_TRUE(p.a.agent.restart(p.world.now).has_value());
  ASSERT_TRUE(p.b.agent.restart(p.world.now).has_value());
  p.world.connect(p.a, p.b);
  EXPECT_TRUE(p.settle());
}

TEST(IceAgent, A6SendingStopsThirtySecondsAfterTheLastAnswer) {
  Pairing p(13);
  p.hosts();
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.settle());
  p.world.run(seconds(20));
  const Time cut = p.world.now;
  Time last_packet = cut;
  p.world.tap = [&](const Packet&) {
    last_packet = p.world.now;
    return false;
  };
  ASSERT_TRUE(p.world.run(seconds(10), [&] { return p.a.agent.state() == State::Disconnected; }));
  EXPECT_LE(p.world.now - cut, seconds(8));
  EXPECT_TRUE(usable(p.a));
  ASSERT_TRUE(p.world.run(seconds(30), [&] { return p.a.agent.state() == State::Failed && !usable(p.b); }));
  EXPECT_LE(p.world.now - cut, seconds(30));
  EXPECT_EQ(p.a.fail_reason, FailReason::ConsentExpired);
  EXPECT_FALSE(usable(p.a));
  const Time stopped = p.world.now;
  p.world.run(seconds(600));
  EXPECT_LE(last_packet, stopped);
}

TEST(IceAgent, NothingIsDueOnceItHasFailed) {
  Pairing p(13);
  p.hosts();
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.world.run(seconds(1), [&] { return usable(p.a); }));
  const auto selected = p.a.agent.selected();
  ASSERT_TRUE(selected);
  // With the nomination under way.
  p.world.tap = [](const Packet&) { return false; };
  ASSERT_TRUE(p.world.run(seconds(40), [&] { return p.a.agent.state() == State::Failed; }));
  // The peer's media may still come, and ours may have been on its way out.
  p.a.agent.count_received(*selected, 1, 100, p.world.now);
  p.a.agent.count_sent(1, 100, p.world.now);
  EXPECT_EQ(p.a.agent.next_timeout(), kNever);
}

TEST(IceAgent, AShortInterruptionIsOvercome) {
  Pairing p(14);
  p.hosts();
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.settle());
  p.world.tap = [](const Packet&) { return false; };
  ASSERT_TRUE(p.world.run(seconds(10), [&] { return p.a.agent.state() == State::Disconnected; }));
  p.world.tap = nullptr;
  EXPECT_TRUE(p.world.run(seconds(3), [&] { return p.a.agent.state() == State::Connected; }));
}

TEST(IceAgent, ConsentChecksComeEveryFiveSecondsTwentyPercentUpOrDown) {
  Pairing p(15);
  p.hosts();
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.settle());
  std::vector<Time> checks;
  p.world.tap = [&](const Packet& packet) {
    const auto m = stun::Message::parse(packet.bytes);
    if (packet.from == at("10.0.0.1:1000") && m->message_class() == stun::Class::Request) checks.push_back(p.world.now);
    return true;
  };
  p.world.run(seconds(300));
  ASSERT_GT(checks.size(), 48u);
  ASSERT_LT(checks.size(), 75u);
  for (size_t i = 1; i < checks.size(); ++i) {
    EXPECT_GE(checks[i] - checks[i - 1], seconds(4));
    EXPECT_LE(checks[i] - checks[i - 1], seconds(6) + 2 * p.world.latency);
  }
}

TEST(IceAgent, ALifeSignOfThePeerKeepsTheStateWhenOnlyOurAnswersAreLost) {
  Pairing p(16);
  p.hosts();
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.settle());
  p.world.tap = [&](const Packet& packet) {  // answers to A get lost for a while
    return !(packet.to == at("10.0.0.1:1000") &&
             stun::Message::parse(packet.bytes)->message_class() == stun::Class::Success);
  };
  for (int i = 0; i < 20; ++i) {
    p.world.run(seconds(1));
    p.a.agent.count_received({at("10.0.0.1:1000"), at("10.0.0.2:2000")}, 1, 100, p.world.now);
  }
  EXPECT_THAT(p.a.states, Not(Contains(State::Disconnected)));
  p.world.tap = nullptr;
  p.world.run(seconds(20));
  EXPECT_EQ(p.a.agent.state(), State::Connected);
}

TEST(IceAgent, ItMovesToTheOtherNetworkWhenTheFirstBreaks) {
  Pairing p(17);
  p.a.add_address("10.0.0.1:1");
  p.a.add_address("10.0.1.1:1");
  p.b.add_address("10.0.9.2:2");
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.world.run(seconds(5), [&] { return nominated(p.a) && p.a.path()->local == at("10.0.0.1:1"); }));
  p.world.run(seconds(5));
  p.world.tap = [](const Packet& packet) { return packet.from != at("10.0.0.1:1") && packet.to != at("10.0.0.1:1"); };
  ASSERT_TRUE(p.world.run(
      seconds(9), [&] { return nominated(p.a) && p.a.path()->local == at("10.0.1.1:1") && mirrored(p.a, p.b); }));
  p.world.run(seconds(60));
  EXPECT_EQ(p.a.agent.state(), State::Connected);
  EXPECT_TRUE(mirrored(p.a, p.b));
}

TEST(IceAgent, ARebindingNatIsFollowedFromEitherSide) {
  for (const bool nat_in_front_of_controlling : {true, false}) {
    for (uint64_t seed = seed_or(1), last = seed + 10; seed < last; ++seed) {
      SCOPED_TRACE(cat("KAON_SEED=", seed, " ", nat_in_front_of_controlling));
      Pairing p(seed);
      Nat nat{net::IpAddress::v4(203, 0, 113, 1)};
      Node& inside = nat_in_front_of_controlling ? p.a : p.b;
      Node& outside = nat_in_front_of_controlling ? p.b : p.a;
      inside.nat = &nat;
      inside.add_address("10.0.0.1:1000");
      outside.add_address("192.0.2.1:2000");
      p.world.connect(p.a, p.b);
      ASSERT_TRUE(p.world.run(seconds(10), [&] { return nominated(p.a) && nominated(p.b); }));
      p.world.run(seconds(12));
      const net::Endpoint before = outside.path()->remote;
      nat.rebind();
      ASSERT_TRUE(p.world.run(seconds(12), [&] { return outside.path() && outside.path()->remote != before; }));
      p.world.run(seconds(100));
      EXPECT_TRUE(usable(p.a) && usable(p.b));
      EXPECT_EQ(outside.path()->remote, nat.mapping.begin()->second);
      EXPECT_EQ(outside.agent.state(), State::Connected);
    }
  }
}

TEST(IceAgent, AnMdnsNameHidesTheAddressInAllThatIsAnnounced) {
  World world(18);
  Node& a = world.add(controlling());
  Nat nat{net::IpAddress::v4(203, 0, 113, 1)};
  a.nat = &nat;
  LocalAddress local;
  local.address = at("10.0.0.1:1000");
  local.hostname = "5d2f1c7e-0b7e-4c8e-9f0a-000000000000.local";
  a.addresses.push_back(local.address);
  ASSERT_TRUE(a.agent.add_local_candidate(local, world.now).has_value());
  ASSERT_TRUE(a.agent.add_stun_server(world.stun_server, world.now).has_value());
  world.run(seconds(1));
  ASSERT_EQ(a.candidates.size(), 2u);
  for (const Candidate& c : a.candidates) EXPECT_EQ(c.to_string().find("10.0.0.1"), std::string::npos) << c.to_string();
  EXPECT_EQ(a.candidates[1].address.ip, nat.outside);
}

TEST(IceAgent, AChecksAttributesAreThoseOfBrowsers) {
  Pairing p(19);
  p.hosts();
  std::vector<uint8_t> first;
  p.world.tap = [&](const Packet& packet) {
    if (first.empty() && packet.from == at("10.0.0.1:1000")) first = packet.bytes;
    return true;
  };
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.settle());
  const auto m = stun::Message::parse(first);
  ASSERT_TRUE(m.has_value());
  EXPECT_EQ(m->text(stun::Attribute::Username),
            cat(p.b.agent.local_credentials().ufrag, ":", p.a.agent.local_credentials().ufrag));
  EXPECT_TRUE(m->u64(stun::Attribute::IceControlling).has_value());
  EXPECT_EQ(*m->u32(stun::Attribute::Priority) >> 24, type_preference(CandidateType::PeerReflexive));
  EXPECT_TRUE(m->has_fingerprint());
  EXPECT_TRUE(m->verify_integrity(stun::short_term_key(p.b.agent.local_credentials().password)));
  EXPECT_EQ(load_be32(m->transaction_id().bytes.data()), p.a.agent.transaction_tag());
}

TEST(IceAgent, CommandsRefuseWhatCannotBe) {
  World world(20);
  Node& a = world.add(controlling());
  const auto remote = [&](std::string_view line) {
    const auto result = a.agent.add_remote_candidate(*Candidate::parse(line), world.now);
    return result ? std::optional<Error>() : result.error();
  };
  EXPECT_EQ(remote("candidate:1 2 udp 1 192.0.2.1 5 typ host"), Error::Unsupported);
  EXPECT_EQ(remote("candidate:1 1 udp 1 x.local 5 typ host"), Error::Unresolved);
  EXPECT_EQ(remote("candidate:1 1 udp 1 224.0.0.1 5 typ host"), Error::Refused);
  EXPECT_EQ(remote("candidate:1 1 udp 1 0.0.0.0 5 typ host"), Error::Refused);
  EXPECT_EQ(remote("candidate:1 1 udp 1 192.0.2.1 0 typ host"), Error::Refused);
  EXPECT_EQ(remote("candidate:1 1 udp 1 192.0.2.1 5 typ host"), std::nullopt);
  EXPECT_EQ(remote("candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active"), std::nullopt);
  const Credentials good{"abcd", "0123456789012345678901"};
  EXPECT_EQ(a.agent.set_remote_credentials({"abc", good.password}, false, world.now).error(), Error::BadCredentials);
  EXPECT_EQ(a.agent.set_remote_credentials({"abcd", "short"}, false, world.now).error(), Error::BadCredentials);
  EXPECT_TRUE(a.agent.set_remote_credentials(good, false, world.now).has_value());
  EXPECT_TRUE(a.agent.set_remote_credentials(good, false, world.now).has_value());
  EXPECT_EQ(a.agent.set_remote_credentials({"efgh", good.password}, false, world.now).error(), Error::RestartNeeded);
  EXPECT_EQ(a.agent.add_local_candidate({}, world.now).error(), Error::BadAddress);
  a.agent.close();
  EXPECT_EQ(a.agent.restart(world.now).error(), Error::Closed);
  EXPECT_EQ(remote("candidate:1 1 udp 1 192.0.2.1 5 typ host"), Error::Closed);
}

TEST(IceAgent, AClosedAgentSendsNothingWhateverComes) {
  Pairing p(21);
  p.hosts();
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.settle());
  p.a.agent.close();
  p.world.drain(p.a);
  const size_t sent = p.a.packets_sent;
  p.world.run(seconds(60));
  EXPECT_EQ(p.a.packets_sent, sent);
  EXPECT_EQ(p.a.agent.next_timeout(), kNever);
  EXPECT_EQ(p.a.states.back(), State::Closed);
}

TEST(IceAgent, StatisticsCountWhatWasSentAndAnswered) {
  Pairing p(22);
  p.hosts();
  p.world.connect(p.a, p.b);
  ASSERT_TRUE(p.settle());
  p.world.run(seconds(30));
  p.a.agent.count_sent(3, 300, p.world.now);
  const auto stats = p.a.agent.pair_stats();
  ASSERT_EQ(stats.size(), 1u);
  EXPECT_TRUE(stats[0].selected && stats[0].nominated);
  EXPECT_EQ(stats[0].bytes_sent, 300u);
  EXPECT_GT(stats[0].requests_sent, 5u);
  EXPECT_EQ(stats[0].requests_sent, stats[0].responses_received);
  EXPECT_EQ(stats[0].requests_received, stats[0].responses_sent);
  EXPECT_EQ(stats[0].current_rtt, 2 * p.world.latency);
  EXPECT_EQ(stats[0].total_rtt, 2 * p.world.latency * static_cast<int64_t>(stats[0].responses_received));
}

}  // namespace
}  // namespace kaon::ice
