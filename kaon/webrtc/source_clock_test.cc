#include "kaon/webrtc/internal/source_clock.h"

#include <gtest/gtest.h>

namespace kaon::webrtc::internal {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kRate = 90000;

struct Sent {
  uint32_t timestamp;
  uint16_t sequence;
  bool operator==(const Sent&) const = default;
};

struct Stream {
  Sent send(uint32_t timestamp, uint16_t sequence, Duration at) {
    const SourceClock::Numbers source{rtp::Timestamp(timestamp), rtp::SequenceNumber(sequence)};
    const auto mapped = clock.map(source, kRate, Time(at));
    clock.sent(source, kRate, Time(at));
    return {mapped.timestamp.value(), mapped.sequence.value()};
  }
  SourceClock clock;
};

TEST(SourceClock, LeavesTheNumbersOfTheFirstSourceAlone) {
  Stream stream;
  stream.clock.replace();
  EXPECT_FALSE(stream.clock.replaced()) << "nothing was sent that could be replaced";
  EXPECT_EQ(stream.send(500, 7, 1s), (Sent{500, 7}));
  EXPECT_EQ(stream.send(3500, 8, 2s), (Sent{3500, 8}));
}

TEST(SourceClock, GoesOnWhereTheSourceBeforeEndedWithTheTimeInBetween) {
  Stream stream;
  stream.send(500, 7, 1s);
  stream.send(3500, 8, 2s);
  stream.clock.replace();
  EXPECT_TRUE(stream.clock.replaced());
  EXPECT_EQ(stream.send(4'000'000'000, 40'000, 2100ms), (Sent{3500 + 9000, 9}));
  EXPECT_FALSE(stream.clock.replaced());
  EXPECT_EQ(stream.send(4'000'003'000, 40'001, 2133ms), (Sent{3500 + 12000, 10}));
  stream.clock.replace();
  EXPECT_EQ(stream.send(10, 20, 2133ms), (Sent{3500 + 12001, 11})) << "never the same timestamp again";
}

TEST(SourceClock, CountsFromTheNewestNumberWhenPacketsCameOutOfOrder) {
  Stream stream;
  stream.send(3000, 100, 1s);
  stream.send(9000, 102, 1s);
  stream.send(6000, 101, 1s);
  stream.clock.replace();
  EXPECT_EQ(stream.send(0, 0, 1s), (Sent{9001, 103}));
  EXPECT_EQ(stream.send(0xffffff00, 0xffff, 1s), (Sent{9001 - 256, 102})) << "the new source's may be out of order too";
}

TEST(SourceClock, WrapsAround) {
  Stream stream;
  stream.send(0xfffffff0, 0xffff, 1s);
  stream.clock.replace();
  EXPECT_EQ(stream.send(5, 5, 1s + 1ms), (Sent{0xfffffff0u + 90, 0}));
}

}  // namespace
}  // namespace kaon::webrtc::internal
