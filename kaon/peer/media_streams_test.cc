// How many streams a connection receives, below DTLS: with keys of our own.
#include <gtest/gtest.h>

#include <map>

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
  /// Whether a packet of that stream was delivered; with the mid of one letter if there is one.
  bool get(uint32_t ssrc, char mid = 0) {
    std::vector<uint8_t> packet = {0x80, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    if (mid != 0) {
      packet[0] |= 0x10;
      const auto letter = static_cast<uint8_t>(mid);
      packet.insert(packet.end(), {0xbe, 0xde, 0, 1, static_cast<uint8_t>(mid_id() << 4), letter, 0, 0});
    }
    packet.insert(packet.end(), {0xfc, 1, 2, 3});
    store_be16(&packet[2], ++sequences_[ssrc]);
    store_be32(&packet[8], ssrc);
    // A sender forgets no stream, so it takes so many only.
    if (sequences_.size() % 10'000 == 0) srtp_sender_ = srtp::Sender(kProfile, {key_, salt_});
    std::vector<uint8_t> sealed(packet.size() + srtp::rtp_overhead(kProfile));
    EXPECT_TRUE(srtp_sender_.protect_rtp(packet, sealed));
    EXPECT_TRUE(media_.handle_rtp(sealed, srtp_receiver_, now));
    const auto received = media_.poll_media();
    return received && received->packet.header.ssrc == rtp::Ssrc(ssrc);
  }
  uint64_t too_many() const { return media_.drops()[DropReason::TooManyStreams]; }
  uint64_t unknown() const { return media_.drops()[DropReason::UnknownStream]; }

  Time now = Time(1s);

 private:
  static constexpr auto kProfile = srtp::Profile::AeadAes128Gcm;
  /// Which extension has the mid.
  int mid_id() const {
    const std::string offer = offerer_.negotiator.local_description();
    const size_t uri = offer.find(" urn:ietf:params:rtp-hdrext:sdes:mid");
    return std::stoi(offer.substr(offer.rfind(':', uri) + 1));
  }
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
  std::map<uint32_t, uint16_t> sequences_;
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

TEST(MediaStreams, AHundredThousandSsrcsAtOncePushNobodyOut) {
  constexpr uint32_t kFlood = 100'000;
  Receiving receiving;
  for (uint32_t ssrc = 1; ssrc <= kMaxReceiveStreams; ++ssrc) ASSERT_TRUE(receiving.get(ssrc));
  for (uint32_t i = 0; i < kFlood; ++i) ASSERT_FALSE(receiving.get(1'000'000 + i)) << i;
  EXPECT_EQ(receiving.too_many(), kFlood);
  for (uint32_t ssrc = 1; ssrc <= kMaxReceiveStreams; ++ssrc) EXPECT_TRUE(receiving.get(ssrc)) << ssrc;
}

// The mid of the section goes from SSRC to SSRC and back, and others that nobody has come between.
TEST(MediaStreams, AMidThatFlapsBetweenSsrcsIsNoMoreThanTheirPackets) {
  Receiving receiving;
  for (int lap = 0; lap < 1000; ++lap) {
    for (const uint32_t ssrc : {1u, 2u}) {
      ASSERT_TRUE(receiving.get(ssrc, '0')) << lap;
      ASSERT_TRUE(receiving.get(ssrc, lap % 2 == 0 ? '9' : '0')) << "a stream keeps the section that it began with";
      ASSERT_FALSE(receiving.get(3, '9')) << lap;
    }
    receiving.now += 1ms;
  }
  EXPECT_EQ(receiving.unknown(), 2000u);
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
