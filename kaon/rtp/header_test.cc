#include "kaon/rtp/header.h"

#include <gtest/gtest.h>

#include "kaon/base/random.h"

namespace kaon::rtp {
namespace {

// Two sources, one-byte extension block of one word, three bytes of payload, padding of two.
const std::vector<uint8_t> kFull = {0xb2, 0xe0, 0x12, 0x34, 0xaa, 0xbb, 0xcc, 0xdd, 0x01, 0x02, 0x03,
                                    0x04, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x06, 0xbe, 0xde,
                                    0x00, 0x01, 0x10, 0xff, 0x00, 0x00, 0xde, 0xad, 0xbe, 0x00, 0x02};

TEST(RtpPacketView, ReadsEveryFieldOfAFullPacket) {
  const auto view = PacketView::parse(kFull);
  ASSERT_TRUE(view);
  EXPECT_TRUE(view->header.marker);
  EXPECT_EQ(view->header.payload_type, 96);
  EXPECT_EQ(view->header.sequence.value(), 0x1234);
  EXPECT_EQ(view->header.timestamp.value(), 0xaabbccddu);
  EXPECT_EQ(view->header.ssrc.value(), 0x01020304u);
  ASSERT_EQ(view->header.csrcs.size(), 2u);
  EXPECT_EQ(view->header.csrcs[1].value(), 6u);
  EXPECT_EQ(view->extension_profile, 0xbede);
  EXPECT_EQ(to_hex(view->extension), "10ff0000");
  EXPECT_EQ(to_hex(view->payload), "deadbe");
  EXPECT_EQ(view->padding_size, 2);
}

TEST(RtpPacketView, LeavesThePaddingInTheEncryptedPayload) {
  const auto view = PacketView::parse_encrypted(kFull);
  ASSERT_TRUE(view);
  EXPECT_EQ(to_hex(view->payload), "deadbe0002");
}

TEST(RtpPacketView, RefusesEveryTruncationOrReadsNothingBehindIt) {
  for (size_t size = 0; size < kFull.size(); ++size) {
    // A copy on the heap, so that a sanitizer sees reads behind the end.
    const std::vector<uint8_t> cut(kFull.begin(), kFull.begin() + static_cast<std::ptrdiff_t>(size));
    const auto view = PacketView::parse(cut);
    if (size < 28) {
      EXPECT_FALSE(view) << size;
    } else if (view) {
      EXPECT_LE(view->payload.size() + view->padding_size, size - 28);
    }
  }
}

TEST(RtpPacketView, NamesWhatIsWrong) {
  const auto error_of = [](std::vector<uint8_t> bytes) { return PacketView::parse(bytes).error(); };
  auto bytes = kFull;
  bytes.resize(11);
  EXPECT_EQ(error_of(bytes), ParseError::TooShort);
  bytes = kFull;
  bytes[0] = 0x72;
  EXPECT_EQ(error_of(bytes), ParseError::Version);
  bytes = kFull;
  bytes[0] = 0xaf;
  EXPECT_EQ(error_of(bytes), ParseError::CsrcsPastEnd) << "15 sources do not fit";
  bytes = kFull;
  bytes[23] = 9;
  EXPECT_EQ(error_of(bytes), ParseError::ExtensionPastEnd);
  bytes = kFull;
  bytes.back() = 0;
  EXPECT_EQ(error_of(bytes), ParseError::Padding) << "padding counts itself";
  bytes.back() = 6;
  EXPECT_EQ(error_of(bytes), ParseError::Padding) << "more than the payload";
  bytes.back() = 5;
  EXPECT_TRUE(PacketView::parse(bytes)) << "padding only is a probe";
}

TEST(RtpPacketView, AcceptsAFixedHeaderAlone) {
  const std::vector<uint8_t> bytes = {0x80, 0x00, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3};
  const auto view = PacketView::parse(bytes);
  ASSERT_TRUE(view);
  EXPECT_TRUE(view->payload.empty());
  auto padded = bytes;
  padded[0] = 0xa0;
  EXPECT_FALSE(PacketView::parse(padded)) << "padding without a byte of it";
}

TEST(RtpPacketView, SurvivesRandomBytes) {
  SeededRandom random(7);
  size_t accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    std::vector<uint8_t> bytes(random.below(60));
    random.fill(bytes);
    if (!bytes.empty()) bytes[0] = static_cast<uint8_t>(0x80 | (bytes[0] & 0x3f));
    const auto view = PacketView::parse(bytes);
    if (!view) continue;
    ++accepted;
    EXPECT_LE(view->payload.size() + view->extension.size() + view->header.csrcs.size() * 4 + 12, bytes.size());
  }
  EXPECT_GT(accepted, 100u);
}

TEST(IsRtcp, SeparatesTheMultiplexedTypes) {
  const uint8_t sender_report[] = {0x80, 200};
  const uint8_t opus_with_marker[] = {0x80, 0x80 | 111};
  EXPECT_TRUE(is_rtcp(sender_report));
  EXPECT_FALSE(is_rtcp(opus_with_marker));
}

}  // namespace
}  // namespace kaon::rtp
