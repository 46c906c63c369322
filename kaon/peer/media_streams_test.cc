// How many streams a connection receives, below DTLS: with keys of our own.
#include <gtest/gtest.h>

#include "kaon/peer/internal/connection_test_support.h"
#include "kaon/peer/internal/media.h"
#include "kaon/peer/internal/negotiation_test_support.h"

namespace kaon::peer {
namespace {

using namespace std::chrono_literals;
using internal::kMaxReceiveStreams;

/// The receiving side of one section of audio.
class Receiving {
 public:
  Receiving() : offerer_(1), answerer_(2), media_({random_, log_}, pool_, config()) {
    EXPECT_TRUE(offerer_->add_transceiver(sdp::MediaKind::Audio));
    test::exchange(offerer_, answerer_);
    media_.apply(*answerer_->session(), answerer_->transceivers(), "cname", [](Event) {});
  }
  /// Whether a packet of that stream was delivered.
  bool get(uint32_t ssrc) {
    std::vector<uint8_t> packet = {0x80, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfc, 1, 2, 3};
    store_be16(&packet[2], ++sequence_);
    store_be32(&packet[8], ssrc);
    std::vector<uint8_t> sealed(packet.size() + srtp::rtp_overhead(kProfile));
    EXPECT_TRUE(srtp_sender_.protect_rtp(packet, sealed));
    EXPECT_TRUE(media_.handle_rtp(sealed, srtp_receiver_, now));
    const auto received = media_.poll_media();
    return received && received->packet.header.ssrc == rtp::Ssrc(ssrc);
  }
  uint64_t too_many() const { return media_.drops()[DropReason::TooManyStreams]; }

  Time now = Time(1s);

 private:
  static constexpr auto kProfile = srtp::Profile::AeadAes128Gcm;
  Config config() {
    Config config{.certificate = crypto::Certificate::generate(crypto::KeyType::Ed25519, random_, 1'700'000'000s)};
    config.delivery = Delivery::Packets;
    return config;
  }
  SeededRandom random_{3};
  NullLogger log_;
  BufferPool pool_;
  test::Peer offerer_, answerer_;
  internal::Media media_;
  std::array<uint8_t, 16> key_{1};
  std::array<uint8_t, 12> salt_{2};
  srtp::Sender srtp_sender_{kProfile, {key_, salt_}};
  srtp::Receiver srtp_receiver_{kProfile, {key_, salt_}};
  uint16_t sequence_ = 0;
};

// E9.
TEST(MediaStreams, APeerThatTakesNewSsrcsAgainAndAgainIsStillHeard) {
  Receiving receiving;
  for (uint32_t ssrc = 1; ssrc <= 5 * kMaxReceiveStreams; ++ssrc) {
    ASSERT_TRUE(receiving.get(ssrc)) << ssrc;
    receiving.now += 50ms;
  }
  EXPECT_EQ(receiving.too_many(), 0u);
}

TEST(MediaStreams, OfTooManyAtOnceTheFirstStay) {
  Receiving receiving;
  for (uint32_t ssrc = 1; ssrc <= kMaxReceiveStreams; ++ssrc) EXPECT_TRUE(receiving.get(ssrc));
  EXPECT_FALSE(receiving.get(1000));
  EXPECT_EQ(receiving.too_many(), 1u);
  for (uint32_t ssrc = 1; ssrc <= kMaxReceiveStreams; ++ssrc) EXPECT_TRUE(receiving.get(ssrc));
  // One falls silent.
  receiving.now += internal::kStreamSilence - 10ms;
  for (uint32_t ssrc = 2; ssrc <= kMaxReceiveStreams; ++ssrc) EXPECT_TRUE(receiving.get(ssrc));
  EXPECT_FALSE(receiving.get(1000));
  receiving.now += 10ms;
  EXPECT_TRUE(receiving.get(1000));
  EXPECT_TRUE(receiving.get(2));
}

}  // namespace
}  // namespace kaon::peer
