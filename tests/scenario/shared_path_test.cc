// Video and a bulk transfer of the same connection over one narrow path: the transfer takes what the video leaves.
#include <gmock/gmock.h>

#include <cstdio>

#include "kaon/peer/internal/connection_test_support.h"

namespace kaon::scenario {
namespace {

using namespace std::chrono_literals;
using namespace peer::test;
using peer::TransceiverId;

constexpr Duration kRun = 60s;
constexpr Duration kStep = 500us;
constexpr Duration kFrame = 33'333'333ns;
constexpr size_t kFrameSize = 8333;  // with 30 a second 2 Mbit/s

/// 10 Mbit/s and 20 ms each way; the queue holds 100 ms.
sim::LinkConfig bottleneck() {
  sim::LinkConfig link{.delay = 20ms};
  link.rate = DataRate::bits_per_second(10'000'000);
  link.queue_size = DataSize::bytes(125'000);
  return link;
}

struct Figures {
  double p50_ms = 0;
  double p99_ms = 0;
  double longest_ms = 0;
  size_t frames = 0;
  uint64_t lost = 0;     // packets that the bottleneck's queue had no room for
  uint64_t marks = 0;    // by which that queue told the transfer of itself
  double bulk_mbit = 0;  // payload delivered
  Duration rtt{};        // of the transfer in the end
};

class Sharing {
 public:
  Sharing(sctp::CongestionControlFactory control, Duration mark_above) : pair_(1, {.delay = 0ms}), link_(bottleneck()) {
    pair_.a.config.data.sctp.congestion_control = control;
    link_.mark_above = mark_above;
  }

  /// The video begins after `video_from`, the transfer after `bulk_from`; figures are those of frames sent while both
  /// last.
  Figures run(Duration video_from, std::optional<Duration> bulk_from, Duration video_for = kRun) {
    pair_.start();
    const auto track = pair_.a->add_transceiver(sdp::MediaKind::Video);
    EXPECT_TRUE(track);
    const auto channel = pair_.a->open_channel({}, pair_.now());
    EXPECT_TRUE(channel);
    EXPECT_TRUE(pair_.connect());
    EXPECT_TRUE(pair_.run([&] { return pair_.channel_is_open(); }));
    pair_.a_to_b().configure(link_);
    pair_.b_to_a().configure({.delay = 20ms});
    const Time start = pair_.now();
    const Time both = start + std::max(video_from, bulk_from.value_or(0s));
    Time next_frame = start + video_from;
    for (const Time end = start + kRun; pair_.now() < end; pair_.pump.pass(kStep)) {
      if (pair_.now() >= next_frame && next_frame < start + video_from + video_for) {
        send_frame(*track, next_frame >= both);
        next_frame += kFrame;
      }
      if (bulk_from && pair_.now() >= start + *bulk_from) fill(*channel);
      take(both);
    }
    return figures(pair_.now() - both);
  }

 private:
  void send_frame(TransceiverId track, bool counts) {
    std::vector<uint8_t> data = make_vp8(sent_.empty(), kFrameSize, 0);
    store_be32(&data[10], static_cast<uint32_t>(sent_.size()));
    sent_.push_back(pair_.now());
    counts_.push_back(counts);
    EXPECT_TRUE(pair_.a->send_frame(track, packetizer::Codec::Vp8,
                                    {.data = data, .timestamp = static_cast<uint32_t>(sent_.size() * 3000)},
                                    pair_.now()));
  }
  void fill(datachannel::ChannelId channel) {
    while (pair_.a->channels()->buffered_amount(channel) < 1'000'000) {
      ASSERT_TRUE(pair_.a->send_binary(channel, message_, pair_.now()));
    }
  }
  void take(Time both) {
    if (pair_.now() < both) lost_before_ = pair_.a_to_b().stats().dropped_queue_full;
    for (const ReceivedFrame& frame : pair_.b.frames) {
      const uint32_t number = load_be32(&frame.data[10]);
      if (counts_[number])
        delays_.push_back(std::chrono::duration<double, std::milli>(pair_.now() - sent_[number]).count());
    }
    for (const ReceivedMessage& message : pair_.b.messages) {
      if (pair_.now() >= both) bulk_ += message.text.size();
    }
    pair_.b.frames.clear();
    pair_.b.messages.clear();
  }
  Figures figures(Duration time) {
    std::ranges::sort(delays_);
    const auto at = [&](double share) {
      return delays_[static_cast<size_t>(static_cast<double>(delays_.size() - 1) * share)];
    };
    return {at(0.5),
            at(0.99),
            delays_.back(),
            delays_.size(),
            pair_.a_to_b().stats().dropped_queue_full - lost_before_,
            pair_.a->stats(pair_.now()).sctp->marks_reported,
            static_cast<double>(bulk_) * 8 / std::chrono::duration<double>(time).count() / 1e6,
            pair_.a->stats(pair_.now()).sctp->smoothed_rtt};
  }

  Pair pair_;
  sim::LinkConfig link_;
  uint64_t lost_before_ = 0;
  std::vector<Time> sent_;
  std::vector<bool> counts_;
  std::vector<double> delays_;
  size_t bulk_ = 0;
  std::vector<uint8_t> message_ = std::vector<uint8_t>(16'384, 7);
};

Figures measure(const char* what, sctp::CongestionControlFactory control, Duration video_from,
                std::optional<Duration> bulk_from, Duration mark_above = Duration::max()) {
  const Figures f = Sharing(control, mark_above).run(video_from, bulk_from);
  std::printf("%-36s video %.1f ms, p99 %.1f, longest %.1f, %zu frames; %llu packets lost; bulk %.2f Mbit/s\n", what,
              f.p50_ms, f.p99_ms, f.longest_ms, f.frames, static_cast<unsigned long long>(f.lost), f.bulk_mbit);
  return f;
}

TEST(SharedPath, VideoStaysAsItWasWithoutTheTransfer) {
  const Figures alone = measure("video alone", sctp::make_cubic, 0s, std::nullopt);
  const Figures during = measure("a transfer joins the video", sctp::make_cubic, 0s, 5s);
  const Figures after = measure("video joins a transfer", sctp::make_cubic, 20s, 1s);
  const Figures reno = measure("a NewReno transfer, which does not care", sctp::make_new_reno, 0s, 5s);
  EXPECT_EQ(alone.lost, 0u);
  EXPECT_EQ(during.lost, 0u);
  // A transfer that has filled the queue cannot give way before it hears, a full queue later, that it should.
  EXPECT_LE(after.lost, 20u);
  for (const Figures& f : {during, after}) {
    EXPECT_LT(f.p99_ms, alone.p99_ms + 10);
    // 7.3 is all that the video and the headers of both leave.
    EXPECT_GT(f.bulk_mbit, 7);
  }
  EXPECT_GT(reno.p99_ms, alone.p99_ms + 60) << "or else the path is no bottleneck";
}

TEST(SharedPath, MediaThatHasEndedGivesThePathFree) {
  const Figures lasting = Sharing(sctp::make_cubic, Duration::max()).run(0s, 1s);
  const Figures ended = Sharing(sctp::make_cubic, Duration::max()).run(0s, 1s, 20s);
  EXPECT_LT(lasting.rtt, 60ms);
  EXPECT_GT(ended.rtt, 100ms) << "CUBIC fills the queue, as TCP does";
  EXPECT_GT(ended.bulk_mbit, lasting.bulk_mbit + 0.5);
}

TEST(SharedPath, AQueueThatMarksIsShortWhateverTheControl) {
  const Figures f = measure("NewReno, and a queue that marks", sctp::make_new_reno, 0s, 5s, 20ms);
  EXPECT_GT(f.marks, 20u);
  EXPECT_EQ(f.lost, 0u);
  EXPECT_LT(f.p99_ms, 60);
  EXPECT_GT(f.bulk_mbit, 6);
}

}  // namespace
}  // namespace kaon::scenario
