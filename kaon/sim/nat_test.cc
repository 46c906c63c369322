#include "kaon/sim/nat.h"

#include <gtest/gtest.h>

#include <set>

#include "kaon/sim/network.h"

namespace kaon::sim {
namespace {

using namespace std::chrono_literals;
using net::Endpoint;
using net::IpAddress;

const IpAddress kOutside = IpAddress::v4(198, 51, 100, 1);
const Endpoint kInner{IpAddress::v4(10, 0, 0, 2), 5000};
const Endpoint kServer1{IpAddress::v4(203, 0, 113, 1), 3478};
const Endpoint kServer1Other{IpAddress::v4(203, 0, 113, 1), 3479};
const Endpoint kServer2{IpAddress::v4(203, 0, 113, 2), 3478};
const Time kStart{1h};

// RFC 5780 §4.3: the mapping seen from three destinations tells its kind.
NatBehavior measured_mapping(Nat& nat) {
  const auto first = nat.outbound(kInner, kServer1, kStart);
  const auto other_port = nat.outbound(kInner, kServer1Other, kStart);
  const auto other_address = nat.outbound(kInner, kServer2, kStart);
  if (first == other_address && first == other_port) return NatBehavior::EndpointIndependent;
  return first == other_port ? NatBehavior::AddressDependent : NatBehavior::AddressAndPortDependent;
}

// RFC 5780 §4.4: who may answer a packet that went to one server.
NatBehavior measured_filtering(Nat& nat) {
  const auto outer = nat.outbound(kInner, kServer1, kStart);
  EXPECT_EQ(nat.inbound(outer->port, kServer1, kStart), kInner);
  if (nat.inbound(outer->port, kServer2, kStart)) return NatBehavior::EndpointIndependent;
  return nat.inbound(outer->port, kServer1Other, kStart) ? NatBehavior::AddressDependent
                                                         : NatBehavior::AddressAndPortDependent;
}

TEST(Nat, BehavesAsConfiguredInAllNineKindsWhenMeasuredFromOutside) {
  constexpr NatBehavior kAll[] = {NatBehavior::EndpointIndependent, NatBehavior::AddressDependent,
                                  NatBehavior::AddressAndPortDependent};
  for (const NatBehavior mapping : kAll) {
    for (const NatBehavior filtering : kAll) {
      for (const PortAssignment ports :
           {PortAssignment::Preserve, PortAssignment::Sequential, PortAssignment::Random}) {
        const NatConfig config{.mapping = mapping, .filtering = filtering, .ports = ports};
        Nat nat(config, kOutside, 1), fresh(config, kOutside, 1);
        EXPECT_EQ(measured_mapping(nat), mapping);
        EXPECT_EQ(measured_filtering(fresh), filtering);
      }
    }
  }
}

TEST(Nat, PreservesThePortWhereItIsFreeAndNeverGivesOneTwice) {
  Nat nat({}, kOutside, 1);
  EXPECT_EQ(nat.outbound(kInner, kServer1, kStart), (Endpoint{kOutside, 5000}));
  std::set<uint16_t> ports{5000};
  for (uint8_t host = 3; host < 200; ++host) {
    const auto outer = nat.outbound({IpAddress::v4(10, 0, 0, host), 5000}, kServer1, kStart);
    EXPECT_TRUE(ports.insert(outer->port).second);
  }
}

TEST(Nat, RandomPortsDifferFromInnerOnesAndFromMappingToMapping) {
  Nat nat(symmetric_nat(), kOutside, 7);
  const auto first = nat.outbound(kInner, kServer1, kStart);
  const auto second = nat.outbound(kInner, kServer2, kStart);
  EXPECT_NE(first->port, kInner.port);
  EXPECT_NE(first->port, second->port);
  EXPECT_GE(first->port, 1024);
}

TEST(Nat, ForgetsAMappingThatSentNothingForItsTimeout) {
  Nat nat({.timeout = 30s}, kOutside, 1);
  const auto outer = nat.outbound(kInner, kServer1, kStart);
  EXPECT_TRUE(nat.inbound(outer->port, kServer1, kStart + 30s));
  EXPECT_FALSE(nat.inbound(outer->port, kServer1, kStart + 31s));
  nat.outbound(kInner, kServer1, kStart + 40s);
  EXPECT_TRUE(nat.inbound(outer->port, kServer1, kStart + 60s));
}

TEST(Nat, KeepsAMappingAliveByPacketsFromOutsideOnlyWhereConfigured) {
  for (const bool refreshes : {false, true}) {
    NatConfig config = port_restricted_cone();
    config.timeout = 30s;
    config.inbound_refreshes = refreshes;
    Nat nat(config, kOutside, 1);
    const auto outer = nat.outbound(kInner, kServer1, kStart);
    for (auto t = 0s; t <= 60s; t += 10s) nat.inbound(outer->port, kServer1, kStart + t);
    EXPECT_EQ(nat.inbound(outer->port, kServer1, kStart + 65s).has_value(), refreshes);
  }
}

TEST(Nat, GivesAnotherPortAfterARebindAndClosesTheOldOne) {
  Nat nat({}, kOutside, 1);
  const auto before = nat.outbound(kInner, kServer1, kStart);
  nat.rebind();
  EXPECT_FALSE(nat.inbound(before->port, kServer1, kStart));
  EXPECT_NE(nat.outbound(kInner, kServer1, kStart), before);
}

TEST(Nat, RefusesMappingsBeyondItsBound) {
  NatConfig config = symmetric_nat();
  config.ports = PortAssignment::Sequential;
  Nat nat(config, kOutside, 1);
  for (size_t i = 0; i < Nat::kMaxMappings; ++i) {
    ASSERT_TRUE(nat.outbound(kInner, {kServer1.ip, static_cast<uint16_t>(i)}, kStart));
  }
  EXPECT_FALSE(nat.outbound(kInner, kServer2, kStart));
  EXPECT_TRUE(nat.outbound(kInner, kServer2, kStart + 1h));
}

}  // namespace
}  // namespace kaon::sim
