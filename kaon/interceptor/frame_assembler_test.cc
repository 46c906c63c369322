#include "kaon/interceptor/frame_assembler.h"

#include <gtest/gtest.h>

#include "kaon/base/random.h"
#include "kaon/interceptor/internal/test_packets.h"

namespace kaon::interceptor {
namespace {

using std::chrono::milliseconds;
using test::make_packet;

constexpr Duration kWait = milliseconds(100);

class FrameAssemblerTest : public testing::Test {
 protected:
  /// Three packets per frame; frame n has sequence 3n to 3n+2 and timestamp n.
  void push(int64_t sequence, Time now = {}) {
    const auto frame = sequence / 3;
    assembler_.push(sequence, make_packet(pool_, {.sequence = static_cast<uint16_t>(sequence),
                                                  .timestamp = static_cast<uint32_t>(frame),
                                                  .marker = sequence % 3 == 2,
                                                  .start = sequence == 0,
                                                  .time = now}));
  }
  std::vector<int> frames(Time now = {}) {
    std::vector<int> out;
    while (const auto frame = assembler_.poll(now)) {
      EXPECT_EQ(frame->packets.size(), 3u);
      out.push_back(static_cast<int>(frame->timestamp.value()));
    }
    return out;
  }
  BufferPool pool_;
  FrameAssembler assembler_{FrameAssembler::Mode::Video, kWait};
};

TEST_F(FrameAssemblerTest, GivesFramesInOrderHoweverThePacketsCome) {
  for (int64_t sequence : {0, 4, 2, 5, 1, 3, 4}) push(sequence);
  EXPECT_EQ(frames(), (std::vector<int>{0, 1}));
  EXPECT_EQ(assembler_.dropped()[ReorderBuffer::Drop::Duplicate], 1u);
  push(1);
  EXPECT_EQ(assembler_.dropped()[ReorderBuffer::Drop::Late], 1u);
  EXPECT_EQ(assembler_.next_timeout(), kNever);
}

TEST_F(FrameAssemblerTest, WaitsForARetransmissionAndThenGoesOn) {
  for (int64_t sequence : {0, 2, 3, 4, 5}) push(sequence);
  EXPECT_TRUE(frames().empty());
  EXPECT_EQ(assembler_.next_timeout(), Time(kWait));
  push(1, Time(milliseconds(80)));
  EXPECT_EQ(assembler_.next_timeout(), kNever);
  EXPECT_EQ(frames(Time(milliseconds(80))), (std::vector<int>{0, 1}));
  EXPECT_FALSE(assembler_.take_frame_lost());
}

TEST_F(FrameAssemblerTest, LeavesOutWhatCannotBeCompleted) {
  for (int64_t sequence : {0, 1, 2, 4, 5, 6, 7, 8}) push(sequence);
  EXPECT_EQ(frames(), std::vector<int>{0});
  const auto frame = assembler_.poll(Time(kWait));
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->timestamp.value(), 2u) << "frame 1 has lost its first packet";
  EXPECT_TRUE(frame->after_loss);
  EXPECT_EQ(frame->end_sequence, 9);
  EXPECT_TRUE(assembler_.take_frame_lost());
  EXPECT_FALSE(assembler_.take_frame_lost());
}

TEST_F(FrameAssemblerTest, KnowsAFrameStartBehindAGapByItsMark) {
  push(0);
  push(1);
  assembler_.push(3,
                  make_packet(pool_, {.sequence = 3, .timestamp = 1, .marker = true, .start = true, .keyframe = true}));
  const auto frame = assembler_.poll(Time(kWait));
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->packets.size(), 1u);
  EXPECT_TRUE(frame->keyframe);
}

TEST_F(FrameAssemblerTest, EndsAFrameWithoutMarkerWhereTheTimestampChanges) {
  for (uint16_t s : {0, 1}) assembler_.push(s, make_packet(pool_, {.sequence = s, .timestamp = 7, .start = s == 0}));
  EXPECT_FALSE(assembler_.poll(Time()));
  assembler_.push(2, make_packet(pool_, {.sequence = 2, .timestamp = 8}));
  const auto frame = assembler_.poll(Time());
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->packets.size(), 2u);
  EXPECT_EQ(frame->end_sequence, 2);
}

TEST_F(FrameAssemblerTest, WaitsAtTheStartForPacketsThatWereReordered) {
  for (int64_t sequence : {2, 1, 3}) push(sequence);
  EXPECT_FALSE(assembler_.poll(Time()));
  EXPECT_EQ(assembler_.next_timeout(), Time(FrameAssembler::kStartWait));
  push(0);
  EXPECT_EQ(frames(), std::vector<int>{0});
}

