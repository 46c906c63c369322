#include "kaon/io/driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "kaon/base/random.h"
#include "kaon/io/internal/test_support.h"

namespace kaon::io {
namespace {

using namespace std::chrono_literals;

// Takes `room` packets, then is full.
class FakeSender : public Sender {
 public:
  size_t send(std::span<Outgoing> batch) override {
    ++calls;
    size_t i = 0;
    for (; i < batch.size() && room > 0; ++i, --room) sent.emplace_back(as_text(batch[i].bytes));
    return i;
  }
  size_t room = 1000000;
  int calls = 0;
  std::vector<std::string> sent;
};

// An engine that says what it was told to say, and tells what it hears.
struct Talker {
  void handle_packet(const net::Datagram& datagram, Time) { heard.push_back(std::string(as_text(datagram.bytes))); }
  void handle_timeout(Time now) {
    if (now < deadline) return;
    deadline = kNever;
    to_say.push_back("timeout");
  }
  Time next_timeout() const { return deadline; }
  std::optional<net::Transmit> poll_transmit(Bytes out) {
    if (to_say.empty()) return std::nullopt;
    const std::string text = to_say.pop_front();
    std::copy(text.begin(), text.end(), out.begin());
    net::Transmit transmit;
    transmit.remote = remote;
    transmit.size = text.size();
    return transmit;
  }
  std::optional<std::string> poll_event() {
    if (heard.empty()) return std::nullopt;
    return heard.pop_front();
  }
  net::Endpoint remote;
  Time deadline = kNever;
  Ring<std::string> to_say, heard;
};
static_assert(net::DatagramEngine<Talker>);

constexpr auto kIgnore = [](std::string) {};

struct Fixture {
  Loop loop;
  FakeSender sender;
  Driver driver{loop, sender};
};

net::Datagram datagram(std::string& text) {
  net::Datagram d;
  d.bytes = {reinterpret_cast<uint8_t*>(text.data()), text.size()};
  return d;
}

// A thousand connections, each with something to do in four to six seconds, as consent checks have.
TEST(Driver, DeadlinesThatAreFarAwayShareAFewWakeUps) {
  const Time now{1000s};
  SeededRandom random(1);
  std::set<Time> wake_ups;
  for (int i = 0; i < 1000; ++i) {
    const Time deadline = now + 4s + Duration(random.below(2'000'000'000));
    const Time at = Driver::wake_up(deadline, now);
    EXPECT_GE(at, deadline);
    EXPECT_LE(at - deadline, (deadline - now) / Driver::kSlackOfWait);
    wake_ups.insert(at);
  }
  EXPECT_LE(wake_ups.size(), 32u);
}

TEST(Driver, WhatIsDueSoonIsNotLate) {
  const Time now{1000s};
  for (const Duration wait : {Duration::zero(), Duration(1ms), Duration(200ms), Duration(999ms)}) {
    EXPECT_EQ(Driver::wake_up(now + wait, now), now + wait);
  }
  EXPECT_EQ(Driver::wake_up(now - 1s, now), now - 1s);
  EXPECT_EQ(Driver::wake_up(kNever, now), kNever);
}

TEST(Driver, DrainsEachTouchedConnectionOnceAtTheEndOfTheTurnInOneCall) {
  Fixture f;
  std::array<Talker, 10> talkers;
  std::vector<std::unique_ptr<Driven>> driven;
  std::string text = "hello";
  for (Talker& talker : talkers) {
    const auto on_event = [&talker](std::string heard) { talker.to_say.push_back("re: " + heard); };
    driven.push_back(std::make_unique<DrivenEngine<Talker, decltype(on_event)>>(talker, on_event));
    const auto handle = f.driver.attach(*driven.back());
    const std::array batch{datagram(text), datagram(text)};
    f.driver.receive(handle, batch, Loop::now());
  }
  EXPECT_EQ(f.sender.calls, 0);
  f.loop.step();
  EXPECT_EQ(f.sender.calls, 1);
  EXPECT_EQ(f.sender.sent, std::vector<std::string>(20, "re: hello"));
  EXPECT_EQ(f.loop.next_timeout(), kNever);
}

TEST(Driver, KeepsWhatTheSocketDidNotTakeAndSendsItFirst) {
  Fixture f;
  Talker a, b;
  DrivenEngine driven_a(a, kIgnore), driven_b(b, kIgnore);
  f.driver.attach(driven_a);
  const auto handle_b = f.driver.attach(driven_b);
  for (int i = 0; i < 5; ++i) a.to_say.push_back("a" + std::to_string(i));
  for (int i = 0; i < 3; ++i) b.to_say.push_back("b" + std::to_string(i));
  f.sender.room = 2;
  f.loop.step();
  EXPECT_TRUE(f.driver.blocked());
  EXPECT_THAT(f.sender.sent, testing::ElementsAre("a0", "a1"));
  // Others write into the loop's scratch meanwhile, and nobody is asked for more.
  std::ranges::fill(f.loop.scratch(), uint8_t{0});
  b.to_say.push_back("b3");
  f.driver.touch(handle_b);
  f.loop.step();
  EXPECT_THAT(f.sender.sent, testing::SizeIs(2));
  f.sender.room = 1;
  f.driver.writable();
  EXPECT_TRUE(f.driver.blocked());
  f.sender.room = 100;
  f.driver.writable();
  EXPECT_FALSE(f.driver.blocked());
  f.loop.step();
  EXPECT_THAT(f.sender.sent, testing::ElementsAre("a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2", "b3"));
}

TEST(Driver, DoesNotTurnInCirclesForADeadlineThatCannotBeMetWhileTheSocketIsFull) {
  Fixture f;
  Talker a;
  DrivenEngine driven(a, kIgnore);
  const auto handle = f.driver.attach(driven);
  f.sender.room = 0;
  a.to_say.push_back("x");
  f.loop.step();
  a.deadline = Loop::now() - 1s;
  f.driver.touch(handle);
  f.loop.step();
  f.loop.step();
  EXPECT_EQ(f.loop.next_timeout(), kNever);
  f.sender.room = 10;
  f.driver.writable();
  EXPECT_TRUE(step_until({&f.loop}, [&] { return f.sender.sent.size() == 2; }));
  EXPECT_THAT(f.sender.sent, testing::ElementsAre("x", "timeout"));
}

TEST(Driver, FiresDeadlinesOfConnections) {
  Fixture f;
  Talker a, b;
  DrivenEngine driven_a(a, kIgnore), driven_b(b, kIgnore);
  a.deadline = Loop::now() + 10ms;
  f.driver.attach(driven_a);
  f.driver.attach(driven_b);
  f.loop.step();
  EXPECT_EQ(f.loop.next_timeout(), a.deadline);
  EXPECT_TRUE(step_until({&f.loop}, [&] { return !f.sender.sent.empty(); }));
  EXPECT_EQ(f.loop.next_timeout(), kNever);
}

TEST(Driver, AConnectionMayDetachItselfFromItsEventHandlerAndItsPlaceIsUsedAgain) {
  Fixture f;
  Talker a, b;
  std::unique_ptr<Driven> driven;
  ConnectionHandle handle;
  const auto on_event = [&](std::string) {
    f.driver.detach(handle);
    a.to_say.push_back("never sent");
  };
  driven = std::make_unique<DrivenEngine<Talker, decltype(on_event)>>(a, on_event);
  handle = f.driver.attach(*driven);
  f.loop.step();
  std::string text = "bye";
  const std::array batch{datagram(text)};
  f.driver.receive(handle, batch, Loop::now());
  f.loop.step();
  EXPECT_EQ(f.driver.size(), 0u);
  EXPECT_THAT(f.sender.sent, testing::IsEmpty());
  DrivenEngine driven_b(b, kIgnore);
  EXPECT_EQ(f.driver.attach(driven_b), handle);
  b.to_say.push_back("hi");
  f.loop.step();
  EXPECT_THAT(f.sender.sent, testing::ElementsAre("hi"));
}

TEST(Driver, FinishesAConnectionWithItsLastWordsAtOnceAndBehindWhatWaits) {
  Fixture f;
  Talker a, b;
  DrivenEngine driven_a(a, kIgnore);
  f.driver.attach(driven_a);
  std::unique_ptr<Driven> driven_b;
  ConnectionHandle handle_b;
  const auto on_event = [&](std::string) {
    b.to_say.push_back("good");
    b.to_say.push_back("bye");
    f.driver.finish(handle_b);
  };
  driven_b = std::make_unique<DrivenEngine<Talker, decltype(on_event)>>(b, on_event);
  handle_b = f.driver.attach(*driven_b);
  f.loop.step();
  a.to_say.push_back("first");
  std::string text = "end";
  const std::array batch{datagram(text)};
  f.driver.touch(ConnectionHandle(0));
  f.driver.receive(handle_b, batch, Loop::now());
  f.loop.step();
  EXPECT_EQ(f.driver.size(), 1u);
  EXPECT_THAT(f.sender.sent, testing::ElementsAre("first", "good", "bye"));
  EXPECT_EQ(f.sender.calls, 1);
}

TEST(Driver, LetsOthersSpeakBetweenTheRunsOfATalkativeConnection) {
  Fixture f;
  Talker a, b;
  DrivenEngine driven_a(a, kIgnore), driven_b(b, kIgnore);
  f.driver.attach(driven_a);
  f.driver.attach(driven_b);
  for (int i = 0; i < 200; ++i) a.to_say.push_back("a");
  b.to_say.push_back("b");
  f.loop.step();
  ASSERT_EQ(f.sender.sent.size(), 201u);
  EXPECT_EQ(f.sender.sent[Driver::kMaxRunsPerVisit], "b");
}

}  // namespace
}  // namespace kaon::io
