// Packets that Chromium sent, see testdata/rtp/README.md.
#include <gtest/gtest.h>

#include <fstream>

#include "kaon/base/text.h"
#include "kaon/rtp/packet.h"
#include "kaon_testdata.h"

namespace kaon::rtp {
namespace {

std::vector<std::vector<uint8_t>> recorded_packets() {
  std::ifstream file(KAON_TESTDATA "/rtp/chromium.hex");
  std::vector<std::vector<uint8_t>> out;
  std::string kind, hex;
  while (file >> kind >> hex) {
    if (kind != "rtp") continue;
    auto& bytes = out.emplace_back();
    for (size_t i = 0; i + 1 < hex.size(); i += 2) {
      bytes.push_back(*parse_number<uint8_t>(std::string_view(hex).substr(i, 2), 16));
    }
  }
  return out;
}

/// The ids of Chromium's offer that the recording uses.
ExtensionMap chromium_map() {
  ExtensionMap map;
  constexpr std::pair<uint8_t, ExtensionKind> kIds[] = {
      {1, ExtensionKind::AudioLevel},  {2, ExtensionKind::AbsSendTime},       {3, ExtensionKind::TransportSequence},
      {4, ExtensionKind::Mid},         {5, ExtensionKind::PlayoutDelay},      {6, ExtensionKind::VideoContentType},
      {7, ExtensionKind::VideoTiming}, {13, ExtensionKind::VideoOrientation}, {8, ExtensionKind::ColorSpace}};
  for (const auto& [id, kind] : kIds) KAON_ASSERT(map.add(id, kind).has_value());
  return map;
}

TEST(ChromiumRtp, CarriesTheExtensionsItsOfferNames) {
  BufferPool pool;
  const ExtensionMap map = chromium_map();
  size_t audio = 0;
  size_t probes = 0;
  size_t media = 0;
  for (const auto& bytes : recorded_packets()) {
    const auto packet = Packet::parse(SharedBuffer(pool.copy(bytes)), map, Time());
    ASSERT_TRUE(packet) << to_hex(bytes);
    EXPECT_TRUE(packet->extensions.transport_sequence);
    EXPECT_TRUE(packet->extensions.abs_send_time);
    EXPECT_EQ(packet->extensions.audio_level.has_value(), packet->header.payload_type == 111);
    EXPECT_EQ(packet->mid, packet->header.payload_type == 111 ? "0" : "1");
    audio += packet->header.payload_type == 111 ? 1 : 0;
    const bool probe = packet->payload().empty();
    probes += probe ? 1 : 0;
    media += probe ? 0 : 1;
    EXPECT_EQ(packet->padding_size != 0, probe) << "Chromium pads probes only";
  }
  EXPECT_EQ(audio, 4u);
  EXPECT_EQ(probes, 4u);
  EXPECT_EQ(media, 11u);
}

TEST(ChromiumRtp, KeepsItsValuesAndSizeWhenWrittenAgain) {
  const ExtensionMap map = chromium_map();
  for (const auto& bytes : recorded_packets()) {
    const auto view = PacketView::parse(bytes);
    ASSERT_TRUE(view);
    const OutgoingHeader out{
        .header = view->header, .extensions = parse_extensions(*view, map), .has_padding = view->padding_size != 0};
    std::vector<uint8_t> again(header_size(out, map));
    write_header(out, map, again);
    EXPECT_EQ(again.size() + view->payload.size() + view->padding_size, bytes.size());
    EXPECT_TRUE(std::equal(again.begin(), again.begin() + 16, bytes.begin())) << "all but the order of the elements";
    const auto reread = PacketView::parse_encrypted(again);
    ASSERT_TRUE(reread);
    const Extensions values = parse_extensions(*reread, map);
    EXPECT_EQ(static_cast<const ExtensionValues&>(values), static_cast<const ExtensionValues&>(out.extensions));
    EXPECT_EQ(values.mid, out.extensions.mid);
    EXPECT_EQ(to_hex(values.video_timing), to_hex(out.extensions.video_timing));
  }
}

}  // namespace
}  // namespace kaon::rtp
