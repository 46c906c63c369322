#include "kaon/datachannel/channels.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <span>

#include "kaon/datachannel/internal/channels_test_support.h"
#include "kaon/datachannel/internal/dcep.h"
#include "kaon/datachannel/internal/utf8.h"

namespace kaon::datachannel {
namespace {

using namespace std::chrono_literals;
using test::Fixture;
using test::Peer;
using testing::ElementsAre;

TEST(Channels, OpenInBandWithEverythingTheOptionsSay) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  const ChannelId id = f.open({.label = "läbel",
                               .protocol = "proto",
                               .ordered = false,
                               .max_retransmits = 3,
                               .negotiated = false,
                               .priority = 512});
  ASSERT_TRUE(f.run([&] { return f.b.announced.size() == 1; }));
  EXPECT_THAT(f.a.opened, ElementsAre(id));
  const auto info = f.b.channels.info(f.b.announced[0]);
  EXPECT_EQ(info->options.label, "läbel");
  EXPECT_EQ(info->options.protocol, "proto");
  EXPECT_FALSE(info->options.ordered);
  EXPECT_EQ(info->options.max_retransmits, 3);
  EXPECT_EQ(info->options.priority, 512);
  EXPECT_TRUE(info->remote);
  EXPECT_EQ(info->state, ChannelState::Open);
}

// Also what the side sends that did not make them: it has the priorities from DATA_CHANNEL_OPEN.
TEST(Channels, ShareByTheirPriority) {
  for (const bool ours : {true, false}) {
    Fixture f;
    ASSERT_TRUE(f.connect());
    const ChannelId made[] = {f.open({.priority = 256}), f.open({.priority = 1024})};
    ASSERT_TRUE(f.run([&] { return f.b.announced.size() == 2; }));
    Peer& sender = ours ? f.a : f.b;
    Peer& receiver = ours ? f.b : f.a;
    const std::vector<uint8_t> message(20'000);
    for (int i = 0; i < 40; ++i) {
      for (const ChannelId id : ours ? std::span<const ChannelId>(made) : f.b.announced) {
        ASSERT_TRUE(sender.channels.send_binary(id, message, f.pair.now()));
      }
    }
    // What is more urgent is announced first.
    const ChannelId high = ours ? f.b.announced[0] : made[1];
    ASSERT_EQ(receiver.channels.info(high)->options.priority, 1024);
    const auto of_high = [&] { return std::ranges::count(receiver.messages, high, &test::Text::channel); };
    ASSERT_TRUE(f.run([&] { return of_high() == 40; }));
    EXPECT_NEAR(static_cast<double>(receiver.messages.size()) - 40, 10, 3);
  }
}

TEST(Channels, TheClientTakesEvenStreamsAndTheServerOddOnes) {
  Fixture f;
  const auto before = f.a.channels.open({.label = "before"}, f.pair.now());
  ASSERT_TRUE(f.connect());
  const auto after = f.a.channels.open({.label = "after"}, f.pair.now());
  const auto server = f.b.channels.open({.label = "server"}, f.pair.now());
  EXPECT_EQ(f.stream(f.a, *before), 0);
  EXPECT_EQ(f.stream(f.a, *after), 2);
  EXPECT_EQ(f.stream(f.b, *server), 1);
  ASSERT_TRUE(f.run([&] { return f.b.announced.size() == 2 && f.a.announced.size() == 1; }));
}

TEST(Channels, CarryTextBinaryAndNothing) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  const ChannelId id = f.open_named("chat");
  EXPECT_TRUE(f.a.channels.send_text(id, "grüße", f.pair.now()));
  EXPECT_TRUE(f.a.channels.send_text(id, "", f.pair.now()));
  EXPECT_TRUE(f.a.channels.send_binary(id, {}, f.pair.now()));
  const uint8_t bytes[] = {0, 255};
  EXPECT_TRUE(f.a.channels.send_binary(id, bytes, f.pair.now()));
  ASSERT_TRUE(f.run([&] { return f.b.messages.size() == 4; }));
  EXPECT_EQ(f.b.messages[0].text, "grüße");
  EXPECT_FALSE(f.b.messages[0].binary);
  EXPECT_EQ(f.b.messages[1].text, "");
  EXPECT_FALSE(f.b.messages[1].binary);
  EXPECT_EQ(f.b.messages[2].text, "");
  EXPECT_TRUE(f.b.messages[2].binary);
  EXPECT_EQ(f.b.messages[3].text, std::string_view("\0\xff", 2));
  EXPECT_EQ(f.a.channels.stats(id)->bytes_sent, 9u);
  EXPECT_EQ(f.b.channels.stats(f.b.announced[0])->messages_received, 4u);
  // And back on the same channel.
  EXPECT_TRUE(f.b.channels.send_text(f.b.announced[0], "back", f.pair.now()));
  ASSERT_TRUE(f.run([&] { return f.a.messages.size() == 1; }));
  EXPECT_EQ(f.a.messages[0].channel, id);
}

TEST(Channels, NegotiatedOnesSayNothingOnTheWire) {
  Fixture f;
  ChannelOptions options{.label = "n", .negotiated = true, .stream = 7};
  const auto a = f.a.channels.open(options, f.pair.now());
  const auto b = f.b.channels.open(options, f.pair.now());
  ASSERT_TRUE(f.connect());
  EXPECT_THAT(f.a.opened, ElementsAre(*a));
  EXPECT_TRUE(f.b.announced.empty());
  EXPECT_TRUE(f.a.channels.send_text(*a, "hi", f.pair.now()));
  ASSERT_TRUE(f.run([&] { return f.b.messages.size() == 1; }));
  EXPECT_EQ(f.b.messages[0].channel, *b);
  EXPECT_EQ(f.a.channels.open(options, f.pair.now()).error(), OpenError::StreamInUse);
}

TEST(Channels, RefuseOptionsThatCannotBe) {
  Fixture f;
  const auto error = [&](ChannelOptions options) {
    return f.a.channels.open(std::move(options), f.pair.now()).error();
  };
  EXPECT_EQ(error({.label = std::string(65536, 'x')}), OpenError::LabelTooLong);
  EXPECT_EQ(error({.label = "\xff"}), OpenError::InvalidUtf8);
  EXPECT_EQ(error({.max_packet_lifetime_ms = 1, .max_retransmits = 1}), OpenError::InvalidOptions);
  EXPECT_EQ(error({.negotiated = true}), OpenError::InvalidOptions);
  EXPECT_EQ(f.a.channels.send_text(ChannelId(9), "x", f.pair.now()).error(), SendError::UnknownChannel);
  EXPECT_EQ(f.a.channels.send_text(f.open_named("early"), "x", f.pair.now()).error(), SendError::NotOpen);
  EXPECT_EQ(f.a.channels.send_text(ChannelId(1), "\xc0\x80", f.pair.now()).error(), SendError::InvalidUtf8);
}

TEST(Channels, LabelsOf65535BytesArrive) {
  Fixture f;
  f.a.channels.set_remote_max_message_size(0);
  ASSERT_TRUE(f.connect());
  f.open({.label = std::string(65535, 'l'), .protocol = std::string(65535, 'p')});
  ASSERT_TRUE(f.run([&] { return f.b.announced.size() == 1; }));
  EXPECT_EQ(f.b.channels.info(f.b.announced[0])->options.protocol.size(), 65535u);
}

TEST(Channels, CloseDeliversWhatWasSentAndThenBothSidesForget) {
  for (const uint64_t seed : sim::seeds(30)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    Fixture f(seed);
    ASSERT_TRUE(f.connect());
    f.pair.path = {10ms, 10ms, 0.2, 0.1};
    const ChannelId id = f.open_named("c");
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(f.a.channels.send_text(id, std::string(3000, 'x'), f.pair.now()));
    f.a.channels.close(id, f.pair.now());
    EXPECT_EQ(f.a.channels.send_text(id, "late", f.pair.now()).error(), SendError::NotOpen);
    ASSERT_TRUE(f.run([&] { return f.a.closed.size() == 1 && f.b.closed.size() == 1; }));
    EXPECT_EQ(f.b.messages.size(), 20u);
    EXPECT_EQ(f.b.closing.size(), 1u);
    EXPECT_TRUE(f.a.closing.empty());
    EXPECT_EQ(f.a.channels.channel_count() + f.b.channels.channel_count(), 0u);
    // The stream is free for the next, again and again.
    for (int i = 0; i < 5; ++i) {
      const ChannelId again = f.open_named("again");
      EXPECT_EQ(f.stream(f.a, again), 0);
      ASSERT_TRUE(f.a.channels.send_text(again, "hello", f.pair.now()));
      f.a.channels.close(again, f.pair.now());
      const size_t wanted = static_cast<size_t>(i) + 2;
      ASSERT_TRUE(f.run([&] { return f.a.closed.size() == wanted && f.b.closed.size() == wanted; }));
      EXPECT_EQ(f.b.messages.size(), 20u + i + 1);
    }
  }
}

TEST(Channels, BothSidesMayCloseAtOnce) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  const ChannelId id = f.open_named("c");
  ASSERT_TRUE(f.run([&] { return f.b.announced.size() == 1; }));
  f.a.channels.close(id, f.pair.now());
  f.b.channels.close(f.b.announced[0], f.pair.now());
  ASSERT_TRUE(f.run([&] { return f.a.closed.size() == 1 && f.b.closed.size() == 1; }));
}

