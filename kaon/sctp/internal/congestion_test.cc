#include <gmock/gmock.h>

#include <cmath>

#include "kaon/sctp/congestion_control.h"
#include "kaon/sctp/internal/hystart.h"
#include "kaon/sctp/internal/pacer.h"
#include "kaon/sctp/internal/rack.h"

namespace kaon::sctp {
namespace {

using namespace std::chrono_literals;

constexpr size_t kPacket = 1000;

// Acknowledges whole windows, one per round trip.
struct Path {
  void round(CongestionControl& control, Duration rtt) {
    now += rtt;
    CongestionControl::Ack ack{now, control.window(), control.window()};
    ack.window_limited = ack.cumulative_advanced = ack.round_ended = true;
    ack.rtt = ack.smoothed_rtt = rtt;
    control.on_ack(ack);
  }
  Time now{1000s};
};

TEST(Cubic, ReturnsToTheOldWindowWhenRfc9438Says) {
  const auto control = make_cubic(kPacket, 100 * kPacket);
  Path path;
  control->on_loss(path.now);
  EXPECT_EQ(control->window(), 70 * kPacket);
  // K = cbrt(W_max (1 - beta) / C) = cbrt(30 / 0.4) = 4.2 s. Before it the curve is flat near the top, after it steep.
  const double k = std::cbrt(30 / 0.4);
  const Time start = path.now;
  while (path.now - start < Duration(static_cast<int64_t>(k * 0.5e9))) path.round(*control, 100ms);
  EXPECT_NEAR(static_cast<double>(control->window()), 96.3 * kPacket, 1.5 * kPacket);
  while (path.now - start < Duration(static_cast<int64_t>(k * 1.0e9))) path.round(*control, 100ms);
  EXPECT_NEAR(static_cast<double>(control->window()), 100.0 * kPacket, 1.5 * kPacket);
  while (path.now - start < Duration(static_cast<int64_t>(k * 2.0e9))) path.round(*control, 100ms);
  EXPECT_NEAR(static_cast<double>(control->window()), 130.0 * kPacket, 6 * kPacket);
}

TEST(Cubic, TheRoundTripOfARecoveryCountsForTheCurve) {
  const auto control = make_cubic(kPacket, 100 * kPacket);
  Path path;
  control->on_loss(path.now);
  path.now += 2s;  // nearly half of K
  path.round(*control, 100ms);
  EXPECT_GT(control->window(), 95 * kPacket);
}

TEST(Cubic, IsNeverSlowerThanRenoOnAShortPath) {
  const auto cubic = make_cubic(kPacket, 20 * kPacket);
  Path path;
  cubic->on_loss(path.now);
  const size_t before = cubic->window();
  for (int i = 0; i < 100; ++i) path.round(*cubic, 2ms);
  EXPECT_GT(cubic->window(), before + 50 * kPacket);
}

TEST(Cubic, DoesNotGrowWhileTheApplicationHasLittleToSend) {
  for (const auto make : {make_cubic, make_new_reno}) {
    const auto control = make(kPacket, 10 * kPacket);
    CongestionControl::Ack ack{Time{1s}, kPacket, kPacket};
    ack.cumulative_advanced = true;
    ack.smoothed_rtt = 10ms;
    for (int i = 0; i < 1000; ++i) control->on_ack(ack);
    EXPECT_EQ(control->window(), 10 * kPacket);
  }
}

TEST(Cubic, AfterATimeoutBeginsWithOnePacketAndKnowsItsThreshold) {
  const auto control = make_cubic(kPacket, 100 * kPacket);
  control->on_timeout(Time{1s});
  EXPECT_EQ(control->window(), kPacket);
  EXPECT_EQ(control->slow_start_threshold(), 70 * kPacket);
  Path path;
  for (int i = 0; i < 6; ++i) path.round(*control, 50ms);
  EXPECT_GE(control->window(), 60 * kPacket);
}

HyStart::Growth round(HyStart& hystart, Duration rtt) {
  for (int i = 0; i < 8; ++i) hystart.on_ack(rtt, false);
  return hystart.on_ack(rtt, true);
}

TEST(HyStart, EndsSlowStartWhenTheQueueStays) {
  HyStart hystart;
  EXPECT_EQ(round(hystart, 50ms), HyStart::Growth::Fast);
  EXPECT_EQ(round(hystart, 52ms), HyStart::Growth::Fast);
  EXPECT_EQ(round(hystart, 62ms), HyStart::Growth::Slow);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(round(hystart, 63ms), HyStart::Growth::Slow);
  EXPECT_EQ(round(hystart, 63ms), HyStart::Growth::Over);
}

TEST(HyStart, GoesOnWhenItWasJitter) {
  HyStart hystart;
  round(hystart, 50ms);
  EXPECT_EQ(round(hystart, 62ms), HyStart::Growth::Slow);
  EXPECT_EQ(round(hystart, 50ms), HyStart::Growth::Fast);
}

TEST(Pacer, SpreadsAWindowOverItsRoundTrip) {
  Pacer pacer;
  pacer.set_rate(100 * kPacket, 1.0, 100ms);
  Time now{10s};
  size_t sent = 0;
  for (int ms = 0; ms < 100; ++ms, now += 1ms) {
    size_t group = 0;
    for (; pacer.allows(now); ++group) pacer.sent(kPacket, now);
    EXPECT_LE(group, 3u);
    sent += group;
  }
  EXPECT_NEAR(static_cast<double>(sent), 100, 4);
}

// A loop that sleeps to the end of a millisecond and is woken a little later.
TEST(Pacer, KeepsItsRateWhereTimersAreLate) {
  for (const Duration late : {0us, 300us, 900us}) {
    Pacer pacer;
    pacer.set_rate(100 * kPacket, 1.0, 20ms);
    const Time start{10s};
    Time now = start;
    size_t sent = 0;
    while (now < start + 200ms) {
      for (; pacer.allows(now); ++sent) pacer.sent(kPacket, now);
      now = std::chrono::ceil<std::chrono::milliseconds>(pacer.resume()) + late;
    }
    EXPECT_NEAR(static_cast<double>(sent), 1000, 50) << late.count();
  }
}

TEST(Pacer, StaysOutOfTheWayOnShortPaths) {
  Pacer pacer;
  pacer.set_rate(10 * kPacket, 1.0, 1ms);
  for (int i = 0; i < 1000; ++i) pacer.sent(kPacket, Time{10s});
  EXPECT_TRUE(pacer.allows(Time{10s}));
}

TEST(Rack, WhatWasSentBeforeADeliveredOneIsLost) {
  Rack rack;
  const Time t{10s};
  rack.delivered(Tsn(5), t + 1ms, false, t + 51ms);
  EXPECT_FALSE(rack.lost_at(Tsn(6), t + 1ms, Duration::zero())) << "sent after it";
  EXPECT_FALSE(rack.lost_at(Tsn(3), t + 2ms, Duration::zero())) << "sent again after it";
  ASSERT_TRUE(rack.lost_at(Tsn(4), t, Duration::zero()));
  EXPECT_LE(*rack.lost_at(Tsn(4), t, Duration::zero()), t + 51ms);
  // Until three later ones or a recovery tell otherwise, a quarter of the round trip is for reordering.
  EXPECT_EQ(rack.reordering_window(false, 1, 50ms), 12'500us);
  EXPECT_EQ(rack.reordering_window(false, 3, 50ms), Duration::zero());
  EXPECT_EQ(rack.reordering_window(true, 1, 50ms), Duration::zero());
}

TEST(Rack, ReorderingWidensTheWindow) {
  Rack rack;
  const Time t{10s};
  rack.delivered(Tsn(5), t, false, t + 40ms);
  rack.delivered(Tsn(4), t, false, t + 41ms);
  EXPECT_EQ(rack.reordering_window(true, 9, 40ms), 10ms);
  rack.duplicate_reported(Tsn(9));
  EXPECT_EQ(rack.reordering_window(true, 9, 40ms), 20ms);
  for (int i = 0; i < 16; ++i) rack.recovery_ended();
  EXPECT_EQ(rack.reordering_window(true, 9, 40ms), 10ms);
}

}  // namespace
}  // namespace kaon::sctp
