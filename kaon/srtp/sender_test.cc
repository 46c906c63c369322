#include "kaon/srtp/sender.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "kaon/srtp/internal/test_session.h"

namespace kaon::srtp {
namespace {

using internal::rtcp_packet;
using internal::rtp_packet;
using internal::TestSession;

class SenderTest : public ::testing::TestWithParam<Profile> {};
INSTANTIATE_TEST_SUITE_P(Profiles, SenderTest, ::testing::ValuesIn(kProfiles));

TEST_P(SenderTest, GivesTheSameOutOfPlaceInPlaceAndInTwoParts) {
  const auto packet = rtp_packet(1, 7);
  const size_t size = packet.size() + rtp_overhead(GetParam());
  const auto expected = TestSession(GetParam()).protect(packet);
  ASSERT_EQ(expected.size(), size);

  auto in_place = packet;
  in_place.resize(size);
  TestSession second(GetParam());
  EXPECT_EQ(second.sender.protect_rtp(ByteView(in_place).first(packet.size()), in_place), size);
  EXPECT_EQ(in_place, expected);

  std::vector<uint8_t> parts(size);
  TestSession third(GetParam());
  EXPECT_EQ(third.sender.protect_rtp(ByteView(packet).first(12), ByteView(packet).subspan(12), parts), size);
  EXPECT_EQ(parts, expected);
}

TEST_P(SenderTest, ABatchIsAsItsPacketsOneByOneAndOneThatFailsKeepsNobodyBack) {
  constexpr size_t kPackets = 5;
  constexpr size_t kBad = 2;
  TestSession batched(GetParam()), single(GetParam());
  std::vector<std::vector<uint8_t>> plain, sealed, expected;
  std::vector<OutgoingRtp> outgoing(kPackets);
  for (size_t i = 0; i < kPackets; ++i) {
    plain.push_back(rtp_packet(1 + i % 2, static_cast<uint16_t>(7 + i)));
    sealed.emplace_back(plain[i].size() + rtp_overhead(GetParam()) - (i == kBad));
    expected.push_back(i == kBad ? std::vector<uint8_t>() : single.protect(plain[i]));
  }
  for (size_t i = 0; i < kPackets; ++i)
    outgoing[i] = {ByteView(plain[i]).first(12), ByteView(plain[i]).subspan(12), sealed[i]};
  batched.sender.protect_rtp(outgoing);
  for (size_t i = 0; i < kPackets; ++i) {
    if (i == kBad) {
      EXPECT_EQ(outgoing[i].written.error(), ProtectError::BufferTooSmall);
    } else {
      EXPECT_EQ(outgoing[i].written, sealed[i].size());
      EXPECT_EQ(sealed[i], expected[i]);
    }
  }

  std::vector<std::vector<uint8_t>> opened;
  std::vector<IncomingRtp> incoming(kPackets);
  for (size_t i = 0; i < kPackets; ++i) opened.emplace_back(plain[i].size() + 16);
  for (size_t i = 0; i < kPackets; ++i) incoming[i] = {sealed[i], opened[i]};
  batched.receiver.unprotect_rtp(incoming);
  for (size_t i = 0; i < kPackets; ++i) {
    ASSERT_EQ(incoming[i].written.has_value(), i != kBad);
    if (i == kBad) continue;
    opened[i].resize(*incoming[i].written);
    EXPECT_EQ(opened[i], plain[i]);
  }
}

TEST_P(SenderTest, LeavesHeaderReadableAndPayloadNot) {
  auto packet = rtp_packet(1, 7);
  packet[0] |= 0x10;  // the payload's start is now an extension of one word
  packet[14] = 0;
  packet[15] = 1;
  const auto out = TestSession(GetParam()).protect(packet);
  EXPECT_TRUE(std::equal(packet.begin(), packet.begin() + 20, out.begin()));
  EXPECT_EQ(std::equal(packet.begin() + 20, packet.begin() + 36, out.begin() + 20), !encrypts(GetParam()));
}

TEST_P(SenderTest, SendsTheSamePacketAgainButNoOtherUnderItsNumber) {
  TestSession session(GetParam());
  const auto packet = rtp_packet(1, 7);
  const auto first = session.protect(packet);
  for (uint16_t n = 8; n < 100; ++n) session.protect(rtp_packet(1, n));
  EXPECT_EQ(session.protect(packet), first);

  std::vector<uint8_t> out(packet.size() + rtp_overhead(GetParam()), 1);
  auto other_payload = packet;
  other_payload.back() ^= 1;
  EXPECT_EQ(session.sender.protect_rtp(other_payload, out), fail(ProtectError::PacketReused));
  EXPECT_EQ(std::ranges::count(out, 0), static_cast<ptrdiff_t>(out.size())) << "nothing of it gets out";
  auto other_header = packet;
  other_header[1] ^= 0x80;
  EXPECT_EQ(session.sender.protect_rtp(other_header, out), fail(ProtectError::PacketReused));
}

TEST_P(SenderTest, RefusesPacketsSoOldThatItCannotTell) {
  TestSession session(GetParam());
  std::vector<uint8_t> out(200);
  ASSERT_TRUE(session.sender.protect_rtp(rtp_packet(1, 1000), out));
  ASSERT_TRUE(session.sender.protect_rtp(rtp_packet(1, 1000 + kSendWindow), out));
  EXPECT_EQ(session.sender.protect_rtp(rtp_packet(1, 1000), out), fail(ProtectError::PacketTooOld));
  EXPECT_TRUE(session.sender.protect_rtp(rtp_packet(1, 1001), out)) << "never sent, and within the window";
}

TEST_P(SenderTest, RefusesWhatIsNoPacketAndBuffersThatAreTooSmall) {
  TestSession session(GetParam());
  const auto packet = rtp_packet(1, 1);
  std::vector<uint8_t> out(packet.size() + rtp_overhead(GetParam()));
  for (size_t size = 0; size < 12; ++size) {
    EXPECT_EQ(session.sender.protect_rtp(ByteView(packet).first(size), out), fail(ProtectError::MalformedPacket));
  }
  EXPECT_EQ(session.sender.protect_rtp(ByteView(packet).first(13), ByteView(packet).subspan(13), out),
            fail(ProtectError::MalformedPacket))
      << "the header part has to be a header exactly";
  EXPECT_EQ(session.sender.protect_rtp(packet, Bytes(out).first(out.size() - 1)), fail(ProtectError::BufferTooSmall));
  EXPECT_TRUE(session.sender.protect_rtp(packet, out));
  const auto rtcp = rtcp_packet(1);
  EXPECT_EQ(session.sender.protect_rtcp(ByteView(rtcp).first(7), out), fail(ProtectError::MalformedPacket));
  EXPECT_EQ(session.sender.protect_rtcp(rtcp, Bytes(out).first(rtcp.size())), fail(ProtectError::BufferTooSmall));
}

TEST_P(SenderTest, NumbersRtcpFromZeroWithTheEncryptedBitIfItEncrypts) {
  TestSession session(GetParam());
  const size_t from_end = rtp_overhead(GetParam()) == 16 ? 4 : 14;
  for (uint32_t i = 0; i < 3; ++i) {
    const auto out = session.protect_rtcp(rtcp_packet(i));
    EXPECT_EQ(load_be32(out.data() + out.size() - from_end), (encrypts(GetParam()) ? 0x80000000u : 0) + i);
  }
}

// One thousand streams come back after more than kMaxResendingStreams others, some with their old sequence numbers.
TEST(Sender, NeverReusesAnIndexWhenAStreamReturns) {
  TestSession session(Profile::AeadAes128Gcm);
  std::vector<uint8_t> out(200);
  for (uint32_t ssrc = 0; ssrc < 3 * kMaxResendingStreams; ++ssrc) {
    ASSERT_TRUE(session.sender.protect_rtp(rtp_packet(ssrc, 100), out));
  }
  for (uint32_t ssrc = 0; ssrc < 1000; ++ssrc) {
    auto other = rtp_packet(ssrc, 100);
    other.back() ^= 1;
    ASSERT_EQ(session.sender.protect_rtp(other, out), fail(ProtectError::PacketTooOld));
    ASSERT_EQ(session.sender.protect_rtp(rtp_packet(ssrc, 99), out), fail(ProtectError::PacketTooOld));
    ASSERT_TRUE(session.sender.protect_rtp(rtp_packet(ssrc, 101), out));
    ASSERT_TRUE(session.sender.protect_rtp(rtp_packet(ssrc, 101), out)) << "it may resend again";
  }
}

TEST(Sender, RefusesMoreStreamsThanItCanRemember) {
  TestSession session(Profile::AeadAes128Gcm);
  std::vector<uint8_t> out(40);
  for (uint32_t ssrc = 0; ssrc < kMaxSendStreams; ++ssrc) {
    ASSERT_TRUE(session.sender.protect_rtp(rtp_packet(ssrc * 7919, 1, 1), out));
  }
  EXPECT_EQ(session.sender.protect_rtp(rtp_packet(1, 1, 1), out), fail(ProtectError::TooManyStreams));
  EXPECT_TRUE(session.sender.protect_rtp(rtp_packet(0, 2, 1), out)) << "those it knows go on";
}

// With a payload of zeros the ciphertext is the key stream: it must differ from packet to packet.
TEST(Sender, UsesNoKeyStreamTwiceOverRolloversAndStreams) {
  TestSession session(Profile::Aes128CmSha1_80);
  std::set<std::vector<uint8_t>> streams;
  std::vector<uint8_t> out(100);
  size_t sent = 0;
  for (uint32_t lap = 0; lap < 4; ++lap) {
    for (uint32_t sequence = 0; sequence < 0x10000; sequence += 997) {
      for (uint32_t ssrc = 1; ssrc <= 2; ++ssrc) {
        auto packet = rtp_packet(ssrc, static_cast<uint16_t>(sequence), 16);
        std::fill(packet.begin() + 12, packet.end(), uint8_t{0});
        ASSERT_TRUE(session.sender.protect_rtp(packet, out));
        streams.emplace(out.begin() + 12, out.begin() + 28);
        ++sent;
      }
    }
  }
  EXPECT_EQ(streams.size(), sent);
}

}  // namespace
}  // namespace kaon::srtp
