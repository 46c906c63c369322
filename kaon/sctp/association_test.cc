#include "kaon/sctp/association.h"

#include <gmock/gmock.h>

#include <map>

#include "kaon/sctp/internal/packet.h"
#include "kaon/sctp/test_pair.h"

namespace kaon::sctp {
namespace {

using namespace std::chrono_literals;

struct Received {
  StreamId stream;
  Ppid ppid;
  bool unordered;
  std::vector<uint8_t> bytes;
};

// One side with everything it was told.
struct Peer {
  explicit Peer(uint64_t seed, const Config& config = {}) : random(seed), association(config, Env{random, log}) {}

  void on(Event& event) {
    if (auto* m = std::get_if<Message>(&event)) {
      messages.push_back({m->stream, m->ppid, m->unordered, {m->payload.begin(), m->payload.end()}});
    } else if (auto* c = std::get_if<Closed>(&event)) {
      EXPECT_FALSE(closed.has_value()) << "two ends";
      closed = *c;
    } else if (std::holds_alternative<Connected>(event)) {
      ++connected;
    } else if (std::holds_alternative<Restarted>(event)) {
      ++restarted;
    } else if (auto* in = std::get_if<IncomingStreamsReset>(&event)) {
      for (StreamId id : in->streams) incoming_reset.push_back(id.value());
      messages_at_reset = messages.size();
    } else if (auto* out = std::get_if<OutgoingStreamsReset>(&event)) {
      for (StreamId id : out->streams) outgoing_reset.push_back(id.value());
    } else if (auto* low = std::get_if<BufferedAmountLow>(&event)) {
      lows.push_back(low->stream.value());
    } else if (std::holds_alternative<SendBufferAvailable>(event)) {
      ++available;
    }
  }

  SeededRandom random;
  NullLogger log;
  Association association;
  std::vector<Received> messages;
  std::vector<uint16_t> incoming_reset, outgoing_reset, lows;
  size_t messages_at_reset = 0;
  std::optional<Closed> closed;
  int connected = 0, restarted = 0, available = 0;
};

bool is_data(ChunkType type) { return type == ChunkType::Data || type == ChunkType::IData; }
ChunkType first_chunk(ByteView packet) { return static_cast<ChunkType>(packet[kCommonHeaderSize]); }

struct Fixture {
  explicit Fixture(uint64_t seed = 1, const Config& config_a = {}, const Config& config_b = {})
      : a(seed * 2 + 1, config_a), b(seed * 2 + 2, config_b), pair(a.association, b.association, seed) {
    pair.a().on_event = [this](Event& e) { a.on(e); };
    pair.b().on_event = [this](Event& e) { b.on(e); };
    pair.a().filter = pair.b().filter = in_order;
  }
  // RFC 9260 §6.10: control chunks come before data, and some peers abort if they do not.
  static bool in_order(ByteView packet) {
    ChunkReader chunks(packet.subspan(kCommonHeaderSize));
    bool data = false;
    while (const auto chunk = chunks.next()) {
      EXPECT_FALSE(data && !is_data(chunk->type));
      data = is_data(chunk->type);
    }
    return true;
  }
  bool connect() {
    a.association.connect(pair.now());
    b.association.connect(pair.now());
    return pair.run(60s, [this] {
      return a.association.state() == State::Established && b.association.state() == State::Established;
    });
  }
  auto send(uint16_t stream, ByteView bytes, SendOptions options = {}) {
    return a.association.send(StreamId(stream), Ppid(53), bytes, options, pair.now());
  }
  auto send(uint16_t stream, std::string_view text, SendOptions options = {}) {
    return send(stream, as_bytes(text), options);
  }

