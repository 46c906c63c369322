// Connections that end when it is least convenient.
#include <gtest/gtest.h>

#include <array>
#include <atomic>

#include "kaon/webrtc/internal/test_support.h"
#include "kaon/webrtc/peer_connection.h"

namespace kaon::webrtc {
namespace {

// Every handler there is, by number; the one that is chosen destroys its own connection.
enum class Moment {
  Connecting,
  Connected,
  Candidate,
  NegotiationNeeded,
  Track,
  DataChannel,
  ChannelOpen,
  RemoteChannelOpen,
  Message,
  Frame,
  Count,
};

class SelfDestroying {
 public:
  SelfDestroying(io::Loop& loop, std::shared_ptr<SharedPort> port, std::optional<Moment> moment)
      : loop_(loop), moment_(moment), frames_(vp8_frames()) {
    loop_.invoke([&] {
      connection_ = std::make_unique<PeerConnection>(loop_, Configuration{.port = std::move(port)}, handlers());
    });
  }
  ~SelfDestroying() {
    loop_.invoke([this] { connection_.reset(); });
  }

  void prepare() {
    loop_.invoke([this] {
      // Its own handlers may have ended it before.
      if (!connection_) return;
      auto channel = connection_->create_data_channel(
          "x", {},
          {.on_open = [this] { at(Moment::ChannelOpen); }, .on_message = [this](const Message& m) { on_message(m); }});
      if (channel) channel_ = *channel;
      auto transceiver = connection_->add_track(MediaKind::Video);
      if (transceiver) transceiver_ = *transceiver;
    });
  }
  std::optional<SessionDescription> local() {
    std::optional<SessionDescription> result;
    loop_.invoke([&] {
      if (!connection_) return;
      if (auto made = connection_->set_local_description()) result = *made;
    });
    return result;
  }
  void remote(const SessionDescription& description) {
    loop_.invoke([&] {
      if (connection_) static_cast<void>(connection_->set_remote_description(description));
    });
  }
  void talk() {
    loop_.invoke([this] {
      if (!connection_) return;
      if (channel_) static_cast<void>(channel_->send("hello"));
      if (transceiver_) static_cast<void>(transceiver_->sender().send_frame({.data = frames_.front()}));
      for (const auto& other : connection_->transceivers()) {
        static_cast<void>(other->sender().send_frame({.data = frames_.front()}));
      }
    });
  }
  bool ended() const { return ended_; }

 private:
  PeerConnectionHandlers handlers() {
    return {.on_connection_state =
                [this](ConnectionState state, const std::string&) {
                  if (state == ConnectionState::Connecting) at(Moment::Connecting);
                  if (state == ConnectionState::Connected) at(Moment::Connected);
                },
            .on_ice_candidate = [this](const IceCandidate&) { at(Moment::Candidate); },
            .on_negotiation_needed = [this] { at(Moment::NegotiationNeeded); },
            .on_track =
                [this](const TrackEvent& track) {
                  track.transceiver->set_handlers({.on_frame = [this](const ReceivedFrame& frame) {
                    at(Moment::Frame);
                    EXPECT_FALSE(frame.data.empty());
                    sum_ += frame.data.back();  // still readable
                  }});
                  at(Moment::Track);
                },
            .on_data_channel =
                [this](const std::shared_ptr<DataChannel>& channel) {
                  channel->set_handlers({.on_open = [this] { at(Moment::RemoteChannelOpen); },
                                         .on_message = [this](const Message& m) { on_message(m); }});
                  at(Moment::DataChannel);
                  if (ended_) {
                    EXPECT_EQ(channel->send("late").error(), SendError::NotOpen);
                  }
                }};
  }
  void on_message(const Message& message) {
    at(Moment::Message);
    EXPECT_EQ(message.text(), "hello");  // still readable
  }
  void at(Moment moment) {
    EXPECT_FALSE(ended_) << "a handler was called after the end";
    if (moment_ != moment) return;
    ended_ = true;
    connection_.reset();
  }