TEST(Channels, TheEndOfTheAssociationEndsEveryChannel) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  f.open_named("1");
  f.open_named("2");
  ASSERT_TRUE(f.run([&] { return f.b.announced.size() == 2; }));
  f.a.channels.abort("gone", f.pair.now());
  ASSERT_TRUE(f.run([&] { return f.b.ended.has_value() && f.a.ended.has_value(); }));
  EXPECT_EQ(*f.b.ended, sctp::CloseReason::AbortedByPeer);
  EXPECT_THAT(f.b.errors, ElementsAre(ChannelError::AssociationClosed, ChannelError::AssociationClosed));
  EXPECT_EQ(f.a.channels.open({}, f.pair.now()).error(), OpenError::Closed);
}

TEST(Channels, UnorderedMessagesKeepBehindOpenUntilItIsAcknowledged) {
  for (const uint64_t seed : sim::seeds(20)) {
    Fixture f(seed);
    ASSERT_TRUE(f.connect());
    f.pair.path = {10ms, 20ms, 0.2, 0};
    const ChannelId id = f.open({.label = "u", .ordered = false});
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(f.a.channels.send_text(id, std::to_string(i), f.pair.now()));
    ASSERT_TRUE(f.run([&] { return f.b.messages.size() == 10; }));
    EXPECT_EQ(f.b.channels.drops()[DropReason::UnknownStream], 0u);
  }
}

