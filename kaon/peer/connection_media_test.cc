// Media between two connections: frames, packets, repairs, requests, renegotiation.
#include <gmock/gmock.h>

#include <map>
#include <set>

#include "kaon/peer/internal/connection_test_support.h"
#include "kaon/srtp/profile.h"

namespace kaon::peer {
namespace {

using namespace test;
using packetizer::Codec;

constexpr uint32_t kFrameTicks = 3000;  // 30 frames a second at 90 kHz

// Sends `count` frames, 33 ms apart, a key frame first and whenever one was asked for; returns what was sent.
std::vector<std::vector<uint8_t>> send_video(Pair& pair, Node& from, TransceiverId id, size_t count, size_t size) {
  std::vector<std::vector<uint8_t>> sent;
  size_t requests = from.count<KeyframeRequested>();
  bool keyframe = true;
  for (size_t i = 0; i < count; ++i) {
    sent.push_back(make_vp8(keyframe, size, static_cast<uint8_t>(i)));
    const auto timestamp = static_cast<uint32_t>(i) * kFrameTicks;
    EXPECT_TRUE(from->send_frame(id, Codec::Vp8, {.data = sent.back(), .timestamp = timestamp}, pair.now()));
    pair.pump.pass(33ms);
    keyframe = std::exchange(requests, from.count<KeyframeRequested>()) != from.count<KeyframeRequested>();
  }
  return sent;
}

struct MediaPair : Pair {
  explicit MediaPair(uint64_t seed, Delivery delivery = Delivery::Frames, const sim::LinkConfig& link = {.delay = 5ms})
      : Pair(seed, link) {
    b.config.delivery = delivery;
  }
  bool connect_with_media() {
    start();
    audio = *a->add_transceiver(sdp::MediaKind::Audio);
    video = *a->add_transceiver(sdp::MediaKind::Video);
    offer(a);
    for (const Transceiver& t : b->transceivers()) {
      (t.kind == sdp::MediaKind::Audio ? audio_b : video_b) = t.id;
    }
    EXPECT_TRUE(b->set_direction(audio_b, sdp::Direction::SendRecv));
    EXPECT_TRUE(b->set_direction(video_b, sdp::Direction::SendRecv));
    answer(b);
    return run([this] { return a.connected() && b.connected(); });
  }
  TransceiverId audio{}, video{}, audio_b{}, video_b{};
};

TEST(PeerMedia, CarriesFramesBothWays) {
  MediaPair pair(1);
  ASSERT_TRUE(pair.connect_with_media());
  EXPECT_EQ(pair.b.count<TrackAdded>(), 2u);
  EXPECT_EQ(pair.a.count<TrackAdded>(), 2u);
  EXPECT_EQ(pair.a->send_codec(pair.video), Codec::Vp8);
  EXPECT_EQ(pair.b->send_codec(pair.audio_b), Codec::Opus);
  const auto video = send_video(pair, pair.a, pair.video, 10, 5000);
  const std::vector<uint8_t> opus = {0xfc, 1, 2, 3};
  for (uint32_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(pair.b->send_frame(pair.audio_b, Codec::Opus, {.data = opus, .timestamp = i * 960}, pair.now()));
    pair.pump.pass(20ms);
  }
  ASSERT_EQ(pair.b.frames.size(), 10u);
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(pair.b.frames[i].data, video[i]);
    EXPECT_EQ(pair.b.frames[i].transceiver, pair.video_b);
    EXPECT_EQ(pair.b.frames[i].keyframe, i == 0);
    EXPECT_EQ(pair.b.frames[i].timestamp - pair.b.frames[0].timestamp, static_cast<int64_t>(i) * kFrameTicks);
  }
  ASSERT_EQ(pair.a.frames.size(), 5u);
  EXPECT_EQ(pair.a.frames[4].data, opus);
  EXPECT_EQ(pair.a.frames[4].transceiver, pair.audio);
  EXPECT_EQ(pair.a.frames[4].timestamp - pair.a.frames[0].timestamp, 4 * 960);
  EXPECT_EQ(pair.a->media_drops().total() + pair.b->media_drops().total(), 0u);
}

// The mark of an RTP header's extension in a packet on the wire; nothing without one.
std::optional<uint16_t> extension_mark(ByteView packet) {
  if (packet.size() < 16 || packet[0] >> 6 != 2 || rtp::is_rtcp(packet) || (packet[0] & 0x10) == 0) return std::nullopt;
  return load_be16(packet.data() + 12 + 4 * (packet[0] & 0x0fu));
}

// RFC 9335, over connections: whether what b received had its header extensions encrypted.
TEST(PeerMedia, EncryptsHeaderExtensionsIfBothSidesWantIt) {
  constexpr HeaderEncryption kOff = HeaderEncryption::Off;
  constexpr HeaderEncryption kNegotiate = HeaderEncryption::Negotiate;
  for (const auto& [ours, theirs] :
       {std::pair(kOff, kNegotiate), std::pair(kNegotiate, kOff), std::pair(kNegotiate, kNegotiate),
        std::pair(HeaderEncryption::Require, kNegotiate)}) {
    for (const auto profile : {srtp::Profile::AeadAes128Gcm, srtp::Profile::Aes128CmSha1_80}) {
      MediaPair pair(5);
      pair.a.config.negotiation.header_encryption = ours;
      pair.b.config.negotiation.header_encryption = theirs;
      pair.a.config.srtp_profiles = {static_cast<dtls::SrtpProfileId>(profile)};
      ASSERT_TRUE(pair.connect_with_media());
      pair.a.keep_packets = pair.b.keep_packets = true;
      const auto sent = send_video(pair, pair.a, pair.video, 5, 3000);
      const std::vector<uint8_t> opus = {0xfc, 1, 2, 3};
      ASSERT_TRUE(pair.b->send_frame(pair.audio_b, Codec::Opus, {.data = opus, .timestamp = 0}, pair.now()));
      pair.pump.pass(50ms);
      ASSERT_EQ(pair.b.frames.size(), 5u) << "bound by the mid in the header";
      EXPECT_EQ(pair.b.frames[4].data, sent[4]);
      ASSERT_EQ(pair.a.frames.size(), 1u);
      const uint16_t expected = ours == kOff || theirs == kOff ? 0xbede : 0xc0de;
      size_t extended = 0;
      for (const Node* node : {&pair.a, &pair.b}) {
        for (const auto& packet : node->packets) {
          const auto mark = extension_mark(packet);
          if (!mark) continue;
          ++extended;
          EXPECT_EQ(*mark, expected);
        }
      }
      EXPECT_GT(extended, 5u);
      EXPECT_EQ(pair.a->media_drops().total() + pair.b->media_drops().total(), 0u);
    }
  }
}

TEST(PeerMedia, PacketsAreMarkedByTheirKindIfAsked) {
  for (const bool asked : {true, false}) {
    MediaPair pair(5);
    if (asked) pair.a.config.dscp = Dscp{};
    pair.a.keep_packets = true;
    ASSERT_TRUE(pair.connect_with_media());
    const auto channel = pair.a->open_channel({}, pair.now());
    ASSERT_TRUE(channel);
    pair.negotiate(pair.a);
    constexpr uint8_t kOpus = 111;
    for (uint32_t i = 0; i < 10; ++i) {
      const std::vector<uint8_t> opus(100, 0xfc);
      ASSERT_TRUE(pair.a->send_frame(pair.audio, Codec::Opus, {.data = opus, .timestamp = i * 960}, pair.now()));
      send_video(pair, pair.a, pair.video, 1, 5000);
      static_cast<void>(pair.a->send_text(*channel, "text", pair.now()));
      pair.pump.pass(20ms);
    }
    std::map<std::string, std::set<int>> seen;
    for (const Node::Mark& mark : pair.a.marks) {
      const uint8_t first = mark.begins[0];
      const uint8_t second = mark.begins[1];
      const bool rtp = first >= 128 && first < 192;
      const bool rtcp = rtp && second >= 192 && second <= 223;
      const char* media = rtcp ? "rtcp" : (second & 127) == kOpus ? "audio" : "video";
      seen[first < 4 ? "stun" : first < 64 ? "dtls" : media].insert(mark.dscp);
    }
    using Marks = std::set<int>;
    EXPECT_EQ(seen["stun"], Marks{0});
    EXPECT_EQ(seen["rtcp"], Marks{0});
    EXPECT_EQ(seen["audio"], Marks{asked ? 46 : 0});
    EXPECT_EQ(seen["video"], Marks{asked ? 36 : 0});
    EXPECT_EQ(seen["dtls"], asked ? (Marks{0, 10}) : Marks{0}) << "handshake, and data";
  }
}

TEST(PeerMedia, CarriesFramesOfEveryVideoSizeWithinTheMtu) {
  MediaPair pair(2, Delivery::Frames, {.delay = 5ms, .mtu = 1228});  // 1200 and the headers of IPv4 and UDP
  ASSERT_TRUE(pair.connect_with_media());
  std::vector<std::vector<uint8_t>> sent;
  for (const size_t size : {11, 1000, 1100, 1140, 1150, 1160, 1200, 2300, 65'000, 300'000}) {
    sent.push_back(make_vp8(sent.empty(), size, static_cast<uint8_t>(size)));
    const auto timestamp = static_cast<uint32_t>(sent.size()) * kFrameTicks;
    ASSERT_TRUE(pair.a->send_frame(pair.video, Codec::Vp8, {.data = sent.back(), .timestamp = timestamp}, pair.now()));
    pair.pump.pass(50ms);
  }
  ASSERT_EQ(pair.b.frames.size(), sent.size());
  for (size_t i = 0; i < sent.size(); ++i) EXPECT_EQ(pair.b.frames[i].data, sent[i]) << i;
  EXPECT_EQ(pair.a_to_b().stats().dropped_too_big, 0u);
}

TEST(PeerMedia, ChangesPerTrackBetweenPacketsAndFrames) {
  MediaPair pair(4);
  ASSERT_TRUE(pair.connect_with_media());
  pair.b->set_delivery(pair.video_b, Delivery::Packets);
  const std::vector<uint8_t> opus = {0xfc, 1, 2, 3};
  ASSERT_TRUE(pair.a->send_frame(pair.audio, Codec::Opus, {.data = opus}, pair.now()));
  send_video(pair, pair.a, pair.video, 3, 3000);
  ASSERT_EQ(pair.b.frames.size(), 1u) << "the other track still comes as frames";
  EXPECT_EQ(pair.b.frames[0].codec, Codec::Opus);
  const size_t packets = pair.b.media.size();
  EXPECT_GE(packets, 9u);
  pair.b->set_delivery(pair.video_b, Delivery::Frames);
  const auto sent = send_video(pair, pair.a, pair.video, 3, 3000);
  EXPECT_EQ(pair.b.media.size(), packets);
  ASSERT_EQ(pair.b.frames.size(), 4u);
  EXPECT_EQ(pair.b.frames[1].data, sent[0]);
}

TEST(PeerMedia, GivesPacketsToWhoForwardsAndTakesThemAgain) {
  MediaPair pair(3, Delivery::Packets);
  ASSERT_TRUE(pair.connect_with_media());
  const auto sent = send_video(pair, pair.a, pair.video, 5, 5000);
  ASSERT_GE(pair.b.media.size(), 25u);
  EXPECT_TRUE(pair.b.frames.empty());
  size_t keyframes = 0;
  for (const MediaPacket& packet : pair.b.media) {
    EXPECT_EQ(packet.transceiver, pair.video_b);
    EXPECT_EQ(packet.codec, Codec::Vp8);
    keyframes += packet.packet.frame.keyframe && packet.packet.frame.start_of_frame;
  }
  EXPECT_EQ(keyframes, 1u);
  // Back to where they came from: a hears the same frames.
  for (const MediaPacket& packet : pair.b.media) {
    ASSERT_TRUE(pair.b->send_packet(pair.video_b, packet.codec, packet.packet, pair.now()));
  }
  pair.pump.pass(100ms);
  ASSERT_EQ(pair.a.frames.size(), 5u);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(pair.a.frames[i].data, sent[i]);
}

TEST(PeerMedia, PassesAKeyframeRequestToTheSender) {
  MediaPair pair(4, Delivery::Packets);
  ASSERT_TRUE(pair.connect_with_media());
  send_video(pair, pair.a, pair.video, 3, 2000);
  pair.b->request_keyframe(pair.video_b, pair.now());
  pair.b->request_keyframe(pair.video_b, pair.now());
  pair.pump.pass(50ms);
  ASSERT_EQ(pair.a.count<KeyframeRequested>(), 1u);
  EXPECT_EQ(pair.a.last<KeyframeRequested>()->transceiver, pair.video);
  // And again until one comes.
  pair.pump.pass(2s);
  EXPECT_GE(pair.a.count<KeyframeRequested>(), 3u);
  send_video(pair, pair.a, pair.video, 1, 2000);
  const size_t asked = pair.a.count<KeyframeRequested>();
  pair.pump.pass(10s);
  EXPECT_EQ(pair.a.count<KeyframeRequested>(), asked);
}

TEST(PeerMedia, RepairsLossByRetransmission) {
  for (const uint64_t seed : sim::seeds(20)) {
    SCOPED_TRACE(sim::replay_hint(seed));
    MediaPair pair(seed, Delivery::Frames);
    ASSERT_TRUE(pair.connect_with_media());
    const sim::LinkConfig lossy{.delay = 5ms, .jitter = 2ms, .loss = 0.1, .duplicate = 0.02, .reorder = 0.02};
    pair.a_to_b().configure(lossy);
    pair.b_to_a().configure(lossy);
    const auto sent = send_video(pair, pair.a, pair.video, 150, 4000);
    pair.pump.pass(2s);
    // In order, each as it was sent, and nothing left out unless a key frame was asked for.
    size_t next = 0;
    for (const ReceivedFrame& frame : pair.b.frames) {
      const size_t before = next;
      while (next < sent.size() && sent[next] != frame.data) ++next;
      ASSERT_LT(next, sent.size());
      EXPECT_TRUE(next == before || frame.keyframe);
      ++next;
    }
    if (pair.b.frames.size() != next) {  // nobody can miss the last packets of all
      EXPECT_GT(pair.a.count<KeyframeRequested>(), 0u);
    }
    EXPECT_GE(pair.b.frames.size(), 140u);
    const Stats stats = pair.b->stats(pair.now());
    ASSERT_EQ(stats.inbound.size(), 1u);
    EXPECT_GT(stats.inbound[0].retransmitted_packets_received, 10u);
    EXPECT_GT(stats.inbound[0].nack_count, 10u);
  }
}

TEST(PeerMedia, AsksForAKeyframeWhenRepairIsHopeless) {
  MediaPair pair(5, Delivery::Frames);
  ASSERT_TRUE(pair.connect_with_media());
  send_video(pair, pair.a, pair.video, 5, 3000);
  pair.a_to_b().blackout(pair.now() + 4s);
  send_video(pair, pair.a, pair.video, 120, 3000);
  pair.b.frames.clear();
  send_video(pair, pair.a, pair.video, 60, 3000);
  EXPECT_GE(pair.a.count<KeyframeRequested>(), 1u);
  ASSERT_FALSE(pair.b.frames.empty());
  EXPECT_TRUE(pair.b.frames[0].keyframe);
}

TEST(PeerMedia, AddsAndRemovesMediaByRenegotiation) {
  Pair pair(6);
  pair.start();
  ASSERT_TRUE(pair.a->open_channel({}, pair.now()));
  ASSERT_TRUE(pair.connect());
  for (int round = 0; round < 3; ++round) {
    SCOPED_TRACE(round);
    pair.b.frames.clear();
    const TransceiverId id = *pair.a->add_transceiver(sdp::MediaKind::Video, {.direction = sdp::Direction::SendOnly});
    EXPECT_TRUE(pair.a->negotiation_needed());
    EXPECT_EQ(pair.a->send_frame(id, Codec::Vp8, {}, pair.now()).error(), MediaError::UnknownTransceiver);
    pair.negotiate(pair.a);
    pair.pump.pass(1ms);
    EXPECT_EQ(pair.b.count<TrackAdded>(), static_cast<size_t>(round + 1));
    send_video(pair, pair.a, id, 5, 3000);
    EXPECT_EQ(pair.b.frames.size(), 5u);
    EXPECT_EQ(pair.b->stats(pair.now()).inbound.size(), 1u);
    ASSERT_TRUE(pair.a->stop_transceiver(id));
    pair.negotiate(pair.a);
    pair.pump.pass(1ms);
    EXPECT_EQ(pair.b.count<TrackRemoved>(), static_cast<size_t>(round + 1));
    EXPECT_EQ(pair.b->stats(pair.now()).inbound.size(), 0u);
    EXPECT_EQ(pair.a->stats(pair.now()).outbound.size(), 0u);
  }
  EXPECT_TRUE(pair.a.connected() && pair.b.connected());
}

TEST(PeerMedia, StopsSendingWhenThePeerNoLongerWantsToReceive) {
  MediaPair pair(7);
  ASSERT_TRUE(pair.connect_with_media());
  send_video(pair, pair.a, pair.video, 3, 3000);
  ASSERT_TRUE(pair.b->set_direction(pair.video_b, sdp::Direction::SendOnly));
  pair.negotiate(pair.b);
  EXPECT_EQ(pair.a->send_codec(pair.video), std::nullopt);
  const auto frame = make_vp8(true, 100, 1);
  EXPECT_EQ(pair.a->send_frame(pair.video, Codec::Vp8, {.data = frame}, pair.now()).error(), MediaError::NotNegotiated);
  pair.pump.pass(1ms);
  EXPECT_EQ(pair.b.count<TrackRemoved>(), 1u);
  ASSERT_TRUE(pair.b->set_direction(pair.video_b, sdp::Direction::SendRecv));
  pair.negotiate(pair.b);
  pair.b.frames.clear();
  send_video(pair, pair.a, pair.video, 3, 3000);
  EXPECT_EQ(pair.b.frames.size(), 3u);
}

TEST(PeerMedia, TellsOfStreamsWhoseFiguresFit) {
  MediaPair pair(8);
  ASSERT_TRUE(pair.connect_with_media());
  const auto sent = send_video(pair, pair.a, pair.video, 90, 4000);
  const Stats a = pair.a->stats(pair.now());
  const Stats b = pair.b->stats(pair.now());
  ASSERT_EQ(a.outbound.size(), 2u);
  ASSERT_EQ(b.inbound.size(), 1u);
  const auto& out = a.outbound[0].transceiver == pair.video ? a.outbound[0] : a.outbound[1];
  const auto& in = b.inbound[0];
  EXPECT_EQ(in.ssrc, out.ssrc);
  EXPECT_EQ(out.packets_sent, 360u);
  EXPECT_EQ(in.packets_received, 360u);
  EXPECT_EQ(in.bytes_received, out.bytes_sent);
  EXPECT_GT(in.bytes_received, 90u * 4000);
  EXPECT_EQ(in.packets_lost, 0);
  EXPECT_EQ(in.frames_received, 90u);
  EXPECT_EQ(out.frames_sent, 90u);
  EXPECT_EQ(in.key_frames, 1u);
  EXPECT_EQ(in.resolution, (packetizer::Resolution{640, 360}));
  EXPECT_EQ(in.nack_count, 0u);
  ASSERT_TRUE(out.remote_round_trip_time);
  EXPECT_NEAR(static_cast<double>(out.remote_round_trip_time->count()), 20e6, 1e6);
  EXPECT_EQ(out.remote_packets_lost, 0);
  EXPECT_LT(in.jitter, 5ms);
  EXPECT_EQ(a.transport.srtp_cipher, "SRTP_AEAD_AES_128_GCM");
}

TEST(PeerMedia, KeepsQuietWithoutAPathAndGoesOnWithOne) {
  MediaPair pair(9);
  ASSERT_TRUE(pair.connect_with_media());
  send_video(pair, pair.a, pair.video, 3, 3000);
  pair.a_to_b().blackout(kNever);
  pair.b_to_a().blackout(kNever);
  ASSERT_TRUE(pair.run([&] { return pair.a->state() == ConnectionState::Failed; }, 60s));
  const auto frame = make_vp8(true, 100, 1);
  EXPECT_EQ(pair.a->send_frame(pair.video, Codec::Vp8, {.data = frame}, pair.now()).error(), MediaError::NotConnected);
  pair.pump.pass(10min);  // an engine that wanted to be woken all the time would not come to its end here
}

}  // namespace
}  // namespace kaon::peer
