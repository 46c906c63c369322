// What a packet costs in allocations once everything is warm: nothing with any SRTP profile, by our own code or by
// libcrypto. ICE's consent checks, a few a second, are HMACs whose contexts libcrypto makes anew; hence its hundred.
#include <gmock/gmock.h>

#include "allocations.h"
#include "kaon/peer/internal/connection_test_support.h"

namespace kaon::scenario {

namespace {

using namespace peer;
using namespace peer::test;
using packetizer::Codec;

/// A sends to B, which forwards to C. No pump, whose network allocates: packets go from hand to hand.
class Chain {
 public:
  explicit Chain(dtls::SrtpProfileId profile) : network_(1) {
    for (Node* node : {&a_, &b_in_, &b_out_, &c_}) node->config.srtp_profiles = {profile};
    b_in_.config.delivery = c_.config.delivery = Delivery::Packets;
    for (Node* node : {&a_, &b_in_, &b_out_, &c_}) node->start();
    video_ = connect(a_, b_in_);
    forwarded_ = connect(b_out_, c_);
  }

  /// One frame of several packets, all the way; 10 ms pass.
  void forward_frame() {
    const bool sent =
        a_->send_frame(video_, Codec::Vp8, {.data = frame_, .timestamp = timestamp_ += 900}, now_).has_value();
    ASSERT_TRUE(sent);
    exchange(a_, b_in_);
    while (auto packet = b_in_->poll_media()) {
      ASSERT_TRUE(b_out_->send_packet(forwarded_, packet->codec, packet->packet, now_));
    }
    exchange(b_out_, c_);
    while (c_->poll_media()) ++arrived;
    tick();
  }
  void send_message() {
    ASSERT_TRUE(a_->send_binary(channel_, ByteView(frame_).first(900), now_));
    exchange(a_, b_in_);
    tick();
  }

  size_t arrived = 0;
  size_t messages = 0;

 private:
  TransceiverId connect(Node& from, Node& to) {
    const auto channel = *from->open_channel({}, now_);
    if (&from == &a_) channel_ = channel;
    const TransceiverId id = *from->add_transceiver(sdp::MediaKind::Video, {.direction = sdp::Direction::SendOnly});
    EXPECT_TRUE(from->set_local_description(SdpType::Offer, now_));
    EXPECT_TRUE(to->set_remote_description(SdpType::Offer, as_signalled(from), now_));
    EXPECT_TRUE(to->set_local_description(SdpType::Answer, now_));
    EXPECT_TRUE(from->set_remote_description(SdpType::Answer, as_signalled(to), now_));
    for (int i = 0; i < 500; ++i) {
      exchange(from, to);
      tick();
    }
    EXPECT_TRUE(from.connected() && to.connected());
    return id;
  }

  void exchange(Node& x, Node& y) {
    for (int i = 0; i < 3; ++i) {
      move(x, y);
      move(y, x);
    }
  }
  void move(Node& from, Node& to) {
    while (const auto transmit = from->poll_transmit(out_)) {
      const size_t step = transmit->segment_size == 0 ? transmit->size : transmit->segment_size;
      for (size_t at = 0; at < transmit->size; at += step) {
        const Bytes packet = Bytes(out_).subspan(at, std::min(step, transmit->size - at));
        to->handle_packet({.local = transmit->remote, .remote = transmit->local, .bytes = packet}, now_);
      }
    }
    while (to->poll_event()) {
    }
    while (auto event = to->poll_channel_event()) {
      messages += std::holds_alternative<datachannel::MessageReceived>(*event);
    }
  }
  void tick() {
    now_ += 10ms;
    for (Node* node : {&a_, &b_in_, &b_out_, &c_}) {
      if (node->next_timeout() <= now_) (*node)->handle_timeout(now_);
    }
  }

  static net::Endpoint at(uint8_t host) { return {net::IpAddress::v4(192, 0, 2, host), 1000}; }

  sim::Network network_;
  Node a_{1, at(1), network_}, b_in_{2, at(2), network_}, b_out_{3, at(3), network_}, c_{4, at(4), network_};
  Time now_ = network_.now();
  TransceiverId video_{}, forwarded_{};
  datachannel::ChannelId channel_{};
  uint32_t timestamp_ = 0;
  std::vector<uint8_t> out_ = std::vector<uint8_t>(Connection::kMaxTransmit);
  const std::vector<uint8_t> frame_ = make_vp8(true, 8000, 1);
};

class PacketPath : public testing::TestWithParam<dtls::SrtpProfileId> {};

TEST_P(PacketPath, AllocatesNothingPerForwardedPacket) {
  Chain chain(GetParam());
  for (int i = 0; i < 600; ++i) chain.forward_frame();
  chain.arrived = 0;
  const uint64_t own_before = allocations();
  ASSERT_GT(own_before, 1000u);
  const uint64_t crypto_before = libcrypto_allocations();
  for (int i = 0; i < 300; ++i) chain.forward_frame();
  const uint64_t own_after = allocations();
  const uint64_t crypto_after = libcrypto_allocations();
  ASSERT_GE(chain.arrived, 2100u);
  EXPECT_EQ(own_after - own_before, 0u);
  EXPECT_LE(crypto_after - crypto_before, 100u);
}

TEST_P(PacketPath, AllocatesNothingPerDataChannelPacket) {
  Chain chain(GetParam());
  for (int i = 0; i < 600; ++i) chain.send_message();
  chain.messages = 0;
  const uint64_t own_before = allocations();
  ASSERT_GT(own_before, 1000u);
  const uint64_t crypto_before = libcrypto_allocations();
  for (int i = 0; i < 300; ++i) chain.send_message();
  const uint64_t own_after = allocations();
  EXPECT_GE(chain.messages, 299u);
  EXPECT_EQ(own_after - own_before, 0u);
  EXPECT_LE(libcrypto_allocations() - crypto_before, 100u);
}

INSTANTIATE_TEST_SUITE_P(Profiles, PacketPath,
                         testing::Values(dtls::kSrtpAeadAes128Gcm, dtls::kSrtpAeadAes256Gcm,
                                         dtls::kSrtpAes128CmSha1_80));

}  // namespace
}  // namespace kaon::scenario
