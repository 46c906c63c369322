// E10: a peer that has the keys and lies in RTCP. It gets what it asks for as often as an honest one would, and no
// more.
#include <gmock/gmock.h>

#include <charconv>
#include <map>

#include "kaon/crypto/kdf.h"
#include "kaon/interceptor/nack_responder.h"
#include "kaon/interceptor/reference_time.h"
#include "kaon/peer/internal/connection_test_support.h"
#include "kaon/rtcp/message.h"
#include "kaon/srtp/sender.h"

namespace kaon::peer {
namespace {

using namespace test;
using packetizer::Codec;
using Octets = std::vector<uint8_t>;
using rtp::Ssrc;

Octets from_hex(std::string_view text) {
  Octets bytes(text.size() / 2);
  for (size_t i = 0; i < bytes.size(); ++i) std::from_chars(&text[2 * i], &text[2 * i] + 2, bytes[i], 16);
  return bytes;
}

/// What b sends, as far as it shows outside.
struct Seen {
  std::map<uint32_t, size_t> rtp;  // by SSRC
  size_t rtcp = 0;
  size_t largest_rtcp = 0;
};

/// a is the hostile one: beside what it does by itself, which keeps the connection up, the test speaks with its keys.
struct HostilePair : Pair {
  explicit HostilePair(uint64_t seed) : Pair(seed) {}

  /// Video in both directions.
  void connect_with_video() {
    a.config.key_log = true;
    start();
    from_a = *a->add_transceiver(sdp::MediaKind::Video, {.direction = sdp::Direction::SendRecv});
    offer(a);
    from_b = b->transceivers()[0].id;
    ASSERT_TRUE(b->set_direction(from_b, sdp::Direction::SendRecv));
    answer(b);
    ASSERT_TRUE(run([this] { return a.connected() && b.connected(); }));
    take_keys();
    network.set_tap([this](Time, const net::Datagram& packet) {
      if (packet.remote != b.address || packet.bytes.size() < 12 || packet.bytes[0] >> 6 != 2) return;
      if (rtp::is_rtcp(packet.bytes)) {
        ++seen.rtcp;
        seen.largest_rtcp = std::max(seen.largest_rtcp, packet.bytes.size());
      } else {
        ++seen.rtp[load_be32(&packet.bytes[8])];
      }
    });
    send_video(10);
    ASSERT_EQ(b.frames.size(), 10u);
    ASSERT_EQ(a.frames.size(), 10u);
  }

  template <class... Messages>
  void say(const Messages&... messages) {
    std::array<uint8_t, 1900> plain;
    rtcp::CompoundBuilder builder(plain);
    ASSERT_TRUE((builder.add(messages) && ...));
    say_bytes(builder.written());
  }
  /// A compound as it may be made by nobody who is honest.
  void say_bytes(ByteView plain) {
    Octets packet(plain.size() + 64);
    const auto size = srtcp->protect_rtcp(plain, packet);
    ASSERT_TRUE(size);
    packet.resize(*size);
    b.handle_packet({.local = b.address, .remote = a.address, .bytes = packet}, now());
  }

  /// Frames in both directions, 33 ms apart; `attack` is called every millisecond.
  template <class Attack>
  void send_video(size_t frames, const Attack& attack) {
    for (size_t i = 0; i < frames; ++i) {
      const auto frame = make_vp8(true, frame_size, static_cast<uint8_t>(i));
      timestamp += 3000;
      EXPECT_TRUE(a->send_frame(from_a, Codec::Vp8, {.data = frame, .timestamp = timestamp}, now()));
      EXPECT_TRUE(b->send_frame(from_b, Codec::Vp8, {.data = frame, .timestamp = timestamp}, now()));
      for (int ms = 0; ms < 33; ++ms) {
        attack();
        pump.pass(1ms);
      }
    }
  }
  void send_video(size_t frames) {
    send_video(frames, [] {});
  }
  /// Media goes both ways as if nothing had happened, and at the same pace.
  void check_works() {
    const size_t at_a = a.frames.size(), at_b = b.frames.size();
    send_video(15);
    EXPECT_EQ(a.frames.size(), at_a + 15);
    EXPECT_EQ(b.frames.size(), at_b + 15);
    EXPECT_TRUE(a.connected() && b.connected());
  }