  Peer a, b;
  test::Pair<Association, Event> pair;
};

std::vector<uint8_t> pattern(size_t size, uint64_t seed) {
  std::vector<uint8_t> bytes(size);
  SeededRandom(seed).fill(bytes);
  return bytes;
}

TEST(Association, BothSidesConnectAtOnceInTwoRoundTrips) {
  Fixture f;
  const Time start = f.pair.now();
  ASSERT_TRUE(f.connect());
  EXPECT_LE(f.pair.now() - start, 40ms);
  EXPECT_EQ(f.a.connected, 1);
  EXPECT_EQ(f.b.connected, 1);
  EXPECT_EQ(f.a.association.drops().total(), 0u);
  EXPECT_EQ(f.b.association.drops().total(), 0u);
}

TEST(Association, OneSideAloneConnects) {
  Fixture f;
  f.a.association.connect(f.pair.now());
  EXPECT_TRUE(f.pair.run(1s, [&] { return f.a.connected == 1 && f.b.connected == 1; }));
}

TEST(Association, ConnectsUnderAnyLossOfTheHandshake) {
  for (const uint64_t seed : sim::seeds(100)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Fixture f(seed);
    f.pair.path = {10ms, 15ms, 0.3, 0.1};
    ASSERT_TRUE(f.connect());
    EXPECT_EQ(f.a.restarted + f.b.restarted, 0);
  }
}

// RFC 9260 §5.1 C: the first messages need not wait for the COOKIE ACK.
TEST(Association, WhoSendsUponConnectedIsHeardWithTheCookieEcho) {
  Fixture f;
  const Time start = f.pair.now();
  std::optional<Time> connected;
  f.pair.a().on_event = [&, before = f.pair.a().on_event](Event& event) {
    if (std::holds_alternative<Connected>(event)) {
      connected = f.pair.now();
      EXPECT_TRUE(f.send(3, "at once"));
    }
    before(event);
  };
  f.a.association.connect(start);
  ASSERT_TRUE(f.pair.run(1s, [&] { return f.b.messages.size() == 1; }));
  EXPECT_EQ(*connected - start, 20ms) << "with the INIT ACK";
  EXPECT_EQ(f.pair.now() - start, 30ms);
  f.pair.run_for(1s);
  EXPECT_EQ(f.a.connected, 1);
  EXPECT_EQ(f.b.connected, 1);
  EXPECT_EQ(f.a.association.stats().chunks_retransmitted, 0u);
}

TEST(Association, NothingButTheCookieEchoLeavesBeforeItIsAnswered) {
  Fixture f;
  const auto bytes = pattern(50'000, 7);
  f.pair.a().on_event = [&, before = f.pair.a().on_event](Event& event) {
    if (std::holds_alternative<Connected>(event)) {
      EXPECT_TRUE(f.send(3, bytes));
    }
    before(event);
  };
  f.a.association.connect(f.pair.now());
  ASSERT_TRUE(f.pair.run(1s, [&] { return f.a.association.state() == State::CookieEchoed; }));
  f.pair.drain();
  EXPECT_EQ(f.pair.a().packets, 2u);
  ASSERT_TRUE(f.pair.run(1s, [&] { return f.b.messages.size() == 1; }));
  EXPECT_EQ(f.b.messages[0].bytes, bytes);
}

TEST(Association, MessagesQueuedBeforeConnectRideWithTheCookie) {
  Fixture f;
  ASSERT_TRUE(f.send(3, "early"));
  ASSERT_TRUE(f.connect());
  ASSERT_TRUE(f.pair.run(1s, [&] { return f.b.messages.size() == 1; }));
  EXPECT_EQ(as_text(f.b.messages[0].bytes), "early");
  EXPECT_EQ(f.b.messages[0].stream, StreamId(3));
  EXPECT_EQ(f.b.messages[0].ppid, Ppid(53));
}

TEST(Association, WhatRodeWithTheCookieArrivesHoweverTheSetUpsCollide) {
  for (const uint64_t seed : sim::seeds(500)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Fixture f(seed);
    f.pair.path = {.jitter = 200ms, .loss = 0.2, .duplication = 0.1};
    ASSERT_TRUE(f.send(1, "early"));
    ASSERT_TRUE(f.connect());
    ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.messages.size() == 1; }));
    EXPECT_EQ(as_text(f.b.messages[0].bytes), "early");
  }
}

TEST(Association, InitialTimeoutBacksOffToTheCapOnly) {
  Fixture f;
  std::vector<Time> inits;
  f.pair.a().filter = [&](ByteView) { return inits.push_back(f.pair.now()), false; };
  f.a.association.connect(f.pair.now());
  f.pair.run_for(20s);
  ASSERT_GE(inits.size(), 7u);
  EXPECT_EQ(inits[1] - inits[0], 500ms);
  EXPECT_EQ(inits[2] - inits[1], 1000ms);
  EXPECT_EQ(inits[3] - inits[2], 2000ms);
  EXPECT_EQ(inits[4] - inits[3], 3000ms);
  EXPECT_EQ(inits[6] - inits[5], 3000ms);
}

