// Two connections over a simulated network: signalling, data channels, ends.
#include "kaon/peer/connection.h"

#include <gmock/gmock.h>

#include "kaon/peer/internal/connection_test_support.h"

namespace kaon::peer {
namespace {

using namespace test;

TEST(PeerConnection, OpensAChannelAndCarriesMessagesBothWays) {
  Pair pair(1);
  pair.start();
  const auto channel = pair.a->open_channel({.label = "chat"}, pair.now());
  ASSERT_TRUE(channel);
  ASSERT_TRUE(pair.connect());
  ASSERT_TRUE(pair.run([&] {
    return pair.a.count_channel_events<datachannel::ChannelOpened>() == 1 && pair.b.announced_channels.size() == 1;
  }));
  const auto remote = pair.b.announced_channels[0];
  EXPECT_EQ(pair.b->channels()->info(remote)->options.label, "chat");
  ASSERT_TRUE(pair.a->send_text(*channel, "hello", pair.now()));
  const std::vector<uint8_t> large(100'000, 0x42);
  ASSERT_TRUE(pair.b->send_binary(remote, large, pair.now()));
  ASSERT_TRUE(pair.run([&] { return pair.a.messages.size() == 1 && pair.b.messages.size() == 1; }));
  EXPECT_EQ(pair.b.messages[0].text, "hello");
  EXPECT_FALSE(pair.b.messages[0].binary);
  EXPECT_EQ(pair.a.messages[0].text, std::string(100'000, 0x42));
  EXPECT_TRUE(pair.a.messages[0].binary);
}

TEST(PeerConnection, GoesThroughTheStatesInOrder) {
  Pair pair(2);
  pair.start();
  ASSERT_TRUE(pair.a->open_channel({}, pair.now()));
  EXPECT_EQ(pair.a->state(), ConnectionState::New);
  ASSERT_TRUE(pair.connect());
  for (const Node* node : {&pair.a, &pair.b}) {
    std::vector<ConnectionState> states;
    for (const Event& event : node->events) {
      if (const auto* changed = std::get_if<StateChanged>(&event)) states.push_back(changed->state);
    }
    EXPECT_THAT(states, testing::ElementsAre(ConnectionState::Connecting, ConnectionState::Connected));
    EXPECT_EQ(node->count<Secured>(), 1u);
    EXPECT_EQ(node->count<GatheringDone>(), 1u);
    EXPECT_EQ(node->count<LocalCandidate>(), 1u);
    EXPECT_EQ(node->count<PathValidated>(), 1u);
  }
}

TEST(PeerConnection, IsTheSameToTheLastBitWithTheSameSeed) {
  std::vector<std::vector<uint8_t>> wire[2];
  for (auto& packets : wire) {
    Pair pair(3);
    pair.b.keep_packets = true;
    pair.start();
    ASSERT_TRUE(pair.a->open_channel({}, pair.now()));
    ASSERT_TRUE(pair.connect());
    packets = pair.b.packets;
  }
  EXPECT_GT(wire[0].size(), 4u);
  EXPECT_EQ(wire[0], wire[1]);
}

}  // namespace
}  // namespace kaon::peer
