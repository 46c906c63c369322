// Local addresses that come, go, and hide behind names.
#include <gmock/gmock.h>

#include "kaon/ice/internal/test_world.h"

namespace kaon::ice {
namespace {

using namespace test;

constexpr const char* kName = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";

Config config(Role role, bool renomination = true) {
  Config config;
  config.role = role;
  config.renomination = renomination;
  return config;
}

struct Call {
  explicit Call(bool renomination = true)
      : world(1),
        a(world.add(config(Role::Controlling, renomination))),
        b(world.add(config(Role::Controlled, renomination))) {
    a.add_address("10.0.0.1:1000");
    b.add_address("10.0.0.2:2000");
    world.connect(a, b);
    EXPECT_TRUE(world.run(seconds(5), [&] { return mirrored(); }));
    EXPECT_FALSE(world.run(seconds(2)));
  }
  bool mirrored() const {
    return a.path() && b.path() && a.path()->local == b.path()->remote && a.path()->remote == b.path()->local;
  }
  void lose(Node& node, const char* address) {
    std::erase(node.addresses, at(address));
    node.agent.remove_local_candidate(at(address), net::Protocol::Udp, world.now);
    world.drain(node);
  }
  // How long until both send to each other again.
  Duration until_mirrored() {
    const Time start = world.now;
    EXPECT_TRUE(world.run(seconds(60), [&] { return mirrored(); }));
    return world.now - start;
  }

