#include "kaon/srtp/receiver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <set>

#include "kaon/srtp/internal/test_session.h"

namespace kaon::srtp {
namespace {

using internal::rtcp_packet;
using internal::rtp_packet;
using internal::TestSession;

class ReceiverTest : public ::testing::TestWithParam<Profile> {};
INSTANTIATE_TEST_SUITE_P(Profiles, ReceiverTest, ::testing::ValuesIn(kProfiles));

TEST_P(ReceiverTest, OpensWhatTheSenderProtectsInPlaceAndOutOfPlace) {
  TestSession session(GetParam());
  for (size_t payload : {0u, 1u, 15u, 16u, 17u, 1100u, 1400u, 8000u}) {
    const auto packet = rtp_packet(1, static_cast<uint16_t>(payload), payload);
    auto sealed = session.protect(packet);
    TestSession other(GetParam());
    EXPECT_EQ(other.unprotect(sealed), packet);
    EXPECT_EQ(session.receiver.unprotect_rtp(sealed, sealed), packet.size());
    sealed.resize(packet.size());
    EXPECT_EQ(sealed, packet);
  }
  for (size_t words : {0u, 1u, 6u, 300u}) {
    const auto packet = rtcp_packet(1, words);
    auto sealed = session.protect_rtcp(packet);
    EXPECT_EQ(session.receiver.unprotect_rtcp(sealed, sealed), packet.size());
    sealed.resize(packet.size());
    EXPECT_EQ(sealed, packet);
  }
}

TEST_P(ReceiverTest, DropsEveryFlippedBitAndEveryTruncationAndStillTakesTheOriginal) {
  TestSession session(GetParam());
  std::vector<uint8_t> out(300);
  const auto rtp = session.protect(rtp_packet(1, 1, 20));
  const auto rtcp = session.protect_rtcp(rtcp_packet(1, 3));
  for (size_t bit = 0; bit < rtp.size() * 8; ++bit) {
    auto forged = rtp;
    forged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    ASSERT_FALSE(session.receiver.unprotect_rtp(forged, out)) << "bit " << bit;
  }
  for (size_t bit = 0; bit < rtcp.size() * 8; ++bit) {
    auto forged = rtcp;
    forged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    ASSERT_FALSE(session.receiver.unprotect_rtcp(forged, out)) << "bit " << bit;
  }
  for (size_t size = 0; size < rtp.size(); ++size) {
    ASSERT_FALSE(session.receiver.unprotect_rtp(ByteView(rtp).first(size), out)) << size;
  }
  for (size_t size = 0; size < rtcp.size(); ++size) {
    ASSERT_FALSE(session.receiver.unprotect_rtcp(ByteView(rtcp).first(size), out)) << size;
  }
  EXPECT_EQ(session.receiver.dropped_rtp().total(), rtp.size() * 9);
  EXPECT_EQ(session.receiver.dropped_rtcp().total(), rtcp.size() * 9);
  EXPECT_TRUE(session.receiver.unprotect_rtp(rtp, out));
  EXPECT_TRUE(session.receiver.unprotect_rtcp(rtcp, out));
}

TEST_P(ReceiverTest, DeliversEachPacketOnceHoweverOftenItIsReplayed) {
  TestSession session(GetParam());
  std::vector<std::vector<uint8_t>> packets;
  for (uint16_t n = 0; n < 300; ++n) packets.push_back(session.protect(rtp_packet(1, n)));
  for (const auto& packet : packets) EXPECT_FALSE(session.unprotect(packet).empty());
  std::vector<uint8_t> out(200);
  for (int lap = 0; lap < 3; ++lap) {
    for (const auto& packet : packets) {
      ASSERT_EQ(session.receiver.unprotect_rtp(packet, out), fail(UnprotectError::Replayed));
    }
  }
  EXPECT_EQ(session.receiver.dropped_rtp()[UnprotectError::Replayed], 900u);
  const auto rtcp = session.protect_rtcp(rtcp_packet(1));
  EXPECT_TRUE(session.receiver.unprotect_rtcp(rtcp, out));
  EXPECT_EQ(session.receiver.unprotect_rtcp(rtcp, out), fail(UnprotectError::Replayed));
}

TEST_P(ReceiverTest, TakesLatePacketsUpToTheEdgeOfTheWindow) {
  TestSession session(GetParam());
  const auto too_old = session.protect(rtp_packet(1, 1000));
  const auto at_edge = session.protect(rtp_packet(1, 1001));
  std::vector<uint8_t> out(200);
  ASSERT_TRUE(session.receiver.unprotect_rtp(session.protect(rtp_packet(1, 1000 + kRtpReplayWindow)), out));
  EXPECT_EQ(session.receiver.unprotect_rtp(too_old, out), fail(UnprotectError::TooOld));
  EXPECT_TRUE(session.receiver.unprotect_rtp(at_edge, out));
}

/// A path that loses, doubles and reorders.
class Path {
 public:
  explicit Path(Random& random) : random_(random) {}
  template <class Deliver>
  void send(std::vector<uint8_t> packet, Deliver deliver) {
    if (random_.below(100) < 10) return;
    if (random_.below(100) < 5) held_.push_back(packet);
    held_.push_back(std::move(packet));
    while (held_.size() > 100) {
      const size_t i = random_.below(held_.size());
      std::swap(held_[i], held_.front());
      deliver(held_.front());
      held_.pop_front();
    }
  }

