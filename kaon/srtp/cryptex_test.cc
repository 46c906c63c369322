// Cryptex: RFC 9335.
#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>

#include "kaon/srtp/internal/cryptex.h"
#include "kaon/srtp/internal/test_session.h"

namespace kaon::srtp {
namespace {

using internal::rtp_packet;
using internal::TestSession;

class CryptexTest : public ::testing::TestWithParam<Profile> {};
INSTANTIATE_TEST_SUITE_P(Profiles, CryptexTest, ::testing::ValuesIn(kProfiles));

/// A packet with `sources`, and with an extension of `words` under `profile` unless that is zero.
std::vector<uint8_t> packet_with(uint16_t sequence, size_t sources, uint16_t profile, size_t words = 2) {
  std::vector<uint8_t> packet = rtp_packet(7, sequence, 0);
  packet[0] = static_cast<uint8_t>(packet[0] | sources);
  for (size_t i = 0; i < sources; ++i) packet.insert(packet.end(), {0xc5, 0xc5, 0xc5, static_cast<uint8_t>(i)});
  if (profile != 0) {
    packet[0] |= internal::kExtensionBit;
    packet.insert(packet.end(),
                  {static_cast<uint8_t>(profile >> 8), static_cast<uint8_t>(profile), 0, static_cast<uint8_t>(words)});
    for (size_t i = 0; i < 4 * words; ++i) packet.push_back(static_cast<uint8_t>(0xe0 + i % 16));
  }
  for (size_t i = 0; i < 60; ++i) packet.push_back(static_cast<uint8_t>(i));
  return packet;
}

struct Shape {
  size_t sources;
  uint16_t profile;
  size_t words;
};
constexpr Shape kShapes[] = {{0, 0xbede, 2}, {0, 0x1000, 3}, {1, 0xbede, 1}, {15, 0x1000, 40},
                             {2, 0xbede, 0}, {3, 0x1000, 0}, {0, 0xbede, 0}};

TEST_P(CryptexTest, HidesSourcesAndElementsAndOpensAsItWas) {
  TestSession session(GetParam());
  session.set_cryptex(Cryptex::On);
  uint16_t sequence = 0;
  for (const Shape& shape : kShapes) {
    const auto packet = packet_with(++sequence, shape.sources, shape.profile, shape.words);
    const auto sealed = session.protect(packet);
    ASSERT_EQ(sealed.size(), packet.size() + rtp_overhead(GetParam()));
    const size_t mark_at = 12 + 4 * shape.sources;
    EXPECT_TRUE(std::equal(packet.begin(), packet.begin() + 12, sealed.begin())) << "the fixed header stays";
    EXPECT_EQ(load_be16(&sealed[mark_at]), shape.profile == 0xbede ? 0xc0de : 0xc2de);
    EXPECT_EQ(load_be16(&sealed[mark_at + 2]), shape.words);
    if (encrypts(GetParam())) {
      const auto hidden = [&](size_t from, size_t size) {
        return size == 0 || !std::equal(packet.begin() + static_cast<ptrdiff_t>(from),
                                        packet.begin() + static_cast<ptrdiff_t>(from + size),
                                        sealed.begin() + static_cast<ptrdiff_t>(from));
      };
      EXPECT_TRUE(hidden(12, 4 * shape.sources));
      EXPECT_TRUE(hidden(mark_at + 4, 4 * shape.words));
      EXPECT_TRUE(hidden(mark_at + 4 + 4 * shape.words, 60));
    }
    EXPECT_EQ(session.unprotect(sealed), packet);
  }
}

TEST_P(CryptexTest, GivesTheSameInPlaceInPartsAndOutOfPlace) {
  uint16_t sequence = 0;
  for (const Shape& shape : {Shape{0, 0xbede, 2}, Shape{2, 0x1000, 1}, Shape{3, 0, 0}}) {
    const auto packet = packet_with(++sequence, shape.sources, shape.profile, shape.words);
    TestSession session(GetParam());
    session.set_cryptex(Cryptex::On);
    const auto expected = session.protect(packet);
    const size_t header_size = packet.size() - 60;
    ASSERT_EQ(expected.size(), session.sender.protected_size(ByteView(packet).first(header_size), 60));

    std::vector<uint8_t> memory = packet;
    memory.resize(expected.size());
    TestSession second(GetParam());
    second.set_cryptex(Cryptex::On);
    ASSERT_EQ(second.sender.protect_rtp(ByteView(memory).first(packet.size()), memory), expected.size());
    EXPECT_EQ(memory, expected);
    // And back in place.
    const auto size = second.receiver.unprotect_rtp(memory, memory);
    ASSERT_TRUE(size);
    EXPECT_EQ(to_hex(ByteView(memory).first(*size)), to_hex(session.unprotect(expected)));

    std::vector<uint8_t> parts(expected.size());
    TestSession third(GetParam());
    third.set_cryptex(Cryptex::On);
    ASSERT_EQ(
        third.sender.protect_rtp(ByteView(packet).first(header_size), ByteView(packet).subspan(header_size), parts),
        expected.size());
    EXPECT_EQ(parts, expected);

    // As the peer sends retransmissions: the header elsewhere, the payload at its place.
    std::vector<uint8_t> placed(expected.size());
    std::copy(packet.begin() + static_cast<ptrdiff_t>(header_size), packet.end(),
              placed.begin() + static_cast<ptrdiff_t>(header_size));
    TestSession fourth(GetParam());
    fourth.set_cryptex(Cryptex::On);
    ASSERT_EQ(fourth.sender.protect_rtp(ByteView(packet).first(header_size), ByteView(placed).subspan(header_size, 60),
                                        placed),
              expected.size());
    EXPECT_EQ(placed, expected);
  }
}

// RFC 9335 §5.1: an empty extension says that the sources are encrypted.
TEST_P(CryptexTest, AddsAnEmptyExtensionToSourcesWithoutOne) {
  TestSession session(GetParam());
  session.set_cryptex(Cryptex::Required);
  const auto packet = packet_with(1, 2, 0);
  const auto sealed = session.protect(packet);
  ASSERT_EQ(sealed.size(), packet.size() + 4 + rtp_overhead(GetParam()));
  EXPECT_EQ(sealed[0], packet[0] | 0x10);
  EXPECT_EQ(load_be32(&sealed[20]), 0xc0de0000u);
  auto expected = packet;
  expected[0] |= 0x10;
  expected.insert(expected.begin() + 20, {0xbe, 0xde, 0, 0});
  EXPECT_EQ(session.unprotect(sealed), expected);
  std::vector<uint8_t> tight(packet.size() + 3 + rtp_overhead(GetParam()));
  EXPECT_EQ(session.sender.protect_rtp(packet_with(2, 2, 0), tight), fail(ProtectError::BufferTooSmall));
}

TEST_P(CryptexTest, LeavesPacketsAloneThatHaveNothingToHide) {
  TestSession session(GetParam());
  session.set_cryptex(Cryptex::Required);
  const auto packet = rtp_packet(1, 1);
  const auto sealed = session.protect(packet);
  EXPECT_EQ(sealed, TestSession(GetParam()).protect(packet));
  EXPECT_EQ(session.unprotect(sealed), packet);
}

TEST_P(CryptexTest, IsAcceptedOnlyIfItWasNegotiated) {
  TestSession session(GetParam());
  session.set_cryptex(Cryptex::On);
  const auto hidden = session.protect(packet_with(1, 1, 0xbede));
  session.sender.set_cryptex(Cryptex::Off);
  const auto clear = session.protect(packet_with(2, 0, 0xbede));
  const auto sources = session.protect(packet_with(3, 1, 0));
  std::vector<uint8_t> out(200);
  session.receiver.set_cryptex(Cryptex::Off);
  EXPECT_EQ(session.receiver.unprotect_rtp(hidden, out), fail(UnprotectError::HeaderEncrypted));
  session.receiver.set_cryptex(Cryptex::Required);
  EXPECT_EQ(session.receiver.unprotect_rtp(clear, out), fail(UnprotectError::HeaderInTheClear));
  EXPECT_EQ(session.receiver.unprotect_rtp(sources, out), fail(UnprotectError::HeaderInTheClear));
  EXPECT_TRUE(session.receiver.unprotect_rtp(hidden, out)) << "what was dropped is not a replay";
  session.receiver.set_cryptex(Cryptex::On);
  EXPECT_TRUE(session.receiver.unprotect_rtp(clear, out));
  EXPECT_TRUE(session.receiver.unprotect_rtp(sources, out));
  EXPECT_EQ(session.receiver.unprotect_rtp(hidden, out), fail(UnprotectError::Replayed));
}

// RFC 9335 §5.1: with no other extensions than those of RFC 8285; and there is no room for "appbits".
TEST_P(CryptexTest, RefusesExtensionsThatItCannotMark) {
  TestSession session(GetParam());
  session.set_cryptex(Cryptex::On);
  std::vector<uint8_t> out(200);
  for (const uint16_t profile : std::initializer_list<uint16_t>{1, 0x1001, 0x100f, 0xbedf, 0xffff, 0xc0de, 0xc2de}) {
    const auto packet = packet_with(1, 1, profile);
    EXPECT_EQ(session.sender.protect_rtp(packet, out), fail(ProtectError::NotEncryptable)) << profile;
  }
  EXPECT_TRUE(session.sender.protect_rtp(packet_with(1, 1, 0xbede), out)) << "nothing was used up";
}

TEST_P(CryptexTest, RefusesEveryFlippedBitAndEveryTruncation) {
  TestSession session(GetParam());
  session.set_cryptex(Cryptex::On);
  const auto sealed = session.protect(packet_with(1, 2, 0xbede));
  std::vector<uint8_t> out(200);
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    auto forged = sealed;
    forged[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    ASSERT_FALSE(session.receiver.unprotect_rtp(forged, out)) << "bit " << bit;
  }
  for (size_t size = 0; size < sealed.size(); ++size) {
    const std::vector<uint8_t> cut(sealed.begin(), sealed.begin() + static_cast<ptrdiff_t>(size));
    ASSERT_FALSE(session.receiver.unprotect_rtp(cut, out)) << size;
  }
  EXPECT_TRUE(session.receiver.unprotect_rtp(sealed, out));
}

// A packet in the clear and its encrypted twin would be one key stream under two plaintexts.
TEST_P(CryptexTest, GivesNoIndexTwiceWhenItIsTurnedOnBetween) {
  TestSession session(GetParam());
  const auto packet = packet_with(1, 1, 0xbede);
  std::vector<uint8_t> out(200);
  ASSERT_TRUE(session.sender.protect_rtp(packet, out));
  session.sender.set_cryptex(Cryptex::On);
  EXPECT_EQ(session.sender.protect_rtp(packet, out), fail(ProtectError::PacketReused));
  ASSERT_TRUE(session.sender.protect_rtp(packet_with(2, 1, 0xbede), out));
  EXPECT_TRUE(session.sender.protect_rtp(packet_with(2, 1, 0xbede), out)) << "the same again";
}

}  // namespace
}  // namespace kaon::srtp
