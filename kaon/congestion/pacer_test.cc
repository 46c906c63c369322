#include "kaon/congestion/pacer.h"

#include <gtest/gtest.h>

namespace kaon::congestion {
namespace {

using std::chrono::milliseconds;

rtp::Packet packet(uint32_t ssrc, uint16_t sequence) {
  rtp::Packet p;
  p.header.ssrc = rtp::Ssrc(ssrc);
  p.header.sequence = rtp::SequenceNumber(sequence);
  return p;
}
constexpr DataSize kSize = DataSize::bytes(1250);  // 10,000 bits: 1 ms at 10 Mbit/s

std::vector<int> drain(Pacer& pacer, Time now) {
  std::vector<int> out;
  while (const rtp::Packet* p = pacer.front(now)) {
    out.push_back(p->header.sequence.value());
    pacer.pop(now);
  }
  return out;
}

TEST(Pacer, WithoutARateGivesEverythingAtOnceByPriority) {
  Pacer pacer;
  pacer.push(Priority::Padding, packet(1, 4), kSize);
  pacer.push(Priority::Video, packet(1, 3), kSize);
  pacer.push(Priority::Retransmission, packet(1, 2), kSize);
  pacer.push(Priority::Audio, packet(2, 1), kSize);
  EXPECT_EQ(pacer.next_timeout(), Time::min());
  EXPECT_EQ(drain(pacer, Time()), (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(pacer.next_timeout(), kNever);
  EXPECT_EQ(pacer.queued(), DataSize());
}

TEST(Pacer, KeepsTheRateOverTime) {
  Pacer pacer;
  pacer.set_rate(DataRate::kilobits_per_second(10'000));
  for (uint16_t i = 0; i < 1000; ++i) pacer.push(Priority::Video, packet(1, i), kSize);
  EXPECT_EQ(pacer.expected_delay(), milliseconds(1000));
  Time now(milliseconds(5));
  size_t sent = 0;
  size_t wakeups = 0;
  while (!pacer.empty()) {
    const auto run = drain(pacer, now);
    ASSERT_LE(run.size(), 11u) << "ten milliseconds and the packet that crosses the bound";
    sent += run.size();
    ++wakeups;
    ASSERT_TRUE(pacer.empty() || pacer.next_timeout() > now);
    if (!pacer.empty()) now = pacer.next_timeout();
  }
  EXPECT_EQ(sent, 1000u);
  EXPECT_NEAR(static_cast<double>((now - Time(milliseconds(5))).count()), 990e6, 20e6);
  EXPECT_LE(wakeups, 110u) << "whole runs, not single packets";
}

TEST(Pacer, LetsAudioThroughWhileVideoWaits) {
  Pacer pacer;
  pacer.set_rate(DataRate::kilobits_per_second(1'000));
  for (uint16_t i = 0; i < 20; ++i) pacer.push(Priority::Video, packet(1, i), kSize);
  const Time now(milliseconds(1));
  EXPECT_EQ(drain(pacer, now).size(), 3u);
  pacer.push(Priority::Audio, packet(2, 500), DataSize::bytes(100));
  EXPECT_EQ(drain(pacer, now + milliseconds(1)), std::vector<int>{500});
}

TEST(Pacer, DoesNotSaveUpIdleTime) {
  Pacer pacer;
  pacer.set_rate(DataRate::kilobits_per_second(1'000));
  pacer.push(Priority::Video, packet(1, 0), kSize);
  drain(pacer, Time(milliseconds(1)));
  for (uint16_t i = 0; i < 20; ++i) pacer.push(Priority::Video, packet(1, i), kSize);
  EXPECT_LE(drain(pacer, Time(std::chrono::seconds(10))).size(), 3u);
}

TEST(Pacer, IsBoundedAndCountsWhatItDrops) {
  Pacer pacer;
  for (size_t i = 0; i < Pacer::kMaxPackets; ++i) ASSERT_TRUE(pacer.push(Priority::Video, packet(1, 0), kSize));
  EXPECT_FALSE(pacer.push(Priority::Video, packet(1, 0), kSize));
  EXPECT_TRUE(pacer.push(Priority::Audio, packet(2, 7), kSize)) << "each priority has its own bound";
  EXPECT_EQ(pacer.dropped(Priority::Video), 1u);
  pacer.drop(rtp::Ssrc(1));
  EXPECT_EQ(drain(pacer, Time()), std::vector<int>{7});
}

}  // namespace
}  // namespace kaon::congestion