TEST_F(FrameAssemblerTest, LeavesOutAFirstFrameWithoutItsStart) {
  for (int64_t sequence : {1, 2, 3, 4, 5}) push(sequence);
  EXPECT_EQ(frames(Time(FrameAssembler::kStartWait)), std::vector<int>{1});
  EXPECT_TRUE(assembler_.take_frame_lost());
}

TEST_F(FrameAssemblerTest, SkipsPaddingBetweenFrames) {
  push(0);
  push(1);
  push(2);
  assembler_.push(3, make_packet(pool_, {.sequence = 3, .timestamp = 0, .size = 0}));
  for (uint16_t s : {4, 5}) {
    assembler_.push(s, make_packet(pool_, {.sequence = s, .timestamp = 1, .marker = s == 5}));
  }
  EXPECT_EQ(assembler_.poll(Time())->packets.size(), 3u);
  EXPECT_EQ(assembler_.poll(Time())->packets.size(), 2u);
}

TEST_F(FrameAssemblerTest, StartsAnewAfterAJumpOfTheNumbers) {
  push(0);
  push(300000);
  push(300001);
  push(300002);
  push(300003);
  push(300004);
  push(300005);
  EXPECT_EQ(frames(Time(FrameAssembler::kStartWait)), std::vector<int>{100001});
  EXPECT_TRUE(assembler_.take_frame_lost());
  for (int64_t s = 0; s < 6; ++s) push(s);
  EXPECT_EQ(frames(), (std::vector<int>{0, 1})) << "and backwards";
  EXPECT_LE(assembler_.buffered(), 2u);
}

TEST_F(FrameAssemblerTest, HoldsNoMoreThanItsBound) {
  for (int64_t s = 1; s < 100000; ++s) {
    if (s % 3 != 1) push(s);
    ASSERT_LE(assembler_.buffered(), ReorderBuffer::kMaxPackets + FrameAssembler::kMaxFramePackets);
  }
}

TEST(AudioAssembler, GivesEveryPacketAndMarksGaps) {
  BufferPool pool;
  FrameAssembler assembler(FrameAssembler::Mode::Audio, milliseconds(40));
  for (uint16_t s : {0, 1, 3}) assembler.push(s, make_packet(pool, {.sequence = s, .timestamp = 960u * s}));
  EXPECT_FALSE(assembler.poll(Time())->after_loss);
  EXPECT_TRUE(assembler.poll(Time()));
  EXPECT_FALSE(assembler.poll(Time()));
  EXPECT_TRUE(assembler.poll(Time(milliseconds(40)))->after_loss);
}

TEST_F(FrameAssemblerTest, NeverGivesABrokenFrameUnderLossAndReordering) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    FrameAssembler assembler(FrameAssembler::Mode::Video, kWait);
    std::vector<std::pair<int64_t, rtp::Packet>> packets;
    int64_t sequence = 60000;
    std::vector<size_t> sizes;
    for (uint32_t frame = 0; frame < 60; ++frame) {
      sizes.push_back(1 + random.below(8));
      for (size_t i = 0; i < sizes.back(); ++i, ++sequence) {
        packets.emplace_back(sequence, make_packet(pool_, {.sequence = static_cast<uint16_t>(sequence),
                                                           .timestamp = frame,
                                                           .marker = i + 1 == sizes.back(),
                                                           .start = sequence == 60000,
                                                           .time = Time(milliseconds(33) * frame)}));
      }
    }
    for (size_t i = 1; i + 4 < packets.size(); ++i) {
      if (random.below(5) == 0) std::swap(packets[i], packets[i + random.below(4)]);
    }
    int64_t last = -1;
    size_t given = 0;
    Time now;
    for (auto& [number, packet] : packets) {
      now = std::max(now, packet.time);
      if (random.below(20) != 0 || number == 60000) assembler.push(number, std::move(packet));
      while (const auto frame = assembler.poll(now)) {
        const auto index = frame->timestamp.value();
        ASSERT_GT(static_cast<int64_t>(index), last);
        ASSERT_EQ(frame->packets.size(), sizes[index]);
        for (const rtp::Packet& p : frame->packets)
          ASSERT_EQ(p.payload()[0], static_cast<uint8_t>(p.header.sequence.value()));
        last = index;
        ++given;
      }
    }
    EXPECT_GT(given, 20u);
  }
}

}  // namespace
}  // namespace kaon::interceptor
