// What ICMP says of our checks, and what anybody may say in its name.
#include <gmock/gmock.h>

#include "kaon/ice/internal/test_world.h"

namespace kaon::ice {
namespace {

using namespace test;

constexpr size_t kQuoted = 28;  // bytes of a packet that a router gives back at least, and a few more

Config config(Role role) {
  Config config;
  config.role = role;
  return config;
}

struct Call {
  Call() : world(1), a(world.add(config(Role::Controlling))), b(world.add(config(Role::Controlled))) {
    a.add_address("10.0.0.1:1000");
    b.add_address("10.0.0.2:2000");
    world.tap = [this](const Packet& packet) {
      const bool request = packet.bytes.size() > 20 && packet.bytes[0] == 0 && packet.bytes[1] == 1;
      if (packet.from == at("10.0.0.1:1000") && request) checks.push_back(packet);
      return !deaf || packet.to != at("10.0.0.2:2000");
    };
  }
  // As a router or the peer's machine would: to the address the packet was to go to, with its beginning.
  void refuse(const Packet& packet, std::optional<net::Endpoint> remote = {}) {
    a.agent.handle_unreachable(ByteView(packet.bytes).first(kQuoted), remote.value_or(packet.to), world.now);
    world.drain(a);
  }
  PairState state_of(const char* remote) const {
    for (const PairStats& pair : a.agent.pair_stats()) {
      if (pair.remote.address == at(remote)) return pair.state;
    }
    ADD_FAILURE() << "no pair with " << remote;
    return PairState::Waiting;
  }

  World world;
  Node& a;
  Node& b;
  std::vector<Packet> checks;  // of a
  bool deaf = false;           // b hears nothing
};

TEST(IceUnreachable, ACheckThatIsRefusedFailsItsPairAtOnce) {
  Call call;
  call.deaf = true;
  call.world.connect(call.a, call.b);
  call.world.run(call.world.signalling + milliseconds(1));
  ASSERT_EQ(call.checks.size(), 1u);
  call.refuse(call.checks[0]);
  EXPECT_EQ(call.state_of("10.0.0.2:2000"), PairState::Failed);
  // And the peer's check revives it, as behind a firewall that refuses what it has not asked for.
  call.deaf = false;
  EXPECT_TRUE(call.world.run(seconds(5), [&] { return call.a.path() && call.b.path(); }));
}

TEST(IceUnreachable, ItIsNotAskedAgainForFourteenSeconds) {
  Call call;
  call.world.connect(call.a, call.b);
  call.world.tap = [&, also = call.world.tap](const Packet& packet) {
    static_cast<void>(also(packet));
    return false;
  };
  call.world.run(call.world.signalling + milliseconds(1));
  ASSERT_EQ(call.checks.size(), 1u);
  call.refuse(call.checks[0]);
  call.world.run(seconds(20));
  EXPECT_EQ(call.checks.size(), 1u);
}

TEST(IceUnreachable, WhoHasNotSeenTheCheckCannotRefuseIt) {
  Call call;
  call.deaf = true;
  call.world.connect(call.a, call.b);
  call.world.run(call.world.signalling + milliseconds(1));
  ASSERT_EQ(call.checks.size(), 1u);
  Packet forged = call.checks[0];
  forged.bytes[15] ^= 1;  // of the transaction id
  call.refuse(forged);
  call.refuse(call.checks[0], at("10.0.0.9:2000"));
  for (size_t size = 0; size < 20; ++size) {
    call.a.agent.handle_unreachable(ByteView(call.checks[0].bytes).first(size), call.checks[0].to, call.world.now);
  }
  EXPECT_EQ(call.state_of("10.0.0.2:2000"), PairState::InProgress);
}

TEST(IceUnreachable, APathThatHasWorkedIsNeverEndedByIt) {
  Call call;
  call.world.connect(call.a, call.b);
  ASSERT_TRUE(call.world.run(seconds(5), [&] { return call.a.path() && call.b.path(); }));
  for (int i = 0; i < 10; ++i) {
    call.world.run(seconds(5));
    for (const Packet& check : call.checks) call.refuse(check);
    ASSERT_TRUE(call.a.path());
    ASSERT_EQ(call.state_of("10.0.0.2:2000"), PairState::Succeeded);
    ASSERT_EQ(call.a.agent.state(), State::Connected);
  }
}

TEST(IceUnreachable, GatheringDoesNotWaitForAStunServerThatIsNotThere) {
  Call call;
  std::vector<Packet> requests;
  call.world.tap = [&](const Packet& packet) {
    if (packet.to == call.world.stun_server) requests.push_back(packet);
    return packet.to != call.world.stun_server;
  };
  ASSERT_TRUE(call.a.agent.add_stun_server(call.world.stun_server, call.world.now).has_value());
  call.a.agent.end_of_local_candidates(call.world.now);
  call.world.run(milliseconds(1));
  ASSERT_EQ(requests.size(), 1u);
  Packet forged = requests[0];
  forged.bytes[19] ^= 1;
  call.refuse(forged);
  EXPECT_FALSE(call.a.gathering_done);
  call.refuse(requests[0]);
  EXPECT_TRUE(call.a.gathering_done);
}

}  // namespace
}  // namespace kaon::ice
