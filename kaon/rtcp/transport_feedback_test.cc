#include "kaon/rtcp/transport_feedback.h"

#include <gtest/gtest.h>

#include "kaon/base/random.h"

namespace kaon::rtcp {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

struct Report {
  std::vector<uint8_t> bytes;
  WrittenFeedback written;
};

Report write(std::span<const PacketArrival> arrivals, size_t limit = 1200, std::optional<int64_t> first = {}) {
  Report report{.bytes = std::vector<uint8_t>(limit), .written = {}};
  report.written = write_transport_feedback({Ssrc(1), Ssrc(2)}, 5, arrivals, report.bytes, first);
  report.bytes.resize(report.written.size);
  return report;
}

std::vector<PacketStatus> statuses(const std::vector<uint8_t>& bytes) {
  const auto feedback = TransportFeedback::parse(*Compound::parse(bytes)->begin());
  std::vector<PacketStatus> out;
  if (!feedback) return out;
  TransportFeedback::Cursor cursor(*feedback);
  while (const auto status = cursor.next()) out.push_back(*status);
  return out;
}

TEST(TransportFeedback, TellsArrivalsAndLosses) {
  const Time start(milliseconds(6400));
  const std::array arrivals{PacketArrival{65534, start + milliseconds(1)},
                            PacketArrival{65536, start + milliseconds(3)},
                            PacketArrival{65537, start + milliseconds(2)}};
  const Report report = write(arrivals);
  EXPECT_EQ(report.written.arrivals, 3u);
  const auto back = statuses(report.bytes);
  ASSERT_EQ(back.size(), 4u);
  EXPECT_EQ(back[0].sequence.value(), 65534);
  EXPECT_EQ(back[0].arrival, milliseconds(6401));
  EXPECT_EQ(back[1].arrival, std::nullopt);
  EXPECT_EQ(back[2].sequence.value(), 0);
  EXPECT_EQ(back[2].arrival, milliseconds(6403));
  EXPECT_EQ(back[3].arrival, milliseconds(6402)) << "reordered: a negative delta";
}

TEST(TransportFeedback, StartsWhereTheLastReportEnded) {
  const std::array arrivals{PacketArrival{13, Time(milliseconds(10))}};
  const auto back = statuses(write(arrivals, 1200, 10).bytes);
  ASSERT_EQ(back.size(), 4u);
  EXPECT_EQ(back[0].sequence.value(), 10);
  EXPECT_FALSE(back[2].arrival);
  EXPECT_TRUE(back[3].arrival);
}

TEST(TransportFeedback, TakesAsManyArrivalsAsFit) {
  std::vector<PacketArrival> arrivals;
  for (int i = 0; i < 1000; ++i) arrivals.push_back({i, Time(milliseconds(100 + i))});
  const Report report = write(arrivals, 200);
  EXPECT_LE(report.bytes.size(), 200u);
  EXPECT_GT(report.written.arrivals, 150u) << "a run of small deltas costs a byte each";
  EXPECT_EQ(statuses(report.bytes).size(), report.written.arrivals);
  EXPECT_EQ(write(arrivals, 20).written.size, 0u) << "nothing fits";
  EXPECT_EQ(write({}, 200).written.size, 0u);
}

TEST(TransportFeedback, EndsTheReportAtADeltaItCannotTell) {
  const std::array arrivals{PacketArrival{1, Time(milliseconds(0))}, PacketArrival{2, Time(milliseconds(9000))}};
  EXPECT_EQ(write(arrivals).written.arrivals, 1u);
}

TEST(TransportFeedback, SaysWhatHappenedForAnyPattern) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    const auto loss = random.below(100);
    std::vector<PacketArrival> arrivals;
    Time now(milliseconds(1'000'000));
    for (int64_t sequence = 65000; sequence < 65000 + 400; ++sequence) {
      now += microseconds(250) * static_cast<int64_t>(random.below(loss % 3 == 0 ? 600 : 20));
      if (random.below(100) >= loss) arrivals.push_back({sequence, now});
    }
    if (arrivals.empty()) continue;
    std::span<const PacketArrival> left(arrivals);
    while (!left.empty()) {
      const Report report = write(left, 160);
      ASSERT_GT(report.written.arrivals, 0u);
      size_t seen = 0;
      for (const PacketStatus& status : statuses(report.bytes)) {
        if (!status.arrival) continue;
        ASSERT_EQ(status.sequence.value(), static_cast<uint16_t>(left[seen].sequence));
        ASSERT_EQ(*status.arrival, left[seen].time.time_since_epoch());
        ++seen;
      }
      ASSERT_EQ(seen, report.written.arrivals);
      left = left.subspan(seen);
    }
  }
}

TEST(TransportFeedback, RefusesWhatEndsEarlyOrIsReserved) {
  const std::array arrivals{PacketArrival{1, Time(milliseconds(1))}, PacketArrival{2, Time(milliseconds(90))}};
  const Report report = write(arrivals);
  const auto parses = [](std::vector<uint8_t> bytes) {
    return TransportFeedback::parse(*Compound::parse(bytes)->begin()).has_value();
  };
  ASSERT_TRUE(parses(report.bytes));
  for (size_t size = 4; size + 4 <= report.bytes.size(); size += 4) {
    std::vector<uint8_t> cut(report.bytes.begin(), report.bytes.begin() + static_cast<std::ptrdiff_t>(size));
    cut[0] &= 0xdf;
    cut[3] = static_cast<uint8_t>(size / 4 - 1);
    EXPECT_FALSE(parses(cut)) << size;
  }
  auto reserved = report.bytes;
  reserved[20] = 0x60;  // run of two symbols 3
  reserved[21] = 2;
  EXPECT_FALSE(parses(reserved));
  auto empty = report.bytes;
  empty[14] = empty[15] = 0;
  EXPECT_FALSE(parses(empty)) << "a report about nothing";
}

}  // namespace
}  // namespace kaon::rtcp
