// Explicit Congestion Notification: what is agreed, what a mark does, and what a path does that cannot carry it.
#include <gmock/gmock.h>

#include <functional>

#include "kaon/sctp/association.h"
#include "kaon/sctp/describe.h"
#include "kaon/sim/pump.h"

namespace kaon::sctp {
namespace {

using namespace std::chrono_literals;
using net::Ecn;
using testing::HasSubstr;
using testing::Not;

struct Side {
  Side(uint64_t seed, const Config& config) : random(seed), association(config, Env{random, log}) {}
  SeededRandom random;
  NullLogger log;
  Association association;
};

std::string outline_of(ByteView packet) {
  Outline outline(packet);
  describe(packet, {}, outline);
  return outline.text();
}

Config with(bool ecn) {
  Config config;
  config.ecn = ecn;
  config.max_probed_packet_size = 0;
  return config;
}

// A sends to B, hand to hand; what B says is kept.
struct Ends {
  explicit Ends(const Config& config_a = with(true), const Config& config_b = with(true))
      : a(1, config_a), b(2, config_b) {
    a.association.set_remote_max_message_size(0);
    a.association.connect(now);
    b.association.connect(now);
    for (int i = 0; i < 10; ++i) step();
    EXPECT_EQ(a.association.state(), State::Established);
    said_by_b.clear();
  }
  void step(Duration time = 10ms) {
    now += time;
    for (Side* side : {&a, &b}) {
      if (side->association.next_timeout() <= now) side->association.handle_timeout(now);
    }
    for (bool active = true; active;) {
      active = false;
      while (const auto t = a.association.poll_transmit(scratch)) {
        active = true;
        const Bytes packet = Bytes(scratch).first(t->size);
        ++sent[t->ecn];
        said_by_a += outline_of(packet);
        if (const auto arrives = way(t->ecn, said_by_a)) b.association.handle_packet(packet, now, *arrives);
        while (b.association.poll_event()) {
        }
      }
      while (const auto t = b.association.poll_transmit(scratch)) {
        active = true;
        const Bytes packet = Bytes(scratch).first(t->size);
        EXPECT_EQ(t->ecn, Ecn::NotEct) << "no data";
        said_by_b += outline_of(packet);
        a.association.handle_packet(packet, now);
        while (a.association.poll_event()) {
        }
      }
    }
  }
  void send(size_t size) {
    const std::vector<uint8_t> message(size, 7);
    ASSERT_TRUE(a.association.send(StreamId(1), Ppid(53), message, {}, now));
  }
  size_t window() const { return a.association.stats().congestion_window; }

