#include "kaon/base/spsc_ring.h"

#include <gmock/gmock.h>

#include <memory>
#include <thread>

namespace kaon {
namespace {

TEST(SpscRing, ShowsWhatIsPublishedInOrderUntilItIsFull) {
  SpscRing<int> ring(3);  // four slots
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ring.push(int{i}), i < 4);
    EXPECT_EQ(ring.ready(), 0u);
    EXPECT_TRUE(ring.publish());
    EXPECT_FALSE(ring.publish());
    ASSERT_EQ(ring.ready(), 4u);
    EXPECT_EQ(ring[3], 3);
    ring.release(3);
    EXPECT_EQ(ring.ready(), 1u);
    EXPECT_THAT(ring.run(), testing::ElementsAre(3));
    ring.release(1);
  }
}

TEST(SpscRing, GivesRunsUpToTheEndOfItsMemory) {
  SpscRing<int> ring(4);
  for (int i = 0; i < 3; ++i) ring.push(int{i});
  ring.publish();
  ring.release(3);
  for (int i = 3; i < 7; ++i) EXPECT_TRUE(ring.push(int{i}));
  ring.publish();
  EXPECT_THAT(ring.run(), testing::ElementsAre(3));
  ring.release(1);
  EXPECT_THAT(ring.run(), testing::ElementsAre(4, 5, 6));
}

TEST(SpscRing, LetsGoOfWhatIsReleased) {
  SpscRing<std::shared_ptr<int>> ring(2);
  auto value = std::make_shared<int>(1);
  ring.push(std::shared_ptr(value));
  ring.publish();
  ring.release(1);
  EXPECT_EQ(value.use_count(), 1);
}

TEST(SpscRing, CarriesEverythingBetweenTwoThreads) {
  SpscRing<int> ring(64);
  constexpr int kCount = 100'000;
  std::jthread producer([&] {
    for (int i = 0; i < kCount;) {
      i += ring.push(int{i});
      ring.publish();
    }
  });
  for (int expected = 0; expected < kCount;) {
    const auto run = ring.run();
    for (const int value : run) ASSERT_EQ(value, expected++);
    ring.release(run.size());
  }
}

}  // namespace
}  // namespace kaon
