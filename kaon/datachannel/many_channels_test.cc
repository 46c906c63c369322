// Ten thousand channels on one connection: that they work, and what they cost.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "kaon/datachannel/channels.h"
#include "kaon/sctp/test_pair.h"

namespace {
// Of everything this program has allocated and not freed.
std::atomic<int64_t> held{0};
}  // namespace

void* operator new(size_t size) {
  void* p = std::malloc(size);
  if (p == nullptr) std::abort();
  held.fetch_add(static_cast<int64_t>(malloc_usable_size(p)), std::memory_order_relaxed);
  return p;
}
void operator delete(void* p) noexcept {
  held.fetch_sub(static_cast<int64_t>(malloc_usable_size(p)), std::memory_order_relaxed);
  std::free(p);
}
void operator delete(void* p, size_t) noexcept { operator delete(p); }

namespace kaon::datachannel {
namespace {

using namespace std::chrono_literals;

constexpr size_t kMany = 10'000;

struct Side {
  explicit Side(uint64_t seed) : random(seed), channels({}, Env{random, log}) {}
  SeededRandom random;
  NullLogger log;
  Channels channels;
  size_t connected = 0, announced = 0, messages = 0, closed = 0;
};

struct Fixture {
  Fixture() : a(1), b(2), pair(a.channels, b.channels, 1) {
    pair.a().on_event = [this](Event& e) { on(a, e); };
    pair.b().on_event = [this](Event& e) { on(b, e); };
    a.channels.start(DtlsRole::Client, pair.now());
    b.channels.start(DtlsRole::Server, pair.now());
    EXPECT_TRUE(pair.run(10s, [this] { return a.connected + b.connected == 2; }));
  }
  // Bob answers on the channel on which he was asked.
  void on(Side& side, Event& event) {
    side.connected += std::holds_alternative<Connected>(event);
    side.announced += std::holds_alternative<ChannelAnnounced>(event);
    side.closed += std::holds_alternative<ChannelClosed>(event);
    const auto* m = std::get_if<MessageReceived>(&event);
    if (m == nullptr) return;
    ++side.messages;
    if (&side == &a) return;
    EXPECT_TRUE(b.channels.send_binary(m->channel, m->payload, pair.now()));
  }
  Side a, b;
  sctp::test::Pair<Channels, Event> pair;
};

TEST(ManyChannels, TenThousandOpenTalkAndCloseOnOneConnection) {
  Fixture f;
  f.pair.run_for(100s);
  const int64_t before = held;
  std::vector<ChannelId> ids;
  ids.reserve(kMany);
  for (size_t i = 0; i < kMany; ++i) {
    const auto id = f.a.channels.open({.label = "channel"}, f.pair.now());
    ASSERT_TRUE(id);
    ids.push_back(*id);
  }
  ASSERT_TRUE(f.pair.run(10s, [&] { return f.b.announced == kMany; })) << f.b.announced;
  const std::vector<uint8_t> message(100, 1);
  for (const ChannelId id : ids) ASSERT_TRUE(f.a.channels.send_binary(id, message, f.pair.now()));
  ASSERT_TRUE(f.pair.run(10s, [&] { return f.a.messages == kMany; })) << f.a.messages;
  f.pair.run_for(100s);  // idle: what the burst took is given back
  const int64_t cost = (held - before) / static_cast<int64_t>(2 * kMany);
  std::printf("An idle channel takes %lld bytes on each side.\n", static_cast<long long>(cost));
  EXPECT_LT(cost, 1024);

  for (const ChannelId id : ids) f.a.channels.close(id, f.pair.now());
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.a.closed == kMany && f.b.closed == kMany; })) << f.a.closed;
  EXPECT_EQ(f.a.channels.channel_count(), 0u);
  EXPECT_EQ(f.b.channels.channel_count(), 0u);
  const auto again = f.a.channels.open({.label = "again"}, f.pair.now());
  ASSERT_TRUE(again);
  EXPECT_EQ(f.a.channels.info(*again)->options.stream, 0);
}

TEST(ManyChannels, EachOfTenThousandGetsItsTurn) {
  Fixture f;
  std::vector<ChannelId> ids;
  for (size_t i = 0; i < kMany; ++i) ids.push_back(f.a.channels.open({.label = "x"}, f.pair.now()).value());
  ASSERT_TRUE(f.pair.run(10s, [&] { return f.b.announced == kMany; }));
  // One has a lot to say before the others say a word.
  const std::vector<uint8_t> large(60'000, 1), small(100, 1);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(f.a.channels.send_binary(ids[0], large, f.pair.now()));
  for (size_t i = 1; i < kMany; ++i) ASSERT_TRUE(f.a.channels.send_binary(ids[i], small, f.pair.now()));
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.messages >= kMany - 1; }));
  EXPECT_GT(f.a.channels.buffered_amount(ids[0]), 4'000'000u) << "it waits for the small ones, not they for it";
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.a.messages == kMany + 99; }));
}

}  // namespace
}  // namespace kaon::datachannel
