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

TEST(NatTable, IsTheSameFromBothSides) {
  for (size_t row = 0; row < kKinds.size(); ++row) {
    for (size_t column = 0; column < kKinds.size(); ++column) {
      EXPECT_EQ(kExpected[row][column], kExpected[column][row]) << kKinds[row] << " to " << kKinds[column];
    }
  }
}

}  // namespace
}  // namespace kaon::scenario
