// What a connection shows to who looks for a fault.
#include <gmock/gmock.h>

#include "kaon/datachannel/describe.h"
#include "kaon/dtls/describe.h"
#include "kaon/peer/internal/connection_test_support.h"
#include "kaon/rtcp/describe.h"
#include "kaon/rtcp/message.h"
#include "kaon/rtp/describe.h"
#include "kaon/rtp/header.h"
#include "kaon/sctp/describe.h"
#include "kaon/stun/describe.h"
#include "kaon/stun/message.h"
#include "kaon/trace/json.h"
#include "kaon/trace/sink.h"

namespace kaon::peer {
namespace {

using namespace test;
using packetizer::Codec;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using trace::Direction;
using trace::Layer;

struct Seen {
  Layer layer{};
  Direction direction{};
  net::Endpoint local, remote;
  std::string connection;
  std::vector<uint8_t> bytes;
};

class Recorder final : public trace::Sink {
 public:
  Wants wanted{.wire = true, .clear = true, .events = true};
  std::vector<Seen> packets;
  std::vector<std::string> lines;

  Wants wants() const override { return wanted; }
  void packet(const trace::Packet& packet) override {
    Seen seen{packet.layer, packet.direction, packet.local, packet.remote, std::string(packet.connection), {}};
    seen.bytes.assign(packet.bytes.begin(), packet.bytes.end());
    seen.bytes.insert(seen.bytes.end(), packet.rest.begin(), packet.rest.end());
    packets.push_back(std::move(seen));
  }
  void event(const trace::Record& record) override {
    std::string line;
    trace::append_json(line, record, Time());
    lines.push_back(std::move(line));
  }