  World world;
  Node& a;
  Node& b;
};

TEST(IceNetworkChange, ANewAddressTakesOverWhereTheOldOneGoes) {
  for (const bool controlling_moves : {true, false}) {
    Call call;
    Node& mover = controlling_moves ? call.a : call.b;
    const char* const old = controlling_moves ? "10.0.0.1:1000" : "10.0.0.2:2000";
    mover.add_address("10.1.0.1:1000");
    call.lose(mover, old);
    // Checks and their answers both ways, and the nomination.
    EXPECT_LE(call.until_mirrored(), 8 * call.world.latency) << controlling_moves;
    EXPECT_EQ(mover.path()->local, at("10.1.0.1:1000"));
    EXPECT_EQ(call.a.agent.state(), State::Connected);
    EXPECT_EQ(call.b.agent.state(), State::Connected);
  }
}

// Without nomination numbers the controlled side keeps to the better pair while that may be alive.
TEST(IceNetworkChange, WithoutRenominationAWorsePairIsTakenWhenTheBetterOneIsQuiet) {
  for (const bool renomination : {true, false}) {
    Call call(renomination);
    LocalAddress costly{.address = at("10.1.0.1:1000"), .network_cost = 900};
    call.a.addresses.push_back(costly.address);
    ASSERT_TRUE(call.a.agent.add_local_candidate(costly, call.world.now).has_value());
    call.world.drain(call.a);
    call.lose(call.a, "10.0.0.1:1000");
    const Duration taken = call.until_mirrored();
    EXPECT_EQ(call.b.path()->remote, at("10.1.0.1:1000"));
    if (renomination) {
      EXPECT_LE(taken, 6 * call.world.latency);
    } else {
      EXPECT_LE(taken, seconds(2));
    }
  }
}

TEST(IceNetworkChange, ANewAddressIsToldAndAsksTheStunServersToo) {
  Call call;
  ASSERT_TRUE(call.a.agent.add_stun_server(call.world.stun_server, call.world.now).has_value());
  const size_t before = call.a.candidates.size();
  call.a.add_address("10.1.0.1:1000");
  ASSERT_EQ(call.a.candidates.size(), before + 1);
  EXPECT_EQ(call.a.candidates.back().address, at("10.1.0.1:1000"));
  EXPECT_FALSE(call.a.agent.gathering_done());
}

// Pairs of `node` from or to this address: how many were checked with success, and the most requests sent on one.
struct Tried {
  size_t good = 0;
  uint64_t most = 0;
};
Tried tried(const Node& node, const char* address) {
  Tried found;
  for (const PairStats& p : node.agent.pair_stats()) {
    if (p.local.address != at(address) && p.remote.address != at(address)) continue;
    if (p.state == PairState::Succeeded) ++found.good;
    found.most = std::max(found.most, p.requests_sent);
  }
  return found;
}

void add_costly(Call& call, Node& node, const char* address) {
  const LocalAddress costly{.address = at(address), .network_cost = 900};
  node.addresses.push_back(costly.address);
  ASSERT_TRUE(node.agent.add_local_candidate(costly, call.world.now).has_value());
  call.world.drain(node);
}

TEST(IceNetworkChange, APairThatIsWorseThanTheNominatedOneIsMadeReadyForLater) {
  for (const bool renomination : {true, false}) {
    Call call(renomination);
    const auto path = call.a.path();
    add_costly(call, call.b, "10.1.0.2:2000");
    EXPECT_FALSE(call.world.run(seconds(3)));
    EXPECT_EQ(tried(call.a, "10.1.0.2:2000").good, renomination ? 1u : 0u);
    EXPECT_EQ(tried(call.b, "10.1.0.2:2000").good, renomination ? 1u : 0u);
    EXPECT_EQ(call.a.path(), path);
  }
}

TEST(IceNetworkChange, AWorsePairThatNobodyAnswersIsGivenUpSoon) {
  Call call;
  Candidate nowhere{.foundation = "9", .priority = 1, .address = at("10.9.9.9:9999")};
  ASSERT_TRUE(call.a.agent.add_remote_candidate(nowhere, call.world.now).has_value());
  call.world.drain(call.a);
  EXPECT_FALSE(call.world.run(seconds(20)));
  EXPECT_EQ(tried(call.a, "10.9.9.9:9999").most, 4u);
}

// Neither side knows at first that the address is gone, except its owner.
TEST(IceNetworkChange, ASpareThatThePeerChecksAgainIsTakenSoon) {
  for (const bool controlling_moves : {true, false}) {
    Call call;
    Node& mover = controlling_moves ? call.a : call.b;
    add_costly(call, mover, controlling_moves ? "10.1.0.1:1000" : "10.1.0.2:2000");
    EXPECT_FALSE(call.world.run(seconds(5)));
    call.lose(mover, controlling_moves ? "10.0.0.1:1000" : "10.0.0.2:2000");
    EXPECT_LE(call.until_mirrored(), 8 * call.world.latency + std::chrono::milliseconds(50)) << controlling_moves;
  }
}

TEST(IceNetworkChange, WithoutAnyAddressItIsDisconnectedThenFailed) {
  Call call;
  call.lose(call.a, "10.0.0.1:1000");
  EXPECT_EQ(call.a.agent.state(), State::Disconnected);
  EXPECT_FALSE(call.a.path());
  EXPECT_FALSE(call.world.run(seconds(38)));
  EXPECT_EQ(call.a.agent.state(), State::Disconnected);
  EXPECT_FALSE(call.world.run(seconds(3)));
  EXPECT_EQ(call.a.agent.state(), State::Failed);
}

TEST(IceNetworkChange, AnAddressThatComesBackWithinConsentReconnects) {
  Call call;
  call.lose(call.a, "10.0.0.1:1000");
  EXPECT_FALSE(call.world.run(seconds(10)));
  call.a.add_address("10.0.0.1:1000");
  EXPECT_LE(call.until_mirrored(), 6 * call.world.latency);
  EXPECT_EQ(call.a.agent.state(), State::Connected);
}

TEST(IceNetworkChange, AnAddressThatWasNotUsedGoesUnnoticed) {
  Call call;
  call.a.add_address("10.1.0.1:1000");
  EXPECT_FALSE(call.world.run(seconds(1)));
  const auto path = call.a.path();
  const size_t states = call.a.states.size();
  call.lose(call.a, "10.1.0.1:1000");
  EXPECT_FALSE(call.world.run(seconds(1)));
  EXPECT_EQ(call.a.path(), path);
  EXPECT_EQ(call.a.states.size(), states);
  EXPECT_EQ(call.a.agent.local_candidates().size(), 1u);
}

// -- pauses ----------------------------------------------------------------------------------------------------------

uint64_t checks_of(const Node& node) {
  uint64_t sent = 0;
  for (const PairStats& p : node.agent.pair_stats()) sent += p.requests_sent;
  return sent;
}

// Perhaps it is we who have moved.
TEST(IcePause, OfAFlowBringsOnACheck) {
  Call call;
  const Path path = *call.a.path();
  for (int i = 0; i < 10; ++i) {
    call.a.agent.count_received(path, 1, 100, call.world.now);
    call.world.run(milliseconds(20));
  }
  const uint64_t before = checks_of(call.a);
  call.world.run(milliseconds(500));
  EXPECT_EQ(checks_of(call.a), before + 1);
}

TEST(IcePause, OfWhatComesNowAndThenDoesNot) {
  Call call;
  const Path path = *call.a.path();
  const uint64_t before = checks_of(call.a);
  for (int i = 0; i < 20; ++i) {
    call.a.agent.count_received(path, 1, 100, call.world.now);
    call.world.run(seconds(1));
  }
  // Consent, every four to six seconds.
  EXPECT_LE(checks_of(call.a), before + 5);
}

// -- relays of a peer that is known already --------------------------------------------------------------------------

struct Knocks {
  explicit Knocks(World& world) {
    world.tap = [this](const Packet& packet) {
      const auto message = stun::Message::parse(packet.bytes);
      if (message && message->message_class() == stun::Class::Indication) all.push_back(packet);
      return true;
    };
  }
  std::vector<Packet> all;
};

void add_relayed(Call& call, const char* address) {
  const LocalAddress relayed{.type = CandidateType::Relayed, .address = at(address)};
  ASSERT_TRUE(call.a.agent.add_local_candidate(relayed, call.world.now).has_value());
  call.world.drain(call.a);
}

// So that its permission is there before the peer's first check, which some send only once in 200 ms.
TEST(IceKnock, ANewRelayLetsThePeerInFromWhereItWasLast) {
  Call call;
  Knocks knocks(call.world);
  call.lose(call.a, "10.0.0.1:1000");
  EXPECT_TRUE(knocks.all.empty());
  add_relayed(call, "198.51.100.9:5000");
  ASSERT_EQ(knocks.all.size(), 1u);
  EXPECT_EQ(knocks.all[0].from, at("198.51.100.9:5000"));
  EXPECT_EQ(knocks.all[0].to, at("10.0.0.2:2000"));
  ASSERT_TRUE(call.a.agent.restart(call.world.now).has_value());
  call.world.drain(call.a);
  EXPECT_EQ(knocks.all.size(), 2u) << "its permission may be old";
}

TEST(IceKnock, NobodyIsKnockedAtWhoHasNotAnswered) {
  World world(1);
  Node& node = world.add(config(Role::Controlling));
  Knocks knocks(world);
  const LocalAddress relayed{.type = CandidateType::Relayed, .address = at("198.51.100.9:5000")};
  ASSERT_TRUE(node.agent.add_local_candidate(relayed, world.now).has_value());
  ASSERT_TRUE(node.agent.set_remote_credentials({"abcd", "0123456789012345678901"}, false, world.now).has_value());
  ASSERT_TRUE(
      node.agent.add_remote_candidate(*Candidate::parse("candidate:1 1 udp 9 10.0.0.2 2000 typ host"), world.now)
          .has_value());
  ASSERT_TRUE(node.agent.restart(world.now).has_value());
  world.drain(node);
  world.run(seconds(1));
  EXPECT_TRUE(knocks.all.empty());
}

TEST(IceKnock, AServerOfAnotherFamilyIsNoWay) {
  Call call;
  Knocks knocks(call.world);
  add_relayed(call, "[2001:db8::9]:5000");
  EXPECT_TRUE(knocks.all.empty());
}

TEST(IceKnock, APeerThatHidesBehindANameIsNotToldToTheServer) {
  World world(1);
  Node& a = world.add(config(Role::Controlling));
  Node& b = world.add(config(Role::Controlled));
  world.trickle = false;
  a.add_address("10.0.0.1:1000");
  b.add_address("10.0.0.2:2000");
  world.connect(a, b);
  Candidate remote = *Candidate::parse(cat("candidate:1 1 udp 2113937151 ", kName, " 2000 typ host"));
  remote.address.ip = at("10.0.0.2:1").ip;
  ASSERT_TRUE(a.agent.add_remote_candidate(remote, world.now).has_value());
  ASSERT_TRUE(world.run(seconds(5), [&] { return a.path().has_value(); }));
  Knocks knocks(world);
  const LocalAddress relayed{.type = CandidateType::Relayed, .address = at("198.51.100.9:5000")};
  ASSERT_TRUE(a.agent.add_local_candidate(relayed, world.now).has_value());
  world.drain(a);
  EXPECT_TRUE(knocks.all.empty());
}

// -- names -----------------------------------------------------------------------------------------------------------

TEST(IceHiddenAddress, IsNotToldByAnyCandidate) {
  World world(1);
  Node& node = world.add(config(Role::Controlling));
  LocalAddress local{.address = at("10.0.0.1:1000"), .hostname = kName};
  node.addresses.push_back(local.address);
  ASSERT_TRUE(node.agent.add_local_candidate(local, world.now).has_value());
  ASSERT_TRUE(node.agent.add_stun_server(world.stun_server, world.now).has_value());
  EXPECT_FALSE(world.run(seconds(1)));
  // Without a translator the mapped address is the hidden one, which is then no secret (draft §3.1.2.2).
  ASSERT_EQ(node.candidates.size(), 2u);
  EXPECT_THAT(node.candidates[0].to_string(), testing::HasSubstr(std::string(kName) + " 1000 typ host"));
  EXPECT_TRUE(node.candidates[0].address.ip.is_none());
  EXPECT_THAT(node.candidates[1].to_string(), testing::HasSubstr("typ srflx raddr 0.0.0.0 rport 9"));
}

TEST(IceHiddenAddress, OfThePeerIsCheckedFromHereButNotFromARelay) {
  World world(1);
  Node& node = world.add(config(Role::Controlling));
  node.add_address("10.0.0.1:1000");
  LocalAddress relayed{.type = CandidateType::Relayed, .address = at("198.51.100.9:5000")};
  ASSERT_TRUE(node.agent.add_local_candidate(relayed, world.now).has_value());
  Candidate remote = *Candidate::parse(cat("candidate:1 1 udp 2113937151 ", kName, " 2000 typ host"));
  EXPECT_EQ(node.agent.add_remote_candidate(remote, world.now).error(), Error::Unresolved);
  remote.address.ip = at("10.0.0.2:1").ip;
  ASSERT_TRUE(node.agent.add_remote_candidate(remote, world.now).has_value());
  const auto pairs = node.agent.pair_stats();
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].local.type, CandidateType::Host);
  EXPECT_EQ(pairs[0].remote.hostname, kName);
}

