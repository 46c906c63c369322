// Associations that begin with INITs known by other means (SNAP, draft-hancke-tsvwg-snap).
#include <gmock/gmock.h>

#include <set>

#include "kaon/base/base64.h"
#include "kaon/sctp/association.h"
#include "kaon/sctp/internal/packet.h"
#include "kaon/sctp/test_pair.h"

namespace kaon::sctp {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

struct Peer {
  explicit Peer(uint64_t seed, const Config& config = {}) : random(seed), association(config, Env{random, log}) {}

  void on(Event& event) {
    if (auto* m = std::get_if<Message>(&event)) messages.emplace_back(as_text(m->payload));
    if (auto* c = std::get_if<Connected>(&event)) connected.push_back(*c);
    if (std::holds_alternative<Restarted>(event)) ++restarted;
    if (std::holds_alternative<Closed>(event)) ++closed;
  }
  void send(std::string_view text, Time now) {
    ASSERT_TRUE(association.send(StreamId(1), Ppid(51), as_bytes(text), {}, now));
  }

  SeededRandom random;
  NullLogger log;
  Association association;
  std::vector<std::string> messages;
  std::vector<Connected> connected;
  int restarted = 0, closed = 0;
};

struct Fixture {
  explicit Fixture(uint64_t seed = 1, const Config& config_a = {}, const Config& config_b = {})
      : a(seed * 2 + 1, config_a), b(seed * 2 + 2, config_b), pair(a.association, b.association, seed) {
    pair.a().on_event = [this](Event& e) { a.on(e); };
    pair.b().on_event = [this](Event& e) { b.on(e); };
    pair.a().filter = pair.b().filter = [this](ByteView packet) {
      ChunkReader chunks(packet.subspan(kCommonHeaderSize));
      while (const auto chunk = chunks.next()) seen.insert(chunk->type);
      return true;
    };
  }
  void connect_a() { ASSERT_TRUE(a.association.connect_with(b.association.init_chunk(), pair.now())); }
  void connect_b() { ASSERT_TRUE(b.association.connect_with(a.association.init_chunk(), pair.now())); }
  bool shook_hands() const {
    return seen.contains(ChunkType::Init) || seen.contains(ChunkType::InitAck) ||
           seen.contains(ChunkType::CookieEcho) || seen.contains(ChunkType::CookieAck);
  }

