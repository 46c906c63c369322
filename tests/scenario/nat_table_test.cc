// Which path two peers find behind which translators, and how long it takes.
#include <gmock/gmock.h>

#include <array>
#include <cstdio>

#include "kaon/base/text.h"
#include "kaon/sim/seed.h"
#include "nat_lab.h"

namespace kaon::scenario {
namespace {

using namespace std::chrono_literals;
using sim::NatBehavior;

constexpr net::Endpoint kInnerA{net::IpAddress::v4(10, 0, 0, 2), 4000};
constexpr net::Endpoint kInnerB{net::IpAddress::v4(10, 0, 0, 3), 5000};
constexpr net::IpAddress kOuterA = net::IpAddress::v4(203, 0, 113, 1);
constexpr net::IpAddress kOuterB = net::IpAddress::v4(203, 0, 113, 2);
constexpr sim::LinkConfig kAccess{.delay = 10ms};

/// Mapping and filtering, each endpoint-independent (E), address-dependent (A) or address-and-port-dependent (P).
constexpr std::array<std::string_view, 9> kKinds{"EE", "EA", "EP", "AE", "AA", "AP", "PE", "PA", "PP"};

sim::NatConfig nat_of(size_t kind) {
  return {.mapping = static_cast<NatBehavior>(kind / 3),
          .filtering = static_cast<NatBehavior>(kind % 3),
          .ports = sim::PortAssignment::Random};
}

// What RFC 4787 lets two peers do that know each other's server reflexive addresses: d, both are reached there; p, one
// comes from a port that nobody told of, and the other's filter lets it in; r, only a relay helps.
//  - Two mappings that keep their port: each opens its own filter, whatever it is.
//  - One that does not: its port can be learned only where the filter does not ask for ports.
//  - Neither: one must let in everybody, the other everything of an address, and one of them has to keep its port for
//    all ports of the other, or each answer comes from yet another one.
constexpr std::array<std::string_view, 9> kExpected{
    // EE EA EP AE AA AP PE PA PP
    "dddpppppp",  // EE
    "dddpppppp",  // EA
    "dddrrrrrr",  // EP
    "pprpprppr",  // AE
    "pprprrprr",  // AA
    "pprrrrrrr",  // AP
    "pprpprrrr",  // PE
    "pprprrrrr",  // PA
    "pprrrrrrr",  // PP
};

std::string name_of(char cell, bool relays) {
  switch (cell) {
    case 'd': return "direct";
    case 'p': return "prflx";
    default: return relays ? "relay" : "none";
  }
}

struct Cell {
  std::string path;
  std::optional<Duration> time;
  std::string to_string() const {
    if (!time) return "      -";
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(*time).count();
    const std::string number = cat(ms);
    return cat(path.substr(0, 1), std::string(6 - std::min<size_t>(6, number.size()), ' '), number);
  }
};

void put_behind(Lab& lab, size_t kind_a, size_t kind_b) {
  const auto inside = [&](size_t kind, net::IpAddress outer) {
    return lab.network.inside(lab.network.add_nat(nat_of(kind), outer));
  };
  lab.add_address(lab.a, lab.network.add_host(kInnerA.ip, inside(kind_a, kOuterA), kAccess), kInnerA);
  lab.add_address(lab.b, lab.network.add_host(kInnerB.ip, inside(kind_b, kOuterB), kAccess), kInnerB);
}

Cell run_cell(size_t kind_a, size_t kind_b, bool relays, uint64_t seed) {
  Lab lab(seed);
  lab.relays = relays;
  put_behind(lab, kind_a, kind_b);
  lab.connect();
  Cell cell;
  cell.time = lab.time_to_connect();
  lab.pump.pass(5s);  // a better path than the first is taken
  cell.path = lab.path();
  return cell;
}

void run_table(bool relays) {
  std::string text = cat("ms until both have a path (d direct, p peer-reflexive, r relay), ",
                         relays ? "with relays\n  " : "without relays\n  ");
  for (const auto kind : kKinds) text += cat("      ", kind);
  for (size_t row = 0; row < kKinds.size(); ++row) {
    text += cat("\n", kKinds[row]);
    for (size_t column = 0; column < kKinds.size(); ++column) {
      const Cell cell = run_cell(row, column, relays, sim::derive_seed(1, row * 9 + column));
      EXPECT_EQ(cell.path, name_of(kExpected[row][column], relays)) << kKinds[row] << " to " << kKinds[column];
      text += cat(" ", cell.to_string());
    }
  }
  std::puts(text.c_str());
}

TEST(NatTable, EveryPairOfTranslatorsIsPassedByThePathThatTheyAllow) { run_table(false); }
TEST(NatTable, EveryPairConnectsOverARelayIfThereIsNoOtherPath) { run_table(true); }

// Each answer of the one comes to the other from a new port, for ever.
TEST(NatTable, TwoTranslatorsThatMapByPortDoNotKeepTheAgentsBusy) {
  size_t packets = 0;
  Lab lab(1);
  lab.relays = true;
  put_behind(lab, 6, 6);
  lab.connect();
  ASSERT_TRUE(lab.time_to_connect());
  lab.pump.pass(10s);
  lab.network.set_tap([&](Time, const net::Datagram&) { ++packets; });
  lab.pump.pass(10s);
  EXPECT_EQ(lab.path(), "relay");
  EXPECT_LT(packets, 200u);
}

TEST(NatLab, TwoBehindOneTranslatorTalkDirectlyWhetherItTurnsPacketsRoundOrNot) {
  for (const bool hairpin : {false, true}) {
    Lab lab(2);
    const auto home = lab.network.add_nat({.hairpin = hairpin}, kOuterA);
    lab.add_address(lab.a, lab.network.add_host(kInnerA.ip, lab.network.inside(home), kAccess), kInnerA);
    lab.add_address(lab.b, lab.network.add_host(kInnerB.ip, lab.network.inside(home), kAccess), kInnerB);
    lab.connect();
    ASSERT_TRUE(lab.time_to_connect());
    lab.pump.pass(2s);
    EXPECT_EQ(lab.a.agent.selected()->remote, kInnerB) << "hairpin " << hairpin;
  }
}

// A provider's translator before the home's; the peers' homes stand behind the same provider, or not.
TEST(NatLab, TranslatorsInARowArePassed) {
  Lab lab(3);
  const auto provider = lab.network.add_nat({.ports = sim::PortAssignment::Random}, kOuterA);
  const auto home =
      lab.network.add_nat(sim::port_restricted_cone(), net::IpAddress::v4(100, 64, 0, 9), lab.network.inside(provider));
  const auto other = lab.network.add_nat(sim::port_restricted_cone(), kOuterB);
  lab.add_address(lab.a, lab.network.add_host(kInnerA.ip, lab.network.inside(home), kAccess), kInnerA);
  lab.add_address(lab.b, lab.network.add_host(kInnerB.ip, lab.network.inside(other), kAccess), kInnerB);
  lab.connect();
  ASSERT_TRUE(lab.time_to_connect());
  EXPECT_EQ(lab.path(), "direct");
}

// Behind one provider without hairpin only a relay helps: neither outer address is reached from inside.
TEST(NatLab, TwoHomesOfOneProviderThatTurnsNothingRoundNeedARelay) {
  Lab lab(4);
  lab.relays = true;
  const auto provider = lab.network.add_nat({.ports = sim::PortAssignment::Random}, kOuterA);
  const auto home = [&](uint8_t number) {
    return lab.network.inside(lab.network.add_nat(sim::port_restricted_cone(), net::IpAddress::v4(100, 64, 0, number),
                                                  lab.network.inside(provider)));
  };
  lab.add_address(lab.a, lab.network.add_host(kInnerA.ip, home(1), kAccess), kInnerA);
  lab.add_address(lab.b, lab.network.add_host(kInnerB.ip, home(2), kAccess), kInnerB);
  lab.connect();
  ASSERT_TRUE(lab.time_to_connect());
  lab.pump.pass(2s);
  EXPECT_EQ(lab.path(), "relay");
}

TEST(NatLab, APolicyOfRelaysOnlyShowsAndUsesNoOtherAddress) {
  Lab lab(5);
  lab.relays = lab.relay_only = true;
  lab.add_address(lab.a, lab.network.add_host(kOuterA, sim::kInternet, kAccess), {kOuterA, 4000});
  lab.add_address(lab.b, lab.network.add_host(kOuterB, sim::kInternet, kAccess), {kOuterB, 5000});
  lab.connect();
  ASSERT_TRUE(lab.time_to_connect());
  lab.pump.pass(5s);
  for (LabPeer* peer : {&lab.a, &lab.b}) {
    EXPECT_EQ(peer->agent.selected()->local.ip, kLabServer.ip);
    EXPECT_EQ(peer->agent.selected()->remote.ip, kLabServer.ip);
    for (const ice::Candidate& candidate : peer->agent.local_candidates()) {
      EXPECT_NE(candidate.type, ice::CandidateType::Host);
    }
  }
}

// Relays too: allocation, permission and channel are kept up by what the agents send.
TEST(NatLab, AnIdleCallOutlivesTheTimeoutOfEveryTranslator) {
  for (const bool relays : {false, true}) {
    Lab lab(6);
    lab.relays = relays;
    sim::NatConfig config = relays ? sim::symmetric_nat() : sim::port_restricted_cone();
    config.timeout = 30s;
    const auto inside = [&](net::IpAddress outer) { return lab.network.inside(lab.network.add_nat(config, outer)); };
    lab.add_address(lab.a, lab.network.add_host(kInnerA.ip, inside(kOuterA), kAccess), kInnerA);
    lab.add_address(lab.b, lab.network.add_host(kInnerB.ip, inside(kOuterB), kAccess), kInnerB);
    lab.connect();
    ASSERT_TRUE(lab.time_to_connect());
    for (int minute = 0; minute < 30; ++minute) {
      lab.pump.pass(60s);
      ASSERT_TRUE(lab.connected()) << "minute " << minute << (relays ? ", relayed" : "");
    }
    EXPECT_EQ(lab.path(), relays ? "relay" : "direct");
    EXPECT_THAT(lab.a.states, testing::Not(testing::Contains(ice::State::Disconnected)));
  }
}

// The whole way of the client to the TURN server changes, and the server knows the new address as nobody.
TEST(NatLab, AConsentThatIsNotRenewedEndsARelayedCallAfterThirtySeconds) {
  Lab lab(7);
  lab.relays = lab.relay_only = true;
  const auto a_host = lab.network.add_host(kOuterA, sim::kInternet, kAccess);
  lab.add_address(lab.a, a_host, {kOuterA, 4000});
  lab.add_address(lab.b, lab.network.add_host(kOuterB, sim::kInternet, kAccess), {kOuterB, 5000});
  lab.connect();
  ASSERT_TRUE(lab.time_to_connect());
  lab.pump.pass(10s);
  lab.network.blackout(lab.network.interface_of(a_host, kOuterA), kNever);
  lab.pump.pass(36s);
  EXPECT_EQ(lab.b.agent.state(), ice::State::Failed);
  EXPECT_FALSE(lab.b.agent.selected());
}

// The interface goes that the server was asked from, and with it the allocation: another one is asked for from the next
// interface, told to the peer and used. What HostedRelays of io does when the network changes.
TEST(NatLab, ARelayedCallGoesOnOverAnotherAllocationWhenTheInterfaceChanges) {
  for (const bool a_moves : {true, false}) {
    Lab lab(9);
    lab.relays = lab.relay_only = true;
    const auto a_host = lab.network.add_host(kOuterA, sim::kInternet, kAccess);
    const auto b_host = lab.network.add_host(kOuterB, sim::kInternet, kAccess);
    lab.add_address(lab.a, a_host, {kOuterA, 4000});
    lab.add_address(lab.b, b_host, {kOuterB, 5000});
    for (LabPeer* peer : {&lab.a, &lab.b}) peer->agent.set_renomination(true);
    lab.connect();
    ASSERT_TRUE(lab.time_to_connect());
    lab.pump.pass(5s);
    LabPeer& mover = a_moves ? lab.a : lab.b;
    LabPeer& other = a_moves ? lab.b : lab.a;
    const sim::HostId host = a_moves ? a_host : b_host;
    const net::Endpoint before = mover.agent.selected()->local;
    const net::Endpoint next{net::IpAddress::v4(203, 0, 113, 9), 6000};
    lab.network.add_interface(host, next.ip, sim::kInternet, kAccess);
    lab.network.remove_interface(lab.network.interface_of(host, a_moves ? kOuterA : kOuterB));
    const Time start = lab.pump.now();
    mover.agent.remove_local_candidate(before, net::Protocol::Udp, start);
    mover.add_relay(next, start);
    const auto moved = [&] {
      const auto& ours = mover.agent.selected();
      const auto& theirs = other.agent.selected();
      return ours && theirs && ours->local != before && theirs->remote == ours->local;
    };
    ASSERT_TRUE(lab.pump.run_for(moved, 5s)) << a_moves;
    // Two round trips of 40 ms to the server, the signalling, checks there and back. Where it is the controlled one
    // that moves, the other asks the old path and leaves it after three round trips of 80 ms without an answer.
    EXPECT_LE(lab.pump.now() - start, a_moves ? 300ms : 550ms) << a_moves;
    lab.pump.pass(5s);
    EXPECT_TRUE(moved());
    for (LabPeer* peer : {&lab.a, &lab.b}) EXPECT_NE(peer->states.back(), ice::State::Disconnected);
  }
}

TEST(NatLab, OfTwoFamiliesTheOneThatWorksCarries) {
  const net::Endpoint a6{*net::IpAddress::parse("2001:db8::a"), 4000};
  const net::Endpoint b6{*net::IpAddress::parse("2001:db8::b"), 5000};
  for (const bool v6_works : {true, false}) {
    Lab lab(8);
    const auto a = lab.network.add_host(kOuterA, sim::kInternet, kAccess);
    const auto b = lab.network.add_host(kOuterB, sim::kInternet, kAccess);
    lab.network.add_interface(a, a6.ip, sim::kInternet, kAccess);
    lab.network.add_interface(b, b6.ip, sim::kInternet, kAccess);
    lab.network.blackout(v6_works ? lab.network.interface_of(a, kOuterA) : lab.network.interface_of(a, a6.ip), kNever);
    lab.add_address(lab.a, a, {kOuterA, 4000});
    lab.add_address(lab.a, a, a6);
    lab.add_address(lab.b, b, {kOuterB, 5000});
    lab.add_address(lab.b, b, b6);
    lab.connect();
    const auto time = lab.time_to_connect();
    ASSERT_TRUE(time);
    EXPECT_LT(*time, 300ms);
    EXPECT_EQ(lab.a.agent.selected()->local.ip.is_v6(), v6_works);
  }
}

TEST(NatTable, IsTheSameFromBothSides) {
  for (size_t row = 0; row < kKinds.size(); ++row) {
    for (size_t column = 0; column < kKinds.size(); ++column) {
      EXPECT_EQ(kExpected[row][column], kExpected[column][row]) << kKinds[row] << " to " << kKinds[column];
    }
  }
}

}  // namespace
}  // namespace kaon::scenario
