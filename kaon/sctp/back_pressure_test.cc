// Who does not read stops the peer, and who waits for room is told of it.
#include <gmock/gmock.h>

#include "kaon/sctp/association.h"
#include "kaon/sctp/test_pair.h"

namespace kaon::sctp {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMessage = 10'000;

struct Side {
  Side(uint64_t seed, const Config& config) : random(seed), association(config, Env{random, log}) {}
  SeededRandom random;
  NullLogger log;
  Association association;
  std::vector<std::string> told;
};

// One sends; the other keeps what it gets.
struct Fixture {
  explicit Fixture(const Config& config_a, const Config& config_b)
      : a(1, config_a), b(2, config_b), pair(a.association, b.association, 1) {
    pair.a().on_event = [this](Event& e) { on(a, e); };
    pair.b().on_event = [this](Event& e) {
      on(b, e);
      if (const auto* m = std::get_if<Message>(&e); m != nullptr && keeps)
        kept.push_back(b.association.keep(m->payload));
    };
    for (Side* side : {&a, &b}) {
      side->association.set_remote_max_message_size(0);
      side->association.connect(pair.now());
    }
    EXPECT_TRUE(pair.run(10s, [this] { return a.association.state() == State::Established; }));
  }
  static void on(Side& side, Event& event) {
    if (std::holds_alternative<Message>(event)) side.told.emplace_back("message");
    if (std::holds_alternative<BufferedAmountLow>(event)) side.told.emplace_back("low");
    if (std::holds_alternative<SendBufferAvailable>(event)) side.told.emplace_back("available");
  }
  bool send(Side& side, size_t size, uint8_t first = 0) {
    std::vector<uint8_t> bytes(size, 7);
    bytes[0] = first;
    return side.association.send(StreamId(1), Ppid(53), bytes, {}, pair.now()).has_value();
  }
  void release(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      b.association.release(std::move(kept.front()));
      kept.erase(kept.begin());
    }
  }

  Side a, b;
  test::Pair<Association, Event> pair;
  std::vector<Buffer> kept;
  bool keeps = true;
};

Config small_window() {
  Config config;
  config.receive_window = 500'000;
  config.max_message_size = 20'000;
  return config;
}

TEST(BackPressure, WhatIsKeptStopsThePeerAtTheWindow) {
  Fixture f({}, small_window());
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(f.send(f.a, kMessage, static_cast<uint8_t>(i)));
  f.pair.run_for(60s);
  EXPECT_GT(f.kept.size(), 35u);
  EXPECT_LT(f.kept.size(), 55u) << "a window of 500,000 bytes holds no more messages of 10,000";
  EXPECT_EQ(f.b.association.stats().receive_window, 500'000u) << "no reason to let it grow";
  EXPECT_EQ(f.a.association.state(), State::Established);

  const size_t before = f.kept.size();
  f.release(5);
  f.pair.run_for(60s);
  EXPECT_LE(f.kept.size(), before + 1) << "as much as was released";
  uint8_t next = 5;
  while (next < 44) {
    ASSERT_FALSE(f.kept.empty());
    EXPECT_EQ(f.kept.front().view()[0], next++);
    f.release(1);
    f.pair.run_for(1s);
  }
  f.keeps = false;
  f.release(f.kept.size());
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.a.association.stats().send_buffer_used == 0; }));
  EXPECT_EQ(f.b.association.stats().receive_buffer_used, 0u);
}

TEST(BackPressure, TheWindowDoesNotGrowForWhatNobodyReads) {
  Fixture f({}, small_window());
  f.pair.path.delay = 200ms;  // a window per round trip could arrive
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(f.send(f.a, kMessage));
  f.pair.run_for(120s);
  EXPECT_LE(f.b.association.stats().receive_window, 1'000'000u);
  EXPECT_LE(f.b.association.stats().receive_buffer_used, 1'100'000u);
}

TEST(BackPressure, SaysWhetherTheRoomIsWorthAPacket) {
  Fixture f({}, small_window());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(f.send(f.a, kMessage));
  f.pair.run_for(10s);
  ASSERT_GT(f.kept.size(), 35u);
  size_t released = 0;
  while (!f.b.association.release(std::move(f.kept[released++]))) ASSERT_LT(released, f.kept.size());
  EXPECT_GT(released, 25u) << "three quarters of the window are free, not a byte (RFC 9260 §6.2)";
}

TEST(BackPressure, AMessageMadeOfSeveralIsKeptAsACopy) {
  Fixture f({}, small_window());
  const std::vector<uint8_t> made(3000, 1);
  const Buffer kept = f.b.association.keep(made);
  EXPECT_TRUE(std::ranges::equal(kept.view(), made));
  EXPECT_GE(f.b.association.stats().receive_buffer_used, 3000u);
  EXPECT_TRUE(f.b.association.keep({}).empty());
}

TEST(BackPressure, RoomIsToldBeforeWhatHasArrived) {
  Config config;
  config.send_buffer = config.max_send_buffer = 100'000;
  Fixture f(config, config);
  f.keeps = false;
  while (f.send(f.a, kMessage)) {
  }
  ASSERT_TRUE(f.send(f.b, kMessage));
  f.a.told.clear();
  // Everything is on its way and acknowledged, and a message has come, before anything is polled.
  std::vector<uint8_t> out(kMaxPacketSize);
  Time now = f.pair.now();
  for (int i = 0; i < 100; ++i) {
    now += 10ms;
    while (const auto t = f.a.association.poll_transmit(out))
      f.b.association.handle_packet(Bytes(out).first(t->size), now);
    while (f.b.association.poll_event()) {
    }
    while (const auto t = f.b.association.poll_transmit(out))
      f.a.association.handle_packet(Bytes(out).first(t->size), now);
    f.a.association.handle_timeout(now);
    f.b.association.handle_timeout(now);
  }
  while (auto event = f.a.association.poll_event()) Fixture::on(f.a, *event);
  EXPECT_THAT(f.a.told, testing::ElementsAre("low", "available", "message"));
}

TEST(BackPressure, RoomForALargeMessageIsToldWhenItFits) {
  Config config;
  config.send_buffer = config.max_send_buffer = 100'000;
  Fixture f(config, {});
  f.keeps = false;
  ASSERT_TRUE(f.send(f.a, 40'000));
  ASSERT_FALSE(f.send(f.a, 90'000));
  EXPECT_FALSE(f.a.association.poll_event()) << "half of the buffer is free, and it would be refused again";
  ASSERT_TRUE(f.pair.run(10s, [&] { return std::ranges::count(f.a.told, "available") == 1; }));
  EXPECT_TRUE(f.send(f.a, 90'000));
}

}  // namespace
}  // namespace kaon::sctp