TEST(Association, AKnownRoundTripShortensTheFirstTimeout) {
  Fixture f;
  f.a.association.set_rtt(20ms);
  f.a.association.connect(f.pair.now());
  EXPECT_LT(f.a.association.next_timeout() - f.pair.now(), 300ms);
}

TEST(Association, GivesUpAfterTheConfiguredTimeouts) {
  Config config;
  config.max_retransmissions = 4;
  Fixture f(1, config);
  f.pair.path.loss = 1;
  f.a.association.connect(f.pair.now());
  ASSERT_TRUE(f.pair.run(120s, [&] { return f.a.closed.has_value(); }));
  EXPECT_EQ(f.a.closed->reason, CloseReason::TooManyTimeouts);
  EXPECT_EQ(f.a.association.next_timeout(), kNever);
}

TEST(Association, EveryMessageArrivesOnceAndInOrderWhateverThePathDoes) {
  for (const uint64_t seed : sim::seeds(40)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Fixture f(seed);
    SeededRandom random(seed);
    f.pair.path = {Duration(random.below(50'000'000)), Duration(random.below(30'000'000)),
                   static_cast<double>(random.below(31)) / 100, static_cast<double>(random.below(20)) / 100};
    ASSERT_TRUE(f.connect());
    std::map<uint16_t, std::vector<std::vector<uint8_t>>> sent;
    for (int i = 0; i < 120; ++i) {
      const auto stream = static_cast<uint16_t>(random.below(5));
      const auto bytes = pattern(1 + random.below(i % 10 == 0 ? 20'000 : 1'500), seed * 1000 + i);
      ASSERT_TRUE(f.send(stream, bytes, {.unordered = stream == 4}));
      sent[stream].push_back(bytes);
      f.pair.run_for(Duration(random.below(5'000'000)));
    }
    ASSERT_TRUE(f.pair.run(600s, [&] { return f.b.messages.size() >= 120; })) << f.b.messages.size();
    f.pair.run_for(10s);
    ASSERT_EQ(f.b.messages.size(), 120u);
    std::map<uint16_t, std::vector<std::vector<uint8_t>>> received;
    for (auto& m : f.b.messages) received[m.stream.value()].push_back(m.bytes);
    for (auto* all : {&sent, &received}) std::ranges::sort((*all)[4]);
    EXPECT_TRUE(sent == received);
    EXPECT_EQ(f.a.association.stats().send_buffer_used, 0u);
    EXPECT_EQ(f.a.association.stats().bytes_in_flight, 0u);
    EXPECT_EQ(f.b.association.stats().receive_buffer_used, 0u);
  }
}

TEST(Association, LostPartsOfOneStreamDoNotHoldUpAnother) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  bool lose = true;
  f.pair.a().filter = [&](ByteView packet) { return !(is_data(first_chunk(packet)) && std::exchange(lose, false)); };
  ASSERT_TRUE(f.send(1, "lost"));
  f.pair.drain();
  ASSERT_TRUE(f.send(2, "second"));
  ASSERT_TRUE(f.send(1, "unordered", {.unordered = true}));
  ASSERT_TRUE(f.pair.run(50ms, [&] { return f.b.messages.size() == 2; }));
  ASSERT_TRUE(f.pair.run(1s, [&] { return f.b.messages.size() == 3; }));
}

TEST(Association, SequenceNumbersWrap) {
  // Random bytes that make the initial TSN begin just below the wrap.
  struct HighRandom final : Random {
    void fill(Bytes out) override { std::ranges::fill(out, 0xff); }
  };
  HighRandom random;
  NullLogger log;
  Peer b(7);
  Association a({}, Env{random, log});
  test::Pair<Association, Event> pair(a, b.association, 3);
  pair.b().on_event = [&](Event& e) { b.on(e); };
  pair.path.loss = 0.02;
  a.connect(pair.now());
  ASSERT_TRUE(pair.run(20s, [&] { return b.connected != 0 && a.state() == State::Established; }));
  size_t sent = 0;
  for (; sent < 70'000;) {  // also beyond the 16 bits of the SSN
    for (int i = 0; i < 500; ++i, ++sent) {
      uint8_t bytes[4];
      store_be32(bytes, static_cast<uint32_t>(sent));
      ASSERT_TRUE(a.send(StreamId(0), Ppid(53), bytes, {}, pair.now()));
    }
    ASSERT_TRUE(pair.run(600s, [&] { return b.messages.size() == sent; }));
  }
  for (size_t i = 0; i < sent; ++i) ASSERT_EQ(load_be32(b.messages[i].bytes.data()), i);
}

