// What a bad peer can do to data channels; the rows of attacks are named by the tests.
#include <gmock/gmock.h>

#include "kaon/datachannel/internal/channels_test_support.h"
#include "kaon/datachannel/internal/dcep.h"

namespace kaon::datachannel {
namespace {

using namespace std::chrono_literals;
using test::Fixture;
using test::Peer;
using testing::ElementsAre;

// --- What a bad peer does, by speaking SCTP without our channels above ---

struct BadPeer {
  explicit BadPeer(const Config& config = {})
      : random(4), association({}, Env{random, log}), good(5, config), pair(association, good.channels, 1) {
    pair.b().on_event = [this](Event& e) { good.on(e); };
    pair.a().on_event = [this](sctp::Event& e) {
      if (auto* reset = std::get_if<sctp::IncomingStreamsReset>(&e)) {
        for (auto id : reset->streams) resets.push_back(id.value());
      } else if (auto* m = std::get_if<sctp::Message>(&e)) {
        ppids.push_back(m->ppid.value());
      } else if (std::holds_alternative<sctp::Connected>(e)) {
        connected = true;
      }
    };
    good.channels.start(DtlsRole::Client, pair.now());
    association.connect(pair.now());
    EXPECT_TRUE(pair.run(5s, [this] { return connected && good.connected == 1; }));
  }
  void send(uint16_t stream, uint32_t ppid, ByteView bytes) {
    EXPECT_TRUE(association.send(sctp::StreamId(stream), sctp::Ppid(ppid), bytes, {}, pair.now()));
    pair.run_for(1s);
  }
  /// Without waiting a second.
  void send_at_once(uint16_t stream, uint32_t ppid, ByteView bytes) {
    EXPECT_TRUE(association.send(sctp::StreamId(stream), sctp::Ppid(ppid), bytes, {}, pair.now()));
    pair.drain();
  }
  size_t held() const { return good.channels.association().stats().receive_buffer_used; }
  void open(uint16_t stream, std::string label = "ok") {
    DcepOpen message;
    message.label = std::move(label);
    send(stream, 50, message.write());
  }
  SeededRandom random;
  NullLogger log;
  sctp::Association association;
  Peer good;
  template <class A, class B>
  struct Link {
    Link(A& a_engine, B& b_engine, uint64_t) : a_(a_engine), b_(b_engine) {}
    struct SideA {
      std::function<void(sctp::Event&)> on_event;
    };
    struct SideB {
      std::function<void(Event&)> on_event;
    };
    SideA& a() { return side_a_; }
    SideB& b() { return side_b_; }
    Time now() const { return now_; }
    void drain() {
      for (bool active = true; active;) {
        active = false;
        while (auto event = a_.poll_event()) side_a_.on_event(*event), active = true;
        while (auto event = b_.poll_event()) side_b_.on_event(*event), active = true;
        while (auto t = a_.poll_transmit(scratch_))
          b_.handle_packet(Bytes(scratch_).first(t->size), now_), active = true;
        while (auto t = b_.poll_transmit(scratch_))
          a_.handle_packet(Bytes(scratch_).first(t->size), now_), active = true;
      }
    }
    bool run(Duration limit, const std::function<bool()>& done) {
      const Time end = now_ + limit;
      for (drain(); !done(); drain()) {
        const Time next = std::min(a_.next_timeout(), b_.next_timeout());
        if (next > end) return now_ = end, false;
        now_ = std::max(now_, next);
        a_.handle_timeout(now_);
        b_.handle_timeout(now_);
      }
      return true;
    }
    void run_for(Duration time) {
      run(time, [] { return false; });
    }
    A& a_;
    B& b_;
    SideA side_a_;
    SideB side_b_;
    Time now_{std::chrono::seconds(5)};
    std::vector<uint8_t> scratch_ = std::vector<uint8_t>(2048);
  };
  Link<sctp::Association, Channels> pair;
  std::vector<uint16_t> resets;
  std::vector<uint32_t> ppids;
  bool connected = false;
};

TEST(ChannelsD9, OpenIsAcknowledged) {
  BadPeer bad;
  bad.open(1);
  EXPECT_THAT(bad.ppids, ElementsAre(50u));
  EXPECT_EQ(bad.good.announced.size(), 1u);
}

TEST(ChannelsD9, OpenOnAStreamOfOurParityIsRefusedByReset) {
  BadPeer bad;
  bad.open(1);
  bad.open(2);
  EXPECT_EQ(bad.good.announced.size(), 1u);
  EXPECT_THAT(bad.resets, ElementsAre(2));
  EXPECT_EQ(bad.good.channels.drops()[DropReason::UnexpectedOpen], 1u);
  bad.send(1, 51, as_bytes("alive"));
  EXPECT_EQ(bad.good.messages.size(), 1u);
}

TEST(ChannelsD9, ASecondOpenClosesThatChannelOnly) {
  BadPeer bad;
  bad.open(1);
  bad.open(3);
  bad.open(1, "twice");
  EXPECT_THAT(bad.resets, ElementsAre(1));
  EXPECT_EQ(bad.good.closing.size(), 1u);
  bad.send(3, 51, as_bytes("alive"));
  ASSERT_EQ(bad.good.messages.size(), 1u);
  EXPECT_EQ(bad.good.messages[0].text, "alive");
}

TEST(ChannelsD9, MalformedOpensAreRefused) {
  BadPeer bad;
  bad.open(1, "\xff");
  const uint8_t short_open[] = {3, 0, 0, 0};
  bad.send(3, 50, short_open);
  DcepOpen lie;
  lie.label = "abc";
  auto bytes = lie.write();
  bytes[9] = 200;
  bad.send(5, 50, bytes);
  bytes = lie.write();
  bytes[1] = 0x03;
  bad.send(7, 50, bytes);
  EXPECT_THAT(bad.resets, ElementsAre(1, 3, 5, 7));
  EXPECT_TRUE(bad.good.announced.empty());
  EXPECT_EQ(bad.good.channels.drops()[DropReason::MalformedDcep], 4u);
}

TEST(ChannelsD9, StrayAcksUnknownMessagesAndStraysOfDataDoNothing) {
  BadPeer bad;
  const uint8_t ack[] = {2}, unknown[] = {9};
  bad.send(1, 50, ack);
  bad.send(1, 50, unknown);
  bad.send(9, 51, as_bytes("nobody home"));
  const auto& drops = bad.good.channels.drops();
  EXPECT_EQ(drops[DropReason::UnexpectedAck], 1u);
  EXPECT_EQ(drops[DropReason::UnknownDcep], 1u);
  EXPECT_EQ(drops[DropReason::UnknownStream], 1u);
  EXPECT_TRUE(bad.good.messages.empty());
  EXPECT_TRUE(bad.resets.empty());
  EXPECT_FALSE(bad.good.ended.has_value());
}

TEST(ChannelsD9, WhatNoChannelShouldCarryClosesThatOneOnly) {
  struct Case {
    uint32_t ppid;
    const char* bytes;
    DropReason counted;
  };
  for (const Case& c : {Case{51, "\xff\xfe", DropReason::InvalidUtf8},
                        {1234, "?", DropReason::UnknownPpid},
                        {50, "\x09", DropReason::UnknownDcep}}) {
    SCOPED_TRACE(c.ppid);
    BadPeer bad;
    bad.open(1);
    bad.open(3);
    bad.send(1, c.ppid, as_bytes(c.bytes));
    bad.send(1, 51, as_bytes("too late"));
    bad.send(3, 51, as_bytes("alive"));
    EXPECT_EQ(bad.good.channels.drops()[c.counted], 1u);
    EXPECT_THAT(bad.resets, ElementsAre(1));
    ASSERT_EQ(bad.good.messages.size(), 1u);
    EXPECT_EQ(bad.good.messages[0].text, "alive");
    const sctp::StreamId stream[] = {sctp::StreamId(1)};
    ASSERT_TRUE(bad.association.reset_streams(stream, bad.pair.now()));
    bad.pair.run_for(1s);
    EXPECT_THAT(bad.good.errors, ElementsAre(ChannelError::ProtocolViolation));
  }
}

TEST(ChannelsD9, TheOldPartialPpidsAreJoined) {
  BadPeer bad;
  bad.open(1);
  bad.send(1, 54, as_bytes("one "));
  bad.send(1, 54, as_bytes("two "));
  bad.send(1, 51, as_bytes("three"));
  bad.send(1, 52, as_bytes("b1"));
  bad.send(1, 53, as_bytes("b2"));
  ASSERT_EQ(bad.good.messages.size(), 2u);
  EXPECT_EQ(bad.good.messages[0].text, "one two three");
  EXPECT_EQ(bad.good.messages[1].text, "b1b2");
  EXPECT_TRUE(bad.good.messages[1].binary);
}

TEST(ChannelsD9, MoreChannelsThanAllowedAreRefused) {
  Config config;
  config.max_incoming_channels = 2;
  Fixture f(1, config);
  ASSERT_TRUE(f.connect());
  for (int i = 0; i < 3; ++i) f.open_named("c");
  ASSERT_TRUE(f.run([&] { return f.a.closed.size() == 1; }));
  EXPECT_EQ(f.b.announced.size(), 2u);
}

// --- Messages in parts ---

Config small_window() {
  Config config;
  config.sctp.max_message_size = 100'000;
  config.sctp.receive_window = 1'000'000;
  return config;
}

TEST(ChannelsD4, PartsOfMessagesWithoutEndStayWithinHalfOfTheWindow) {
  BadPeer bad(small_window());
  const std::vector<uint8_t> part(10'000, 7);
  size_t most = 0;
  for (uint16_t stream = 1; stream < 200; stream = static_cast<uint16_t>(stream + 2)) {
    bad.open(stream);
    for (int i = 0; i < 9; ++i) {
      bad.send_at_once(stream, 52, part);
      bad.pair.run_for(20ms);
      most = std::max(most, bad.held());
    }
  }
  EXPECT_GT(most, 300'000u) << "they count while they are held";
  EXPECT_LE(most, 600'000u) << "half of the window, and what comes while the last one is judged";
  EXPECT_GT(bad.good.channels.drops()[DropReason::PartsTooLarge], 80u);
  EXPECT_GT(bad.good.closing.size(), 80u);

  bad.open(301);
  bad.send(301, 51, as_bytes("the others live"));
  ASSERT_EQ(bad.good.messages.size(), 1u);
  EXPECT_FALSE(bad.good.ended.has_value());
}

TEST(ChannelsD4, APartOfAByteOnEachOfManyChannelsIsBoundedToo) {
  BadPeer bad(small_window());
  const uint8_t byte[] = {1};
  for (uint16_t stream = 1; stream < 6000; stream = static_cast<uint16_t>(stream + 2)) {
    DcepOpen open;
    bad.send_at_once(stream, 50, open.write());
    bad.send_at_once(stream, 52, byte);
    ASSERT_LE(bad.held(), 550'000u) << stream;
    bad.pair.run_for(10ms);
  }
  EXPECT_GT(bad.good.channels.drops()[DropReason::PartsTooLarge], 500u);
  bad.open(6001);
  bad.send(6001, 51, as_bytes("the others live"));
  EXPECT_EQ(bad.good.messages.size(), 1u);
}

TEST(ChannelsD4, AMessageInPartsMayBeAsLargeAsOneInOnePiece) {
  Config config;
  config.sctp.max_message_size = config.sctp.receive_window = 100'000;
  BadPeer bad(config);
  bad.open(1);
  bad.open(3);
  for (const uint16_t stream : {uint16_t{1}, uint16_t{3}}) {
    for (int i = 0; i < 100; ++i) bad.send(stream, 54, std::vector<uint8_t>(999, 'x'));
    EXPECT_GE(bad.held(), 99'900u);
    bad.send(stream, 51, std::vector<uint8_t>(stream == 1 ? 100 : 101, 'y'));
  }
  ASSERT_EQ(bad.good.messages.size(), 1u);
  EXPECT_EQ(bad.good.messages[0].text, std::string(99'900, 'x') + std::string(100, 'y'));
  EXPECT_EQ(bad.good.channels.drops()[DropReason::PartsTooLarge], 1u);
  EXPECT_EQ(bad.held(), 0u) << "polled, and given up with its channel";
}

TEST(ChannelsD4, PartsEndWithTheirChannel) {
  BadPeer bad;
  bad.open(1);
  bad.send(1, 52, std::vector<uint8_t>(5000, 1));
  EXPECT_GE(bad.held(), 5000u);
  bad.good.channels.close(bad.good.announced[0], bad.pair.now());
  EXPECT_EQ(bad.held(), 0u);
}

}  // namespace
}  // namespace kaon::datachannel
