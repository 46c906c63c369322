#include "kaon/webrtc/peer_connection.h"

#include <gtest/gtest.h>

#include <atomic>

#include "kaon/crypto/system_random.h"
#include "kaon/webrtc/internal/test_support.h"

namespace kaon::webrtc {
namespace {

using Texts = std::vector<std::string>;
using Frames = std::vector<std::vector<uint8_t>>;

class TwoLoops : public testing::Test {
 protected:
  TwoLoops() {
    a_.start();
    b_.start();
  }
  io::Loop a_;
  io::Loop b_;
};

TEST_F(TwoLoops, CarriesTextAndBytesBothWays) {
  Watched<Texts> at_a, at_b;
  Side bob(b_, {.on_data_channel = [&](const std::shared_ptr<DataChannel>& channel) {
             EXPECT_EQ(channel->label(), "chat");
             EXPECT_EQ(channel->state(), ChannelState::Open);
             channel->set_handlers({.on_message = [&, channel = channel.get()](const Message& message) {
               at_b.change([&](Texts& texts) { texts.emplace_back(message.text()); });
               const auto sent = message.binary ? channel->send(message.data) : channel->send(message.text());
               EXPECT_TRUE(sent);
             }});
           }});
  Side alice(a_, {});
  std::shared_ptr<DataChannel> chat;
  const std::vector<uint8_t> bytes(100'000, 0x5a);
  alice.on_loop([&](PeerConnection& connection) {
    auto channel = connection.create_data_channel(
        "chat", {},
        {.on_open =
             [&] {
               EXPECT_TRUE(chat->send("hello"));
               EXPECT_TRUE(chat->send(bytes));
             },
         .on_message =
             [&](const Message& message) {
               at_a.change(
                   [&](Texts& texts) { texts.push_back(message.binary ? "binary" : std::string(message.text())); });
               EXPECT_TRUE(!message.binary || std::ranges::equal(message.data, bytes));
             }});
    ASSERT_TRUE(channel);
    chat = *channel;
    EXPECT_EQ(chat->state(), ChannelState::Connecting);
  });
  negotiate(alice, bob);
  EXPECT_TRUE(at_a.wait([](const Texts& texts) { return texts == Texts{"hello", "binary"}; }));
  EXPECT_EQ(at_b.get().size(), 2u);
  alice.on_loop([&](PeerConnection& connection) {
    const StatsReport report = connection.get_stats();
    const Stats* channel = report.first_of("data-channel");
    ASSERT_NE(channel, nullptr);
    EXPECT_EQ(channel->text("label"), "chat");
    EXPECT_EQ(channel->number("bytesSent"), 100'005);
    const Stats* transport = report.first_of("transport");
    ASSERT_NE(transport, nullptr);
    EXPECT_EQ(transport->text("dtlsState"), "connected");
    const Stats* pair = report.find(transport->text("selectedCandidatePairId"));
    ASSERT_NE(pair, nullptr);
    EXPECT_EQ(pair->text("state"), "succeeded");
    EXPECT_NE(report.find(pair->text("localCandidateId")), nullptr);
    EXPECT_NE(report.to_json().find("\"type\":\"candidate-pair\""), std::string::npos);
  });
}

TEST_F(TwoLoops, TellsBothSidesWhenAChannelIsClosed) {
  Watched<int> closed;
  Side bob(b_, {.on_data_channel = [&](const std::shared_ptr<DataChannel>& channel) {
             channel->set_handlers({.on_open = [channel = channel.get()] { channel->close(); },
                                    .on_close =
                                        [&](ChannelError error) {
                                          EXPECT_EQ(error, ChannelError::None);
                                          closed.change([](int& n) { ++n; });
                                        }});
           }});
  Side alice(a_, {});
  std::shared_ptr<DataChannel> channel;
  alice.on_loop([&](PeerConnection& connection) {
    channel = *connection.create_data_channel("short", {},
                                              {.on_close = [&](ChannelError) { closed.change([](int& n) { ++n; }); }});
  });
  negotiate(alice, bob);
  EXPECT_TRUE(closed.wait([](int n) { return n == 2; }));
  alice.on_loop([&](PeerConnection&) {
    EXPECT_EQ(channel->state(), ChannelState::Closed);
    EXPECT_EQ(channel->send("too late").error(), SendError::NotOpen);
  });
}

TEST_F(TwoLoops, TellsWhatAChannelIsLikeThatTheOtherSideMade) {
  Watched<int> seen;
  Side bob(b_, {.on_data_channel = [&](const std::shared_ptr<DataChannel>& channel) {
             const bool timed = channel->label() == "timed";
             EXPECT_EQ(channel->ordered(), timed);
             EXPECT_EQ(channel->protocol(), timed ? "" : "p");
             EXPECT_EQ(channel->max_packet_life_time(), timed ? std::optional<uint16_t>(150) : std::nullopt);
             EXPECT_EQ(channel->max_retransmits(), timed ? std::nullopt : std::optional<uint16_t>(0));
             EXPECT_EQ(channel->priority(), timed ? Priority::Low : Priority::High);
             seen.change([](int& n) { ++n; });
           }});
  Side alice(a_, {});
  alice.on_loop([](PeerConnection& connection) {
    ASSERT_TRUE(connection.create_data_channel("timed", {.max_packet_life_time = 150}));
    ASSERT_TRUE(connection.create_data_channel(
        "counted", {.ordered = false, .max_retransmits = 0, .protocol = "p", .priority = Priority::High}));
  });
  negotiate(alice, bob);
  EXPECT_TRUE(seen.wait([](int n) { return n == 2; }));
}

TEST_F(TwoLoops, ConnectsWithCandidatesThatTrickle) {
  // The descriptions go without their candidates; those follow one by one.
  Watched<int> connected;
  std::unique_ptr<Side> alice, bob;
  std::atomic<int> ends = 0;
  const auto handlers = [&](std::unique_ptr<Side>& other) {
    return PeerConnectionHandlers{
        .on_connection_state =
            [&](ConnectionState state, const std::string&) {
              if (state == ConnectionState::Connected) connected.change([](int& n) { ++n; });
            },
        .on_ice_candidate =
            [&](const IceCandidate& candidate) {
              EXPECT_FALSE(candidate.sdp_mid.empty());
              if (candidate.candidate.empty()) ++ends;
              other->loop.post([&other, candidate] { EXPECT_TRUE(other->connection->add_ice_candidate(candidate)); });
            }};
  };
  alice = std::make_unique<Side>(a_, handlers(bob));
  bob = std::make_unique<Side>(b_, handlers(alice));
  SessionDescription offer, answer;
  alice->on_loop([&](PeerConnection& connection) {
    ASSERT_TRUE(connection.create_data_channel("x"));
    offer = *connection.create_offer();
    EXPECT_EQ(offer.sdp.find("a=candidate"), std::string::npos);
  });
  bob->on_loop([&](PeerConnection& connection) {
    ASSERT_TRUE(connection.set_remote_description(offer));
    answer = *connection.create_answer();
    ASSERT_TRUE(connection.set_local_description(answer));
  });
  alice->on_loop([&](PeerConnection& connection) {
    ASSERT_TRUE(connection.set_local_description(offer));
    ASSERT_TRUE(connection.set_remote_description(answer));
  });
  EXPECT_TRUE(connected.wait([](int n) { return n == 2; }));
  EXPECT_EQ(ends, 2);
}

TEST_F(TwoLoops, CarriesFramesBothWaysAndAddsATrackByRenegotiation) {
  const Frames frames = vp8_frames();
  Watched<Frames> at_a, at_b;
  Watched<bool> needs_negotiation, connected;
  std::shared_ptr<RtpTransceiver> from_a, from_b;
  const auto collect = [](Watched<Frames>& into) {
    return [&into](const ReceivedFrame& frame) {
      EXPECT_EQ(frame.codec, Codec::Vp8);
      into.change([&](Frames& all) { all.emplace_back(frame.data.begin(), frame.data.end()); });
    };
  };
  const auto send_all = [&](const std::shared_ptr<RtpTransceiver>& transceiver) {
    ASSERT_EQ(transceiver->sender().codec(), Codec::Vp8);
    for (size_t i = 0; i < frames.size(); ++i) {
      ASSERT_TRUE(transceiver->sender().send_frame({.data = frames[i], .timestamp = static_cast<uint32_t>(i * 6000)}));
    }
  };

  Side alice(a_, {.on_connection_state =
                      [&](ConnectionState state, const std::string&) {
                        if (state == ConnectionState::Connected) connected.change([](bool& c) { c = true; });
                      },
                  .on_track =
                      [&](const TrackEvent& track) {
                        EXPECT_EQ(track.streams, std::vector<std::string>{"camera"});
                        track.transceiver->set_handlers({.on_frame = collect(at_a)});
                      }});
  Side bob(
      b_, {.on_negotiation_needed = [&] { needs_negotiation.change([](bool& needs) { needs = true; }); },
           .on_track = [&](const TrackEvent& track) { track.transceiver->set_handlers({.on_frame = collect(at_b)}); }});
  alice.on_loop([&](PeerConnection& connection) { from_a = *connection.add_transceiver(MediaKind::Video); });
  negotiate(alice, bob);
  ASSERT_TRUE(connected.wait([](bool c) { return c; }));
  alice.on_loop([&](PeerConnection&) { send_all(from_a); });
  ASSERT_TRUE(at_b.wait([&](const Frames& got) { return got.size() == frames.size(); }));
  EXPECT_EQ(at_b.get(), frames);
  EXPECT_FALSE(needs_negotiation.get());

  bob.on_loop([&](PeerConnection& connection) { from_b = *connection.add_track(MediaKind::Video, {"camera"}); });
  ASSERT_TRUE(needs_negotiation.wait([](bool needs) { return needs; }));
  negotiate(bob, alice);
  bob.on_loop([&](PeerConnection&) { send_all(from_b); });
  ASSERT_TRUE(at_a.wait([&](const Frames& got) { return got.size() == frames.size(); }));
  EXPECT_EQ(at_a.get(), frames);

  alice.on_loop([&](PeerConnection& connection) {
    const StatsReport report = connection.get_stats();
    ASSERT_NE(report.first_of("outbound-rtp"), nullptr);
    EXPECT_EQ(report.first_of("outbound-rtp")->number("framesSent"), static_cast<double>(frames.size()));
    ASSERT_NE(report.first_of("inbound-rtp"), nullptr);
    EXPECT_EQ(report.first_of("inbound-rtp")->text("kind"), "video");
  });
}

TEST_F(TwoLoops, AsksTheSenderForAKeyFrame) {
  Watched<int> requests;
  Watched<bool> track;
  std::shared_ptr<RtpTransceiver> sender, receiver;
  const Frames frames = vp8_frames();
  Watched<int> received;
  Side alice(a_, {});
  Side bob(b_, {.on_track = [&](const TrackEvent& event) {
             receiver = event.transceiver;
             receiver->set_handlers({.on_frame = [&](const ReceivedFrame&) { received.change([](int& n) { ++n; }); }});
             track.change([](bool& t) { t = true; });
           }});
  Watched<bool> connected;
  alice.on_loop([&](PeerConnection& connection) {
    sender = *connection.add_transceiver(MediaKind::Video, {.direction = Direction::SendOnly},
                                         {.on_keyframe_request = [&] { requests.change([](int& n) { ++n; }); }});
  });
  negotiate(alice, bob);
  ASSERT_TRUE(track.wait([](bool t) { return t; }));
  // A request needs a stream to be about.
  std::atomic<bool> sent = false;
  while (!sent) {
    alice.on_loop([&](PeerConnection&) { sent = sender->sender().send_frame({.data = frames[0]}).has_value(); });
  }
  ASSERT_TRUE(received.wait([](int n) { return n == 1; }));
  bob.on_loop([&](PeerConnection&) { receiver->receiver().request_keyframe(); });
  EXPECT_TRUE(requests.wait([](int n) { return n >= 1; }));
}

TEST_F(TwoLoops, TellsOfNegotiationOnceAndOnlyWhenItIsDue) {
  Watched<int> needed;
  Side alice(a_, {.on_negotiation_needed = [&] { needed.change([](int& n) { ++n; }); }});
  alice.on_loop([&](PeerConnection& connection) {
    ASSERT_TRUE(connection.create_data_channel("one"));
    ASSERT_TRUE(connection.create_data_channel("two"));
    EXPECT_EQ(needed.get(), 0) << "a handler was called inside a call";
  });
  EXPECT_TRUE(needed.wait([](int n) { return n == 1; }));
}

TEST_F(TwoLoops, RefusesDescriptionsThatAreBrokenOrChanged) {
  Side alice(a_, {});
  alice.on_loop([&](PeerConnection& connection) {
    const auto broken = connection.set_remote_description({SdpType::Offer, "v=1"});
    ASSERT_FALSE(broken);
    EXPECT_TRUE(std::holds_alternative<sdp::ParseError>(broken.error()));
    EXPECT_FALSE(to_string(broken.error()).empty());
    ASSERT_TRUE(connection.create_data_channel("x"));
    auto offer = *connection.create_offer();
    offer.sdp += "a=changed\r\n";
    EXPECT_EQ(connection.set_local_description(offer).error(), NegotiationError::Modified);
    EXPECT_EQ(connection.create_answer().error(), NegotiationError::WrongState);
    connection.close();
    EXPECT_EQ(connection.create_offer().error(), NegotiationError::Closed);
    EXPECT_EQ(connection.connection_state(), ConnectionState::Closed);
  });
}

TEST_F(TwoLoops, TellsThePeerThatItIsClosed) {
  Watched<int> connected;
  Watched<bool> closed;
  const auto count = [&](ConnectionState state) {
    if (state == ConnectionState::Connected) connected.change([](int& n) { ++n; });
  };
  Side bob(b_, {.on_connection_state = [&](ConnectionState state, const std::string& detail) {
             count(state);
             if (state != ConnectionState::Closed) return;
             EXPECT_FALSE(detail.empty());
             closed.change([](bool& c) { c = true; });
           }});
  Side alice(a_, {.on_connection_state = [&](ConnectionState state, const std::string&) {
               count(state);
               EXPECT_NE(state, ConnectionState::Closed) << "told of its own close()";
             }});
  alice.on_loop([](PeerConnection& connection) { ASSERT_TRUE(connection.create_data_channel("x")); });
  negotiate(alice, bob);
  ASSERT_TRUE(connected.wait([](int n) { return n == 2; }));
  alice.on_loop([](PeerConnection& connection) { connection.close(); });
  EXPECT_TRUE(closed.wait([](bool c) { return c; }));
}

// A certificate that comes again would tell that two calls are the same person's.
TEST(PeerConnection, HasACertificateOfItsOwnUnlessItIsGivenOne) {
  io::Loop loop;
  loop.start();
  const auto fingerprint = [&](const Configuration& configuration) {
    Side side(loop, {}, configuration);
    std::string sdp;
    side.on_loop([&](PeerConnection& connection) {
      ASSERT_TRUE(connection.create_data_channel("x"));
      const auto offer = connection.create_offer();
      ASSERT_TRUE(offer);
      sdp = offer->sdp;
    });
    const size_t at = sdp.find("a=fingerprint:");
    EXPECT_NE(at, std::string::npos);
    return sdp.substr(at, sdp.find("\r\n", at) - at);
  };
  EXPECT_NE(fingerprint({}), fingerprint({}));
  crypto::SystemRandom random;
  Configuration given;
  given.certificate = crypto::Certificate::generate(crypto::KeyType::EcdsaP256, random, std::chrono::days(20'000));
  EXPECT_EQ(fingerprint(given), fingerprint(given));
}

TEST(PeerConnection, LeavesOutIceServersItDoesNotKnowOrFind) {
  struct Warnings : Logger {
    void write(LogLevel level, std::string_view module, std::string_view) override {
      if (level == LogLevel::Warning && module == "webrtc") ++count;
    }
    std::atomic<int> count = 0;
  } log;
  io::Loop loop;
  loop.start();
  Watched<bool> complete;
  Configuration configuration{.ice_servers = {{{"turn:127.0.0.1:3478", "stun:", "stun:no host has spaces"}}},
                              .log = &log};
  Side alice(loop,
             {.on_ice_candidate =
                  [&](const IceCandidate& candidate) {
                    if (candidate.candidate.empty()) complete.change([](bool& c) { c = true; });
                  }},
             configuration);
  alice.on_loop([](PeerConnection& connection) {
    ASSERT_TRUE(connection.create_data_channel("x"));
    ASSERT_TRUE(connection.set_local_description());
  });
  EXPECT_TRUE(complete.wait([](bool c) { return c; }));
  EXPECT_EQ(log.count, 3);
}

}  // namespace
}  // namespace kaon::webrtc
