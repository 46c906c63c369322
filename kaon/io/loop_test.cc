#include "kaon/io/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>
#include <thread>

#include "kaon/io/interfaces.h"
#include "kaon/io/internal/test_support.h"

namespace kaon::io {
namespace {

using namespace std::chrono_literals;

TEST(Loop, RunsPostedWorkOfManyThreadsInTheOrderOfEach) {
  Loop loop;
  loop.start();
  constexpr int kThreads = 4, kPosts = 2000;
  std::array<int, kThreads> last{};
  int out_of_order = 0, total = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 1; i <= kPosts; ++i) {
          loop.post([&, t, i] {
            out_of_order += std::exchange(last[static_cast<size_t>(t)], i) != i - 1;
            ++total;
            EXPECT_TRUE(loop.on_loop_thread());
          });
        }
      });
    }
  }
  loop.invoke([] {});
  loop.stop();
  loop.join();
  EXPECT_EQ(total, kThreads * kPosts);
  EXPECT_EQ(out_of_order, 0);
}

TEST(Loop, RunsWhatWasPostedBeforeTheStopAndNothingAfterTheEnd) {
  Loop loop;
  loop.start();
  std::atomic<int> runs{0};
  loop.post([&] {
    loop.stop();
    loop.post([&] { ++runs; });
  });
  loop.join();
  EXPECT_EQ(runs, 1);
  loop.post([&] { ++runs; });
  EXPECT_EQ(runs, 1);
  loop.invoke([&] { ++runs; });  // no thread any more: at once
  EXPECT_EQ(runs, 2);
}

TEST(Loop, FiresTimersInTheOrderOfTheirDeadlinesAndNeverEarly) {
  for (const bool threaded : {false, true}) {
    Loop loop;
    std::vector<int> order;
    std::promise<void> all;
    const Time start = Loop::now();
    std::array<TimerId, 3> timers;
    for (int i = 0; i < 3; ++i) {
      timers[static_cast<size_t>(i)] = loop.add_timer([&, i](Time now) {
        EXPECT_GE(now, start + i * 5ms);
        order.push_back(i);
        if (order.size() == 3) all.set_value();
      });
    }
    for (const int i : {2, 0, 1}) loop.schedule(timers[static_cast<size_t>(i)], start + i * 5ms);
    auto done = all.get_future();
    if (threaded) {
      loop.start();
      done.wait();
      loop.stop();
      loop.join();
    } else {
      EXPECT_TRUE(step_until({&loop}, [&] { return order.size() == 3; }));
    }
    EXPECT_THAT(order, testing::ElementsAre(0, 1, 2));
  }
}

TEST(Loop, WhatFallsDueWithinATickSharesAWakeUp) {
  Loop loop;
  std::multiset<Time> fired;
  std::promise<void> all;
  loop.invoke([&] {
    const auto ticks = Loop::now().time_since_epoch() / Loop::kTimerTick;
    const Time tick(Duration((ticks + 20) * Loop::kTimerTick));
    for (int i = 0; i < 10; ++i) {
      loop.schedule(loop.add_timer([&](Time now) {
        fired.insert(now);
        if (fired.size() == 10) all.set_value();
      }),
                    tick + i * Loop::kTimerTick / 10);
    }
  });
  loop.start();
  all.get_future().get();
  loop.stop();
  loop.join();
  // The first at the end of one tick, what fell due while the thread woke up, then the rest at the end of the next.
  EXPECT_LT(std::set(fired.begin(), fired.end()).size(), 5U);
}

TEST(Loop, ATimerMayRemoveItselfAndOthersAndScheduleAnew) {
  Loop loop;
  int a_runs = 0, b_runs = 0, c_runs = 0;
  TimerId a, b, c;
  const Time now = Loop::now();
  a = loop.add_timer([&](Time) {
    ++a_runs;
    loop.remove_timer(b);
    loop.remove_timer(a);
  });
  b = loop.add_timer([&](Time) { ++b_runs; });
  c = loop.add_timer([&](Time time) {
    if (++c_runs < 3) loop.schedule(c, time);
  });
  loop.schedule(a, now - 2ms);
  loop.schedule(b, now - 1ms);
  loop.schedule(c, now);
  EXPECT_TRUE(step_until({&loop}, [&] { return c_runs == 3; }));
  EXPECT_EQ(a_runs, 1);
  EXPECT_EQ(b_runs, 0);
  EXPECT_EQ(loop.next_timeout(), kNever);
}

TEST(Loop, PollDescriptorBecomesReadableByAPostFromAnotherThreadAndSilentAfterTheStep) {
  Loop loop;
  bool ran = false;
  pollfd fd{loop.poll_fd(), POLLIN, 0};
  loop.step();
  EXPECT_EQ(::poll(&fd, 1, 0), 0);
  std::jthread([&] { loop.post([&] { ran = true; }); }).join();
  EXPECT_EQ(::poll(&fd, 1, 5000), 1);
  loop.step();
  EXPECT_TRUE(ran);
  EXPECT_EQ(::poll(&fd, 1, 0), 0);
}

TEST(Loop, CallsHooksInEachTurnAndTakesAnotherTurnOnRequest) {
  Loop loop;
  int turns = 0;
  const auto hook = loop.add_hook([&](Time) {
    if (++turns < 5) loop.request_turn();
  });
  loop.request_turn();
  EXPECT_TRUE(step_until({&loop}, [&] { return turns == 5; }));
  loop.remove_hook(hook);
  loop.step();
  EXPECT_EQ(turns, 5);
}

TEST(Loop, ResolvesALiteralAndTellsWhenThereIsNoSuchHost) {
  Loop loop;
  std::optional<Result<std::vector<net::IpAddress>, IoError>> good, bad;
  loop.resolve("127.0.0.1", [&](auto result) { good = std::move(result); });
  loop.resolve("no host has spaces", [&](auto result) { bad = std::move(result); });
  EXPECT_FALSE(good);
  EXPECT_TRUE(step_until({&loop}, [&] { return good && bad; }));
  ASSERT_TRUE(good->has_value());
  EXPECT_EQ((*good)->front(), net::IpAddress::v4(127, 0, 0, 1));
  EXPECT_EQ(bad->error(), IoError::HostNotFound);
}

TEST(Interfaces, HaveALoopbackAddress) {
  const auto all = interfaces();
  ASSERT_TRUE(all);
  EXPECT_TRUE(std::ranges::any_of(*all, [](const Interface& i) { return i.loopback && i.ip.is_loopback(); }));
  for (const Interface& i : *all) EXPECT_NE(i.index, 0u) << i.name;
}

TEST(Loop, RunsOnTheCallersThreadUntilItIsStopped) {
  Loop loop;
  std::thread::id ran_on;
  loop.post([&] {
    ran_on = std::this_thread::get_id();
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(Loop, RunsWhatIsLeftWhenASteppedOneIsDestroyed) {
  bool ran = false;
  {
    Loop loop;
    loop.post([&] { ran = true; });
  }
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace kaon::io