TEST(Association, LimitedRetransmissionsSkipWhatIsLost) {
  for (const uint64_t seed : sim::seeds(30)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Fixture f(seed);
    ASSERT_TRUE(f.connect());
    f.pair.path = {10ms, 3ms, 0.2, 0.05};
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(f.send(static_cast<uint16_t>(i % 3), pattern(i % 20 == 0 ? 9000 : 300, i),
                         {.unordered = i % 3 == 2, .max_retransmits = 0}));
      f.pair.run_for(2ms);
    }
    ASSERT_TRUE(f.send(0, "end"));
    ASSERT_TRUE(f.send(1, "end"));
    const auto ends = [&] {
      return std::ranges::count_if(f.b.messages, [](const Received& m) { return as_text(m.bytes) == "end"; });
    };
    ASSERT_TRUE(f.pair.run(120s, [&] { return ends() == 2; }));
    // The last SACKs may be lost many times in a row.
    ASSERT_TRUE(f.pair.run(120s, [&] { return f.a.association.stats().send_buffer_used == 0; }));
    f.pair.run_for(5s);
    const auto stats = f.a.association.stats();
    EXPECT_GT(stats.messages_abandoned, 10u);
    // What was given up may have arrived all the same; what arrived and what was given up is everything.
    EXPECT_GE(f.b.messages.size() + stats.messages_abandoned, 302u);
    EXPECT_LE(f.b.messages.size(), 302u);
    EXPECT_EQ(stats.send_buffer_used, 0u);
    EXPECT_EQ(f.b.association.stats().receive_buffer_used, 0u);
  }
}

