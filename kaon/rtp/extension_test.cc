#include "kaon/rtp/extension.h"

#include <gtest/gtest.h>

#include "kaon/rtp/extension_values.h"

namespace kaon::rtp {
namespace {

using std::chrono::milliseconds;

std::vector<std::pair<int, std::string>> elements(uint16_t profile, std::vector<uint8_t> block) {
  std::vector<std::pair<int, std::string>> out;
  for (const auto& e : ExtensionElements(profile, block)) out.emplace_back(e.id, to_hex(e.value));
  return out;
}

using Elements = std::vector<std::pair<int, std::string>>;

// RFC 8285 §4.2 and §4.3 have examples of this shape: padding before, between and behind elements.
TEST(ExtensionElements, WalksTheOneByteFormWithPadding) {
  EXPECT_EQ(elements(0xbede, {0x10, 0xaa, 0x21, 0xbb, 0xcc, 0x00, 0x00, 0x33, 1, 2, 3, 4}),
            (Elements{{1, "aa"}, {2, "bbcc"}, {3, "01020304"}}));
}

TEST(ExtensionElements, WalksTheTwoByteFormWithEmptyValues) {
  EXPECT_EQ(elements(0x1000, {1, 0, 2, 1, 0xff, 0, 200, 3, 1, 2, 3, 0}),
            (Elements{{1, ""}, {2, "ff"}, {200, "010203"}}));
  EXPECT_EQ(elements(0x100f, {1, 0, 0, 0}), (Elements{{1, ""}})) << "appbits do not matter";
}

TEST(ExtensionElements, StopsAtIllegalElements) {
  EXPECT_EQ(elements(0xbede, {0x10, 0xaa, 0xf0, 0x10, 0x20, 0xbb, 0, 0}), (Elements{{1, "aa"}})) << "id 15 ends it";
  EXPECT_EQ(elements(0xbede, {0x10, 0xaa, 0x01, 0x10, 0x20, 0xbb, 0, 0}), (Elements{{1, "aa"}}))
      << "id 0 with a length";
  EXPECT_EQ(elements(0xbede, {0x10, 0xaa, 0x25, 0x10}), (Elements{{1, "aa"}})) << "past the end";
  EXPECT_EQ(elements(0x1000, {1, 1, 0xaa, 7}), (Elements{{1, "aa"}})) << "no length";
  EXPECT_EQ(elements(0x1234, {0x10, 0xaa, 0, 0}), Elements{}) << "another profile";
  EXPECT_EQ(elements(0xbede, {}), Elements{});
}

TEST(ExtensionMap, KeepsEachIdAndKindOnce) {
  ExtensionMap map;
  EXPECT_TRUE(map.add(3, ExtensionKind::Mid));
  EXPECT_EQ(map.add(3, ExtensionKind::AudioLevel).error(), MapError::IdInUse);
  EXPECT_EQ(map.add(4, ExtensionKind::Mid).error(), MapError::KindInUse);
  EXPECT_EQ(map.add(0, ExtensionKind::AudioLevel).error(), MapError::IdOutOfRange);
  EXPECT_EQ(map.add(15, ExtensionKind::AudioLevel).error(), MapError::IdOutOfRange);
  EXPECT_EQ(map.kind_of(3), ExtensionKind::Mid);
  EXPECT_EQ(map.kind_of(0), std::nullopt) << "zero marks what is not negotiated";
  map.remove(ExtensionKind::Mid);
  EXPECT_FALSE(map.has(ExtensionKind::Mid));
}

TEST(ExtensionKind, HasOneUriEach) {
  for (size_t i = 0; i < kExtensionKinds; ++i) {
    const auto kind = static_cast<ExtensionKind>(i);
    ASSERT_FALSE(uri_of(kind).empty());
    EXPECT_EQ(extension_of(uri_of(kind)), kind);
  }
  EXPECT_EQ(extension_of("urn:nothing"), std::nullopt);
}

ExtensionMap full_map() {
  ExtensionMap map;
  for (size_t i = 0; i < 14; ++i)
    KAON_ASSERT(map.add(static_cast<uint8_t>(i + 1), static_cast<ExtensionKind>(i)).has_value());
  KAON_ASSERT(map.add(20, ExtensionKind::ColorSpace).has_value());
  KAON_ASSERT(map.add(21, ExtensionKind::DependencyDescriptor).has_value());
  return map;
}

std::vector<uint8_t> written(const OutgoingHeader& header, const ExtensionMap& map) {
  std::vector<uint8_t> bytes(header_size(header, map));
  EXPECT_EQ(write_header(header, map, bytes), bytes.size());
  return bytes;
}

Extensions many_values() {
  Extensions e;
  e.mid = "video0";
  e.rid = "hi";
  e.transport_sequence = 0xfffe;
  e.abs_send_time = AbsSendTime{0x123456};
  e.transmission_offset = -5;
  e.audio_level = AudioLevel{true, 31};
  e.video_orientation = VideoOrientation{270, true, false};
  e.playout_delay = PlayoutDelay{0, 40};
  e.video_content_type = VideoContentType::Screenshare;
  e.abs_capture_time = AbsCaptureTime{{0x0102030405060708}, -1};
  return e;
}

TEST(Extensions, ComeBackAsTheyWereWritten) {
  const ExtensionMap map = full_map();
  OutgoingHeader out;
  out.header.csrcs.push_back(Ssrc(9));
  out.extensions = many_values();
  const auto bytes = written(out, map);
  const auto view = PacketView::parse(bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->header, out.header);
  EXPECT_EQ(view->extension_profile, kOneByteProfile);
  const Extensions back = parse_extensions(*view, map);
  EXPECT_EQ(static_cast<const ExtensionValues&>(back), static_cast<const ExtensionValues&>(out.extensions));
  EXPECT_EQ(back.mid, "video0");
  EXPECT_EQ(back.rid, "hi");
}

TEST(Extensions, TakeTheTwoByteFormOnlyWhenTheyMust) {
  ExtensionMap map = full_map();
  OutgoingHeader out;
  out.extensions.mid = "a";
  EXPECT_EQ(PacketView::parse(written(out, map))->extension_profile, kOneByteProfile);
  const std::vector<uint8_t> descriptor(40, 0x5a);
  out.extensions.dependency_descriptor = descriptor;
  const auto bytes = written(out, map);
  const auto view = PacketView::parse(bytes);
  EXPECT_EQ(view->extension_profile, kTwoByteProfile);
  EXPECT_EQ(to_hex(parse_extensions(*view, map).dependency_descriptor), to_hex(descriptor));
  EXPECT_EQ(parse_extensions(*view, map).mid, "a");
}

TEST(Extensions, KeepOneFormWhereMixingIsNotAllowed) {
  ExtensionMap map;
  map.allow_mixed = false;
  ASSERT_TRUE(map.add(1, ExtensionKind::Mid) && map.add(2, ExtensionKind::DependencyDescriptor));
  const std::vector<uint8_t> descriptor(17, 1);
  OutgoingHeader out;
  out.extensions.mid = "a";
  out.extensions.dependency_descriptor = descriptor;
  auto bytes = written(out, map);
  EXPECT_EQ(PacketView::parse(bytes)->extension_profile, kOneByteProfile);
  EXPECT_EQ(parse_extensions(*PacketView::parse(bytes), map).mid, "a");
  EXPECT_TRUE(parse_extensions(*PacketView::parse(bytes), map).dependency_descriptor.empty()) << "left out";
  ASSERT_TRUE(map.add(16, ExtensionKind::AudioLevel));
  bytes = written(out, map);
  EXPECT_EQ(PacketView::parse(bytes)->extension_profile, kTwoByteProfile) << "an id above 14 decides for all packets";
  EXPECT_EQ(parse_extensions(*PacketView::parse(bytes), map).dependency_descriptor.size(), 17u);
}

TEST(Extensions, WithoutNegotiatedIdsWriteNoBlock) {
  OutgoingHeader out;
  out.extensions = many_values();
  EXPECT_EQ(header_size(out, ExtensionMap()), kFixedHeaderSize);
  EXPECT_EQ(written(out, ExtensionMap())[0], 0x80);
}

TEST(Extensions, WithAnIllegalLengthAreLeftOut) {
  const ExtensionMap map = full_map();
  for (size_t kind = 0; kind < 14; ++kind) {
    for (uint8_t size = 0; size < 18; ++size) {
      std::vector<uint8_t> packet = {0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x00, 0, 5};
      packet.push_back(static_cast<uint8_t>(kind + 1));
      packet.push_back(size);
      packet.resize(36);
      const auto view = PacketView::parse(packet);
      ASSERT_TRUE(view);
      const Extensions e = parse_extensions(*view, map);
      EXPECT_EQ(e.transport_sequence.has_value(), (kind == 7 && size == 2) || (kind == 8 && (size == 2 || size == 4)));
      EXPECT_EQ(e.abs_send_time.has_value(), kind == 6 && size == 3);
      EXPECT_EQ(e.abs_capture_time.has_value(), kind == 9 && (size == 8 || size == 16));
      EXPECT_EQ(e.audio_level.has_value(), kind == 3 && size >= 1);
    }
  }
}

TEST(AbsSendTime, CountsTheSecondsAndWrapsAfter64) {
  EXPECT_EQ(AbsSendTime::from(Time(milliseconds(1500))).value, (1u << 18) + (1u << 17));
  const auto before = AbsSendTime::from(Time(milliseconds(63'900)));
  const auto after = AbsSendTime::from(Time(milliseconds(64'150)));
  EXPECT_LT(after.value, before.value);
  EXPECT_NEAR(static_cast<double>(after.since(before).count()), 250e6, 8e3);
  EXPECT_NEAR(static_cast<double>(before.since(after).count()), -250e6, 8e3);
}

TEST(VideoTiming, ComesBackAsItWasWritten) {
  const VideoTiming timing{1, 2, 3, 4, 5, 6, 700};
  std::array<uint8_t, kVideoTimingSize> bytes;
  write(timing, bytes);
  EXPECT_EQ(parse_video_timing(bytes), timing);
  EXPECT_FALSE(parse_video_timing(ByteView(bytes).first(12)));
  const ColorSpace color{1, 1, 1, 0x10};
  std::array<uint8_t, kColorSpaceSize> four;
  write(color, four);
  EXPECT_EQ(parse_color_space(four), color);
  EXPECT_FALSE(parse_color_space(ByteView(four).first(3)));
}

}  // namespace
}  // namespace kaon::rtp