  Peer a, b;
  test::Pair<Association, Event> pair;
  std::set<ChunkType> seen;
};

// The two values of the draft's example.
constexpr std::string_view kExamples[] = {"AQAAHols3R0AUAAA/////+B5ZR3AAAAEgAgABoLA",
                                          "AQAAHl+zdHQAUAAA/////6Gq3HTAAAAEgAgABoLA"};

TEST(Snap, BothAreConnectedAtOnceAndDataIsTheFirstOnTheWire) {
  Fixture f;
  f.connect_a();
  f.connect_b();
  EXPECT_EQ(f.a.association.state(), State::Established);
  f.a.send("first", f.pair.now());
  const Time start = f.pair.now();
  ASSERT_TRUE(f.pair.run(1s, [&] { return !f.b.messages.empty(); }));
  EXPECT_EQ(f.pair.now() - start, f.pair.path.delay) << "half a round trip";
  f.b.send("back", f.pair.now());
  ASSERT_TRUE(f.pair.run(1s, [&] { return !f.a.messages.empty(); }));
  f.pair.run_for(5s);
  EXPECT_FALSE(f.shook_hands());
  EXPECT_EQ(f.a.connected.size(), 1u);
  EXPECT_EQ(f.b.connected.size(), 1u);
  EXPECT_TRUE(f.a.association.stats().snap);
  EXPECT_EQ(f.a.association.drops().total() + f.b.association.drops().total(), 0u);
}

TEST(Snap, TheValuesOfTheDraftAreInitChunks) {
  for (const std::string_view example : kExamples) {
    auto chunk = *from_base64(example);
    ASSERT_TRUE(is_init_chunk(chunk)) << example;
    chunk.resize(padded(chunk.size()));
    EXPECT_TRUE(is_init_chunk(chunk)) << "with its padding";
    Peer peer(1);
    ASSERT_TRUE(peer.association.connect_with(chunk, Time(1s)));
    const auto event = peer.association.poll_event();
    ASSERT_TRUE(event && std::holds_alternative<Connected>(*event));
    const auto& connected = std::get<Connected>(*event);
    EXPECT_EQ(connected.outgoing_streams, 65535);
    EXPECT_TRUE(connected.partial_reliability);
    EXPECT_TRUE(connected.stream_reset);
    EXPECT_FALSE(connected.interleaving);
    // The peer's Initiate Tag is the verification tag of all that we send.
    peer.send("x", Time(1s));
    std::vector<uint8_t> out(2000);
    ASSERT_TRUE(peer.association.poll_transmit(out));
    EXPECT_EQ(CommonHeader::parse(out).verification_tag, load_be32(&chunk[4]));
  }
}

TEST(SnapD12, WhatIsNoInitIsRefusedAndChangesNothing) {
  const auto good = *from_base64(kExamples[0]);
  std::vector<std::vector<uint8_t>> bad;
  for (size_t size = 0; size < good.size(); ++size) bad.emplace_back(good.begin(), good.begin() + ptrdiff_t(size));
  const auto changed = [&](size_t at, std::initializer_list<uint8_t> bytes) {
    bad.push_back(good);
    std::ranges::copy(bytes, bad.back().begin() + ptrdiff_t(at));
  };
  changed(0, {2});           // INIT ACK
  changed(2, {0, 19});       // shorter than the fixed part
  changed(2, {0, 40});       // longer than what is there
  changed(4, {0, 0, 0, 0});  // initiate tag
  changed(12, {0, 0});       // outbound streams
  changed(14, {0, 0});       // inbound streams
  changed(22, {0, 200});     // a parameter that is longer than the chunk
  bad.push_back(good);
  bad.back().resize(padded(good.size()));
  bad.back().insert(bad.back().end(), {6, 0, 0, 4});  // a chunk behind it
  bad.push_back(good);
  bad.back().resize(20);
  bad.back()[3] = 28;
  bad.back().insert(bad.back().end(), {0, 11, 0, 8, 'h', 'o', 's', 't'});  // a host name, §3.3.2: MUST NOT
  for (const auto& bytes : bad) {
    EXPECT_FALSE(is_init_chunk(bytes)) << to_base64(bytes);
    Fixture f;
    EXPECT_EQ(f.a.association.connect_with(bytes, f.pair.now()), fail(InitError::Malformed)) << to_base64(bytes);
    EXPECT_EQ(f.a.association.state(), State::Idle);
    f.a.association.connect(f.pair.now());
    EXPECT_TRUE(f.pair.run(1s, [&] { return !f.b.connected.empty(); }));
  }
}

TEST(Snap, TheChunkIsTheOneThatAHandshakeWouldSend) {
  Fixture f;
  const auto chunk = f.a.association.init_chunk();
  EXPECT_EQ(f.a.association.init_chunk(), chunk);
  f.a.association.connect(f.pair.now());
  std::vector<uint8_t> out(2000);
  const auto transmit = f.a.association.poll_transmit(out);
  ASSERT_TRUE(transmit);
  const ByteView sent = ByteView(out).subspan(kCommonHeaderSize, transmit->size - kCommonHeaderSize);
  EXPECT_EQ(std::vector<uint8_t>(sent.begin(), sent.end()), chunk);
  EXPECT_EQ(f.a.association.connect_with(f.b.association.init_chunk(), f.pair.now()), fail(InitError::NotIdle));
}

TEST(Snap, WhatBothCanIsUsedAndNoMore) {
  Config few;
  few.outgoing_streams = 10;
  few.incoming_streams = 4;
  few.interleaving = false;
  Fixture f(1, {}, few);
  f.connect_a();
  f.connect_b();
  f.pair.run_for(100ms);
  ASSERT_EQ(f.a.connected.size(), 1u);
  EXPECT_EQ(f.a.connected[0].outgoing_streams, 4);
  EXPECT_FALSE(f.a.connected[0].interleaving);
  ASSERT_EQ(f.b.connected.size(), 1u);
  EXPECT_EQ(f.b.connected[0].outgoing_streams, 10);
}

TEST(Snap, WhoIsAheadRepeatsWhatCameTooEarly) {
  Fixture f;
  (void)f.b.association.init_chunk();
  f.connect_a();
  f.a.send("early", f.pair.now());
  f.pair.run_for(300ms);
  EXPECT_TRUE(f.b.messages.empty());
  EXPECT_EQ(f.a.closed, 0) << "an ABORT from an association that is about to begin";
  f.connect_b();
  EXPECT_TRUE(f.pair.run(3s, [&] { return !f.b.messages.empty(); }));
}

TEST(Snap, EveryMessageArrivesWhateverThePathDoes) {
  for (const uint64_t seed : sim::seeds(50)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Fixture f(seed);
    f.pair.path = {.delay = 20ms, .jitter = 30ms, .loss = 0.25, .duplication = 0.1};
    f.connect_a();
    f.a.send("a0", f.pair.now());
    f.pair.run_for(Duration(f.a.random.below(100'000'000)));
    f.connect_b();
    std::vector<std::string> to_b{"a0"}, to_a;
    for (int i = 1; i < 20; ++i) {
      f.a.send(to_b.emplace_back("a" + std::to_string(i)), f.pair.now());
      f.b.send(to_a.emplace_back("b" + std::to_string(i)), f.pair.now());
    }
    ASSERT_TRUE(f.pair.run(60s, [&] { return f.a.messages.size() >= 19 && f.b.messages.size() >= 20; }));
    f.pair.run_for(5s);
    EXPECT_EQ(f.a.messages, to_a);
    EXPECT_EQ(f.b.messages, to_b);
    EXPECT_FALSE(f.shook_hands());
  }
}

// Never half-open: a peer that has our INIT and shakes hands all the same is heard, and nothing that was sent is lost.
TEST(Snap, APeerThatShakesHandsAllTheSameGetsEverything) {
  for (const uint64_t seed : sim::seeds(50)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Fixture f(seed);
    f.pair.path = {.delay = 20ms, .jitter = 30ms, .loss = 0.2, .duplication = 0.1};
    f.connect_a();
    f.a.send("queued", f.pair.now());
    f.pair.run_for(Duration(f.a.random.below(200'000'000)));
    f.b.association.connect(f.pair.now());
    f.b.send("back", f.pair.now());
    ASSERT_TRUE(f.pair.run(60s, [&] { return !f.a.messages.empty() && !f.b.messages.empty(); }));
    f.pair.run_for(5s);
    EXPECT_THAT(f.a.messages, ElementsAre("back"));
    EXPECT_THAT(f.b.messages, ElementsAre("queued"));
    EXPECT_EQ(f.a.restarted, 0);
    EXPECT_FALSE(f.b.association.stats().snap);
    EXPECT_EQ(f.a.closed + f.b.closed, 0);
  }
}

// As above, where it gave away another INIT than it then sends.
TEST(Snap, APeerThatShakesHandsUnderAnotherTagGetsEverything) {
  Fixture f;
  Peer other(99);
  ASSERT_TRUE(f.a.association.connect_with(other.association.init_chunk(), f.pair.now()));
  f.a.send("queued", f.pair.now());
  f.b.association.connect(f.pair.now());
  f.b.send("back", f.pair.now());
  ASSERT_TRUE(f.pair.run(10s, [&] { return !f.a.messages.empty() && !f.b.messages.empty(); }));
  EXPECT_THAT(f.b.messages, ElementsAre("queued"));
  EXPECT_EQ(f.a.restarted, 0);
}

// RFC 9260 §5.2.4.1 as ever, once both have been heard.
TEST(Snap, APeerThatStartsAnewIsRecognised) {
  Fixture f;
  f.connect_a();
  f.connect_b();
  f.a.send("old", f.pair.now());
  f.b.send("old", f.pair.now());
  ASSERT_TRUE(f.pair.run(1s, [&] { return !f.a.messages.empty() && !f.b.messages.empty(); }));
  f.pair.run_for(1s);
  Peer anew(50);
  f.pair.b().engine = &anew.association;
  f.pair.b().on_event = [&](Event& e) { anew.on(e); };
  anew.association.connect(f.pair.now());
  ASSERT_TRUE(f.pair.run(10s, [&] { return f.a.restarted == 1 && !anew.connected.empty(); }));
  f.a.send("new", f.pair.now());
  EXPECT_TRUE(f.pair.run(10s, [&] { return !anew.messages.empty(); }));
}

TEST(Snap, AnOldInitOnTheWireChangesNothing) {
  Fixture f;
  const auto chunk = f.b.association.init_chunk();
  std::vector<uint8_t> packet(2000);
  PacketWriter writer(packet, packet.size());
  writer.add(ChunkType::Init, 0, ByteView(chunk).subspan(kChunkHeaderSize));
  packet.resize(writer.finish({5000, 5000, 0}));
  f.connect_a();
  f.connect_b();
  f.a.send("1", f.pair.now());
  f.b.send("1", f.pair.now());
  f.pair.run_for(1s);
  for (int i = 0; i < 3; ++i) {
    auto replayed = packet;
    f.a.association.handle_packet(replayed, f.pair.now());
    f.pair.run_for(1s);
  }
  f.a.send("2", f.pair.now());
  f.b.send("2", f.pair.now());
  f.pair.run_for(1s);
  EXPECT_THAT(f.a.messages, ElementsAre("1", "2"));
  EXPECT_THAT(f.b.messages, ElementsAre("1", "2"));
  EXPECT_EQ(f.a.restarted + f.b.restarted + f.a.closed + f.b.closed, 0);
}

}  // namespace
}  // namespace kaon::sctp
