// How many streams a connection receives, below DTLS: with keys of our own.
#include <gtest/gtest.h>

#include "kaon/peer/internal/connection_test_support.h"
#include "kaon/peer/internal/media.h"
#include "kaon/peer/internal/negotiation_test_support.h"
#include "kaon/srtp/internal/test_session.h"

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
    EXPECT_TRUE(media_.handle_rtp(keys_.protect(packet), keys_.receiver, now));
    const auto received = media_.poll_media();
    return received && received->packet.header.ssrc == rtp::Ssrc(ssrc);
  }
  uint64_t too_many() const { return media_.drops()[DropReason::TooManyStreams]; }

  Time now = Time(1s);

 private:
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
  srtp::internal::TestSession keys_{srtp::Profile::AeadAes128Gcm};
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