// -- filters ---------------------------------------------------------------------------------------------------------

TEST(IceAddressPolicy, TakesRangesAlone) {
  const AddressPolicy policy{.only = {*net::IpRange::parse("10.0.0.0/8"), *net::IpRange::parse("2001:db8::/32")},
                             .refused = {*net::IpRange::parse("10.9.0.0/16")}};
  EXPECT_TRUE(policy.permits(at("10.1.2.3:5000")));
  EXPECT_TRUE(policy.permits(at("[2001:db8::1]:5000")));
  EXPECT_TRUE(policy.permits(at("[::ffff:10.1.2.3]:5000")));
  EXPECT_FALSE(policy.permits(at("10.9.2.3:5000")));
  EXPECT_FALSE(policy.permits(at("192.0.2.1:5000")));
  EXPECT_FALSE(policy.permits(at("[2001:db9::1]:5000")));
}

TEST(IceAddressPolicy, RefusesRangesForChecksOfThePeerToo) {
  World world(1);
  Config guarded = config(Role::Controlled);
  guarded.remote_policy.refused = {*net::IpRange::parse("10.0.0.1")};
  Node& a = world.add(config(Role::Controlling));
  Node& b = world.add(guarded);
  a.add_address("10.0.0.1:1000");
  b.add_address("10.0.0.2:2000");
  world.connect(a, b);
  EXPECT_FALSE(world.run(seconds(5), [&] { return a.path() || b.path(); }));
  EXPECT_GT(b.agent.drops()[Drop::RefusedAddress], 1u);
}

}  // namespace
}  // namespace kaon::ice
