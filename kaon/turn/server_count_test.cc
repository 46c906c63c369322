// Several servers that count their allocations together, as with one per loop.
#include <gmock/gmock.h>

#include <map>

#include "kaon/turn/internal/test_world.h"

namespace kaon::turn {
namespace {

using namespace std::chrono_literals;

/// Two of one user, three in all.
struct Few final : AllocationCount {
  Verdict add(std::string_view user) override {
    if (all == 3) return Verdict::Full;
    if (users[std::string(user)] == 2) return Verdict::UserFull;
    ++all;
    ++users[std::string(user)];
    return Verdict::Counted;
  }
  void remove(std::string_view user) override {
    --all;
    --users.at(std::string(user));
  }
  size_t all = 0;
  std::map<std::string, size_t> users;
};

ServerConfig counted_by(const std::shared_ptr<Few>& few) {
  ServerConfig config = World::default_config();
  config.count = few;
  config.max_allocations = config.max_allocations_per_user = 0;  // the others' word counts
  return config;
}

int allocate(World& world, int port, bool bob = false) {
  WireClient client(world, cat("203.0.113.5:", port));
  client.learn();
  if (bob) client.user = "bob", client.password = "other";
  return client.code(Method::Allocate, WireClient::udp);
}

TEST(TurnServerCount, SeveralServersCountTogether) {
  const auto few = std::make_shared<Few>();
  World one(counted_by(few));
  World two(counted_by(few));
  EXPECT_EQ(allocate(one, 1), 0);
  EXPECT_EQ(allocate(two, 1), 0);
  EXPECT_EQ(allocate(one, 2), 486);
  EXPECT_EQ(allocate(two, 2, true), 0);
  EXPECT_EQ(allocate(one, 3, true), 508);
  one.advance(601s);
  EXPECT_EQ(few->all, 2u) << "what ends on one makes room on the other";
  EXPECT_EQ(allocate(two, 3), 0);
  two.advance(601s);
  EXPECT_EQ(few->all, 0u);
  EXPECT_EQ(few->users.at("alice"), 0u);
}

TEST(TurnServerCount, WhatIsRefusedOrHasNoRelayIsNotCounted) {
  const auto few = std::make_shared<Few>();
  World world(counted_by(few));
  world.refuse_relays = true;
  for (int port = 1; port <= 10; ++port) EXPECT_EQ(allocate(world, port), 508);
  EXPECT_EQ(few->all, 0u);
  world.server.drain();
  world.refuse_relays = false;
  EXPECT_EQ(allocate(world, 20), 508);
  EXPECT_EQ(few->all, 0u);
}

TEST(TurnServerCount, AFullCountSendsClientsElsewhere) {
  const auto few = std::make_shared<Few>();
  ServerConfig config = counted_by(few);
  config.alternates = {endpoint("192.0.2.77:3478")};
  World world(config);
  few->all = 3;
  EXPECT_EQ(allocate(world, 1), 300);
}

TEST(TurnServerCount, WithoutReservationsNoPortIsPutAside) {
  ServerConfig config = World::default_config();
  config.reservations = false;
  World world(config);
  WireClient client(world);
  client.learn();
  const auto even = [](uint8_t bits) {
    return [bits](auto& b) { WireClient::udp(b), b.add(Attribute::EvenPort, std::array<uint8_t, 1>{bits}); };
  };
  EXPECT_EQ(client.code(Method::Allocate, even(0x80)), 508);
  EXPECT_EQ(client.code(Method::Allocate, even(0)), 0);
}

}  // namespace
}  // namespace kaon::turn
