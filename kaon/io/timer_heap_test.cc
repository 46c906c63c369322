#include "kaon/io/timer_heap.h"

#include <gtest/gtest.h>

#include <map>

#include "kaon/base/random.h"

namespace kaon::io {
namespace {

Time at(int64_t ns) { return Time(Duration(ns)); }

TEST(TimerHeap, GivesDueTimersInOrderAndOnlyOnce) {
  TimerHeap heap;
  const TimerId a = heap.add(), b = heap.add(), c = heap.add();
  heap.schedule(a, at(30));
  heap.schedule(b, at(10));
  heap.schedule(c, at(20));
  EXPECT_EQ(heap.next(), at(10));
  TimerId id;
  ASSERT_TRUE(heap.pop_due(at(20), id));
  EXPECT_EQ(id, b);
  ASSERT_TRUE(heap.pop_due(at(20), id));
  EXPECT_EQ(id, c);
  EXPECT_FALSE(heap.pop_due(at(20), id));
  EXPECT_EQ(heap.next(), at(30));
  heap.schedule(a, kNever);
  EXPECT_EQ(heap.next(), kNever);
  EXPECT_FALSE(heap.pop_due(kNever, id));
}

TEST(TimerHeap, AgreesWithASortedMapOverRandomOperations) {
  SeededRandom random(1);
  TimerHeap heap;
  std::map<TimerId, Time> expected;
  std::vector<TimerId> ids;
  for (int step = 0; step < 20000; ++step) {
    switch (random.below(8)) {
      case 0: ids.push_back(heap.add()); break;
      case 1:
        if (!ids.empty()) {
          const size_t i = random.below(ids.size());
          heap.remove(ids[i]);
          expected.erase(ids[i]);
          ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(i));
        }
        break;
      default:
        if (!ids.empty()) {
          const TimerId id = ids[random.below(ids.size())];
          const Time when = random.below(10) == 0 ? kNever : at(static_cast<int64_t>(random.below(1000)));
          heap.schedule(id, when);
          expected[id] = when;
        }
    }
    Time soonest = kNever;
    for (const auto& [id, when] : expected) soonest = std::min(soonest, when);
    ASSERT_EQ(heap.next(), soonest);
    TimerId id;
    const Time now = at(static_cast<int64_t>(random.below(200)));
    if (heap.pop_due(now, id)) {
      ASSERT_EQ(expected[id], soonest);
      ASSERT_LE(soonest, now);
      expected[id] = kNever;
    } else {
      ASSERT_TRUE(soonest > now);
    }
  }
}

}  // namespace
}  // namespace kaon::io
