// The rollover counter in the packet: RFC 4771.
#include <gtest/gtest.h>

#include <algorithm>

#include "kaon/srtp/internal/test_session.h"

namespace kaon::srtp {
namespace {

using internal::rtp_packet;
using internal::TestSession;

constexpr std::array kCarryingProfiles = {Profile::Aes128CmSha1_80, Profile::Aes256CmSha1_80, Profile::NullSha1_80,
                                          Profile::AeadAes128Gcm, Profile::AeadAes256Gcm};

class RocCarrying : public ::testing::TestWithParam<Profile> {
 protected:
  static void set_rate(TestSession& session, uint16_t every) {
    session.sender.set_roc_rate(every);
    session.receiver.set_roc_rate(every);
  }
  /// Brings the sender to the first packet of rollover `roc`.
  static void roll(TestSession& session, uint64_t roc) {
    for (uint64_t index = 0; index < roc << 16; index += 0x4000)
      EXPECT_FALSE(session.protect(rtp_packet(7, static_cast<uint16_t>(index), 20)).empty());
  }
  static uint32_t counter_of(ByteView sealed) {
    const bool behind = roc_overhead(GetParam()) != 0;
    return load_be32(sealed.last(behind ? 4 : 10).data());
  }
};
INSTANTIATE_TEST_SUITE_P(Profiles, RocCarrying, ::testing::ValuesIn(kCarryingProfiles),
                         [](const auto& test) { return std::string(to_string(test.param)); });

TEST(RocCarryingProfiles, AreThoseWithRoomForIt) {
  for (const Profile profile : kProfiles)
    EXPECT_EQ(can_carry_roc(profile), std::ranges::find(kCarryingProfiles, profile) != kCarryingProfiles.end());
}

TEST_P(RocCarrying, StandsInPacketsThatTheRateDivides) {
  for (const uint16_t rate : {1, 2, 10, 40000}) {
    TestSession session(GetParam());
    TestSession plain(GetParam());
    set_rate(session, rate);
    roll(session, 3);
    roll(plain, 3);
    for (uint16_t sequence = 0; sequence < 50; ++sequence) {
      const auto packet = rtp_packet(7, sequence, 20);
      const auto sealed = session.protect(packet);
      const auto usual = plain.protect(packet);
      const bool carries = sequence % rate == 0;
      ASSERT_EQ(sealed.size(), usual.size() + (carries ? roc_overhead(GetParam()) : 0));
      EXPECT_EQ(sealed.size(), session.sender.protected_size(ByteView(packet).first(12), 20));
      if (!carries) {
        EXPECT_EQ(sealed, usual);
        continue;
      }
      EXPECT_EQ(counter_of(sealed), 3u);
      // GCM: the counter behind the usual packet; else behind the payload, and the MAC is cut by as much.
      const size_t same = roc_overhead(GetParam()) != 0 ? usual.size() : usual.size() - 10;
      EXPECT_TRUE(std::equal(usual.begin(), usual.begin() + static_cast<ptrdiff_t>(same), sealed.begin()));
      if (same != usual.size()) {
        EXPECT_TRUE(std::equal(usual.end() - 10, usual.end() - 4, sealed.end() - 6));
      }
    }
  }
}

TEST_P(RocCarrying, LetsAReceiverJoinLate) {
  TestSession session(GetParam());
  set_rate(session, 10);
  roll(session, 5);
  for (uint16_t sequence = 1; sequence < 10; ++sequence)
    EXPECT_TRUE(session.unprotect(session.protect(rtp_packet(7, sequence, 20))).empty()) << "its guess is wrong";
  for (uint16_t sequence = 10; sequence < 40; ++sequence) {
    const auto packet = rtp_packet(7, sequence, 20);
    EXPECT_EQ(session.unprotect(session.protect(packet)), packet) << sequence;
  }
}

TEST_P(RocCarrying, FindsTheWayBackAfterALossOfSeveralRollovers) {
  TestSession session(GetParam());
  set_rate(session, 16);
  const auto first = rtp_packet(7, 0, 20);
  EXPECT_EQ(session.unprotect(session.protect(first)), first);
  for (uint64_t index = 0x4000; index <= 0x30000; index += 0x4000)  // all lost
    EXPECT_FALSE(session.protect(rtp_packet(7, static_cast<uint16_t>(index), 20)).empty());
  EXPECT_TRUE(session.unprotect(session.protect(rtp_packet(7, 31, 20))).empty());
  const auto carrying = rtp_packet(7, 32, 20);
  EXPECT_EQ(session.unprotect(session.protect(carrying)), carrying);
  const auto next = rtp_packet(7, 33, 20);
  EXPECT_EQ(session.unprotect(session.protect(next)), next);
}

TEST_P(RocCarrying, AForgedCounterOrTagChangesNothing) {
  TestSession session(GetParam());
  set_rate(session, 1);
  roll(session, 2);
  const auto packet = rtp_packet(7, 5, 20);
  const auto sealed = session.protect(packet);
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    auto forged = sealed;
    forged[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    EXPECT_TRUE(session.unprotect(forged).empty()) << bit;
  }
  for (size_t size = 0; size < sealed.size(); ++size)
    EXPECT_TRUE(session.unprotect(ByteView(sealed).first(size)).empty()) << size;
  EXPECT_EQ(session.unprotect(sealed), packet);
  EXPECT_TRUE(session.unprotect(sealed).empty()) << "once";
  EXPECT_EQ(session.receiver.dropped_rtp()[UnprotectError::Replayed], 1u);
}

TEST_P(RocCarrying, GoesWithResendingCryptexAndMasterKeys) {
  const std::vector<uint8_t> mki = {1, 2, 3};
  TestSession keys_of(GetParam());
  KeyingMaterial keys = keys_of.keys();
  keys.mki = mki;
  Sender sender(GetParam(), keys);
  Receiver receiver(GetParam(), keys);
  sender.set_cryptex(Cryptex::On);
  receiver.set_cryptex(Cryptex::On);
  sender.set_roc_rate(2);
  receiver.set_roc_rate(2);
  for (uint16_t sequence = 0; sequence < 20; ++sequence) {
    auto packet = rtp_packet(7, sequence, 20);
    packet[0] |= 1;  // a source, which Cryptex hides
    packet.insert(packet.begin() + 12, {9, 9, 9, 9, 0xbe, 0xde, 0, 0});
    packet[0] |= 0x10;
    std::vector<uint8_t> out(packet.size() + 100);
    const auto size = sender.protect_rtp(packet, out);
    ASSERT_TRUE(size);
    std::vector<uint8_t> again(out.size());
    EXPECT_EQ(sender.protect_rtp(packet, again), size);
    EXPECT_EQ(out, again);
    packet.back() ^= 1;
    EXPECT_EQ(sender.protect_rtp(packet, again).error(), ProtectError::PacketReused);
    packet.back() ^= 1;
    std::vector<uint8_t> opened(out.size());
    const auto plain = receiver.unprotect_rtp(ByteView(out).first(*size), Bytes(out));  // in place
    ASSERT_TRUE(plain);
    out.resize(*plain);
    EXPECT_EQ(out, packet);
  }
}

TEST_P(RocCarrying, NeedsRoomForItself) {
  TestSession session(GetParam());
  set_rate(session, 2);
  for (const uint16_t sequence : {2, 3}) {
    const auto packet = rtp_packet(7, sequence, 20);
    const size_t size = session.sender.protected_size(ByteView(packet).first(12), 20);
    std::vector<uint8_t> out(size);
    EXPECT_EQ(session.sender.protect_rtp(packet, Bytes(out).first(size - 1)).error(), ProtectError::BufferTooSmall);
    EXPECT_EQ(session.sender.protect_rtp(packet, out), size);
  }
}

}  // namespace
}  // namespace kaon::srtp
