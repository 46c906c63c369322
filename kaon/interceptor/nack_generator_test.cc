#include "kaon/interceptor/nack_generator.h"

#include <gtest/gtest.h>

#include "kaon/base/random.h"

namespace kaon::interceptor {
namespace {

using std::chrono::milliseconds;

std::vector<int> poll(NackGenerator& nack, Time now) {
  std::array<rtp::SequenceNumber, 64> out;
  const size_t n = nack.poll(now, out);
  std::vector<int> sequences;
  for (size_t i = 0; i < n; ++i) sequences.push_back(out[i].value());
  return sequences;
}

TEST(NackGenerator, AsksForAGapAfterTheTimeOfReordering) {
  NackGenerator nack;
  nack.on_packet(65534, Time());
  nack.on_packet(65538, Time());
  EXPECT_EQ(nack.next_timeout(), Time(NackGenerator::kReorderWait));
  EXPECT_TRUE(poll(nack, Time()).empty());
  nack.on_packet(65536, Time(milliseconds(1)));
  EXPECT_EQ(poll(nack, Time(milliseconds(5))), (std::vector<int>{65535, 1})) << "the reordered one came";
}

TEST(NackGenerator, DoesNotAskAgainOnceTheRetransmissionCame) {
  NackGenerator nack;
  nack.set_round_trip(milliseconds(40));
  nack.on_packet(1, Time());
  nack.on_packet(4, Time());
  EXPECT_EQ(poll(nack, Time(milliseconds(5))), (std::vector<int>{2, 3}));
  nack.on_packet(2, Time(milliseconds(50)));
  EXPECT_TRUE(poll(nack, Time(milliseconds(54))).empty()) << "a round trip has not passed";
  EXPECT_EQ(poll(nack, Time(milliseconds(60))), std::vector<int>{3});
  nack.on_packet(3, Time(milliseconds(90)));
  EXPECT_EQ(nack.next_timeout(), kNever);
  EXPECT_EQ(nack.missing(), 0u);
  EXPECT_FALSE(nack.take_given_up());
}

TEST(NackGenerator, AsksEverMoreSlowlyAndGivesUp) {
  NackGenerator nack;
  nack.set_round_trip(milliseconds(40));
  nack.on_packet(1, Time());
  nack.on_packet(3, Time());
  std::vector<Time> asked;
  for (Time now; nack.next_timeout() != kNever; now = nack.next_timeout()) {
    if (!poll(nack, now).empty()) asked.push_back(now);
    ASSERT_LT(now, Time(std::chrono::seconds(10)));
  }
  EXPECT_EQ(asked.size(), NackGenerator::kMaxTries);
  EXPECT_LT(asked[1] - asked[0], asked[5] - asked[4]);
  EXPECT_TRUE(nack.take_given_up());
  EXPECT_FALSE(nack.take_given_up()) << "told once";
}

TEST(NackGenerator, AsksForAKeyFrameInsteadOfAThousandPackets) {
  NackGenerator nack;
  nack.on_packet(1, Time());
  nack.on_packet(2000, Time());
  EXPECT_TRUE(nack.take_given_up());
  EXPECT_EQ(nack.missing(), 0u);
  nack.on_packet(2002, Time());
  EXPECT_EQ(poll(nack, Time(milliseconds(5))), std::vector<int>{2001 % 65536});
}

TEST(NackGenerator, ContinuesWhereTheCallerHasRoom) {
  NackGenerator nack;
  nack.on_packet(0, Time());
  nack.on_packet(101, Time());
  EXPECT_EQ(poll(nack, Time(milliseconds(5))).size(), 64u);
  EXPECT_EQ(nack.next_timeout(), Time(milliseconds(5))) << "at once";
  EXPECT_EQ(poll(nack, Time(milliseconds(5))).size(), 36u);
}

TEST(NackGenerator, ForgetsWhatIsNotNeededAnyMore) {
  NackGenerator nack;
  nack.on_packet(0, Time());
  nack.on_packet(10, Time());
  nack.forget_before(8);
  EXPECT_EQ(poll(nack, Time(milliseconds(5))), (std::vector<int>{8, 9}));
  nack.on_packet(5, Time());
  EXPECT_EQ(nack.missing(), 2u);
}

TEST(NackGenerator, StartsAnewWithTheNumbering) {
  NackGenerator nack;
  nack.on_packet(60000, Time());
  nack.on_packet(60002, Time());
  nack.on_packet(5, Time());
  nack.on_packet(7, Time());
  EXPECT_EQ(poll(nack, Time(milliseconds(5))), std::vector<int>{6});
}

TEST(NackGenerator, AsksForExactlyWhatIsMissing) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    NackGenerator nack;
    std::vector<bool> arrived(600, false);
    int64_t highest = 0;
    for (int64_t i = 0; i < 600; ++i) {
      const int64_t sequence =
          random.below(10) == 0 ? static_cast<int64_t>(random.below(static_cast<uint64_t>(i + 1))) : i;
      if (i != 0 && random.below(5) == 0) continue;
      arrived[static_cast<size_t>(sequence)] = true;
      nack.on_packet(sequence, Time());
      highest = std::max(highest, sequence);
    }
    std::vector<int> expected;
    for (int i = 0; i < highest; ++i) {
      if (!arrived[static_cast<size_t>(i)]) expected.push_back(i);
    }
    std::vector<int> asked;
    for (auto part = poll(nack, Time(milliseconds(5))); !part.empty(); part = poll(nack, Time(milliseconds(5)))) {
      asked.insert(asked.end(), part.begin(), part.end());
    }
    EXPECT_EQ(asked, expected);
  }
}

}  // namespace
}  // namespace kaon::interceptor