 private:
  Random& random_;
  std::deque<std::vector<uint8_t>> held_;
};

TEST_P(ReceiverTest, FollowsRolloversUnderLossReorderingAndDuplication) {
  const char* replay = std::getenv("KAON_SEED");
  const uint64_t seed = replay == nullptr ? 42 : std::strtoull(replay, nullptr, 10);
  SCOPED_TRACE(seed);
  SeededRandom random(seed);
  TestSession session(GetParam());
  Path path(random);
  std::vector<uint8_t> out(200);
  std::set<uint64_t> delivered;
  constexpr uint64_t kFirst = 30000;
  constexpr uint64_t kLast = kFirst + 150'000;  // three rollovers
  for (uint64_t n = kFirst; n < kLast; ++n) {
    auto packet = rtp_packet(1, static_cast<uint16_t>(n), 8);
    store_be64(packet.data() + 12, n);
    path.send(session.protect(packet), [&](ByteView sealed) {
      const auto size = session.receiver.unprotect_rtp(sealed, out);
      if (!size) {
        // A duplicate, or held back for longer than the window.
        ASSERT_TRUE(size.error() == UnprotectError::Replayed || size.error() == UnprotectError::TooOld);
        return;
      }
      ASSERT_TRUE(delivered.insert(load_be64(out.data() + 12)).second) << "delivered twice";
    });
  }
  EXPECT_GT(delivered.size(), 130'000u);
  EXPECT_GT(session.receiver.dropped_rtp()[UnprotectError::Replayed], 1000u);
  EXPECT_EQ(session.receiver.dropped_rtp()[UnprotectError::AuthenticationFailed], 0u);
}

TEST_P(ReceiverTest, LearnsNothingFromForgedSequenceNumbers) {
  TestSession session(GetParam());
  std::vector<uint8_t> out(200);
  ASSERT_TRUE(session.receiver.unprotect_rtp(session.protect(rtp_packet(1, 65000)), out));
  for (uint32_t sequence = 0; sequence < 0x10000; sequence += 13) {
    auto forged = rtp_packet(1, static_cast<uint16_t>(sequence));
    forged.resize(forged.size() + rtp_overhead(GetParam()), 0x77);
    ASSERT_FALSE(session.receiver.unprotect_rtp(forged, out));
  }
  EXPECT_TRUE(session.receiver.unprotect_rtp(session.protect(rtp_packet(1, 65001)), out));
  for (uint32_t n = 65002; n < 65636; n += 100) {
    EXPECT_TRUE(session.receiver.unprotect_rtp(session.protect(rtp_packet(1, static_cast<uint16_t>(n))), out)) << n;
  }
}

TEST_P(ReceiverTest, SurvivesALossOfHalfTheSequenceSpace) {
  TestSession session(GetParam());
  std::vector<uint8_t> out(200);
  ASSERT_TRUE(session.receiver.unprotect_rtp(session.protect(rtp_packet(1, 100)), out));
  for (uint32_t n = 101; n < 100 + 32768; n += 400) session.protect(rtp_packet(1, static_cast<uint16_t>(n)));
  EXPECT_TRUE(session.receiver.unprotect_rtp(session.protect(rtp_packet(1, 100 + 32768)), out));
}

TEST_P(ReceiverTest, DropsPlainPacketsAndPacketsOfOtherKeysAndProfiles) {
  TestSession session(GetParam());
  TestSession other_key(GetParam(), 2);
  std::vector<uint8_t> out(200);
  EXPECT_EQ(session.receiver.unprotect_rtp(rtp_packet(1, 1), out), fail(UnprotectError::AuthenticationFailed));
  EXPECT_FALSE(session.receiver.unprotect_rtcp(rtcp_packet(1), out));
  EXPECT_EQ(session.receiver.unprotect_rtp(other_key.protect(rtp_packet(1, 1)), out),
            fail(UnprotectError::AuthenticationFailed));
  for (Profile profile : kProfiles) {
    if (profile == GetParam()) continue;
    TestSession other(profile);
    // NULL and AES128_CM derive the same key of the HMAC: only the handshake, which gives each its own, tells them
    // apart.
    const bool same_rtp = encrypts(profile) != encrypts(GetParam()) && key_size(profile) == key_size(GetParam()) &&
                          rtp_overhead(profile) == rtp_overhead(GetParam());
    EXPECT_EQ(session.receiver.unprotect_rtp(other.protect(rtp_packet(1, 1)), out).has_value(), same_rtp);
    // Two profiles with SHA-1 and the same cipher differ in RTP alone.
    const auto pair = [](Profile p) { return (static_cast<int>(p) - 1) / 2; };
    const bool same_rtcp = rtcp_overhead(profile) == 14 && pair(profile) == pair(GetParam());
    EXPECT_EQ(session.receiver.unprotect_rtcp(other.protect_rtcp(rtcp_packet(1)), out).has_value(), same_rtcp);
  }
}

TEST_P(ReceiverTest, DropsRtcpWhoseEncryptedBitIsNotThatOfTheProfile) {
  TestSession session(GetParam());
  auto packet = session.protect_rtcp(rtcp_packet(1));
  packet[packet.size() - (rtp_overhead(GetParam()) == 16 ? 4 : 14)] ^= 0x80;
  std::vector<uint8_t> out(200);
  EXPECT_EQ(session.receiver.unprotect_rtcp(packet, out),
            fail(encrypts(GetParam()) ? UnprotectError::NotEncrypted : UnprotectError::Malformed));
}

TEST_P(ReceiverTest, ChecksHeadersBeforeItBelievesTheirLengths) {
  TestSession session(GetParam());
  std::vector<uint8_t> out(200);
  for (uint8_t first = 0; first < 255; ++first) {
    std::vector<uint8_t> packet(12 + rtp_overhead(GetParam()), 0xff);
    packet[0] = first;
    EXPECT_FALSE(session.receiver.unprotect_rtp(packet, out));
  }
  EXPECT_FALSE(session.receiver.unprotect_rtp({}, out));
  EXPECT_EQ(session.receiver.unprotect_rtp(session.protect(rtp_packet(1, 1)), Bytes(out).first(20)),
            fail(UnprotectError::BufferTooSmall));
}

TEST(Receiver, KeepsABoundedNumberOfStreamsAndForgetsTheOldest) {
  TestSession session(Profile::AeadAes128Gcm);
  std::vector<uint8_t> out(200);
  const auto first = session.protect(rtp_packet(0, 1, 1));
  const auto second = session.protect(rtp_packet(1, 1, 1));
  ASSERT_TRUE(session.receiver.unprotect_rtp(first, out));
  ASSERT_TRUE(session.receiver.unprotect_rtp(second, out));
  for (uint32_t ssrc = 2; ssrc < kMaxReceiveStreams; ++ssrc) {
    ASSERT_TRUE(session.receiver.unprotect_rtp(session.protect(rtp_packet(ssrc, 1, 1)), out));
  }
  ASSERT_TRUE(session.receiver.unprotect_rtp(session.protect(rtp_packet(0, 2, 1)), out));
  for (uint32_t i = 0; i < 1000; ++i) {  // forged packets of new SSRCs push nobody out
    auto forged = rtp_packet(1'000'000 + i, 1, 1);
    forged.resize(forged.size() + 16);
    ASSERT_FALSE(session.receiver.unprotect_rtp(forged, out));
  }
  EXPECT_EQ(session.receiver.unprotect_rtp(second, out), fail(UnprotectError::Replayed));
  ASSERT_TRUE(session.receiver.unprotect_rtp(session.protect(rtp_packet(99999, 1, 1)), out));
  EXPECT_EQ(session.receiver.unprotect_rtp(first, out), fail(UnprotectError::Replayed)) << "used lately";
}

// E14: probes come under it.
TEST_P(ReceiverTest, TakesSsrcZeroEmptyAndPaddingAlone) {
  TestSession session(GetParam());
  for (uint16_t sequence = 0; sequence < 20; ++sequence) {
    auto packet = rtp_packet(0, sequence, sequence % 2 == 0 ? 0 : 5);
    if (sequence % 2 != 0) {
      packet[0] |= 0x20;
      packet.back() = 5;
    }
    EXPECT_EQ(session.unprotect(session.protect(packet)), packet);
  }
  EXPECT_EQ(session.receiver.dropped_rtp().total(), 0u);
}

}  // namespace
}  // namespace kaon::srtp