TEST(Association, OldMessagesAreGivenUpAlsoHalfSent) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  ASSERT_TRUE(f.send(1, pattern(60'000, 1), {.unordered = false, .lifetime = 25ms}));
  ASSERT_TRUE(f.send(1, "next"));
  ASSERT_TRUE(f.pair.run(10s, [&] { return !f.b.messages.empty(); }));
  EXPECT_EQ(as_text(f.b.messages[0].bytes), "next");
  EXPECT_EQ(f.a.association.stats().messages_abandoned, 1u);
  f.pair.run_for(2s);
  EXPECT_EQ(f.b.association.stats().receive_buffer_used, 0u);
  EXPECT_EQ(f.a.association.stats().send_buffer_used, 0u);
}

TEST(Association, StreamsResetUnderLossAndBeginAgainAtZero) {
  for (const uint64_t seed : sim::seeds(40)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Fixture f(seed);
    ASSERT_TRUE(f.connect());
    f.pair.path = {10ms, 10ms, 0.25, 0.1};
    for (int round = 0; round < 3; ++round) {
      f.b.messages.clear();
      for (int i = 0; i < 10; ++i) ASSERT_TRUE(f.send(5, pattern(2000, i)));
      ASSERT_TRUE(f.send(6, pattern(50'000, 9)));
      const StreamId streams[] = {StreamId(5)};
      ASSERT_TRUE(f.a.association.reset_streams(streams, f.pair.now()));
      EXPECT_EQ(f.send(5, "x").error(), SendError::StreamResetting);
      const size_t wanted = static_cast<size_t>(round) + 1;
      ASSERT_TRUE(f.pair.run(300s, [&] { return f.a.outgoing_reset.size() == wanted; }));
      EXPECT_EQ(f.b.incoming_reset.size(), wanted);
      EXPECT_EQ(std::ranges::count_if(f.b.messages, [](auto& m) { return m.stream == StreamId(5); }), 10);
    }
    ASSERT_TRUE(f.send(5, "again"));
    const auto arrived = [](const Received& m) { return as_text(m.bytes) == "again"; };
    ASSERT_TRUE(f.pair.run(60s, [&] { return std::ranges::any_of(f.b.messages, arrived); }));
  }
}

TEST(Association, ShutdownDeliversEverythingFirst) {
  for (const uint64_t seed : sim::seeds(20)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Fixture f(seed);
    ASSERT_TRUE(f.connect());
    f.pair.path = {10ms, 5ms, 0.2, 0.1};
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(f.send(0, pattern(3000, i)));
    f.a.association.shutdown(f.pair.now());
    EXPECT_EQ(f.send(0, "late").error(), SendError::Closed);
    ASSERT_TRUE(f.pair.run(300s, [&] { return f.a.closed && f.b.closed; }));
    EXPECT_EQ(f.b.messages.size(), 50u);
    EXPECT_EQ(f.a.closed->reason, CloseReason::Shutdown);
    EXPECT_EQ(f.b.closed->reason, CloseReason::Shutdown);
  }
}

TEST(Association, BothSidesMayShutDownAtOnce) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  f.a.association.shutdown(f.pair.now());
  f.b.association.shutdown(f.pair.now());
  ASSERT_TRUE(f.pair.run(10s, [&] { return f.a.closed && f.b.closed; }));
  EXPECT_EQ(f.a.closed->reason, CloseReason::Shutdown);
}

TEST(Association, AbortTellsThePeerWhy) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  f.a.association.abort("bye", f.pair.now());
  ASSERT_TRUE(f.pair.run(1s, [&] { return f.a.closed && f.b.closed; }));
  EXPECT_EQ(f.a.closed->reason, CloseReason::AbortedLocally);
  EXPECT_EQ(f.b.closed->reason, CloseReason::AbortedByPeer);
  EXPECT_EQ(f.b.closed->detail, "user-initiated abort: bye");
  EXPECT_EQ(f.send(0, "x").error(), SendError::Closed);
}

TEST(Association, TheSendBufferIsBoundedAndSaysWhenThereIsRoom) {
  Config config;
  config.max_send_buffer = 100'000;
  Fixture f(1, config);
  ASSERT_TRUE(f.connect());
  f.a.association.set_buffered_amount_low_threshold(StreamId(1), 10'000);
  int accepted = 0;
  while (f.send(1, pattern(1000, 0))) ++accepted;
  EXPECT_EQ(accepted, 100);
  EXPECT_EQ(f.send(1, "x").error(), SendError::BufferFull);
  EXPECT_EQ(f.a.association.buffered_amount(StreamId(1)), 100'000u);
  ASSERT_TRUE(f.pair.run(10s, [&] { return f.a.available == 1; }));
  EXPECT_TRUE(f.send(1, "x"));
  ASSERT_TRUE(f.pair.run(10s, [&] { return f.b.messages.size() == 101; }));
  EXPECT_THAT(f.a.lows, testing::ElementsAre(1));
}

TEST(Association, RefusesWhatCannotBeSent) {
  Fixture f;
  EXPECT_EQ(f.send(0, "").error(), SendError::Empty);
  EXPECT_EQ(f.send(65535, "x").error(), SendError::InvalidStream);
  EXPECT_EQ(f.send(0, pattern(65537, 0)).error(), SendError::MessageTooLarge);
  f.a.association.set_remote_max_message_size(0);
  EXPECT_TRUE(f.send(0, pattern(65537, 0)));
  const StreamId streams[] = {StreamId(0)};
  EXPECT_EQ(f.a.association.reset_streams(streams, f.pair.now()).error(), ResetError::NotConnected);
}

TEST(Association, SpeaksOnEachOf65535Streams) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  for (uint32_t stream = 0; stream < 65535; ++stream) {
    ASSERT_TRUE(f.send(static_cast<uint16_t>(stream), stream % 2 == 0 ? "even" : "odd"));
  }
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.messages.size() == 65535; }));
  std::vector<bool> heard(65535);
  for (const auto& message : f.b.messages) {
    const uint16_t stream = message.stream.value();
    EXPECT_FALSE(heard.at(stream));
    heard[stream] = true;
    EXPECT_EQ(as_text(message.bytes), stream % 2 == 0 ? "even" : "odd");
  }
  EXPECT_EQ(f.b.association.stats().receive_buffer_used, 0u);
}

TEST(Association, CarriesMessagesOf256MiBWhereBothAreConfiguredForThem) {
  constexpr size_t kSize = 256 << 20;
  Config config;
  config.max_message_size = kSize;
  config.max_probed_packet_size = kMaxPacketSize;  // less work
  Fixture f(1, config, config);
  f.pair.path.delay = 1ms;
  f.a.association.set_remote_max_message_size(kSize);
  ASSERT_TRUE(f.connect());
  std::vector<uint8_t> bytes(kSize);
  for (size_t i = 0; i < kSize; i += 1000) store_be32(&bytes[i], static_cast<uint32_t>(i));
  int same = 0;
  f.pair.b().on_event = [&](Event& e) {
    if (auto* m = std::get_if<Message>(&e)) same += std::ranges::equal(m->payload, bytes);
  };
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(f.send(1, bytes));
    ASSERT_TRUE(f.pair.run(300s, [&] { return same == i + 1 && f.a.association.stats().send_buffer_used == 0; }));
  }
  EXPECT_EQ(f.send(1, std::vector<uint8_t>(kSize + 1)).error(), SendError::MessageTooLarge);
}