  Ssrc ssrc_of(Node& node) { return Ssrc(node->transceivers()[0].encodings.at(0).ssrc); }
  Ssrc rtx_ssrc_of(Node& node) { return Ssrc(node->transceivers()[0].encodings.at(0).rtx_ssrc); }
  size_t retransmitted_by_b() { return seen.rtp[rtx_ssrc_of(b).value()]; }
  OutboundStats sent_by_b() { return b->stats(now()).outbound.at(0); }

  Seen seen;
  size_t frame_size = 3000;
  TransceiverId from_a{}, from_b{};

 private:
  // RFC 8446 §7.5 with the prefix of RFC 9147 §5.9, out of the key log.
  void take_keys() {
    const auto& secured = *a.last<Secured>();
    ASSERT_EQ(secured.version, dtls::Version::Dtls13);
    ASSERT_EQ(secured.cipher_suite, dtls::CipherSuite::Aes128GcmSha256);
    Octets exporter;
    for (const Event& event : a.events) {
      const auto* line = std::get_if<dtls::KeyLogLine>(&event);
      if (line != nullptr && line->line.starts_with("EXPORTER_SECRET "))
        exporter = from_hex(line->line.substr(line->line.rfind(' ') + 1));
    }
    ASSERT_EQ(exporter.size(), 32u);
    constexpr auto kHash = crypto::HashAlgorithm::Sha256;
    const crypto::Digest nothing = crypto::hash(kHash, {});
    Octets secret(32);
    crypto::hkdf_expand_label(kHash, exporter, "dtls13", dtls::kSrtpExporterLabel, nothing.view(), secret);
    const auto profile = *srtp::profile_from_id(secured.srtp_profile);
    Octets keys(srtp::exported_size(profile));
    crypto::hkdf_expand_label(kHash, secret, "dtls13", "exporter", nothing.view(), keys);
    // a offered, so it is the client.
    srtcp.emplace(profile, srtp::split_exported_keys(profile, keys, srtp::DtlsRole::Client).local);
    // Far ahead of what a sends by itself, which therefore counts for nothing from now on.
    Octets out(100);
    for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(srtcp->protect_rtcp(Octets{0x80, 201, 0, 1, 0, 0, 0, 1}, out));
  }

