// How data moves: recovery, interleaving and weights, packet sizes, windows, and everything at once under chaos.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "kaon/sctp/association.h"
#include "kaon/sctp/internal/packet.h"
#include "kaon/sctp/test_pair.h"

namespace kaon::sctp {
namespace {

using namespace std::chrono_literals;

struct Peer {
  Peer(uint64_t seed, const Config& config) : random(seed), association(config, Env{random, log}) {}
  void on(Event& event) {
    if (auto* m = std::get_if<Message>(&event)) {
      bytes += m->payload.size();
      if (keep) messages[m->stream.value()].emplace_back(m->payload.begin(), m->payload.end());
    } else if (auto* up = std::get_if<Connected>(&event)) {
      connected = *up;
    } else if (auto* end = std::get_if<Closed>(&event)) {
      closed = *end;
    }
  }
  SeededRandom random;
  NullLogger log;
  Association association;
  std::map<uint16_t, std::vector<std::vector<uint8_t>>> messages;
  bool keep = true;
  size_t bytes = 0;
  std::optional<Connected> connected;
  std::optional<Closed> closed;
};

struct Fixture {
  explicit Fixture(uint64_t seed = 1, const Config& config_a = {}, const Config& config_b = {})
      : a(seed * 2 + 1, config_a), b(seed * 2 + 2, config_b), pair(a.association, b.association, seed) {
    pair.a().on_event = [this](Event& e) { a.on(e); };
    pair.b().on_event = [this](Event& e) { b.on(e); };
  }
  bool connect() {
    for (Peer* peer : {&a, &b}) {
      peer->association.set_remote_max_message_size(0);
      peer->association.connect(pair.now());
    }
    return pair.run(60s, [this] { return a.connected && b.connected; });
  }
  bool send(uint16_t stream, ByteView bytes, SendOptions options = {}) {
    return a.association.send(StreamId(stream), Ppid(53), bytes, options, pair.now()).has_value();
  }
  Peer a, b;
  test::Pair<Association, Event> pair;
};

std::vector<uint8_t> pattern(size_t size, uint64_t seed) {
  std::vector<uint8_t> bytes(size);
  SeededRandom(seed).fill(bytes);
  return bytes;
}

Config without_interleaving() {
  Config config;
  config.interleaving = false;
  return config;
}

bool has_data(ByteView packet) {
  ChunkReader chunks(packet.subspan(kCommonHeaderSize));
  while (const auto chunk = chunks.next()) {
    if (chunk->type == ChunkType::Data || chunk->type == ChunkType::IData) return true;
  }
  return false;
}

// --- Recovery ---

TEST(Recovery, ALostTailIsProbedForAndNotWaitedFor) {
  Fixture f;
  f.pair.path.delay = 25ms;
  ASSERT_TRUE(f.connect());
  ASSERT_TRUE(f.send(1, pattern(5000, 1)));
  ASSERT_TRUE(f.pair.run(5s, [&] { return f.b.bytes == 5000; }));
  f.pair.run_for(1s);
  int losses = 1;
  f.pair.a().filter = [&](ByteView packet) { return !(has_data(packet) && losses-- > 0); };
  const Time start = f.pair.now();
  ASSERT_TRUE(f.send(1, pattern(500, 2)));
  ASSERT_TRUE(f.pair.run(5s, [&] { return f.b.bytes == 5500; }));
  EXPECT_LT(f.pair.now() - start, 200ms);
  EXPECT_EQ(f.a.association.stats().timeouts, 0u);
}

TEST(Recovery, ABurstOfLossesIsRepairedWithinTwoRoundTrips) {
  Fixture f;
  f.pair.path.delay = 50ms;
  ASSERT_TRUE(f.connect());
  size_t sent = 0;
  const auto feed = [&] {
    for (; f.a.association.buffered_amount(StreamId(1)) < 500'000; sent += 10'000) {
      if (!f.send(1, pattern(10'000, 3))) return;
    }
  };
  for (int i = 0; i < 100; ++i) feed(), f.pair.run_for(10ms);
  int drop = 40;
  f.pair.a().filter = [&](ByteView packet) { return !(has_data(packet) && drop-- > 0); };
  Duration longest{};
  Time last = f.pair.now();
  size_t seen = f.b.bytes;
  for (int i = 0; i < 200; ++i) {
    feed();
    f.pair.run_for(5ms);
    if (f.b.bytes == seen) continue;
    longest = std::max(longest, f.pair.now() - last);
    seen = f.b.bytes;
    last = f.pair.now();
  }
  EXPECT_LT(longest, 250ms);
  EXPECT_EQ(f.a.association.stats().timeouts, 0u);
}

TEST(Recovery, ReorderingIsLearnedAndNoLongerTakenForLoss) {
  Fixture f;
  f.pair.path = {.delay = 40ms, .jitter = 8ms};
  ASSERT_TRUE(f.connect());
  const auto send_a_second = [&] {
    const uint64_t before = f.a.association.stats().chunks_retransmitted;
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(f.send(1, pattern(5000, 4)));
      f.pair.run_for(5ms);
    }
    return f.a.association.stats().chunks_retransmitted - before;
  };
  send_a_second();
  EXPECT_LT(send_a_second(), 20u);
}

// --- Interleaving and weights ---

TEST(Interleaving, IsUsedIfBothHaveIt) {
  for (const bool a : {false, true}) {
    for (const bool b : {false, true}) {
      Fixture f(1, a ? Config() : without_interleaving(), b ? Config() : without_interleaving());
      ASSERT_TRUE(f.connect());
      EXPECT_EQ(f.a.connected->interleaving, a && b);
      EXPECT_EQ(f.b.connected->interleaving, a && b);
      ASSERT_TRUE(f.send(1, pattern(100'000, 1)));
      ASSERT_TRUE(f.pair.run(10s, [&] { return f.b.bytes == 100'000; }));
      EXPECT_EQ(f.b.messages[1].at(0), pattern(100'000, 1));
    }
  }
}

TEST(Interleaving, ASmallMessageDoesNotWaitForALargeOne) {
  for (const bool interleaving : {false, true}) {
    Config config;
    config.interleaving = interleaving;
    Fixture f(1, config, config);
    ASSERT_TRUE(f.connect());
    ASSERT_TRUE(f.send(1, pattern(200'000, 1)));
    f.pair.run_for(1ms);
    ASSERT_TRUE(f.send(2, pattern(10, 1)));
    ASSERT_TRUE(f.pair.run(10s, [&] { return !f.b.messages[2].empty(); }));
    EXPECT_EQ(f.b.messages[1].empty(), interleaving);
  }
}

TEST(Interleaving, StreamsShareByTheirWeights) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  const uint16_t weights[] = {128, 256, 512, 1024};
  for (uint16_t i = 0; i < 4; ++i) f.a.association.set_weight(StreamId(i), weights[i]);
  for (int round = 0; round < 40; ++round) {
    for (uint16_t i = 0; i < 4; ++i) ASSERT_TRUE(f.send(i, pattern(50'000, i)));
  }
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.messages[3].size() == 40; }));
  EXPECT_THAT(f.b.messages[2].size(), testing::AllOf(testing::Ge(18u), testing::Le(24u)));
  EXPECT_THAT(f.b.messages[1].size(), testing::AllOf(testing::Ge(8u), testing::Le(13u)));
  EXPECT_THAT(f.b.messages[0].size(), testing::AllOf(testing::Ge(3u), testing::Le(7u)));
}

TEST(Interleaving, WhoSentAloneOwesANewcomerNothing) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(f.send(1, pattern(50'000, 1)));
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.messages[1].size() >= 20; }));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(f.send(2, pattern(50'000, 2)));
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.messages[2].size() == 20; }));
  EXPECT_GE(f.b.messages[1].size(), 37u);
}

// Chunk by chunk in turns, all of them would be half there when the window is full, and none could ever be whole.
TEST(Interleaving, ManyLargeMessagesAtOnceDoNotLockTheWindow) {
  struct Case {
    uint16_t streams;
    size_t size;
  };
  for (const Case& c : {Case{60, 256 * 1024}, {1000, 16'000}, {5000, 3000}}) {
    SCOPED_TRACE(c.size);
    Fixture f;
    f.b.keep = false;
    ASSERT_TRUE(f.connect());
    // The receiver's guess of the next message's size is that of a large one.
    ASSERT_TRUE(f.send(0, pattern(256 * 1024, 1)));
    ASSERT_TRUE(f.pair.run(10s, [&] { return f.b.bytes == 256 * 1024; }));
    for (uint16_t i = 0; i < c.streams; ++i) ASSERT_TRUE(f.send(i, pattern(c.size, i)));
    EXPECT_TRUE(f.pair.run(60s, [&] { return f.b.bytes == 256 * 1024 + c.streams * c.size; })) << f.b.bytes;
    EXPECT_EQ(f.b.association.drops()[DropReason::WindowFull], 0u);
  }
}

// They wait their turn by weight.
TEST(Interleaving, AnUrgentMessageDoesNotWaitForAllThatMayNotBeginYet) {
  Fixture f;
  f.b.keep = false;
  ASSERT_TRUE(f.connect());
  for (uint16_t i = 1; i <= 1000; ++i) ASSERT_TRUE(f.send(i, pattern(16'000, i)));
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.bytes > 1'000'000; }));
  f.a.association.set_weight(StreamId(0), 1024);
  const uint64_t before = f.a.association.stats().bytes_sent;
  ASSERT_TRUE(f.send(0, pattern(4000, 1)));
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.a.association.buffered_amount(StreamId(0)) == 0; }));
  EXPECT_LT(f.a.association.stats().bytes_sent - before, 3'000'000u);
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.bytes == 16'004'000; }));
}

TEST(Interleaving, WhatIsGivenUpIsSkippedAndTheRestArrives) {
  for (const uint64_t seed : sim::seeds(20)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Fixture f(seed);
    ASSERT_TRUE(f.connect());
    f.pair.path = {10ms, 3ms, 0.2, 0.05};
    for (uint32_t i = 0; i < 300; ++i) {
      const SendOptions options{.unordered = i % 4 >= 2,
                                .max_retransmits = i % 2 == 0 ? std::optional(0u) : std::nullopt};
      std::vector<uint8_t> bytes = pattern(i % 20 == 0 ? 9000 : 300, i);
      ASSERT_TRUE(f.send(static_cast<uint16_t>(i % 4), bytes, options));
      f.pair.run_for(2ms);
    }
    ASSERT_TRUE(f.pair.run(120s, [&] { return f.a.association.stats().send_buffer_used == 0; }));
    f.pair.run_for(2s);
    // The odd streams are reliable.
    EXPECT_EQ(f.b.messages[1].size(), 75u);
    EXPECT_EQ(f.b.messages[3].size(), 75u);
    EXPECT_LT(f.b.messages[0].size() + f.b.messages[2].size(), 150u);
    EXPECT_EQ(f.b.association.stats().receive_buffer_used, 0u);
  }
}

// --- Packet sizes, RFC 8899 ---

struct Sized {
  explicit Sized(size_t mtu_there) : mtu(mtu_there) {
    f.pair.a().filter = [this](ByteView packet) {
      largest = std::max(largest, packet.size());
      return packet.size() <= mtu;
    };
    f.b.keep = false;
  }
  void move(size_t megabytes) {
    for (size_t i = 0; i < 10 * megabytes; ++i) {
      ASSERT_TRUE(f.send(1, pattern(100'000, i)));
      f.pair.run_for(20ms);
    }
    ASSERT_TRUE(f.pair.run(300s, [&] { return f.a.association.stats().send_buffer_used == 0; }));
  }
  static Config searching_far() {
    Config config;
    config.max_probed_packet_size = kMaxPacketSize;
    return config;
  }
  Fixture f{1, searching_far(), searching_far()};
  size_t mtu;
  size_t largest = 0;
};

TEST(PathMtu, IsFoundByBulkDataAndUsed) {
  for (const auto& [mtu, found] : {std::pair<size_t, size_t>{1200, 1191}, {1330, 1328}, {1500, 1408}, {9000, 8908}}) {
    Sized s(mtu);
    ASSERT_TRUE(s.f.connect());
    s.move(1);
    EXPECT_EQ(s.f.a.association.stats().packet_size, found);
    EXPECT_EQ(s.f.b.bytes, 1'000'000u);
    EXPECT_EQ(s.f.a.association.stats().timeouts, 0u) << "a lost probe is no loss of data";
  }
}

TEST(PathMtu, IsNotSearchedWithoutNeed) {
  Sized s(9000);
  ASSERT_TRUE(s.f.connect());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(s.f.send(1, pattern(1000, 1)));
    s.f.pair.run_for(10ms);
  }
  EXPECT_LE(s.largest, 1191u);
}

TEST(PathMtu, IsNotSearchedWhereItIsTurnedOff) {
  Config config;
  config.max_probed_packet_size = 0;
  Fixture f(1, config, config);
  ASSERT_TRUE(f.connect());
  int probes = 0;
  f.pair.a().filter = [&](ByteView packet) {
    probes += static_cast<ChunkType>(packet[kCommonHeaderSize]) == ChunkType::Heartbeat;
    return true;
  };
  ASSERT_TRUE(f.send(1, pattern(200'000, 1)));
  f.pair.run_for(2s);
  EXPECT_EQ(probes, 0);
}

TEST(PathMtu, FallsBackWhenThePathChanges) {
  Sized s(9000);
  ASSERT_TRUE(s.f.connect());
  s.move(1);
  ASSERT_EQ(s.f.a.association.stats().packet_size, 8908u);
  s.f.a.association.path_changed();
  EXPECT_EQ(s.f.a.association.stats().packet_size, 1191u);
  s.mtu = 1400;
  s.move(1);
  EXPECT_EQ(s.f.a.association.stats().packet_size, 1328u);
  EXPECT_EQ(s.f.b.bytes, 2'000'000u);
}

TEST(PathMtu, FallsBackWhenLargePacketsVanish) {
  Sized s(9000);
  ASSERT_TRUE(s.f.connect());
  s.move(1);
  // What was made large and not acknowledged gets through at last, as IP fragments; new packets are small.
  s.mtu = 1300;
  ASSERT_TRUE(s.f.send(1, pattern(100'000, 1)));
  s.f.pair.run_for(5s);
  EXPECT_EQ(s.f.a.association.stats().packet_size, 1191u);
  s.mtu = 9000;
  ASSERT_TRUE(s.f.pair.run(60s, [&] { return s.f.b.bytes == 1'100'000; }));
}

// --- Windows ---

TEST(Windows, GrowWithUseAndShrinkWhenIdle) {
  Config config;
  config.receive_window = 300'000;
  config.max_message_size = 100'000;
  config.send_buffer = 1'000'000;
  Fixture f(1, config, config);
  f.b.keep = false;
  f.pair.path.delay = 100ms;
  ASSERT_TRUE(f.connect());
  size_t sent = 0;
  for (int i = 0; i < 500; ++i) {
    while (f.a.association.buffered_amount(StreamId(1)) < 400'000 && f.send(1, pattern(50'000, 1))) sent += 50'000;
    f.pair.run_for(10ms);
  }
  EXPECT_GT(f.b.association.stats().receive_window, 2'000'000u);
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.bytes == sent; }));
  f.pair.run_for(100s);
  EXPECT_EQ(f.b.association.stats().receive_window, 300'000u);
}

// The path carries 5 MB/s at 200 ms there and back, a window of a megabyte.
TEST(Windows, StayAsLongAsTheyAreFilledAndFollowWhatIsUsed) {
  Config config;
  config.receive_window = 300'000;
  config.max_message_size = 100'000;
  config.send_buffer = 2'000'000;
  Fixture f(1, config, config);
  f.b.keep = false;
  f.pair.path.delay = 100ms;
  ASSERT_TRUE(f.connect());
  size_t least = SIZE_MAX;
  for (int i = 0; i < 8000; ++i) {  // 80 s with two heartbeats
    if (f.a.association.buffered_amount(StreamId(1)) < 100'000) {
      ASSERT_TRUE(f.send(1, pattern(50'000, 1)));
    }
    f.pair.run_for(10ms);
    if (i > 1000) least = std::min(least, f.b.association.stats().receive_window);
  }
  EXPECT_GE(least, 1'200'000u);
  // Something is always under way, and it is little.
  for (int i = 0; i < 800; ++i) {
    ASSERT_TRUE(f.send(1, pattern(2'000, 1)));
    f.pair.run_for(100ms);
  }
  EXPECT_EQ(f.b.association.stats().receive_window, 300'000u);
}

TEST(Windows, OneSackAnswersABatchOfAKaonPeer) {
  Config config;
  // The probe by which Kaon knows its like, and none of another size.
  config.max_probed_packet_size = config.max_packet_size + 1;
  Fixture f(1, config, config);
  f.b.keep = false;
  ASSERT_TRUE(f.connect());
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(f.send(1, pattern(100'000, 1)));
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.bytes > 2'000'000; }));
  const auto data = f.a.association.stats().packets_sent;
  const auto sacks = f.b.association.stats().packets_sent;
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.bytes == 4'000'000; }));
  EXPECT_LT((f.b.association.stats().packets_sent - sacks) * 4, f.a.association.stats().packets_sent - data);
}

// --- Everything at once ---

TEST(Chaos, EveryByteArrivesOnceAndInOrder) {
  const size_t total = 1'000'000;
  for (const uint64_t seed : sim::seeds(30)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    SeededRandom random(seed * 7919);
    const auto up_to = [&](double most) { return most * static_cast<double>(random.below(1000)) / 1000; };
    Config config;
    config.interleaving = random.below(2) == 0;
    config.zero_checksum = random.below(2) == 0;
    config.congestion_control = random.below(3) == 0 ? make_new_reno : make_cubic;
    Fixture f(seed, config, config);
    ASSERT_TRUE(f.connect());
    const auto weather = [&] {
      f.pair.path.delay = Duration(random.below(100'000'000));
      f.pair.path.jitter = random.below(2) == 0 ? Duration() : Duration(random.below(50'000'000));
      f.pair.path.loss = random.below(4) == 0 ? 1.0 : up_to(0.3);
      f.pair.path.duplication = up_to(0.1);
      if (random.below(4) == 0) f.a.association.path_changed(), f.b.association.path_changed();
    };
    size_t sent = 0;
    uint32_t count = 0;
    for (int turn = 0; turn < 20'000 && f.b.bytes < total; ++turn) {
      if (turn % 50 == 0) weather();
      // No blackout takes longer than a second.
      if (turn % 50 == 20 && f.pair.path.loss == 1.0) f.pair.path.loss = 0.05;
      while (sent < total) {
        auto bytes = pattern(std::min<size_t>(total - sent, 1 + random.below(40'000)), count);
        if (f.a.association.buffered_amount(StreamId(count % 5)) > 100'000) break;
        ASSERT_TRUE(f.send(static_cast<uint16_t>(count % 5), bytes));
        sent += bytes.size();
        ++count;
      }
      f.pair.run_for(50ms);
    }
    ASSERT_EQ(f.b.bytes, total);
    for (uint32_t i = 0; i < count; ++i) {
      const auto& message = f.b.messages[static_cast<uint16_t>(i % 5)].at(i / 5);
      ASSERT_EQ(message, pattern(message.size(), i));
    }
    EXPECT_FALSE(f.a.closed || f.b.closed);
  }
}

// Each message carries its number and whether it keeps its place.
std::vector<uint8_t> numbered(uint32_t number, bool ordered, size_t size) {
  std::vector<uint8_t> bytes = pattern(size, number);
  store_be32(bytes.data(), 2 * number + (ordered ? 1 : 0));
  return bytes;
}

void check_numbers(const Peer& peer) {
  for (const auto& [stream, messages] : peer.messages) {
    std::set<uint32_t> seen;
    std::optional<uint32_t> last;
    for (const auto& message : messages) {
      const uint32_t number = load_be32(message.data());
      ASSERT_TRUE(message == numbered(number / 2, number % 2 != 0, message.size()));
      EXPECT_TRUE(seen.insert(number).second) << "came twice";
      if (number % 2 == 0) continue;
      EXPECT_TRUE(!last || *last < number) << "overtook";
      last = number;
    }
  }
}

TEST(Chaos, RandomCommandsInAnyOrderBreakNothing) {
  for (const uint64_t seed : sim::seeds(1000)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    SeededRandom random(seed * 104'729);
    Config config;
    config.interleaving = random.below(2) == 0;
    config.send_buffer = 200'000;
    Fixture f(seed, config);
    f.pair.path = {5ms, 5ms, 0.1, 0.05};
    f.b.association.connect(f.pair.now());
    for (uint32_t i = 0; i < 60; ++i) {
      Peer& peer = random.below(2) == 0 ? f.a : f.b;
      Association& engine = peer.association;
      const StreamId stream(static_cast<uint16_t>(random.below(6)));
      switch (random.below(12)) {
        case 0: engine.connect(f.pair.now()); break;
        case 1: static_cast<void>(engine.reset_streams(std::array{stream}, f.pair.now())); break;
        case 2: engine.set_weight(stream, static_cast<uint16_t>(random.below(2000))); break;
        case 3: engine.path_changed(); break;
        case 4: engine.set_buffered_amount_low_threshold(stream, random.below(10'000)); break;
        case 5:
          if (random.below(20) == 0) engine.shutdown(f.pair.now());
          break;
        case 6:
          if (random.below(40) == 0) engine.abort("enough", f.pair.now());
          break;
        case 7: engine.handle_timeout(f.pair.now() + Duration(random.below(100'000'000))); break;
        default: {
          SendOptions options{.unordered = random.below(2) == 0};
          if (random.below(3) == 0) options.max_retransmits = static_cast<uint32_t>(random.below(3));
          if (random.below(3) == 0) options.lifetime = Duration(random.below(50'000'000));
          const auto bytes = numbered(i, !options.unordered, 4 + random.below(30'000));
          static_cast<void>(engine.send(stream, Ppid(53), bytes, options, f.pair.now()));
        }
      }
      f.pair.run_for(Duration(random.below(10'000'000)));
    }
    f.pair.path = {5ms};
    f.pair.run_for(60s);
    check_numbers(f.a);
    check_numbers(f.b);
    // Of a goodbye that was lost, or that waits for the other side, nothing can be said.
    if (f.a.association.state() != State::Established || f.b.association.state() != State::Established) continue;
    for (Peer* peer : {&f.a, &f.b}) {
      EXPECT_EQ(peer->association.stats().send_buffer_used, 0u);
      EXPECT_EQ(peer->association.stats().receive_buffer_used, 0u);
    }
  }
}

}  // namespace
}  // namespace kaon::sctp
