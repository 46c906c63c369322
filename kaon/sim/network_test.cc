#include "kaon/sim/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kaon/sim/seed.h"

namespace kaon::sim {
namespace {

using namespace std::chrono_literals;
using net::Endpoint;
using net::IpAddress;

const IpAddress kAlice = IpAddress::v4(203, 0, 113, 1);
const IpAddress kBob = IpAddress::v4(203, 0, 113, 2);
const IpAddress kOutside = IpAddress::v4(198, 51, 100, 1);
const IpAddress kInner = IpAddress::v4(10, 0, 0, 2);
const IpAddress kInner2 = IpAddress::v4(10, 0, 0, 3);

void send(Network& network, HostId from, const Endpoint& local, const Endpoint& remote, std::string_view text,
          size_t segment_size = 0) {
  net::Transmit transmit;
  transmit.local = local;
  transmit.remote = remote;
  transmit.size = text.size();
  transmit.segment_size = segment_size;
  network.send(from, transmit, as_bytes(text));
}

std::vector<std::string> received(Network& network, Time until) {
  std::vector<std::string> all;
  while (const auto arrival = network.receive(until)) {
    all.push_back(arrival->datagram.remote.to_string() + ">" + arrival->datagram.local.to_string() + " " +
                  std::string(as_text(arrival->datagram.bytes)));
  }
  return all;
}

TEST(Network, CarriesAPacketOverTheUpLinkOfOneAndTheDownLinkOfTheOther) {
  Network network(1);
  const HostId alice = network.add_host(kAlice, kInternet, {.delay = 10ms});
  network.add_host(kBob, kInternet, {.delay = 5ms});
  const Time start = network.now();
  send(network, alice, {kAlice, 1}, {kBob, 2}, "hello");
  EXPECT_THAT(received(network, start + 14ms), testing::IsEmpty());
  const auto arrival = network.receive(start + 1s);
  ASSERT_TRUE(arrival);
  EXPECT_EQ(network.now(), start + 15ms);
  EXPECT_EQ(arrival->datagram.local, (Endpoint{kBob, 2}));
  EXPECT_EQ(arrival->datagram.remote, (Endpoint{kAlice, 1}));
}

TEST(Network, SplitsARunIntoPackets) {
  Network network(1);
  const HostId alice = network.add_host(kAlice);
  network.add_host(kBob);
  send(network, alice, {kAlice, 1}, {kBob, 2}, "aaabbbc", 3);
  EXPECT_THAT(received(network, network.now()),
              testing::ElementsAre("203.0.113.1:1>203.0.113.2:2 aaa", "203.0.113.1:1>203.0.113.2:2 bbb",
                                   "203.0.113.1:1>203.0.113.2:2 c"));
}

TEST(Network, CountsWhatCannotBeSentOrDelivered) {
  Network network(1);
  const HostId alice = network.add_host(kAlice);
  send(network, alice, {kBob, 1}, {kBob, 2}, "not my address");
  send(network, alice, {kAlice, 1}, {kBob, 2}, "nobody there");
  net::Transmit tcp;
  tcp.protocol = net::Protocol::Tcp;
  network.send(alice, tcp, as_bytes("tcp"));
  EXPECT_THAT(received(network, network.now()), testing::IsEmpty());
  EXPECT_EQ(network.drops()[DropReason::NoInterface], 1u);
  EXPECT_EQ(network.drops()[DropReason::NoRoute], 1u);
  EXPECT_EQ(network.drops()[DropReason::NotUdp], 1u);
}

TEST(Network, TranslatesOnTheWayOutAndBackIn) {
  Network network(1);
  const NatId nat = network.add_nat(port_restricted_cone(), kOutside);
  const HostId inner = network.add_host(kInner, network.inside(nat));
  const HostId alice = network.add_host(kAlice);
  network.add_host(kBob);
  send(network, inner, {kInner, 5000}, {kAlice, 2}, "ping");
  EXPECT_THAT(received(network, network.now()), testing::ElementsAre("198.51.100.1:5000>203.0.113.1:2 ping"));
  send(network, alice, {kAlice, 2}, {kOutside, 5000}, "pong");
  send(network, alice, {kAlice, 3}, {kOutside, 5000}, "from another port");
  EXPECT_THAT(received(network, network.now()), testing::ElementsAre("203.0.113.1:2>10.0.0.2:5000 pong"));
  EXPECT_EQ(network.drops()[DropReason::NatFiltered], 1u);
}

TEST(Network, PassesTwoTranslatorsInARow) {
  Network network(1);
  const NatId carrier = network.add_nat(symmetric_nat(), kOutside);
  const NatId home = network.add_nat({}, IpAddress::v4(100, 64, 0, 9), network.inside(carrier));
  const HostId inner = network.add_host(kInner, network.inside(home));
  const HostId alice = network.add_host(kAlice);
  send(network, inner, {kInner, 5000}, {kAlice, 2}, "ping");
  const auto arrival = network.receive(network.now());
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->datagram.remote.ip, kOutside);
  EXPECT_NE(arrival->datagram.remote.port, 5000);
  const Endpoint seen = arrival->datagram.remote;
  send(network, alice, {kAlice, 2}, seen, "pong");
  EXPECT_THAT(received(network, network.now()), testing::ElementsAre("203.0.113.1:2>10.0.0.2:5000 pong"));
}

TEST(Network, HairpinsWhereTheTranslatorDoes) {
  for (const bool hairpin : {false, true}) {
    Network network(1);
    const NatId nat = network.add_nat({.hairpin = hairpin}, kOutside);
    const HostId one = network.add_host(kInner, network.inside(nat));
    const HostId two = network.add_host(kInner2, network.inside(nat));
    network.add_host(kAlice);
    send(network, two, {kInner2, 7000}, {kAlice, 2}, "open");
    received(network, network.now());
    send(network, one, {kInner, 5000}, {kOutside, 7000}, "in by the outside");
    const auto all = received(network, network.now());
    if (hairpin) {
      // REQ-9: with the outer source address.
      EXPECT_THAT(all, testing::ElementsAre("198.51.100.1:5000>10.0.0.3:7000 in by the outside"));
    } else {
      EXPECT_THAT(all, testing::IsEmpty());
      EXPECT_EQ(network.drops()[DropReason::NoHairpin], 1u);
    }
    send(network, one, {kInner, 5000}, {kInner2, 7000}, "direct");
    EXPECT_THAT(received(network, network.now()), testing::ElementsAre("10.0.0.2:5000>10.0.0.3:7000 direct"));
  }
}

TEST(Network, RebindChangesTheOuterPortAndAddress) {
  Network network(1);
  const NatId nat = network.add_nat({}, kOutside);
  const HostId inner = network.add_host(kInner, network.inside(nat));
  const HostId alice = network.add_host(kAlice);
  const IpAddress moved = IpAddress::v4(198, 51, 100, 77);
  network.rebind(nat, moved);
  send(network, inner, {kInner, 5000}, {kAlice, 2}, "x");
  const auto arrival = network.receive(network.now());
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->datagram.remote.ip, moved);
  EXPECT_NE(arrival->datagram.remote.port, 5000);
  send(network, alice, {kAlice, 2}, {kOutside, 5000}, "to the old address");
  EXPECT_THAT(received(network, network.now()), testing::IsEmpty());
  EXPECT_EQ(network.drops()[DropReason::NoRoute], 1u);
}