TEST(Association, ASlowReaderStopsTheSenderAndNothingIsLost) {
  Config config;
  config.receive_window = 0;  // raised to twice the largest message
  config.max_message_size = 20'000;
  Fixture f(1, {}, config);
  ASSERT_TRUE(f.connect());
  // The reader polls nothing: the pair drains only one side's events.
  std::vector<uint8_t> scratch(2048);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(f.send(0, pattern(1000, i)));
  struct Wire {
    std::vector<uint8_t> bytes;
  };
  Time now = f.pair.now();
  for (int round = 0; round < 300; ++round) {
    now += 10ms;
    std::vector<Wire> to_a, to_b;
    while (auto t = f.a.association.poll_transmit(scratch))
      to_b.push_back({{scratch.begin(), scratch.begin() + t->size}});
    for (auto& w : to_b) f.b.association.handle_packet(w.bytes, now);
    while (auto t = f.b.association.poll_transmit(scratch))
      to_a.push_back({{scratch.begin(), scratch.begin() + t->size}});
    for (auto& w : to_a) f.a.association.handle_packet(w.bytes, now);
    f.a.association.handle_timeout(now);
    f.b.association.handle_timeout(now);
    while (f.a.association.poll_event()) {
    }
  }
  EXPECT_LE(f.b.association.stats().receive_buffer_used, 80'000u);
  EXPECT_GT(f.a.association.stats().send_buffer_used, 200'000u);
  f.pair.run_for(Duration(now - f.pair.now()));
  ASSERT_TRUE(f.pair.run(60s, [&] { return f.b.messages.size() == 300; })) << f.b.messages.size();
  for (int i = 0; i < 300; ++i) EXPECT_EQ(f.b.messages[i].bytes, pattern(1000, i));
}

TEST(Association, AnIdlePathIsAskedAndRoundTripsAreMeasured) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  int heartbeats = 0;
  f.pair.a().filter = [&](ByteView p) { return heartbeats += first_chunk(p) == ChunkType::Heartbeat, true; };
  f.pair.run_for(100s);
  EXPECT_EQ(heartbeats, 3);
  EXPECT_EQ(f.a.association.drops()[DropReason::BadHeartbeat], 0u);
  EXPECT_NEAR(static_cast<double>(f.a.association.stats().smoothed_rtt.count()), 20e6, 1e6);
}

TEST(Association, APeerThatStartsAnewIsRecognisedByItsTieTags) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  ASSERT_TRUE(f.send(1, "old"));
  ASSERT_TRUE(f.pair.run(1s, [&] { return f.b.messages.size() == 1; }));
  Peer fresh(99);
  f.a.association = std::move(fresh.association);
  // The new association speaks with random numbers of its own, which must outlive it.
  f.a.association.connect(f.pair.now());
  ASSERT_TRUE(f.pair.run(5s, [&] { return f.b.restarted == 1 && f.b.connected == 2; }));
  ASSERT_TRUE(f.send(1, "new"));
  ASSERT_TRUE(f.pair.run(1s, [&] { return f.b.messages.size() == 2; }));
  EXPECT_EQ(as_text(f.b.messages[1].bytes), "new");
}

TEST(Association, SameSeedSameBytes) {
  const auto run = [] {
    Fixture f(5);
    std::vector<uint8_t> all;
    f.pair.a().filter = [&](ByteView p) { return all.insert(all.end(), p.begin(), p.end()), true; };
    f.pair.path = {10ms, 5ms, 0.1, 0.1};
    EXPECT_TRUE(f.connect());
    EXPECT_TRUE(f.send(0, pattern(30'000, 1)));
    f.pair.run_for(5s);
    return all;
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace kaon::sctp