TEST(Channels, BufferedAmountFallsToItsThresholdOnce) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  const ChannelId id = f.open_named("c");
  f.a.channels.set_buffered_amount_low_threshold(id, 1000);
  f.pair.run_for(1s);
  f.a.lows = 0;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(f.a.channels.send_text(id, std::string(2000, 'x'), f.pair.now()));
  EXPECT_EQ(f.a.channels.buffered_amount(id), 100'000u);
  ASSERT_TRUE(f.run([&] { return f.b.messages.size() == 50; }));
  EXPECT_EQ(f.a.lows, 1);
  EXPECT_EQ(f.a.channels.buffered_amount(id), 0u);
}

TEST(Channels, TenThousandOpenAndTalk) {
  Fixture f;
  ASSERT_TRUE(f.connect());
  std::vector<ChannelId> ids;
  for (int i = 0; i < 10'000; ++i) ids.push_back(f.open_named("c"));
  ASSERT_TRUE(f.run([&] { return f.b.announced.size() == 10'000; }));
  for (const ChannelId id : ids) ASSERT_TRUE(f.a.channels.send_text(id, "x", f.pair.now()));
  ASSERT_TRUE(f.run([&] { return f.b.messages.size() == 10'000; }));
  for (const ChannelId id : ids) f.a.channels.close(id, f.pair.now());
  ASSERT_TRUE(f.run([&] { return f.a.closed.size() == 10'000 && f.b.closed.size() == 10'000; }));
}

TEST(Dcep, OpenIsReadFromACapture) {
  // DATA_CHANNEL_OPEN as Chromium sends it for createDataChannel("chat"): reliable, priority 256.
  const uint8_t bytes[] = {0x03, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 'c', 'h', 'a', 't'};
  const auto open = DcepOpen::parse(bytes);
  ASSERT_TRUE(open.has_value());
  EXPECT_EQ(open->label, "chat");
  EXPECT_EQ(open->priority, 256);
  EXPECT_FALSE(open->unordered);
  EXPECT_THAT(open->write(), testing::ElementsAreArray(bytes));
}

TEST(Dcep, EveryPrefixIsRefused) {
  DcepOpen open;
  open.label = "label";
  open.protocol = "p";
  open.unordered = true;
  open.type = ChannelType::PartialLifetime;
  open.reliability = 77;
  const auto bytes = open.write();
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(DcepOpen::parse(ByteView(bytes).first(size)));
  const auto back = DcepOpen::parse(bytes);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->unordered);
  EXPECT_EQ(back->type, ChannelType::PartialLifetime);
  EXPECT_EQ(back->reliability, 77u);
}

TEST(Utf8, FollowsRfc3629) {
  for (const char* good : {"", "plain", "grüße", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "12345678ü"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "12345678\xff", "\xc3"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

}  // namespace
}  // namespace kaon::datachannel