  std::optional<srtp::Sender> srtcp;
  uint32_t timestamp = 0;
};

TEST(E10Rtcp, CompoundsWhoseLengthsLieAreDroppedAndCounted) {
  HostilePair pair(1);
  pair.connect_with_video();
  const rtcp::FeedbackHead head{pair.ssrc_of(pair.a), pair.ssrc_of(pair.b)};
  Octets good(200);
  rtcp::CompoundBuilder builder(good);
  const rtcp::ReportBlock block{.source = pair.ssrc_of(pair.b)};
  const rtcp::NackItem item{rtp::SequenceNumber(1), 0xffff};
  ASSERT_TRUE(builder.add(rtcp::ReceiverReport{pair.ssrc_of(pair.a), std::span(&block, 1)}));
  ASSERT_TRUE(builder.add(rtcp::Nack{head, std::span(&item, 1)}));
  ASSERT_TRUE(builder.add(rtcp::PictureLossIndication{head}));
  good.resize(builder.size());
  pair.say_bytes(good);
  ASSERT_EQ(pair.b->media_drops()[DropReason::MalformedRtcp], 0u);

  for (const size_t header : {size_t{0}, size_t{32}, size_t{48}}) {
    for (const uint16_t length : {uint16_t{0}, uint16_t{1}, uint16_t{12}, uint16_t{255}, uint16_t{0xffff}}) {
      Octets lie = good;
      store_be16(&lie[header + 2], length);
      pair.say_bytes(lie);
    }
    for (int count = 0; count < 32; ++count) {
      Octets lie = good;
      lie[header] = static_cast<uint8_t>(0x80 | count);
      pair.say_bytes(lie);
      lie[header] |= 0x20;  // padding, as much as the last byte says
      pair.say_bytes(lie);
    }
  }
  for (size_t size = 8; size < good.size(); ++size) pair.say_bytes(ByteView(good).first(size));
  EXPECT_GT(pair.b->media_drops()[DropReason::MalformedRtcp], 100u);
  pair.check_works();
}

TEST(E10Rtcp, AStormOfNacksGetsABoundedNumberOfPackets) {
  HostilePair pair(2);
  pair.connect_with_video();
  pair.frame_size = 60'000;  // enough packets to ask for
  pair.send_video(2);
  pair.seen = {};
  std::vector<rtcp::NackItem> items(470);
  uint16_t first = 0;
  const size_t at_a = pair.a.frames.size();
  // Each item names seventeen packets, and in every millisecond there are 8,000 items.
  pair.send_video(6, [&] {
    for (int packet = 0; packet < 17; ++packet) {
      for (rtcp::NackItem& item : items)
        item = {rtp::SequenceNumber(first = static_cast<uint16_t>(first + 17)), 0xffff};
      pair.say(rtcp::Nack{{pair.ssrc_of(pair.a), pair.ssrc_of(pair.b)}, items});
    }
  });
  using interceptor::NackResponder;
  EXPECT_GT(pair.retransmitted_by_b(), 0u);
  EXPECT_LE(pair.retransmitted_by_b(), NackResponder::kMaxBurst + NackResponder::kMaxPerSecond * 6 * 33 / 1000);
  EXPECT_EQ(pair.a.frames.size(), at_a + 6) << "what is new is not held up";
  pair.check_works();
}

TEST(E10Rtcp, AStormOfKeyFrameRequestsIsPassedOnTenTimesASecond) {
  HostilePair pair(3);
  pair.connect_with_video();
  const rtcp::FeedbackHead head{pair.ssrc_of(pair.a), pair.ssrc_of(pair.b)};
  uint8_t sequence = 0;
  pair.send_video(30, [&] {
    std::array<rtcp::FullIntraItem, 30> items;
    for (auto& item : items) item = {pair.ssrc_of(pair.b), ++sequence};
    for (int i = 0; i < 20; ++i) {
      pair.say(rtcp::PictureLossIndication{head}, rtcp::FullIntraRequest{{pair.ssrc_of(pair.a), {}}, items},
               rtcp::PictureLossIndication{{head.sender, pair.rtx_ssrc_of(pair.b)}},
               rtcp::PictureLossIndication{{head.sender, Ssrc(0x12345678)}});
    }
  });
  EXPECT_GE(pair.b.count<KeyframeRequested>(), 9u);
  EXPECT_LE(pair.b.count<KeyframeRequested>(), 11u);
  const size_t asked = pair.b.count<KeyframeRequested>();
  pair.check_works();
  EXPECT_EQ(pair.b.count<KeyframeRequested>(), asked) << "it stops with the storm";
}

TEST(E10Rtcp, LimitsOfNothingAndOfEverythingChangeNothing) {
  HostilePair pair(4);
  pair.connect_with_video();
  const std::array sources = {rtcp::SsrcItem{pair.ssrc_of(pair.b)}};
  const auto limit = [&](DataRate rate) {
    const rtcp::BitrateItem item{.media = pair.ssrc_of(pair.b), .limit = rate};
    pair.say(rtcp::ReceiverEstimatedMaxBitrate{pair.ssrc_of(pair.a), rate, sources},
             rtcp::MaxBitrateRequest{.head = {pair.ssrc_of(pair.a), {}}, .items = std::span(&item, 1)});
  };
  const size_t at_a = pair.a.frames.size();
  pair.send_video(30, [&] {
    limit(DataRate::bits_per_second(0));
    limit(DataRate::infinite());
  });
  EXPECT_EQ(pair.a.frames.size(), at_a + 30);
  pair.check_works();
}

TEST(E10Rtcp, FeedbackAboutWhatWasNeverSentAndThatContradictsItselfChangesNothing) {
  HostilePair pair(5);
  pair.connect_with_video();
  const rtcp::FeedbackHead head{pair.ssrc_of(pair.a), pair.ssrc_of(pair.b)};
  SeededRandom random(6);
  uint8_t count = 0;
  const size_t at_a = pair.a.frames.size();
  const auto rtt = pair.b->stats(pair.now()).transport.round_trip_time;
  ASSERT_TRUE(rtt);
  pair.send_video(30, [&] {
    // Of the packets from a random number on every second has come, at a random time; then others, at another.
    for (int i = 0; i < 4; ++i) {
      std::vector<rtcp::PacketArrival> arrivals;
      const auto base = static_cast<int64_t>(random.below(i % 2 == 0 ? 200 : 65'536));
      const Time time = Time(std::chrono::seconds(static_cast<int64_t>(random.below(1'000'000))));
      for (int64_t k = 0; k < 100; ++k)
        arrivals.push_back(
            {base + 2 * k + i / 2, time + std::chrono::milliseconds(k * static_cast<int64_t>(random.below(30)))});
      std::ranges::sort(arrivals, {}, &rtcp::PacketArrival::sequence);
      Octets report(1200);
      const auto written = rtcp::write_transport_feedback(head, ++count, arrivals, report);
      ASSERT_GT(written.size, 0u);
      pair.say_bytes(Bytes(report).first(written.size));
    }
    std::array<rtcp::PacketMetric, 200> metrics;
    for (auto& metric : metrics) metric = {true, 3, static_cast<uint16_t>(random.below(0x2000))};
    const std::array streams = {
        rtcp::StreamMetrics{pair.ssrc_of(pair.b), rtp::SequenceNumber(static_cast<uint16_t>(random.u32())), metrics},
        rtcp::StreamMetrics{Ssrc(random.u32()), rtp::SequenceNumber(0), metrics}};
    pair.say(
        rtcp::CongestionFeedback{.sender = head.sender, .report_time = random.u32(), .blocks = {}, .streams = streams});
  });
  EXPECT_EQ(pair.a.frames.size(), at_a + 30);
  EXPECT_EQ(pair.b->stats(pair.now()).transport.round_trip_time, rtt);
  pair.check_works();
}

TEST(E10Rtcp, LyingReportsMoveNoRoundTripAndNobodyElsesFigures) {
  HostilePair pair(6);
  pair.connect_with_video();
  SeededRandom random(7);
  const auto rtt = pair.b->stats(pair.now()).transport.round_trip_time;
  pair.send_video(30, [&] {
    std::array<rtcp::ReportBlock, 31> blocks;
    for (auto& block : blocks) {
      block = {.source = random.below(2) == 0 ? pair.ssrc_of(pair.b) : Ssrc(random.u32()),
               .fraction_lost = 255,
               .cumulative_lost = -0x800000,
               .extended_highest_sequence = random.u32(),
               .jitter = 0xffffffff,
               .last_sender_report = random.u32(),
               .delay_since_last_sender_report = random.u32()};
    }
    // As a, as b, and as somebody else.
    for (const Ssrc sender : {pair.ssrc_of(pair.a), pair.ssrc_of(pair.b), Ssrc(random.u32())})
      pair.say(rtcp::SenderReport{
          .sender = sender, .ntp_time = {random.u64()}, .packet_count = random.u32(), .reports = blocks});
  });
  const OutboundStats told = pair.sent_by_b();
  if (told.remote_round_trip_time) {
    EXPECT_LE(*told.remote_round_trip_time, 60s);
  }
  EXPECT_EQ(told.remote_fraction_lost, 255 / 256.0);
  EXPECT_EQ(pair.b->stats(pair.now()).transport.round_trip_time, rtt) << "that one is ICE's";
  pair.check_works();
}

TEST(E10Rtcp, AFloodOfReferenceTimesGetsNoMoreReports) {
  HostilePair pair(7);
  pair.connect_with_video();
  pair.seen = {};
  uint32_t ssrc = 0;
  pair.send_video(60, [&] {
    for (int i = 0; i < 20; ++i) {
      const rtcp::XrBlock block = rtcp::ReceiverReferenceTime{};
      pair.say(rtcp::ExtendedReport{.sender = Ssrc(++ssrc), .blocks = {}, .outgoing = std::span(&block, 1)});
    }
  });
  ASSERT_GT(ssrc, 30'000u);
  // Two seconds have a report each; the rest is transport feedback, which goes out twenty times a second at most.
  EXPECT_LE(pair.seen.rtcp, 2u + 1 + 2 * 20);
  constexpr size_t kItem = 12;
  EXPECT_LE(pair.seen.largest_rtcp, 300 + kItem * interceptor::ReferenceTimeResponder::kMaxReceivers);
  pair.check_works();
}

TEST(E10Rtcp, AByeForTheSourcesOfOthersEndsNothing) {
  HostilePair pair(8);
  pair.connect_with_video();
  const std::array sources = {rtcp::SsrcItem{pair.ssrc_of(pair.b)}, rtcp::SsrcItem{pair.rtx_ssrc_of(pair.b)},
                              rtcp::SsrcItem{Ssrc(0)}, rtcp::SsrcItem{Ssrc(0xffffffff)}};
  pair.send_video(10, [&] { pair.say(rtcp::Bye{.sources = sources, .reason = "go away"}); });
  EXPECT_EQ(pair.b.count<TrackRemoved>(), 0u);
  pair.check_works();
}

}  // namespace
}  // namespace kaon::peer
