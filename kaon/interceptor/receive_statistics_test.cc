#include "kaon/interceptor/receive_statistics.h"

#include <gtest/gtest.h>

#include "kaon/interceptor/internal/test_packets.h"

namespace kaon::interceptor {
namespace {

using std::chrono::milliseconds;
using test::make_packet;

class ReceiveStatisticsTest : public testing::Test {
 protected:
  std::optional<int64_t> receive(uint16_t sequence, uint32_t timestamp = 0, Time time = {}) {
    return statistics_.on_packet(make_packet(pool_, {.sequence = sequence, .timestamp = timestamp, .time = time}));
  }
  BufferPool pool_;
  ReceiveStatistics statistics_{rtp::Ssrc(1), 90000};
};

TEST_F(ReceiveStatisticsTest, ReportsNothingBeforeThePacketsAndTheLossAfterThem) {
  EXPECT_FALSE(statistics_.make_report(Time()));
  for (uint16_t i = 0; i < 100; ++i) {
    if (i % 4 != 1) receive(static_cast<uint16_t>(65500 + i));
  }
  const auto first = statistics_.make_report(Time());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->fraction_lost, 64) << "a quarter";
  EXPECT_EQ(first->cumulative_lost, 25);
  EXPECT_EQ(first->extended_highest_sequence, 65536u + 63) << "one wrap";
  EXPECT_EQ(statistics_.make_report(Time())->fraction_lost, 0) << "since the last report";
  EXPECT_EQ(statistics_.stats().packets_lost, 25);
  EXPECT_EQ(statistics_.stats().packets_received, 75u);
}

TEST_F(ReceiveStatisticsTest, CountsDuplicatesAsNegativeLoss) {
  for (uint16_t i = 0; i < 10; ++i) receive(5);
  receive(6);
  const auto report = statistics_.make_report(Time());
  EXPECT_EQ(report->cumulative_lost, -9);
  EXPECT_EQ(report->fraction_lost, 0);
}

TEST_F(ReceiveStatisticsTest, BelievesAJumpAfterASecondPacketThere) {
  EXPECT_EQ(receive(10), 10);
  EXPECT_EQ(receive(30000), std::nullopt);
  EXPECT_EQ(receive(11), 11) << "the stray one changed nothing";
  EXPECT_EQ(receive(30000), std::nullopt);
  EXPECT_EQ(receive(30001), 30001);
  EXPECT_EQ(statistics_.make_report(Time())->cumulative_lost, 0) << "a restart is no loss";
}

TEST_F(ReceiveStatisticsTest, MeasuresJitterPerFrame) {
  // Frames every 33 ms, each alternately 3 ms late; three packets per frame that the pacer spread.
  uint16_t sequence = 0;
  for (int frame = 0; frame < 300; ++frame) {
    const Time at(milliseconds(33 * frame + (frame % 2) * 3));
    for (int i = 0; i < 3; ++i) receive(sequence++, static_cast<uint32_t>(2970 * frame), at + milliseconds(2 * i));
  }
  EXPECT_NEAR(statistics_.stats().jitter, 0.003, 0.0002);
  EXPECT_NEAR(statistics_.make_report(Time())->jitter, 270, 18);
}

TEST_F(ReceiveStatisticsTest, KeepsTheJitterThroughTimestampWrapsAndJumps) {
  for (int frame = 0; frame < 100; ++frame) {
    receive(static_cast<uint16_t>(frame), static_cast<uint32_t>(4294960000u + 3000u * static_cast<uint32_t>(frame)),
            Time(std::chrono::nanoseconds(33333333) * frame));
  }
  EXPECT_LT(statistics_.stats().jitter, 0.001);
  receive(100, 2'000'000'000, Time(milliseconds(3400)));
  EXPECT_LT(statistics_.stats().jitter, 0.001) << "another timeline is no jitter";
}

TEST_F(ReceiveStatisticsTest, EchoesTheSenderReport) {
  receive(1);
  EXPECT_EQ(statistics_.make_report(Time())->last_sender_report, 0u);
  const rtcp::SenderReport report{.sender = rtp::Ssrc(1),
                                  .ntp_time = {0x1111222233334444},
                                  .rtp_timestamp = rtp::Timestamp(90000),
                                  .packet_count = 4,
                                  .octet_count = 5,
                                  .reports = {}};
  statistics_.on_sender_report(report, Time(milliseconds(1000)));
  const auto block = statistics_.make_report(Time(milliseconds(3500)));
  EXPECT_EQ(block->last_sender_report, 0x22223333u);
  EXPECT_EQ(block->delay_since_last_sender_report, 65536u * 5 / 2);
  EXPECT_EQ(statistics_.ntp_of(rtp::Timestamp(45000))->value, 0x1111222233334444 - 0x80000000);
  EXPECT_EQ(statistics_.remote().packets_sent, 4u);
}

}  // namespace
}  // namespace kaon::interceptor
