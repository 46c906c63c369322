// What strangers can do to a connection: nothing but be counted.
#include <gmock/gmock.h>

#include "kaon/peer/internal/connection_test_support.h"

namespace kaon::peer {
namespace {

using namespace test;
using packetizer::Codec;
using Packet = std::vector<uint8_t>;

const net::Endpoint kStranger{net::IpAddress::v4(198, 51, 100, 66), 6666};

struct AttackedPair : Pair {
  explicit AttackedPair(uint64_t seed) : Pair(seed) {}

  void connect_with_everything() {
    a.keep_packets = b.keep_packets = true;
    start();
    channel = *a->open_channel({}, now());
    video = *a->add_transceiver(sdp::MediaKind::Video, {.direction = sdp::Direction::SendOnly});
    ASSERT_TRUE(connect());
    ASSERT_TRUE(run([this] { return channel_is_open(); }));
  }
  /// A message and a frame get through, and nothing else does.
  void check_works() {
    const size_t messages = b.messages.size();
    const size_t frames = b.frames.size();
    ASSERT_TRUE(a->send_text(channel, "works", now()));
    const auto frame = make_vp8(true, 3000, 7);
    ASSERT_TRUE(a->send_frame(video, Codec::Vp8, {.data = frame, .timestamp = timestamp += 3000}, now()));
    pump.pass(500ms);
    EXPECT_EQ(b.messages.size(), messages + 1);
    EXPECT_EQ(b.frames.size(), frames + 1);
    EXPECT_TRUE(a.connected() && b.connected());
  }
  void inject(Node& to, const net::Endpoint& from, Packet packet) {
    to.keep_packets = false;
    to.handle_packet({.local = to.address, .remote = from, .bytes = packet}, now());
    to.keep_packets = true;
  }
  /// Packets that `node` wants to send at this instant.
  size_t answers(Node& node) {
    size_t count = 0;
    std::vector<uint8_t> out(Connection::kMaxTransmit);
    while (node->poll_transmit(out)) ++count;
    return count;
  }
  datachannel::ChannelId channel{};
  TransceiverId video{};
  uint32_t timestamp = 0;
};

bool is_media(const Packet& packet) { return packet[0] >= 128 && packet[0] <= 191; }
bool is_client_hello(const Packet& packet) { return packet.size() > 13 && packet[0] == 22 && packet[13] == 1; }

// C1: a ClientHello with another version, and one that offers nothing but no encryption.
std::vector<Packet> bad_client_hellos(const Packet& good) {
  constexpr size_t kVersion = 13 + 12;
  constexpr size_t kSuites = kVersion + 2 + 32 + 2;  // behind version, random, empty session id and cookie
  Packet version = good;
  version[kVersion] = 0x01;
  Packet null_cipher = good;
  const size_t size = static_cast<size_t>(good[kSuites]) << 8 | good[kSuites + 1];
  std::fill_n(null_cipher.begin() + kSuites + 2, size, 0);
  return {version, null_cipher, Packet(good.begin(), good.begin() + 40)};
}

TEST(PeerAttack, ClientHellosOfOthersBeforeBetweenAndAfterTheRealOneChangeNothing) {
  AttackedPair recorded(1);
  recorded.a.config.sped = false;  // so that it says ClientHello by itself
  recorded.connect_with_everything();
  const auto hello = std::find_if(recorded.b.packets.begin(), recorded.b.packets.end(), is_client_hello);
  ASSERT_NE(hello, recorded.b.packets.end());
  const std::vector<Packet> bad = bad_client_hellos(*hello);

  for (const net::Endpoint& from : {kStranger, recorded.a.address}) {
    SCOPED_TRACE(from.to_string());
    AttackedPair pair(2);
    pair.start();
    pair.channel = *pair.a->open_channel({}, pair.now());
    pair.video = *pair.a->add_transceiver(sdp::MediaKind::Video, {.direction = sdp::Direction::SendOnly});
    const auto attack = [&] {
      for (const Packet& packet : bad) pair.inject(pair.b, from, packet);
      if (from == kStranger) pair.inject(pair.b, from, *hello);
    };
    attack();
    pair.offer(pair.a);
    attack();
    pair.answer(pair.b);
    attack();
    for (int i = 0; i < 200 && !(pair.a.connected() && pair.b.connected()); ++i) {
      pair.pump.pass(1ms);
      attack();
    }
    EXPECT_TRUE(pair.a.connected() && pair.b.connected());
    attack();
    pair.pump.pass(50ms);
    EXPECT_EQ(pair.a.count<Secured>(), 1u);
    EXPECT_EQ(pair.b.count<Secured>(), 1u);
    ASSERT_TRUE(pair.run([&] { return pair.channel_is_open(); }));
    if (from == kStranger) {
      EXPECT_GT(pair.b->drops()[DropReason::UnknownAddress], 50u);
    }
    pair.check_works();
  }
}

// E1
TEST(PeerAttack, DeliversEveryPacketOnceHoweverOftenItComes) {
  AttackedPair pair(3);
  pair.connect_with_everything();
  for (int i = 0; i < 20; ++i) pair.check_works();
  const size_t messages = pair.b.messages.size();
  const size_t frames = pair.b.frames.size();
  const auto packets = pair.b.packets;
  size_t media = 0;
  for (const Packet& packet : packets) {
    media += is_media(packet);
    pair.inject(pair.b, pair.a.address, packet);
    pair.answers(pair.b);
  }
  ASSERT_GT(media, 60u);
  EXPECT_EQ(pair.b->media_drops()[DropReason::ReplayedSrtp], media);
  const auto one = std::find_if(packets.rbegin(), packets.rend(), is_media);
  for (int i = 0; i < 100'000; ++i) pair.inject(pair.b, pair.a.address, *one);
  EXPECT_EQ(pair.b->media_drops()[DropReason::ReplayedSrtp], media + 100'000);
  pair.pump.pass(1s);
  EXPECT_EQ(pair.b.messages.size(), messages);
  EXPECT_EQ(pair.b.frames.size(), frames);
  pair.check_works();
}

// E2, E3
TEST(PeerAttack, ForgedMediaIsCountedAndNothingElse) {
  AttackedPair pair(4);
  pair.connect_with_everything();
  pair.check_works();
  const Packet good = *std::find_if(pair.b.packets.begin(), pair.b.packets.end(), is_media);
  SeededRandom random(5);
  for (int i = 0; i < 20'000; ++i) {
    Packet forged = good;
    forged[2] = static_cast<uint8_t>(random.u32());  // any sequence number: the roll-over counter must not believe it
    forged[3] = static_cast<uint8_t>(random.u32());
    forged[forged.size() - 1 - random.below(16)] ^= 1;
    pair.inject(pair.b, pair.a.address, forged);
  }
  EXPECT_EQ(pair.b->media_drops()[DropReason::BadSrtp] + pair.b->media_drops()[DropReason::ReplayedSrtp], 20'000u);
  EXPECT_GT(pair.b->media_drops()[DropReason::BadSrtp], 1'000u);
  pair.check_works();
}

// E4
TEST(PeerAttack, PlainAndReflectedMediaIsDropped) {
  AttackedPair pair(6);
  pair.connect_with_everything();
  pair.check_works();
  const size_t frames = pair.b.frames.size();
  Packet plain(200, 0);
  plain[0] = 0x80;
  plain[1] = 96;
  pair.inject(pair.b, pair.a.address, plain);
  const Packet plain_bye = {0x81, 203, 0, 1, 0, 0, 0, 1};
  pair.inject(pair.b, pair.a.address, plain_bye);
  const uint64_t before = pair.a->media_drops().total();
  size_t reflected = 0;
  for (const Packet& packet : std::vector(pair.b.packets)) {
    if (!is_media(packet)) continue;
    ++reflected;
    pair.inject(pair.a, pair.b.address, packet);
  }
  EXPECT_EQ(pair.a->media_drops().total(), before + reflected);
  EXPECT_EQ(pair.b->media_drops()[DropReason::BadSrtp] + pair.b->media_drops()[DropReason::MalformedRtcp], 2u);
  EXPECT_EQ(pair.b.frames.size(), frames);
  EXPECT_TRUE(pair.a.frames.empty());
  pair.check_works();
}

// E5
TEST(PeerAttack, NothingFromAForeignAddressIsDeliveredOrAnsweredButByACheck) {
  AttackedPair pair(7);
  pair.connect_with_everything();
  pair.check_works();
  // What would have been good, had it come from the peer: b has not seen it.
  pair.a_to_b().blackout(kNever);
  const auto frame = make_vp8(true, 3000, 9);
  ASSERT_TRUE(pair.a->send_frame(pair.video, Codec::Vp8, {.data = frame, .timestamp = 90'000}, pair.now()));
  ASSERT_TRUE(pair.a->send_text(pair.channel, "stolen", pair.now()));
  std::vector<Packet> stolen;
  std::vector<uint8_t> out(Connection::kMaxTransmit);
  while (const auto transmit = pair.a->poll_transmit(out)) {
    const size_t step = transmit->segment_size == 0 ? transmit->size : transmit->segment_size;
    for (size_t at = 0; at < transmit->size; at += step) {
      const auto begin = out.begin() + static_cast<ptrdiff_t>(at);
      stolen.emplace_back(begin, begin + static_cast<ptrdiff_t>(std::min(step, transmit->size - at)));
    }
  }
  ASSERT_GE(stolen.size(), 4u);
  pair.answers(pair.b);
  const size_t frames = pair.b.frames.size();
  const size_t messages = pair.b.messages.size();
  const uint64_t dropped = pair.b->drops()[DropReason::UnknownAddress];
  for (const Packet& packet : stolen) pair.inject(pair.b, kStranger, packet);
  // DTLS from where a check is under way is held, and forgotten if nobody answers.
  const auto media = static_cast<uint64_t>(std::count_if(stolen.begin(), stolen.end(), is_media));
  EXPECT_EQ(pair.b->drops()[DropReason::UnknownAddress], dropped + media);
  EXPECT_EQ(pair.b.frames.size(), frames);
  EXPECT_EQ(pair.b.messages.size(), messages);
  // Media that only the peer can have made: it may have moved there.
  EXPECT_EQ(pair.answers(pair.b), 1u);
  EXPECT_EQ(pair.b->stats(pair.now()).transport.path->remote, pair.a.address);
  // And from the right address they are good.
  for (const Packet& packet : stolen) pair.inject(pair.b, pair.a.address, packet);
  EXPECT_EQ(pair.b.frames.size(), frames + 1);
  EXPECT_EQ(pair.b.messages.size(), messages + 1);
}

// A4, E5: somebody on the path repeats our peer's fresh media from the address of a victim, faster than it arrives.
TEST(PeerAttack, RepeatedMediaSendsAVictimAFewChecksAndNothingElse) {
  AttackedPair pair(11);
  pair.connect_with_everything();
  const TransceiverId back = *pair.b->add_transceiver(sdp::MediaKind::Video, {.direction = sdp::Direction::SendOnly});
  pair.negotiate(pair.b);
  pair.check_works();
  size_t checks = 0;
  size_t others = 0;
  pair.network.set_tap([&](Time, const net::Datagram& packet) {
    if (packet.local == kStranger) (packet.bytes[0] < 4 ? checks : others) += 1;
    if (packet.local == pair.b.address && packet.remote == pair.a.address && packet.bytes[0] >= 128) {
      Packet copy(packet.bytes.begin(), packet.bytes.end());
      pair.inject(pair.b, kStranger, copy);
    }
  });
  static_cast<void>(pair.network.add_host(kStranger.ip));
  for (int i = 0; i < 100; ++i) {
    const auto frame = make_vp8(true, 3000, static_cast<uint8_t>(i));
    pair.timestamp += 3000;
    ASSERT_TRUE(pair.a->send_frame(pair.video, Codec::Vp8, {.data = frame, .timestamp = pair.timestamp}, pair.now()));
    ASSERT_TRUE(pair.b->send_frame(back, Codec::Vp8, {.data = frame, .timestamp = pair.timestamp}, pair.now()));
    pair.pump.pass(100ms);
  }
  EXPECT_GE(checks, 1u);
  EXPECT_LE(checks, 4u);
  EXPECT_EQ(others, 0u);
  EXPECT_EQ(pair.a.frames.size(), 100u);
  EXPECT_EQ(pair.b->stats(pair.now()).transport.path->remote, pair.a.address);
  pair.check_works();
}

TEST(PeerAttack, GarbageOfEveryFirstByteAndSizeIsDroppedAndCounted) {
  AttackedPair pair(8);
  pair.connect_with_everything();
  pair.check_works();
  SeededRandom random(9);
  const uint64_t before = pair.b->drops().total() + pair.b->media_drops().total();
  for (int first = 0; first < 256; ++first) {
    for (size_t size = 0; size < 120; ++size) {
      Packet packet(size);
      random.fill(packet);
      if (size > 0) packet[0] = static_cast<uint8_t>(first);
      pair.inject(pair.b, pair.a.address, packet);
      pair.inject(pair.b, kStranger, packet);
    }
  }
  EXPECT_GT(pair.b->drops().total() + pair.b->media_drops().total(), before + 50'000);
  EXPECT_GT(pair.b->drops()[DropReason::UnknownProtocol], 20'000u);
  EXPECT_EQ(pair.answers(pair.b), 0u);
  pair.check_works();
}

TEST(PeerAttack, ForgedPacketsAreNoSignOfLife) {
  AttackedPair pair(10);
  pair.connect_with_everything();
  pair.check_works();
  pair.a_to_b().blackout(kNever);
  Packet rtp(100, 0x5a), rtcp(100, 0x5a), dtls(100, 0x5a);
  rtp[0] = rtcp[0] = 0x80;
  rtp[1] = 96;
  rtcp[1] = 200;
  dtls[0] = 23;
  for (int i = 0; i < 200; ++i) {
    for (const Packet& packet : {rtp, rtcp, dtls}) pair.inject(pair.b, pair.a.address, packet);
    pair.pump.pass(50ms);
  }
  EXPECT_EQ(pair.b->state(), ConnectionState::Disconnected);
}

}  // namespace
}  // namespace kaon::peer