  io::Loop& loop_;
  std::optional<Moment> moment_;
  std::vector<std::vector<uint8_t>> frames_;
  std::unique_ptr<PeerConnection> connection_;
  std::shared_ptr<DataChannel> channel_;
  std::shared_ptr<RtpTransceiver> transceiver_;
  std::atomic<bool> ended_ = false;
  std::atomic<int> sum_ = 0;
};

void negotiate(SelfDestroying& offerer, SelfDestroying& answerer) {
  if (const auto offer = offerer.local()) answerer.remote(*offer);
  if (const auto answer = answerer.local()) offerer.remote(*answer);
}

class HandlerThatDestroys : public testing::TestWithParam<std::tuple<Moment, bool, bool>> {};

TEST_P(HandlerThatDestroys, ItsOwnConnectionIsTheLastToBeCalled) {
  const auto [moment, offerer_dies, shared] = GetParam();
  io::Loop a, b;
  a.start();
  b.start();
  // One each: a port does not talk to itself.
  std::shared_ptr<SharedPort> port_a, port_b;
  if (shared) {
    const std::array<io::Loop*, 2> loops{&a, &b};
    port_a = *SharedPort::open(loops);
    port_b = *SharedPort::open(loops);
  }
  {
    SelfDestroying alice(a, port_a, offerer_dies ? std::optional(moment) : std::nullopt);
    SelfDestroying bob(b, port_b, offerer_dies ? std::nullopt : std::optional(moment));
    alice.prepare();
    bob.prepare();
    negotiate(alice, bob);
    const SelfDestroying& victim = offerer_dies ? alice : bob;
    const auto limit = std::chrono::steady_clock::now() + kTestLimit;
    while (!victim.ended() && std::chrono::steady_clock::now() < limit) {
      alice.talk();
      bob.talk();
      std::this_thread::yield();
    }
    EXPECT_TRUE(victim.ended());
  }
}

std::string name_of(const testing::TestParamInfo<std::tuple<Moment, bool, bool>>& info) {
  constexpr std::array kNames = {"Connecting",  "Connected",   "Candidate",         "NegotiationNeeded", "Track",
                                 "DataChannel", "ChannelOpen", "RemoteChannelOpen", "Message",           "Frame"};
  const auto [moment, offerer, shared] = info.param;
  return std::string(kNames[static_cast<size_t>(moment)]) + (offerer ? "Offerer" : "Answerer") +
         (shared ? "SharedPort" : "OwnPort");
}

INSTANTIATE_TEST_SUITE_P(Moments, HandlerThatDestroys,
                         testing::Combine(testing::Values(Moment::Connecting, Moment::Connected, Moment::Candidate,
                                                          Moment::NegotiationNeeded, Moment::Track, Moment::DataChannel,
                                                          Moment::ChannelOpen, Moment::RemoteChannelOpen,
                                                          Moment::Message, Moment::Frame),
                                          testing::Bool(), testing::Bool()),
                         name_of);

TEST(Close, IsSafeAtAnyMoment) {
  // The moment is a number of turns of a stepped loop, so that every step of the connection is met.
  for (int turns = 0; turns < 60; ++turns) {
    io::Loop loop;
    PeerConnection bob(loop);
    auto alice = std::make_unique<PeerConnection>(loop);
    ASSERT_TRUE(alice->create_data_channel("x"));
    ASSERT_TRUE(alice->add_transceiver(MediaKind::Video));
    ASSERT_TRUE(bob.set_remote_description(*alice->set_local_description()));
    ASSERT_TRUE(alice->set_remote_description(*bob.set_local_description()));
    for (int i = 0; i < turns; ++i) loop.step();
    alice->close();
    alice->close();
    EXPECT_EQ(alice->connection_state(), ConnectionState::Closed);
    EXPECT_TRUE(alice->get_stats().stats.empty());
    if (turns % 2 == 0) alice.reset();
    for (int i = 0; i < 3; ++i) loop.step();
  }
}

TEST(Close, LetsALoopGoThatIsNeverSteppedAgain) {
  io::Loop loop;
  int called = 0;
  std::unique_ptr<PeerConnection> alice;
  alice = std::make_unique<PeerConnection>(loop, Configuration{}, PeerConnectionHandlers{.on_negotiation_needed = [&] {
                                             ++called;
                                             alice.reset();
                                           }});
  ASSERT_TRUE(alice->create_data_channel("x"));
  for (int i = 0; i < 100 && called == 0; ++i) loop.step();
  EXPECT_EQ(called, 1);
}

TEST(SharedPort, CarriesManyConnectionsOfFourLoops) {
  constexpr size_t kLoops = 4;
  constexpr size_t kPairs = 40;
  std::array<io::Loop, kLoops> loops;
  std::array<io::Loop*, kLoops> pointers;
  for (size_t i = 0; i < kLoops; ++i) {
    loops[i].start();
    pointers[i] = &loops[i];
  }
  auto port = SharedPort::open(pointers);
  ASSERT_TRUE(port);
  Watched<size_t> echoed;
  {
    std::vector<std::unique_ptr<Side>> sides;
    std::vector<std::shared_ptr<DataChannel>> channels(kPairs);
    for (size_t i = 0; i < kPairs; ++i) {
      sides.push_back(std::make_unique<Side>(loops[i % kLoops], PeerConnectionHandlers{}));
      sides.push_back(std::make_unique<Side>(
          loops[(i / kLoops) % kLoops],
          PeerConnectionHandlers{.on_data_channel =
                                     [](const std::shared_ptr<DataChannel>& channel) {
                                       channel->set_handlers({.on_message = [c = channel.get()](const Message& m) {
                                         EXPECT_TRUE(c->send(m.text()));
                                       }});
                                     }},
          Configuration{.port = *port}));
      Side& alice = *sides[2 * i];
      const std::string text = "number " + std::to_string(i);
      alice.on_loop([&](PeerConnection& connection) {
        channels[i] = *connection.create_data_channel(
            "echo", {},
            {.on_open = [&channel = channels[i], text] { EXPECT_TRUE(channel->send(text)); },
             .on_message =
                 [&echoed, text](const Message& message) {
                   EXPECT_EQ(message.text(), text);
                   echoed.change([](size_t& n) { ++n; });
                 }});
      });
      negotiate(alice, *sides[2 * i + 1]);
    }
    EXPECT_TRUE(echoed.wait([](size_t n) { return n == kPairs; })) << echoed.get();
  }
}

}  // namespace
}  // namespace kaon::webrtc
