#include "kaon/sim/link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kaon::sim {
namespace {

using namespace std::chrono_literals;

const Time kStart{1h};
constexpr auto kPlain = net::Ecn::NotEct;

TEST(Link, DelaysEveryPacketByItsDelay) {
  Link link({.delay = 20ms}, 1);
  const auto transit = link.send(100, kPlain, kStart);
  ASSERT_EQ(transit.count, 1u);
  EXPECT_EQ(transit.at[0], kStart + 20ms);
}

TEST(Link, SpreadsPacketsByJitterUniformlyAndWithoutReordering) {
  Link link({.delay = 20ms, .jitter = 10ms}, 1);
  Time last{};
  Duration sum{};
  constexpr int kPackets = 20000;
  for (int i = 0; i < kPackets; ++i) {
    const Time sent = kStart + i * 100ms;  // so far apart that no packet waits for another
    const auto transit = link.send(100, kPlain, sent);
    EXPECT_GE(transit.at[0], sent + 20ms);
    EXPECT_LE(transit.at[0], sent + 30ms);
    sum += transit.at[0] - sent;
    last = transit.at[0];
  }
  EXPECT_NEAR(static_cast<double>((sum / kPackets).count()), 25e6, 0.1e6);
  for (int i = 0; i < 1000; ++i) {
    const auto transit = link.send(100, kPlain, last + i * 10us);
    EXPECT_GE(transit.at[0], last);
    last = transit.at[0];
  }
}

TEST(Link, SendsAtItsRateAndQueuesWhatComesTooFast) {
  Link link({.rate = DataRate::kilobits_per_second(1000)}, 1);
  for (int i = 1; i <= 100; ++i) {
    // 1250 bytes are 10 ms at 1 Mbit/s.
    EXPECT_EQ(link.send(1250, kPlain, kStart).at[0], kStart + i * 10ms);
  }
  EXPECT_EQ(link.queued(kStart).bytes(), 125000);
  EXPECT_EQ(link.queued(kStart + 500ms).bytes(), 62500);
  EXPECT_EQ(link.queued(kStart + 1s).bytes(), 0);
  EXPECT_EQ(link.stats().longest_wait, 990ms);
}

TEST(Link, DropsTheTailWhenTheQueueIsFullInPacketsOrBytes) {
  Link by_packets({.rate = DataRate::kilobits_per_second(1000), .queue_packets = 10}, 1);
  Link by_bytes({.rate = DataRate::kilobits_per_second(1000), .queue_size = DataSize::bytes(5000)}, 1);
  for (int i = 0; i < 50; ++i) {
    by_packets.send(1000, kPlain, kStart);
    by_bytes.send(1000, kPlain, kStart);
  }
  EXPECT_EQ(by_packets.stats().delivered, 10u);
  EXPECT_EQ(by_packets.stats().dropped_queue_full, 40u);
  EXPECT_EQ(by_bytes.stats().delivered, 5u);
  EXPECT_EQ(by_packets.send(1000, kPlain, kStart + 8ms).count, 1u);
}

TEST(Link, LosesTheConfiguredShareAtRandom) {
  Link link({.loss = 0.1}, 1);
  for (int i = 0; i < 100000; ++i) link.send(100, kPlain, kStart);
  EXPECT_NEAR(static_cast<double>(link.stats().lost), 10000, 400);  // four standard deviations: 380
}

TEST(Link, LosesInBurstsOfTheConfiguredLength) {
  Link link({.burst = {.enter = 0.01, .leave = 0.25}}, 1);
  int losses = 0, bursts = 0;
  bool was_lost = false;
  for (int i = 0; i < 200000; ++i) {
    const bool lost = link.send(100, kPlain, kStart).count == 0;
    losses += lost;
    bursts += lost && !was_lost;
    was_lost = lost;
  }
  EXPECT_NEAR(static_cast<double>(losses) / bursts, 4.0, 0.3);
  EXPECT_NEAR(losses / 200000.0, 0.01 / (0.01 + 0.25), 0.004);
}

TEST(Link, DuplicatesAndReordersTheConfiguredShare) {
  Link link({.delay = 5ms, .duplicate = 0.05, .reorder = 0.02, .reorder_delay = 15ms}, 1);
  int overtaken = 0, doubled = 0;
  for (int i = 0; i < 50000; ++i) {
    const auto transit = link.send(100, kPlain, kStart + i * 1ms);
    doubled += transit.count == 2;
    overtaken += transit.at[0] == kStart + i * 1ms + 20ms;
  }
  EXPECT_NEAR(doubled, 2500, 200);
  EXPECT_NEAR(overtaken, 1000, 130);
}

TEST(Link, MarksOnlyEcnCapablePacketsThatWaitedTooLong) {
  Link link({.rate = DataRate::kilobits_per_second(1000), .mark_above = 50ms}, 1);
  for (int i = 0; i < 6; ++i) EXPECT_FALSE(link.send(1250, net::Ecn::Ect1, kStart).congestion_experienced) << i;
  EXPECT_TRUE(link.send(1250, net::Ecn::Ect1, kStart).congestion_experienced);
  EXPECT_FALSE(link.send(1250, kPlain, kStart).congestion_experienced);
  EXPECT_EQ(link.stats().marked, 1u);
}

TEST(Link, SwallowsPacketsAboveItsMtu) {
  Link link({.mtu = 1280}, 1);
  EXPECT_EQ(link.send(1280, kPlain, kStart).count, 1u);
  EXPECT_EQ(link.send(1281, kPlain, kStart).count, 0u);
  EXPECT_EQ(link.stats().dropped_too_big, 1u);
}

TEST(Link, LosesEverythingInABlackoutAndRecovers) {
  Link link({}, 1);
  link.blackout(kStart + 3s);
  EXPECT_EQ(link.send(100, kPlain, kStart + 2999ms).count, 0u);
  EXPECT_EQ(link.send(100, kPlain, kStart + 3s).count, 1u);
}

}  // namespace
}  // namespace kaon::sim
