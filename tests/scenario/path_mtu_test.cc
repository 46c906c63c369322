// Path MTU discovery of data channels as it is used: under DTLS, UDP and IP, over a path that drops what is too large.
#include <gtest/gtest.h>

#include "kaon/peer/internal/connection_test_support.h"

namespace kaon::scenario {
namespace {

using namespace std::chrono_literals;
using namespace peer::test;

TEST(PathMtu, IsFoundUnderDtlsByWhoSendsMuch) {
  for (const auto& [mtu, size] : {std::pair<size_t, size_t>{1280, 1191}, {1400, 1328}, {1500, 1408}, {9000, 8908}}) {
    SCOPED_TRACE(mtu);
    Pair pair(1, {.delay = 5ms, .mtu = mtu});
    for (Node* node : {&pair.a, &pair.b}) node->config.data.sctp.max_probed_packet_size = sctp::kMaxPacketSize;
    pair.start();
    const auto channel = pair.a->open_channel({}, pair.now());
    ASSERT_TRUE(channel);
    ASSERT_TRUE(pair.connect());
    ASSERT_TRUE(pair.run([&] { return pair.channel_is_open(); }));
    const std::vector<uint8_t> message(50'000, 7);
    constexpr size_t kMessages = 100;
    for (size_t i = 0; i < kMessages; ++i) ASSERT_TRUE(pair.a->send_binary(*channel, message, pair.now()));
    ASSERT_TRUE(pair.run([&] { return pair.b.messages.size() == kMessages; }));
    const auto here = pair.a->stats(pair.now()).sctp;
    const auto there = pair.b->stats(pair.now()).sctp;
    EXPECT_EQ(here->packet_size, size);
    EXPECT_EQ(there->packet_size, 1191u) << "it has sent nothing";
    EXPECT_EQ(here->chunks_retransmitted, 0u) << "a lost probe is no loss of data";
    EXPECT_GT(pair.a_to_b().stats().dropped_too_big, 0u) << "the probe for the next size";
  }
}

}  // namespace
}  // namespace kaon::scenario
