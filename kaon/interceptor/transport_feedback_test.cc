// Both ends of transport-wide congestion control against each other.
#include <gtest/gtest.h>

#include "kaon/base/random.h"
#include "kaon/interceptor/keyframe_requester.h"
#include "kaon/interceptor/transport_feedback_recorder.h"
#include "kaon/interceptor/transport_sequencer.h"

namespace kaon::interceptor {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr DataSize kSize = DataSize::bytes(1000);

std::optional<congestion::TransportReport> deliver(TransportSequencer& sequencer, ByteView bytes, Time now) {
  const auto compound = rtcp::Compound::parse(bytes);
  const auto feedback = rtcp::TransportFeedback::parse(*compound->begin());
  EXPECT_TRUE(feedback);
  return sequencer.on_feedback(*feedback, now);
}

TEST(TransportFeedback, TellsTheSenderEveryArrivalAndLossOnce) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    TransportSequencer sequencer;
    TransportFeedbackRecorder recorder;
    // The receiver's clock is behind by a constant; only differences count.
    const Duration clock = seconds(random.below(100000));
    size_t sent = 0, lost = 0, told_received = 0, told_lost = 0;
    std::array<uint8_t, 1200> memory;
    Time now;
    while (sent < 100000) {  // the 16-bit numbers wrap
      now += milliseconds(1);
      for (int i = 0; i < 5; ++i, ++sent) {
        const uint16_t sequence = sequencer.next();
        sequencer.on_sent(kSize, now);
        if (random.below(50) == 0) {
          ++lost;
        } else {
          recorder.on_packet(sequence, rtp::Ssrc(3), now + clock + milliseconds(20) + microseconds(random.below(900)));
        }
      }
      while (const size_t size = recorder.poll(now + clock, rtp::Ssrc(9), memory)) {
        const auto report = deliver(sequencer, ByteView(memory).first(size), now + milliseconds(20));
        ASSERT_TRUE(report);
        for (const auto& packet : report->packets) {
          told_received += packet.received ? 1 : 0;
          told_lost += packet.received ? 0 : 1;
        }
        EXPECT_GE(report->round_trip, milliseconds(20));
      }
    }
    EXPECT_EQ(sequencer.ignored(), 0u);
    EXPECT_GT(told_received + told_lost, sent - 500) << "all but the last reports";
    EXPECT_NEAR(static_cast<double>(told_lost), static_cast<double>(lost), 10);
    EXPECT_LE(sequencer.in_flight().bytes(), 500 * 1000);
  }
}

TEST(TransportSequencer, IgnoresFeedbackAboutWhatWasNeverSentOrAlreadyTold) {
  TransportSequencer sequencer;
  TransportFeedbackRecorder recorder;
  std::array<uint8_t, 1200> memory;
  for (uint16_t s : {100, 101}) recorder.on_packet(s, rtp::Ssrc(1), Time(seconds(1)));
  const size_t size = recorder.poll(Time(seconds(2)), rtp::Ssrc(1), memory);
  EXPECT_FALSE(deliver(sequencer, ByteView(memory).first(size), Time(seconds(2))));
  EXPECT_EQ(sequencer.ignored(), 2u);
  for (int i = 0; i < 101; ++i) sequencer.on_sent(kSize, Time(seconds(2)));
  EXPECT_EQ(sequencer.in_flight().bytes(), 101'000);
  EXPECT_EQ(deliver(sequencer, ByteView(memory).first(size), Time(seconds(3)))->packets.size(), 2u);
  EXPECT_EQ(sequencer.in_flight().bytes(), 99'000);
  EXPECT_FALSE(deliver(sequencer, ByteView(memory).first(size), Time(seconds(3)))) << "twice";
  EXPECT_EQ(sequencer.in_flight().bytes(), 99'000);
}

TEST(TransportSequencer, ForgetsWhatNobodyReports) {
  TransportSequencer sequencer;
  for (size_t i = 0; i < 3 * TransportSequencer::kMaxInFlight; ++i) sequencer.on_sent(kSize, Time());
  EXPECT_EQ(sequencer.in_flight().bytes(), static_cast<int64_t>(TransportSequencer::kMaxInFlight) * 1000);
}

TEST(TransportFeedbackRecorder, WaitsAnIntervalUnlessItIsFull) {
  TransportFeedbackRecorder recorder;
  std::array<uint8_t, 1200> memory;
  EXPECT_EQ(recorder.next_timeout(), kNever);
  recorder.on_packet(1, rtp::Ssrc(1), Time());
  EXPECT_EQ(recorder.next_timeout(), Time(TransportFeedbackRecorder::kInterval));
  EXPECT_EQ(recorder.poll(Time(TransportFeedbackRecorder::kMinInterval - milliseconds(1)), rtp::Ssrc(1), memory), 0u);
  EXPECT_GT(recorder.poll(Time(TransportFeedbackRecorder::kMinInterval), rtp::Ssrc(1), memory), 0u) << "rides along";
  EXPECT_EQ(recorder.next_timeout(), kNever);
  for (size_t i = 2; i < 5000; ++i) recorder.on_packet(static_cast<uint16_t>(i), rtp::Ssrc(1), Time(milliseconds(10)));
  EXPECT_EQ(recorder.next_timeout(), Time(milliseconds(10)));
  size_t reports = 0;
  while (recorder.poll(Time(milliseconds(10)), rtp::Ssrc(1), memory) != 0) ++reports;
  EXPECT_GE(reports, 1u);
  EXPECT_EQ(recorder.next_timeout(), kNever);
}

TEST(KeyframeRequester, MergesRequestsAndBacksOff) {
  KeyframeRequester requester;
  requester.set_round_trip(milliseconds(50));
  EXPECT_FALSE(requester.poll(Time(seconds(1))));
  size_t sent = 0;
  for (int ms = 1000; ms < 11000; ++ms) {
    requester.request(Time(milliseconds(ms)));
    sent += requester.poll(Time(milliseconds(ms))) ? 1 : 0;
  }
  EXPECT_GE(sent, 5u);
  EXPECT_LE(sent, 8u) << "every loss in ten seconds asked for one";
  requester.on_keyframe();
  EXPECT_EQ(requester.next_timeout(), kNever);
  requester.request(Time(seconds(20)));
  EXPECT_TRUE(requester.poll(Time(seconds(20)))) << "a later loss is asked for at once";
}

}  // namespace
}  // namespace kaon::interceptor
