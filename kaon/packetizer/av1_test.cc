#include "kaon/packetizer/av1.h"

#include "kaon/packetizer/depacketizer.h"
#include "kaon/packetizer/internal/test_util.h"
#include "kaon/packetizer/packetizer.h"

namespace kaon::packetizer {
namespace {

std::vector<uint8_t> obu(ObuType type, size_t payload_size, uint32_t seed = 1) {
  std::vector<uint8_t> bytes = {static_cast<uint8_t>((static_cast<uint8_t>(type) << 3) | 0x02)};
  for (size_t size = payload_size;; size >>= 7) {
    bytes.push_back(static_cast<uint8_t>((size & 0x7f) | (size > 0x7f ? 0x80 : 0)));
    if (size <= 0x7f) break;
  }
  const auto payload = noise(payload_size, seed);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

std::vector<uint8_t> unit(std::initializer_list<std::vector<uint8_t>> obus) {
  std::vector<uint8_t> bytes = {0x12, 0x00};
  for (const auto& one : obus) bytes.insert(bytes.end(), one.begin(), one.end());
  return bytes;
}

TEST(Av1Packetizer, drops_the_temporal_delimiter_and_the_size_fields) {
  const auto frame = unit({hex("0a 03 01 02 04"), hex("32 02 aa bb")});
  Packetizer packetizer({.codec = Codec::Av1});
  const auto payloads = packetizer.packetize(frame, {});
  ASSERT_TRUE(payloads && payloads->size() == 1);
  // Z 0, Y 0, W 2, N 1; a length, the sequence header; the frame without length.
  EXPECT_EQ(bytes_of(payloads->front()), hex("28 04 08 01 02 04 30 aa bb"));
}

TEST(Av1Packetizer, keeps_extensions_and_gives_every_element_a_length_beyond_three) {
  const auto frame = unit({hex("36 28 01 aa"), hex("32 01 bb"), hex("32 01 cc"), hex("32 01 dd")});
  Packetizer packetizer({.codec = Codec::Av1});
  const auto payloads = packetizer.packetize(frame, {});
  ASSERT_TRUE(payloads && payloads->size() == 1);
  EXPECT_EQ(bytes_of(payloads->front()), hex("00 03 34 28 aa 02 30 bb 02 30 cc 02 30 dd"));
}

TEST(Av1Packetizer, starts_no_packet_but_the_first_with_a_new_obu) {
  Packetizer packetizer({.codec = Codec::Av1});
  Depacketizer depacketizer(Codec::Av1);
  for (size_t a = 2; a < 420; ++a) {
    const auto frame = unit({obu(ObuType::Frame, a), obu(ObuType::Frame, 150, 2), obu(ObuType::Frame, 3, 3),
                             obu(ObuType::FrameHeader, 1), obu(ObuType::Frame, 500, 4)});
    const auto payloads = packetizer.packetize(frame, {.max_payload = 130, .first_reduction = 7, .last_reduction = 3});
    ASSERT_TRUE(payloads);
    std::vector<std::vector<uint8_t>> bytes;
    std::vector<ReceivedPayload> received;
    for (const Payload& payload : *payloads) bytes.push_back(bytes_of(payload));
    for (size_t i = 0; i < bytes.size(); ++i) {
      EXPECT_EQ(Av1AggregationHeader::parse(bytes[i])->continues_obu, i > 0) << "a " << a << " packet " << i;
      received.push_back({static_cast<uint16_t>(i), i + 1 == bytes.size(), bytes[i]});
      if (i + 1 < bytes.size()) {
        EXPECT_EQ(bytes[i].size() + (i == 0 ? 7 : 0), bytes[0].size() + 7) << "a " << a;
      }
    }
    const auto assembled = depacketizer.assemble(received);
    ASSERT_TRUE(assembled.has_value());
    EXPECT_TRUE(std::ranges::equal(assembled->data, frame));
  }
}

TEST(Av1Packetizer, refuses_what_is_no_temporal_unit) {
  Packetizer packetizer({.codec = Codec::Av1});
  EXPECT_EQ(packetizer.packetize(hex("12 00"), {}).error(), PacketizeError::EmptyFrame);
  EXPECT_EQ(packetizer.packetize(hex("32 05 aa"), {}).error(), PacketizeError::Malformed);
  EXPECT_EQ(packetizer.packetize(hex("b2 01 aa"), {}).error(), PacketizeError::Malformed);
  EXPECT_EQ(packetizer.packetize(hex("32 ff ff ff ff ff ff ff ff ff"), {}).error(), PacketizeError::Malformed);
}

TEST(Av1Elements, lies_about_counts_and_sizes_are_malformed) {
  const auto count = [](const char* text) {
    const auto payload = hex(text);
    Av1ElementReader reader(payload);
    int elements = 0;
    while (reader.next()) ++elements;
    return reader.ok() ? elements : -1;
  };
  EXPECT_EQ(count("10 aa"), 1);
  EXPECT_EQ(count("20 01 aa bb"), 2);
  EXPECT_EQ(count("00 01 aa 01 bb"), 2);
  EXPECT_EQ(count("20 03 aa bb cc"), -1);  // W 2, but all bytes are in the first
  EXPECT_EQ(count("30 01 aa 01 bb"), -1);  // W 3, two there
  EXPECT_EQ(count("20 09 aa bb"), -1);     // length beyond the end
  EXPECT_EQ(count("00 80 80"), -1);        // length cut off
  EXPECT_EQ(count("88 aa"), -1);           // N together with Z
  EXPECT_EQ(count("10"), -1);
}

TEST(Av1Depacketizer, tells_lost_packets_by_z_and_y) {
  Depacketizer depacketizer(Codec::Av1);
  const auto start = hex("50 30 aa"), middle = hex("d0 bb"), end = hex("90 cc");
  using E = DepacketizeError;
  const auto assemble = [&](std::vector<ReceivedPayload> packets) { return depacketizer.assemble(packets); };
  const auto whole = assemble({{1, false, start}, {2, false, middle}, {3, true, end}});
  ASSERT_TRUE(whole.has_value());
  EXPECT_TRUE(std::ranges::equal(whole->data, hex("12 00 32 03 aa bb cc")));
  EXPECT_EQ(assemble({{2, false, middle}, {3, true, end}}).error(), E::MissingStart);
  EXPECT_EQ(assemble({{1, false, start}, {2, true, middle}}).error(), E::MissingEnd);
  EXPECT_EQ(assemble({{1, false, start}, {3, true, end}}).error(), E::Gap);
  EXPECT_EQ(assemble({{1, false, start}, {2, true, start}}).error(), E::Malformed);
}

TEST(Av1Depacketizer, accepts_elements_that_kept_their_size_field) {
  Depacketizer depacketizer(Codec::Av1);
  const auto payload = hex("20 03 0a 01 07 32 02 aa bb");
  const ReceivedPayload packet{1, true, payload};
  const auto assembled = depacketizer.assemble({&packet, 1});
  ASSERT_TRUE(assembled.has_value());
  EXPECT_TRUE(std::ranges::equal(assembled->data, hex("12 00 0a 01 07 32 02 aa bb")));
}

TEST(Av1Depacketizer, accepts_an_obu_that_is_cut_within_its_header) {
  const auto join = [](std::string_view a, std::string_view b) {
    const auto first = hex(a), second = hex(b);
    const std::vector<ReceivedPayload> packets = {{1, false, first}, {2, true, second}};
    Depacketizer depacketizer(Codec::Av1);
    const auto whole = depacketizer.assemble(packets);
    return whole ? std::vector<uint8_t>(whole->data.begin(), whole->data.end()) : std::vector<uint8_t>();
  };
  EXPECT_EQ(join("60 02 30 bb 34", "90 28 aa"), hex("12 00 32 01 bb 36 28 01 aa"));  // before its extension
  EXPECT_EQ(join("50 32", "90 02 aa cc"), hex("12 00 32 02 aa cc"));                 // before its size
  EXPECT_EQ(join("50 32 82", "90 00 aa cc"), hex("12 00 32 02 aa cc"));              // within its size
  EXPECT_EQ(join("50 32 02 aa", "90 cc"), hex("12 00 32 02 aa cc"));                 // within what it has
  // What is there of it is looked at.
  EXPECT_EQ(inspect(Codec::Av1, hex("50 36 68 02 aa"))->temporal_id, 3);
}

// The sequence header of testdata/media/av1_svt.ivf.
TEST(Av1SequenceHeader, gives_the_picture_size) {
  const auto header = hex("00 00 00 03 37 fb e7 df c8 02");
  EXPECT_EQ(parse_av1_sequence_header(header), (Resolution{128, 96}));
  for (size_t size = 0; size < 6; ++size) EXPECT_FALSE(parse_av1_sequence_header(ByteView(header).first(size)));
}

}  // namespace
}  // namespace kaon::packetizer