TEST(Network, AnInterfaceThatGoesAwayLosesWhatIsOnItsWay) {
  Network network(1);
  const HostId alice = network.add_host(kAlice);
  const HostId bob = network.add_host(kBob, kInternet, {.delay = 10ms});
  const InterfaceId wifi = network.interface_of(bob, kBob);
  const IpAddress mobile = IpAddress::v4(203, 0, 113, 99);
  send(network, alice, {kAlice, 1}, {kBob, 2}, "too late");
  network.add_interface(bob, mobile);
  network.receive(network.now() + 5ms);
  network.remove_interface(wifi);
  EXPECT_THAT(received(network, network.now() + 1s), testing::IsEmpty());
  EXPECT_EQ(network.drops()[DropReason::Gone], 1u);
  send(network, bob, {{}, 2}, {kAlice, 1}, "here I am");
  EXPECT_THAT(received(network, network.now()), testing::ElementsAre("203.0.113.99:2>203.0.113.1:1 here I am"));
}

TEST(Network, MulticastReachesEveryOtherInterfaceOfTheRealm) {
  Network network(1);
  const NatId nat = network.add_nat({}, kOutside);
  const HostId one = network.add_host(kInner, network.inside(nat));
  network.add_host(kInner2, network.inside(nat));
  network.add_host(IpAddress::v4(10, 0, 0, 4), network.inside(nat));
  network.add_host(kAlice);
  send(network, one, {kInner, 5353}, {IpAddress::v4(224, 0, 0, 251), 5353}, "who is there");
  EXPECT_THAT(received(network, network.now()),
              testing::UnorderedElementsAre("10.0.0.2:5353>10.0.0.3:5353 who is there",
                                            "10.0.0.2:5353>10.0.0.4:5353 who is there"));
}

std::vector<std::string> story(uint64_t seed) {
  Network network(seed);
  const LinkConfig bad{.delay = 10ms, .jitter = 8ms, .loss = 0.1, .duplicate = 0.05, .reorder = 0.1};
  const NatId nat = network.add_nat(symmetric_nat(), kOutside, kInternet, bad);
  const HostId inner = network.add_host(kInner, network.inside(nat));
  network.add_host(kAlice, kInternet, bad);
  const Time start = network.now();
  std::vector<std::string> all;
  for (int i = 0; i < 200; ++i) {
    send(network, inner, {kInner, 5000}, {kAlice, 2}, std::to_string(i));
    while (const auto arrival = network.receive(start + i * 1ms)) {
      all.push_back(std::to_string(network.now().time_since_epoch().count()) + arrival->datagram.remote.to_string() +
                    std::string(as_text(arrival->datagram.bytes)));
    }
  }
  return all;
}

TEST(Network, TellsTheSameStoryForTheSameSeedAndAnotherForAnother) {
  EXPECT_GT(story(5).size(), 100u);
  EXPECT_EQ(story(5), story(5));
  EXPECT_NE(story(5), story(6));
}

TEST(Seeds, AreOneToNUnlessReplayed) {
  if (std::getenv("KAON_SEED") != nullptr) GTEST_SKIP() << "a replay is running";
  EXPECT_THAT(seeds(3), testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(replay_hint(17), "KAON_SEED=17");
}

TEST(Seeds, AreTheOneOrTheRangeThatIsAskedFor) {
  if (std::getenv("KAON_SEED") != nullptr) GTEST_SKIP() << "a replay is running";
  setenv("KAON_SEED", "17", 1);
  EXPECT_THAT(seeds(3), testing::ElementsAre(17));
  setenv("KAON_SEED", "8-10", 1);
  EXPECT_THAT(seeds(3), testing::ElementsAre(8, 9, 10));
  unsetenv("KAON_SEED");
}

}  // namespace
}  // namespace kaon::sim
