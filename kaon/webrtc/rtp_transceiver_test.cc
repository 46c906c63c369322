// Frames and packets on their way through senders and receivers.
#include "kaon/webrtc/rtp_transceiver.h"

#include <gtest/gtest.h>

#include "kaon/packetizer/packetizer.h"
#include "kaon/webrtc/internal/test_support.h"

namespace kaon::webrtc {
namespace {

using Frames = std::vector<std::vector<uint8_t>>;

struct Received {
  Frames frames;
  std::vector<int64_t> timestamps;
};

// Alice sends video to Bob. What Bob gets gathers in `received`, unless he has other handlers.
class Sending : public testing::Test {
 protected:
  Sending() {
    a_.start();
    b_.start();
  }
  void connect(TransceiverHandlers of_bob = {}) {
    if (!of_bob.on_frame && !of_bob.on_rtp) of_bob.on_frame = collect();
    const auto handlers = std::make_shared<TransceiverHandlers>(std::move(of_bob));
    const auto count = [this](auto state, const auto&) {
      if (state == ConnectionState::Connected) connected_.change([](int& sides) { ++sides; });
    };
    bob_ = std::make_unique<Side>(
        b_, PeerConnectionHandlers{.on_connection_state = count, .on_track = [this, handlers](const TrackEvent& track) {
                                     receiver_ = track.transceiver;
                                     track.transceiver->set_handlers(std::move(*handlers));
                                   }});
    alice_ = std::make_unique<Side>(a_, PeerConnectionHandlers{.on_connection_state = count});
    alice_->on_loop([this](PeerConnection& connection) {
      sender_ = *connection.add_transceiver(MediaKind::Video, {.direction = Direction::SendOnly});
    });
    negotiate(*alice_, *bob_);
    // The client of DTLS 1.3 is connected half a round trip before the server.
    ASSERT_TRUE(connected_.wait([](int sides) { return sides >= 2; }));
  }
  Function<void(const ReceivedFrame&)> collect() {
    return [this](const ReceivedFrame& frame) {
      received_.change([&](Received& all) {
        all.frames.emplace_back(frame.data.begin(), frame.data.end());
        all.timestamps.push_back(frame.timestamp);
      });
    };
  }
  Result<void, MediaError> send(ByteView frame, uint32_t timestamp) {
    Result<void, MediaError> result;
    alice_->on_loop(
        [&](PeerConnection&) { result = sender_->sender().send_frame({.data = frame, .timestamp = timestamp}); });
    return result;
  }
  void send_all() {
    for (size_t i = 0; i < frames_.size(); ++i) {
      ASSERT_TRUE(send(frames_[i], static_cast<uint32_t>(i * 6000)));
    }
  }
  bool wait_for(size_t count) {
    return received_.wait([count](const Received& r) { return r.frames.size() >= count; });
  }