  std::vector<const Seen*> of(Layer layer, Direction direction) const {
    std::vector<const Seen*> found;
    for (const Seen& seen : packets) {
      if (seen.layer == layer && seen.direction == direction) found.push_back(&seen);
    }
    return found;
  }
};

class LineLogger final : public Logger {
 public:
  explicit LineLogger(LogLevel level) { set_level(level); }
  void write(LogLevel level, std::string_view module, std::string_view line) override {
    if (level == LogLevel::Trace) lines.push_back(cat(module, ": ", line));
  }
  std::vector<std::string> lines;
};

// A call with video from a to b and a channel, of which a is watched.
struct TracedCall : Pair {
  TracedCall(uint64_t seed, trace::Sink* sink, Logger& logger) : Pair(seed) {
    // All that DTLS and SCTP ever say by themselves, their handshakes too.
    a.config.sped = a.config.snap = false;
    start();
    a.connection.emplace(Env{a.random, logger, sink}, a.pool, a.config, now());
    EXPECT_TRUE(a->add_local_address({.address = a.address}, now()));
    a->end_of_local_addresses(now());
    video = *a->add_transceiver(sdp::MediaKind::Video);
    channel = *a->open_channel({.label = "chat"}, now());
    EXPECT_TRUE(connect());
    pump.pass(100ms);
  }
  void talk() {
    EXPECT_TRUE(a->send_text(channel, "hello", now()));
    for (uint32_t i = 0; i < 10; ++i) {
      const auto frame = make_vp8(i == 0, 3000, static_cast<uint8_t>(i));
      EXPECT_TRUE(a->send_frame(video, Codec::Vp8, {.data = frame, .timestamp = i * 3000}, now()));
      pump.pass(33ms);
    }
    b->request_keyframe(b->transceivers()[0].id, now());
    pump.pass(1500ms);
  }
  TransceiverId video{};
  datachannel::ChannelId channel{};
};

TEST(PeerTrace, ShowsEveryLayerInTheClearWithItsAddresses) {
  Recorder recorder;
  NullLogger silence;
  TracedCall call(1, &recorder, silence);
  call.talk();
  for (const Layer layer : {Layer::Stun, Layer::Dtls, Layer::Sctp, Layer::Rtcp, Layer::Wire}) {
    for (const Direction direction : {Direction::In, Direction::Out}) {
      SCOPED_TRACE(cat(to_string(layer), " ", to_string(direction)));
      EXPECT_FALSE(recorder.of(layer, direction).empty());
    }
  }
  for (const Seen& seen : recorder.packets) {
    EXPECT_EQ(seen.local, call.a.address);
    EXPECT_EQ(seen.remote, call.b.address);
    EXPECT_EQ(seen.connection, call.a->ice().local_credentials().ufrag);
    if (seen.layer == Layer::Stun) {
      EXPECT_TRUE(stun::Message::parse(seen.bytes));
    }
    if (seen.layer == Layer::Rtcp) {
      EXPECT_TRUE(rtcp::Compound::parse(seen.bytes));
    }
  }
  const auto rtp = recorder.of(Layer::Rtp, Direction::Out);
  EXPECT_EQ(rtp.size(), call.a->stats(call.now()).outbound[0].packets_sent);
  ASSERT_EQ(rtp.size(), 30u);
  const auto packet = rtp::PacketView::parse(rtp[0]->bytes);
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->payload[packet->payload.size() - 1], 0);  // the frame's pattern, not encrypted
  size_t hello = 0;
  for (const Seen* seen : recorder.of(Layer::Sctp, Direction::Out))
    hello += as_text(seen->bytes).find("hello") != std::string_view::npos;
  EXPECT_EQ(hello, 1u);
}

TEST(PeerTrace, WireHasAsManyDatagramsAsTheNetwork) {
  Recorder recorder;
  NullLogger silence;
  TracedCall call(2, &recorder, silence);
  call.talk();
  const TransportStats stats = call.a->stats(call.now()).transport;
  // The pair counts no STUN.
  const size_t stun = recorder.of(Layer::Stun, Direction::Out).size();
  EXPECT_EQ(recorder.of(Layer::Wire, Direction::Out).size(), stats.packets_sent + stun);
}

TEST(PeerTrace, TellsWhatHappensToAConnection) {
  Recorder recorder;
  recorder.wanted = {.events = true};
  NullLogger silence;
  TracedCall call(3, &recorder, silence);
  call.talk();
  call.a_to_b().configure({.delay = 5ms, .loss = 0.3});
  call.talk();
  call.a->close(call.now());
  EXPECT_THAT(recorder.packets, IsEmpty());
  EXPECT_THAT(recorder.lines, Contains(HasSubstr("\"connection:state\",\"data\":{\"state\":\"connected\"")));
  EXPECT_THAT(recorder.lines, Contains(HasSubstr("\"connection:state\",\"data\":{\"state\":\"closed\"")));
  EXPECT_THAT(recorder.lines,
              Contains(HasSubstr("\"ice:candidate\",\"data\":{\"side\":\"local\",\"candidate\":\"cand")));
  EXPECT_THAT(recorder.lines, Contains(HasSubstr("\"side\":\"remote\"")));
  EXPECT_THAT(recorder.lines, Contains(AllOf(HasSubstr("\"ice:pair\""), HasSubstr("\"selected\":true"))));
  EXPECT_THAT(recorder.lines, Contains(AllOf(HasSubstr("\"dtls:connected\""), HasSubstr("\"version\":\"1.3\""))));
  EXPECT_THAT(recorder.lines, Contains(HasSubstr("\"sctp:metrics\",\"data\":{\"congestion_window\":")));
  EXPECT_THAT(recorder.lines, Contains(AllOf(HasSubstr("\"rtcp:nack\""), HasSubstr("\"direction\":\"in\""))));
  EXPECT_THAT(recorder.lines, Contains(AllOf(HasSubstr("\"rtcp:keyframe_request\""), HasSubstr("\"kind\":\"pli\""))));
  for (const std::string& line : recorder.lines)
    EXPECT_THAT(line, HasSubstr(cat("\"connection\":\"", call.a->ice().local_credentials().ufrag, "\"")));
}

TEST(PeerTrace, TellsDropsOnceASecondByReason) {
  Recorder recorder;
  recorder.wanted = {.events = true};
  NullLogger silence;
  TracedCall call(4, &recorder, silence);
  std::vector<uint8_t> noise = {0x05, 1, 2, 3};
  for (int i = 0; i < 5; ++i)
    call.a->handle_packet({.local = call.a.address, .remote = call.b.address, .bytes = noise}, call.now());
  call.pump.pass(40s);  // timers of ICE are what comes by
  EXPECT_THAT(recorder.lines,
              Contains(HasSubstr("\"drops\",\"data\":{\"reason\":\"unknown_protocol\",\"packets\":5}")));
  EXPECT_EQ(call.a->drops_by_name().at("unknown_protocol"), 5u);
}

TEST(PeerTrace, WritesPacketsAsLinesForText2pcapAtTraceLevel) {
  LineLogger logger(LogLevel::Trace);
  TracedCall call(5, nullptr, logger);
  call.talk();
  for (const std::string_view module : {"stun", "dtls", "sctp", "rtp", "rtcp"}) {
    EXPECT_THAT(logger.lines,
                Contains(AllOf(HasSubstr(cat(module, ": O ")), HasSubstr(" 0000 "), HasSubstr("_PACKET"))));
  }
  LineLogger debug(LogLevel::Debug);
  TracedCall quiet(6, nullptr, debug);
  quiet.talk();
  EXPECT_THAT(debug.lines, IsEmpty());
}

Outline describe(Layer layer, ByteView bytes) {
  Outline out(bytes);
  switch (layer) {
    case Layer::Stun: stun::describe(bytes, out); break;
    case Layer::Dtls: dtls::describe(bytes, out); break;
    case Layer::Sctp: sctp::describe(bytes, &datachannel::describe, out); break;
    case Layer::Rtp: rtp::describe(bytes, out); break;
    case Layer::Rtcp: rtcp::describe(bytes, out); break;
    case Layer::Wire: break;
  }
  return out;
}

TEST(PeerTrace, EveryPacketOfACallCanBeDescribed) {
  Recorder recorder;
  recorder.wanted = {.clear = true};
  NullLogger silence;
  TracedCall call(8, &recorder, silence);
  call.talk();
  call.a->close(call.now());
  call.pump.pass(100ms);
  std::string all;
  for (const Seen& seen : recorder.packets) {
    const Outline out = describe(seen.layer, seen.bytes);
    EXPECT_FALSE(out.problem()) << out.text();
    all += out.text();
  }
  for (const std::string_view part : {"STUN Binding request",
                                      "USERNAME",
                                      "XOR-MAPPED-ADDRESS 192.0.2.1:1000",
                                      "DTLS Handshake",
                                      "ClientHello number 0",
                                      "SRTP profiles AEAD_AES_128_GCM",
                                      "version DTLS 1.3",
                                      "DTLS 1.3, epoch 2 modulo 4",
                                      "encrypted",
                                      "SCTP port 5000",
                                      "INIT-ACK",
                                      "COOKIE-ECHO",
                                      "DCEP OPEN label \"chat\"",
                                      "DCEP ACK",
                                      "text \"hello\"",
                                      "SACK cumulative tsn",
                                      "ABORT",
                                      "RTP ssrc=",
                                      "  extension ",
                                      "RTCP\n  SR ssrc=",
                                      "about ssrc="}) {
    EXPECT_THAT(all, HasSubstr(part));
  }
}

TEST(PeerTrace, DescribingDamagedPacketsStaysWithinTheirBytes) {
  Recorder recorder;
  recorder.wanted = {.clear = true};
  NullLogger silence;
  TracedCall call(9, &recorder, silence);
  call.talk();
  std::map<Layer, int> taken;
  for (const Seen& seen : recorder.packets) {
    if (++taken[seen.layer] > 12) continue;
    const std::vector<uint8_t>& whole = seen.bytes;
    for (size_t size = 0; size < whole.size(); size += 1 + size / 100) {
      // A copy of exact size, so that the sanitizers see a read past the end.
      const std::vector<uint8_t> prefix(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
      const Outline out = describe(seen.layer, prefix);
      if (out.problem()) {
        EXPECT_LE(out.problem()->offset, size);
      }
    }
    for (size_t at = 0; at < whole.size(); at += 1 + at / 100) {
      std::vector<uint8_t> damaged = whole;
      damaged[at] ^= 0xff;
      const Outline out = describe(seen.layer, damaged);
      if (out.problem()) {
        EXPECT_LE(out.problem()->offset, whole.size());
      }
    }
  }
}

TEST(PeerTrace, ChangesNothingOnTheWire) {
  const auto received = [](trace::Sink* sink) {
    NullLogger silence;
    TracedCall call(7, sink, silence);
    call.b.keep_packets = true;
    call.talk();
    return call.b.packets;
  };
  Recorder recorder;
  EXPECT_EQ(received(nullptr), received(&recorder));
}

}  // namespace
}  // namespace kaon::peer
