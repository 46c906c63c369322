#include "kaon/webrtc/player.h"

#include <gtest/gtest.h>

#include "kaon/webrtc/internal/test_support.h"

namespace kaon::webrtc {
namespace {

using Frames = std::vector<std::vector<uint8_t>>;

std::string sample(const char* name) { return cat(KAON_TESTDATA, "/media/", name); }

// Alice plays files to Bob.
class Playing : public testing::Test {
 protected:
  Playing() {
    a_.start();
    b_.start();
    bob_ = std::make_unique<Side>(
        b_, PeerConnectionHandlers{.on_track = [this](const TrackEvent& track) {
          track.transceiver->set_handlers({.on_frame = [this](const ReceivedFrame& frame) {
            auto& into = packetizer::is_video(frame.codec) ? video_ : audio_;
            into.change([&](Frames& all) { all.emplace_back(frame.data.begin(), frame.data.end()); });
          }});
        }});
    alice_ = std::make_unique<Side>(a_, PeerConnectionHandlers{.on_connection_state = [this](auto state, const auto&) {
                                      if (state == ConnectionState::Connected) player_->start();
                                    }});
  }
  ~Playing() override {
    a_.invoke([this] { player_.reset(); });
  }
  void make_player(bool repeat = false) {
    a_.invoke([&] {
      const auto on_end = [this](const std::string& error) {
        end_.change([&](std::optional<std::string>& end) { end = error; });
      };
      player_ = std::make_unique<Player>(a_, PlayerOptions{.repeat = repeat, .on_end = on_end});
    });
  }
  void add(const char* name) {
    alice_->on_loop([&](PeerConnection& connection) {
      auto file = io::MediaReader::open(sample(name));
      ASSERT_TRUE(file) << file.error();
      const auto added = player_->add(std::move(*file), connection);
      ASSERT_TRUE(added) << added.error();
    });
  }
  bool ended() {
    return end_.wait([](const auto& end) { return end.has_value(); });
  }

  io::Loop a_, b_;
  Watched<Frames> video_, audio_;
  Watched<std::optional<std::string>> end_;
  std::unique_ptr<Player> player_;
  std::unique_ptr<Side> alice_, bob_;
};

TEST_F(Playing, SendsSoundAndPictureInTheirTime) {
  make_player();
  add("vp8.ivf");
  add("opus.ogg");
  const Time before = io::Loop::now();  // playing begins within the negotiation
  negotiate(*alice_, *bob_);
  ASSERT_TRUE(ended());
  EXPECT_EQ(*end_.get(), "");
  const Frames expected = vp8_frames();
  ASSERT_TRUE(video_.wait([&](const Frames& got) { return got.size() == expected.size(); }));
  EXPECT_EQ(video_.get(), expected);
  EXPECT_FALSE(audio_.get().empty());
  a_.invoke([&] {
    EXPECT_TRUE(player_->done());
    EXPECT_GE(player_->frames(), expected.size() + audio_.get().size());
    EXPECT_GE(io::Loop::now() - before, player_->position()) << "faster than the files";
  });
}

TEST_F(Playing, BeginsAgain) {
  make_player(true);
  add("vp8.ivf");
  negotiate(*alice_, *bob_);
  const Frames once = vp8_frames();
  ASSERT_TRUE(video_.wait([&](const Frames& got) { return got.size() > once.size(); }));
  EXPECT_EQ(video_.get()[once.size()], once[0]);
  EXPECT_FALSE(end_.get());
}

TEST_F(Playing, SaysThatThePeerDoesNotTakeTheCodec) {
  make_player();
  add("x265.h265");  // which nobody takes who does not ask for it
  negotiate(*alice_, *bob_);
  a_.invoke([this] { player_->start(); });
  ASSERT_TRUE(ended());
  EXPECT_EQ(*end_.get(), "The peer does not take H265.");
}

TEST_F(Playing, TakesTheSectionOfAnOfferAndMayBeDestroyedAtItsEnd) {
  // Here Bob offers to receive.
  a_.invoke([this] {
    player_ = std::make_unique<Player>(a_, PlayerOptions{.on_end = [this](const std::string& error) {
                                         player_.reset();
                                         end_.change([&](std::optional<std::string>& end) { end = error; });
                                       }});
  });
  SessionDescription offer;
  bob_->on_loop([&](PeerConnection& connection) {
    const auto transceiver = connection.add_transceiver(
        MediaKind::Video, {.direction = Direction::RecvOnly},
        {.on_frame = [this](const ReceivedFrame&) { video_.change([](Frames& all) { all.emplace_back(); }); }});
    ASSERT_TRUE(transceiver);
    offer = *connection.set_local_description();
  });
  alice_->on_loop([&](PeerConnection& connection) { ASSERT_TRUE(connection.set_remote_description(offer)); });
  add("x264.h264");
  SessionDescription answer;
  alice_->on_loop([&](PeerConnection& connection) {
    EXPECT_EQ(connection.transceivers().size(), 1u);
    answer = *connection.set_local_description();
  });
  bob_->on_loop([&](PeerConnection& connection) { ASSERT_TRUE(connection.set_remote_description(answer)); });
  ASSERT_TRUE(ended());
  EXPECT_EQ(*end_.get(), "");
  EXPECT_TRUE(video_.wait([](const Frames& got) { return got.size() == 15; }));
}

}  // namespace
}  // namespace kaon::webrtc
