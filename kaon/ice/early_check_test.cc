// While there is no path, a lost check is repeated soon, within the pace of all.
#include "kaon/ice/internal/test_world.h"

namespace kaon::ice {
namespace {

using namespace test;

class IceEarlyCheck : public testing::Test {
 protected:
  static Config config(Role role) {
    Config config;
    config.role = role;
    return config;
  }
  bool connected() const { return a_.path() && b_.path(); }
  // Drops what the tap below is told to, and notes when `a_` has sent checks, counted from now.
  void watch(std::function<bool(const Packet&)> keep = [](const Packet&) { return true; }) {
    start_ = world_.now;
    world_.tap = [this, keep = std::move(keep)](const Packet& packet) {
      const auto message = stun::Message::parse(packet.bytes);
      const bool check = message && message->message_class() == stun::Class::Request;
      if (check && packet.from == kA) sent_.push_back(std::chrono::duration_cast<milliseconds>(world_.now - start_));
      return keep(packet);
    };
  }
  void hosts() {
    a_.add_address("10.0.0.1:1000");
    b_.add_address("10.0.0.2:2000");
  }
  // A alone knows of the other, who never answers.
  void call_nobody(size_t candidates) {
    a_.add_address("10.0.0.1:1000");
    ASSERT_TRUE(a_.agent.set_remote_credentials({"abcd", "0123456789012345678901"}, false, world_.now).has_value());
    for (size_t i = 0; i < candidates; ++i) {
      Candidate candidate;
      candidate.foundation = "1";
      candidate.address = {net::IpAddress::v4(0x0a010000 + static_cast<uint32_t>(i)), 4000};
      ASSERT_TRUE(a_.agent.add_remote_candidate(candidate, world_.now).has_value());
    }
    world_.drain(a_);
  }

  const net::Endpoint kA = at("10.0.0.1:1000");
  World world_{1};
  Node& a_ = world_.add(config(Role::Controlling));
  Node& b_ = world_.add(config(Role::Controlled));
  Time start_{};
  std::vector<milliseconds> sent_;
};

TEST_F(IceEarlyCheck, TheLossOfTheFirstChecksCostsFiftyMilliseconds) {
  world_.latency = milliseconds(5);
  hosts();
  int lost = 2;
  watch([&](const Packet&) { return lost-- <= 0; });
  world_.connect(a_, b_);
  ASSERT_TRUE(world_.run(seconds(5), [&] { return connected(); }));
  EXPECT_LE(world_.now - start_, world_.signalling + milliseconds(50) + 4 * world_.latency);
}

TEST_F(IceEarlyCheck, TheLossOfTheChecksAfterThePeersFirstCostsNoMore) {
  world_.latency = milliseconds(5);
  hosts();
  // A's check comes too early, as where a translator is still closed, B's makes A repeat it, and that is lost too.
  int checks = 0;
  watch([&](const Packet& packet) { return packet.from != kA || packet.bytes[0] != 0 || ++checks > 2; });
  world_.connect(a_, b_);
  ASSERT_TRUE(world_.run(seconds(5), [&] { return connected(); }));
  EXPECT_LE(world_.now - start_, world_.signalling + milliseconds(50) + 6 * world_.latency);
}

TEST_F(IceEarlyCheck, WhoIsNotAnsweredBacksOff) {
  watch([](const Packet&) { return false; });
  call_nobody(1);
  world_.run(seconds(2));
  EXPECT_EQ(sent_, (std::vector{milliseconds(0), milliseconds(50), milliseconds(150), milliseconds(200),
                                milliseconds(500), milliseconds(950), milliseconds(1625)}));
}

TEST_F(IceEarlyCheck, FirstChecksOfOtherPairsGoFirst) {
  std::vector<net::Endpoint> asked;
  watch([&](const Packet& packet) {
    asked.push_back(packet.to);
    return false;
  });
  call_nobody(30);
  world_.run(milliseconds(199));
  ASSERT_GE(asked.size(), 30u);
  std::ranges::sort(asked.begin(), asked.begin() + 30);
  EXPECT_EQ(std::ranges::adjacent_find(asked.begin(), asked.begin() + 30), asked.begin() + 30);
  // The rest of the time at the pace of repeated checks, one in Ta.
  EXPECT_LE(asked.size(), 30u + (199 - 30 * 5) / 20 + 1);
}

TEST_F(IceEarlyCheck, OverAllThePaceIsWhatItWas) {
  watch([](const Packet&) { return false; });
  call_nobody(Agent::kMaxRemoteCandidates);
  world_.run(seconds(10));
  EXPECT_LE(sent_.size(), Agent::kMaxRemoteCandidates + 10'000 / 20 + 1);
  for (size_t i = 1; i < sent_.size(); ++i) ASSERT_GE(sent_[i] - sent_[i - 1], Agent::kMinPace);
}

TEST_F(IceEarlyCheck, WithAPathNothingIsHurried) {
  hosts();
  world_.connect(a_, b_);
  ASSERT_TRUE(world_.run(seconds(5), [&] { return connected(); }));
  world_.run(seconds(1));
  watch([](const Packet& packet) { return packet.to.ip != at("10.0.0.9:1").ip; });
  Candidate better;
  better.foundation = "1";
  better.priority = 0x7effffff;
  better.address = at("10.0.0.9:2000");
  ASSERT_TRUE(a_.agent.add_remote_candidate(better, world_.now).has_value());
  world_.drain(a_);
  world_.run(milliseconds(499));
  EXPECT_EQ(sent_, (std::vector{milliseconds(0), milliseconds(200)}));
}

// The restart's checks: the old path knows how long an answer takes.
TEST_F(IceEarlyCheck, AKnownRoundTripSaysWhen) {
  for (const int rtt : {20, 400}) {
    SCOPED_TRACE(rtt);
    World world(2);
    Node& a = world.add(config(Role::Controlling));
    Node& b = world.add(config(Role::Controlled));
    world.latency = milliseconds(rtt / 2);
    a.add_address("10.0.0.1:1000");
    b.add_address("10.0.0.2:2000");
    world.connect(a, b);
    ASSERT_TRUE(world.run(seconds(5), [&] { return a.path() && b.path(); }));
    world.run(seconds(1));
    std::vector<Time> sent;
    world.tap = [&](const Packet&) {
      sent.push_back(world.now);
      return false;
    };
    ASSERT_TRUE(a.agent.restart(world.now).has_value());
    ASSERT_TRUE(a.agent.set_remote_credentials({"abcd", "0123456789012345678901"}, false, world.now).has_value());
    Candidate candidate;
    candidate.foundation = "1";
    candidate.address = at("10.0.0.2:2000");
    ASSERT_TRUE(a.agent.add_remote_candidate(candidate, world.now).has_value());
    world.drain(a);
    world.run(milliseconds(250));
    ASSERT_GE(sent.size(), 2u);
    EXPECT_EQ(sent[1] - sent[0], milliseconds(rtt == 20 ? 30 : 200));
  }
}

}  // namespace
}  // namespace kaon::ice