  const Frames frames_ = vp8_frames();
  io::Loop a_, b_;
  Watched<Received> received_;
  Watched<int> connected_;
  std::shared_ptr<RtpTransceiver> sender_, receiver_;
  std::unique_ptr<Side> alice_, bob_;
};

TEST_F(Sending, GivesPacketsToWhoForwardsThem) {
  // Bob sends to Carol what comes from Alice, packet by packet.
  Side carol(
      a_, {.on_track = [this](const TrackEvent& track) { track.transceiver->set_handlers({.on_frame = collect()}); }});
  Watched<bool> connected;
  Side forwarder(b_, {.on_connection_state = [&](ConnectionState state, const std::string&) {
                   if (state == ConnectionState::Connected) connected.change([](bool& c) { c = true; });
                 }});
  std::shared_ptr<RtpTransceiver> onwards;
  forwarder.on_loop([&](PeerConnection& connection) { onwards = *connection.add_transceiver(MediaKind::Video); });
  negotiate(forwarder, carol);
  ASSERT_TRUE(connected.wait([](bool c) { return c; }));
  connect({.on_frame = [](const ReceivedFrame&) { ADD_FAILURE() << "a frame besides the packets"; },
           .on_rtp =
               [&](const ReceivedRtp& rtp) {
                 EXPECT_EQ(rtp.codec, Codec::Vp8);
                 EXPECT_TRUE(onwards->sender().send_rtp(rtp.codec, rtp.packet));
               }});
  send_all();
  ASSERT_TRUE(wait_for(frames_.size()));
  EXPECT_EQ(received_.get().frames, frames_);
  bob_.reset();
}

TEST_F(Sending, TakesPlainRtpPacketsOfOtherPrograms) {
  connect();
  alice_->on_loop([&](PeerConnection&) {
    RtpSender& sender = sender_->sender();
    packetizer::Packetizer packetizer({.codec = Codec::Vp8});
    uint16_t sequence = 65'530;
    for (size_t i = 0; i < frames_.size(); ++i) {
      const auto payloads = packetizer.packetize(frames_[i], {.max_payload = 300});
      ASSERT_TRUE(payloads);
      for (size_t k = 0; k < payloads->size(); ++k) {
        std::vector<uint8_t> packet(12 + (*payloads)[k].size());
        const rtp::Header header{.marker = k + 1 == payloads->size(),
                                 .payload_type = 33,
                                 .sequence = rtp::SequenceNumber(sequence++),
                                 .timestamp = rtp::Timestamp(static_cast<uint32_t>(i) * 6000),
                                 .ssrc = rtp::Ssrc(1)};
        rtp::write_header({.header = header}, {}, packet);
        (*payloads)[k].write(Bytes(packet).subspan(12));
        ASSERT_TRUE(sender.send_rtp(Codec::Vp8, packet));
      }
    }
    EXPECT_EQ(sender.send_rtp(Codec::Vp8, as_bytes("not a packet")).error(), MediaError::Malformed);
    EXPECT_EQ(sender.send_rtp(Codec::Opus, ByteView()).error(), MediaError::Malformed);
  });
  ASSERT_TRUE(wait_for(frames_.size()));
  EXPECT_EQ(received_.get().frames, frames_);
}

// Turns all bits round but those that VP8's packets are told by, and drops frames on demand.
class Invert : public FrameTransform {
 public:
  bool transform(TransformFrame& frame) override {
    EXPECT_EQ(frame.codec, Codec::Vp8);
    EXPECT_EQ(frame.keyframe, (frame.data[0] & 1) == 0);
    for (size_t i = frame.keyframe ? 10 : 3; i < frame.data.size(); ++i) frame.data[i] ^= 0xff;
    return frame.timestamp % 6000 != drop;
  }
  int64_t drop = -1;
};

TEST_F(Sending, LetsTransformsChangeFramesOnBothSides) {
  connect();
  const auto of_alice = std::make_shared<Invert>();
  alice_->on_loop([&](PeerConnection&) { sender_->sender().set_transform(of_alice); });
  ASSERT_TRUE(send(frames_[0], 0));
  ASSERT_TRUE(wait_for(1));
  EXPECT_NE(received_.get().frames[0], frames_[0]) << "on the wire it is something else";
  EXPECT_EQ(received_.get().frames[0].size(), frames_[0].size());
  bob_->on_loop([&](PeerConnection&) { receiver_->receiver().set_transform(std::make_shared<Invert>()); });
  ASSERT_TRUE(send(frames_[1], 6000));
  ASSERT_TRUE(wait_for(2));
  EXPECT_EQ(received_.get().frames[1], frames_[1]);

  alice_->on_loop([&](PeerConnection&) { of_alice->drop = 1; });
  ASSERT_TRUE(send(frames_[2], 12'001)) << "dropped by the transform, which is no error";
  ASSERT_TRUE(send(frames_[2], 12'000));
  ASSERT_TRUE(wait_for(3));
  EXPECT_EQ(received_.get().frames[2], frames_[2]);
}

TEST_F(Sending, GoesOnWithAnotherSourceAtItsFirstKeyFrame) {
  connect();
  ASSERT_TRUE(send(frames_[0], 0));
  ASSERT_TRUE(send(frames_[1], 6000));
  alice_->on_loop([&](PeerConnection&) { sender_->sender().replace_track(); });
  EXPECT_EQ(send(frames_[1], 3'000'000'000).error(), MediaError::NotKeyframe);
  ASSERT_TRUE(send(frames_[0], 3'000'006'000));
  ASSERT_TRUE(send(frames_[1], 3'000'012'000));
  ASSERT_TRUE(wait_for(4)) << testing::PrintToString(received_.get().timestamps);
  const Received received = received_.get();
  EXPECT_EQ(received.frames[2], frames_[0]);
  EXPECT_GT(received.timestamps[2], received.timestamps[1]);
  EXPECT_LT(received.timestamps[2], received.timestamps[1] + int64_t{90000} * 60) << "not the jump of the source";
  EXPECT_EQ(received.timestamps[3] - received.timestamps[2], 6000);
}

}  // namespace
}  // namespace kaon::webrtc
