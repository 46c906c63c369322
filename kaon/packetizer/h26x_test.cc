#include "kaon/packetizer/h26x.h"

#include "kaon/packetizer/depacketizer.h"
#include "kaon/packetizer/internal/test_util.h"
#include "kaon/packetizer/packetizer.h"

namespace kaon::packetizer {
namespace {

using E = DepacketizeError;

std::vector<uint8_t> stream(std::initializer_list<std::vector<uint8_t>> nals) {
  std::vector<uint8_t> bytes;
  for (const auto& nal : nals) {
    bytes.insert(bytes.end(), {0, 0, 0, 1});
    bytes.insert(bytes.end(), nal.begin(), nal.end());
  }
  return bytes;
}

std::vector<uint8_t> nal(std::vector<uint8_t> header, size_t body) {
  const auto rest = noise(body);
  header.insert(header.end(), rest.begin(), rest.end());
  return header;
}

TEST(NalReader, finds_units_behind_start_codes_of_any_length) {
  const auto bytes = hex("00 00 01 67 01 02 00 00 00 00 01 68 03 00 00 01 00 00 01 65 00 00 03 01 00 00");
  NalReader reader(bytes);
  EXPECT_TRUE(std::ranges::equal(*reader.next(), hex("67 01 02")));
  EXPECT_TRUE(std::ranges::equal(*reader.next(), hex("68 03")));
  EXPECT_TRUE(std::ranges::equal(*reader.next(), hex("65 00 00 03 01")));
  EXPECT_FALSE(reader.next());
  for (const char* text : {"", "00", "00 00", "00 00 01", "67 42", "00 00 00 01 00 00"}) {
    const auto empty = hex(text);
    EXPECT_FALSE(NalReader(empty).next()) << text;
  }
}

TEST(NalPacketizer, aggregates_parameter_sets_in_a_stap_a) {
  const auto frame = stream({hex("67 42 c0"), hex("68 ce"), nal({0x65, 0x88}, 2000)});
  Packetizer packetizer({.codec = Codec::H264});
  const auto payloads = packetizer.packetize(frame, {.max_payload = 1200});
  ASSERT_TRUE(payloads && payloads->size() == 3);
  EXPECT_EQ(bytes_of((*payloads)[0]), hex("78 0003 67 42 c0 0002 68 ce"));
  const auto first = bytes_of((*payloads)[1]), second = bytes_of((*payloads)[2]);
  EXPECT_EQ(first[0], 0x7c);
  EXPECT_EQ(first[1], 0x85);
  EXPECT_EQ(second[1], 0x45);
  EXPECT_LE(first.size() - second.size(), 1u);
}

TEST(NalPacketizer, aggregates_in_an_ap_for_h265) {
  const auto frame = stream({hex("40 01 0c"), hex("42 01 01"), hex("44 01 c0"), nal({0x26, 0x01, 0xaf}, 50)});
  Packetizer packetizer({.codec = Codec::H265});
  const auto payloads = packetizer.packetize(frame, {.max_payload = 64});
  ASSERT_TRUE(payloads && payloads->size() == 2);
  EXPECT_EQ(bytes_of((*payloads)[0]), hex("60 01 0003 40 01 0c 0003 42 01 01 0003 44 01 c0"));
  EXPECT_EQ((*payloads)[1].size(), 53u);
  const auto large = stream({nal({0x26, 0x01, 0xaf}, 100)});
  const auto fragments = packetizer.packetize(large, {.max_payload = 64});
  ASSERT_TRUE(fragments && fragments->size() == 2);
  EXPECT_EQ(bytes_of(fragments->front())[0], 0x62);
  EXPECT_EQ(bytes_of(fragments->front())[2], 0x80 | 19);
  EXPECT_EQ(bytes_of(fragments->back())[2], 0x40 | 19);
}

TEST(NalPacketizer, sends_single_units_in_mode_0_and_refuses_large_ones) {
  Packetizer packetizer({.codec = Codec::H264, .h264_packetization_mode = 0});
  auto payloads = packetizer.packetize(stream({hex("67 42"), hex("68 ce"), hex("65 88")}), {});
  ASSERT_TRUE(payloads);
  EXPECT_EQ(payloads->size(), 3u);
  EXPECT_EQ(packetizer.packetize(stream({nal({0x65, 0x88}, 2000)}), {}).error(), PacketizeError::TooLarge);
}

TEST(NalPacketizer, refuses_types_that_mean_packets) {
  Packetizer h264({.codec = Codec::H264});
  for (int type : {0, 24, 28, 31}) {
    EXPECT_EQ(h264.packetize(stream({{static_cast<uint8_t>(type), 1}}), {}).error(), PacketizeError::Malformed);
  }
  Packetizer h265({.codec = Codec::H265});
  EXPECT_EQ(h265.packetize(stream({hex("60 01 02")}), {}).error(), PacketizeError::Malformed);
  EXPECT_EQ(h265.packetize(stream({hex("26")}), {}).error(), PacketizeError::Malformed);
  EXPECT_EQ(h265.packetize(stream({hex("26 01 af"), hex("54 c0 01")}), {}).error(), PacketizeError::Malformed);
  EXPECT_EQ(h264.packetize(hex("65 88 84"), {}).error(), PacketizeError::Malformed);
}

Result<AssembledFrame, E> assemble(Codec codec, const std::vector<std::vector<uint8_t>>& payloads) {
  static Depacketizer h264(Codec::H264), h265(Codec::H265);
  std::vector<ReceivedPayload> packets;
  for (size_t i = 0; i < payloads.size(); ++i) {
    packets.push_back({static_cast<uint16_t>(65535 + i), i + 1 == payloads.size(), payloads[i]});
  }
  return (codec == Codec::H264 ? h264 : h265).assemble(packets);
}

TEST(H264Depacketizer, writes_the_shortest_start_codes_allowed) {
  const auto frame = assemble(Codec::H264, {hex("78 0002 67 42 0002 68 ce 0002 06 05"), hex("65 88"), hex("65 40")});
  ASSERT_TRUE(frame.has_value());
  EXPECT_TRUE(std::ranges::equal(frame->data, hex("00000001 6742 00000001 68ce 000001 0605 000001 6588 000001 6540")));
  EXPECT_TRUE(frame->info.keyframe);
}

TEST(H264Depacketizer, refuses_fragments_without_start_end_or_the_same_type) {
  EXPECT_EQ(assemble(Codec::H264, {hex("7c 05 aa"), hex("7c 45 bb")}).error(), E::MissingStart);
  EXPECT_EQ(assemble(Codec::H264, {hex("7c 85 88"), hex("7c 05 bb")}).error(), E::MissingEnd);
  EXPECT_EQ(assemble(Codec::H264, {hex("7c 85 88"), hex("7c 85 88")}).error(), E::Malformed);
  EXPECT_EQ(assemble(Codec::H264, {hex("7c 85 88"), hex("7c 41 bb")}).error(), E::Malformed);
  EXPECT_EQ(assemble(Codec::H264, {hex("7c 85 88"), hex("41 9a")}).error(), E::Malformed);
  EXPECT_EQ(assemble(Codec::H264, {hex("7c dc 88")}).error(), E::Malformed);     // a fragmented FU-A
  EXPECT_EQ(assemble(Codec::H264, {hex("65 40 aa")}).error(), E::MissingStart);  // not the first slice
  EXPECT_EQ(assemble(Codec::H264, {}).error(), E::Empty);
}

TEST(H264Depacketizer, refuses_aggregates_whose_lengths_lie) {
  const auto whole = hex("78 0003 67 42 c0 0002 68 ce");
  ASSERT_TRUE(assemble(Codec::H264, {whole}).has_value());
  for (size_t size = 0; size < whole.size(); ++size) {
    const bool ends_with_a_unit = size == 6;
    EXPECT_EQ(assemble(Codec::H264, {{whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)}}).has_value(),
              ends_with_a_unit)
        << size;
  }
  EXPECT_EQ(assemble(Codec::H264, {hex("78 0000 0002 68 ce")}).error(), E::Malformed);
  EXPECT_EQ(assemble(Codec::H264, {hex("78 ffff 68 ce")}).error(), E::Malformed);
  EXPECT_EQ(assemble(Codec::H264, {hex("78 0003 78 00 00")}).error(), E::Malformed);  // nested
}

TEST(H265Depacketizer, refuses_paci_and_truncated_units) {
  EXPECT_EQ(assemble(Codec::H265, {hex("64 01 aa bb cc")}).error(), E::Malformed);
  EXPECT_EQ(assemble(Codec::H265, {hex("60 01 0001 40")}).error(), E::Malformed);
  EXPECT_EQ(assemble(Codec::H265, {hex("62 01 93")}).error(), E::Malformed);
  EXPECT_EQ(assemble(Codec::H265, {hex("62 01 13 aa")}).error(), E::MissingStart);
  EXPECT_EQ(assemble(Codec::H265, {hex("26 01 af"), hex("54 c0 01")}).error(), E::Malformed);  // temporal id plus 1: 0
  const auto frame = assemble(Codec::H265, {hex("62 01 93 af 01"), hex("62 01 53 02")});
  ASSERT_TRUE(frame.has_value());
  EXPECT_TRUE(std::ranges::equal(frame->data, hex("00000001 26 01 af 01 02")));
  EXPECT_TRUE(frame->info.keyframe);
}

TEST(Sps, gives_the_picture_size_and_survives_every_truncation) {
  // 1920 × 1080 of libx264's high profile: needs cropping.
  const auto high = hex("67 64 00 28 ac d9 40 78 02 27 e5 c0 44 00 00 03 00 04 00 00 03 00 f0 3c 60 c6 58");
  const auto sps = parse_h264_sps(high);
  ASSERT_TRUE(sps);
  EXPECT_EQ(sps->resolution, (Resolution{1920, 1080}));
  EXPECT_EQ(sps->profile_idc, 100);
  EXPECT_EQ(sps->level_idc, 40);
  for (size_t size = 0; size < 11; ++size) EXPECT_FALSE(parse_h264_sps(ByteView(high).first(size))) << size;
  for (size_t size = 0; size < high.size(); ++size) (void)parse_h265_sps(ByteView(high).first(size));
}

TEST(Sps, refuses_endless_fields) {
  EXPECT_FALSE(parse_h264_sps(hex("67 42 00 1e 00 00 00 00 00 00 00 00 00 00 00 00")));
  std::vector<uint8_t> ones(4000, 0xff);
  ones[0] = 0x67;
  ones[1] = 100;
  (void)parse_h264_sps(ones);
  ones[0] = 0x42;
  (void)parse_h265_sps(ones);
}

}  // namespace
}  // namespace kaon::packetizer