  // As what a packet of A arrives, nothing if it is lost; gets all that A has said.
  std::function<std::optional<Ecn>(Ecn, const std::string&)> way = [](Ecn ecn, const std::string&) { return ecn; };
  Time now{100s};
  Side a, b;
  std::map<Ecn, int> sent;
  std::string said_by_a, said_by_b;
  std::vector<uint8_t> scratch = std::vector<uint8_t>(2048);
};

TEST(Ecn, DataIsMarkableWhereBothHaveItAndNothingElseIs) {
  for (const auto& [ours, theirs] : {std::pair{true, true}, {true, false}, {false, true}}) {
    Ends ends(with(ours), with(theirs));
    EXPECT_EQ(ends.sent[Ecn::Ect0], 0) << "of the handshake";
    ends.send(50'000);
    ends.step();
    EXPECT_EQ(ends.sent[Ecn::Ect0] > 40, ours && theirs);
    EXPECT_EQ(ends.sent[Ecn::Ect1] + ends.sent[Ecn::Ce], 0);
  }
}

TEST(Ecn, AMarkMakesTheWindowSmallerOnceAndIsAnswered) {
  Ends ends;
  const size_t before = ends.window();
  ends.way = [](Ecn ecn, const std::string&) { return ecn == Ecn::Ect0 ? Ecn::Ce : ecn; };
  ends.send(5'000);
  ends.step();
  ends.way = [](Ecn ecn, const std::string&) { return ecn; };
  EXPECT_EQ(ends.a.association.stats().marks_reported, 1u) << "one round trip, one cut";
  EXPECT_GE(ends.b.association.stats().marks_received, 2u);
  EXPECT_LT(ends.window(), before);
  EXPECT_THAT(ends.said_by_b, HasSubstr("ECNE tsn"));
  EXPECT_THAT(ends.said_by_a, HasSubstr("CWR tsn"));
  ends.said_by_b.clear();
  ends.send(5'000);
  ends.step();
  EXPECT_THAT(ends.said_by_b, Not(HasSubstr("ECNE"))) << "it has heard our answer";
  EXPECT_EQ(ends.a.association.stats().marks_reported, 1u);
}

TEST(Ecn, IsToldAgainUntilTheAnswerArrives) {
  Ends ends;
  bool marked = false;
  ends.way = [&](Ecn ecn, const std::string& said) -> std::optional<Ecn> {
    if (said.find("CWR") != std::string::npos && said.rfind("CWR") > said.rfind("SCTP port")) return std::nullopt;
    return std::exchange(marked, true) ? ecn : Ecn::Ce;
  };
  ends.send(500);
  ends.step();
  for (int i = 0; i < 3; ++i) {
    ends.said_by_b.clear();
    ends.send(500);
    ends.step(500ms);
    ends.step(500ms);
    EXPECT_THAT(ends.said_by_b, HasSubstr("ECNE")) << i;
  }
  EXPECT_EQ(ends.a.association.stats().marks_reported, 1u) << "old news";
  ends.way = [](Ecn ecn, const std::string&) { return ecn; };
  for (int i = 0; i < 4; ++i) {
    ends.said_by_b.clear();
    ends.send(500);
    ends.step(1s);
  }
  EXPECT_THAT(ends.said_by_b, Not(HasSubstr("ECNE")));
}

TEST(Ecn, IsGivenUpOnAPathThatDropsWhatCanBeMarked) {
  Ends ends;
  ends.way = [](Ecn ecn, const std::string&) { return ecn == Ecn::Ect0 ? std::nullopt : std::optional(ecn); };
  ends.send(50'000);
  for (int i = 0; i < 500 && ends.a.association.stats().send_buffer_used != 0; ++i) ends.step();
  EXPECT_EQ(ends.a.association.stats().send_buffer_used, 0u);
  const int markable = ends.sent[Ecn::Ect0];
  ends.send(50'000);
  ends.step(1s);
  EXPECT_EQ(ends.sent[Ecn::Ect0], markable);
  ends.a.association.path_changed();
  ends.way = [](Ecn ecn, const std::string&) { return ecn; };
  ends.send(5'000);
  ends.step(1s);
  EXPECT_GT(ends.sent[Ecn::Ect0], markable) << "another path, another try";
}

// 20 Mbit/s and 40 ms there and back, with a queue of 400 ms that is marked above 5 ms.
struct Bottleneck {
  sim::LinkStats stats;
  double utilisation = 0;
  Stats sender;
};
Bottleneck through_bottleneck(bool ecn) {
  Side a(1, with(ecn));
  Side b(2, with(ecn));
  sim::LinkConfig link{.delay = 20ms};
  link.rate = DataRate::bits_per_second(20'000'000);
  link.queue_size = DataSize::bytes(1'000'000);
  link.mark_above = 5ms;
  size_t bytes = 0;
  sim::PairPump pump(a.association, b.association, 1, link, sim::kIgnoreEvents, [&](const Event& event) {
    if (const auto* message = std::get_if<Message>(&event)) bytes += message->payload.size();
  });
  a.association.connect(pump.now());
  b.association.connect(pump.now());
  const std::vector<uint8_t> message(10'000, 7);
  for (int i = 0; i < 2000; ++i) {
    while (a.association.buffered_amount(StreamId(1)) < 1'000'000) {
      if (!a.association.send(StreamId(1), Ppid(53), message, {}, pump.now())) break;
    }
    pump.pass(10ms);
  }
  return {pump.a_to_b().stats(), static_cast<double>(bytes) * 8 / 20 / 20e6, a.association.stats()};
}

TEST(Ecn, KeepsTheQueueShortWithoutLosingAPacket) {
  const Bottleneck marked = through_bottleneck(true);
  const Bottleneck unmarked = through_bottleneck(false);
  std::printf("marked: %.0f %% used, longest wait %.0f ms; else %.0f %%, %.0f ms\n", 100 * marked.utilisation,
              std::chrono::duration<double, std::milli>(marked.stats.longest_wait).count(), 100 * unmarked.utilisation,
              std::chrono::duration<double, std::milli>(unmarked.stats.longest_wait).count());
  EXPECT_GE(marked.sender.marks_reported, 10u);
  EXPECT_EQ(marked.stats.dropped_queue_full, 0u);
  EXPECT_EQ(marked.sender.chunks_retransmitted, 0u);
  EXPECT_GT(marked.utilisation, 0.8);
  EXPECT_LT(marked.stats.longest_wait, 60ms);
  EXPECT_GT(unmarked.stats.longest_wait, 300ms);
}

}  // namespace
}  // namespace kaon::sctp
