#include "kaon/packetizer/vp9.h"

#include "kaon/packetizer/internal/test_util.h"
#include "kaon/packetizer/packetizer.h"
#include "kaon/packetizer/payload_info.h"

namespace kaon::packetizer {
namespace {

// Key frame of profile 0, 128 × 96: frame_marker 2, sync code, colour space 1.
const std::vector<uint8_t>& key_frame() {
  static const std::vector<uint8_t> frame = [] {
    auto bytes = hex("82 49 83 42 00 07 f0 05 f6");
    const auto rest = noise(2500);
    bytes.insert(bytes.end(), rest.begin(), rest.end());
    return bytes;
  }();
  return frame;
}
const std::vector<uint8_t>& inter_frame() {
  static const std::vector<uint8_t> frame = [] {
    auto bytes = noise(500);
    bytes[0] = 0x86;
    return bytes;
  }();
  return frame;
}

TEST(Vp9Descriptor, reads_the_flexible_mode_with_three_references) {
  const auto payload = hex("fc 81 02 37 03 05 08 aa");
  const auto descriptor = Vp9Descriptor::parse(payload);
  ASSERT_TRUE(descriptor);
  EXPECT_EQ(descriptor->picture_id, 0x102);
  EXPECT_EQ(descriptor->temporal_id, 1);
  EXPECT_TRUE(descriptor->switching_up);
  EXPECT_EQ(descriptor->spatial_id, 3);
  EXPECT_TRUE(descriptor->inter_layer_predicted);
  EXPECT_FALSE(descriptor->tl0_picture_index);
  ASSERT_EQ(descriptor->reference_count, 3);
  EXPECT_EQ(descriptor->reference_distances, (std::array<uint8_t, 3>{1, 2, 4}));
  EXPECT_EQ(descriptor->size, 7u);
  for (size_t size = 0; size < payload.size(); ++size) {
    EXPECT_FALSE(Vp9Descriptor::parse(ByteView(payload).first(size))) << size;
  }
}

TEST(Vp9Descriptor, refuses_a_fourth_reference) {
  EXPECT_FALSE(Vp9Descriptor::parse(hex("d0 01 03 03 03 02 aa")));
  EXPECT_FALSE(Vp9Descriptor::parse(hex("d0 01 03 03 03 03 03 03 03")));
}

TEST(Vp9Descriptor, reads_a_scalability_structure_of_three_layers) {
  // N_S = 2, sizes, a group of two pictures: one without and one with two references.
  const auto payload = hex("8a 05 58 0140 00b4 0280 0168 0500 02d0 02 10 38 01 02 aa");
  const auto descriptor = Vp9Descriptor::parse(payload);
  ASSERT_TRUE(descriptor);
  EXPECT_EQ(descriptor->spatial_layers, 3);
  EXPECT_EQ(descriptor->resolution, (Resolution{1280, 720}));
  EXPECT_EQ(descriptor->size, payload.size() - 1);
  for (size_t size = 0; size < payload.size(); ++size) {
    EXPECT_FALSE(Vp9Descriptor::parse(ByteView(payload).first(size))) << size;
  }
}

TEST(Vp9Packetizer, announces_the_pattern_in_the_first_packet_of_key_frames_only) {
  for (uint8_t layers = 1; layers <= 3; ++layers) {
    Packetizer packetizer({.codec = Codec::Vp9, .vp9 = {.first_picture_id = 0x7fff, .temporal_layers = layers}});
    auto payloads = packetizer.packetize(key_frame(), {.max_payload = 1000});
    ASSERT_TRUE(payloads && payloads->size() == 3);
    const auto first = Vp9Descriptor::parse(bytes_of((*payloads)[0]));
    ASSERT_TRUE(first);
    EXPECT_TRUE(first->starts_frame && !first->ends_frame && first->has_scalability_structure);
    EXPECT_FALSE(first->inter_picture_predicted);
    EXPECT_EQ(first->resolution, (Resolution{128, 96}));
    EXPECT_EQ(first->tl0_picture_index, 0);
    const auto last = Vp9Descriptor::parse(bytes_of((*payloads)[2]));
    ASSERT_TRUE(last);
    EXPECT_TRUE(!last->starts_frame && last->ends_frame && !last->has_scalability_structure);
    EXPECT_EQ((*payloads)[0].size(), (*payloads)[1].size());

    payloads = packetizer.packetize(inter_frame(), {});
    const auto inter = Vp9Descriptor::parse(bytes_of((*payloads)[0]));
    ASSERT_TRUE(inter);
    EXPECT_TRUE(inter->inter_picture_predicted && inter->starts_frame && inter->ends_frame);
    EXPECT_EQ(inter->picture_id, 0);
    EXPECT_EQ(inter->tl0_picture_index, 1);
  }
}

TEST(Vp9Packetizer, names_references_in_flexible_mode) {
  Packetizer packetizer({.codec = Codec::Vp9, .vp9 = {.flexible = true}});
  ASSERT_TRUE(packetizer.packetize(key_frame(), {}));
  auto payloads = packetizer.packetize(inter_frame(), {});
  auto descriptor = Vp9Descriptor::parse(bytes_of((*payloads)[0]));
  EXPECT_EQ(descriptor->reference_count, 1);
  EXPECT_EQ(descriptor->reference_distances[0], 1);
  const uint8_t distances[] = {2, 5};
  payloads = packetizer.packetize(inter_frame(), {}, {.temporal_id = 1, .reference_distances = distances});
  descriptor = Vp9Descriptor::parse(bytes_of((*payloads)[0]));
  EXPECT_EQ(descriptor->reference_count, 2);
  EXPECT_EQ(descriptor->reference_distances[1], 5);
  EXPECT_EQ(descriptor->temporal_id, 1);
}

TEST(Vp9Packetizer, gives_the_layer_frames_of_a_picture_one_picture_id) {
  Packetizer packetizer({.codec = Codec::Vp9, .vp9 = {.first_picture_id = 9, .flexible = true, .spatial_layers = 2}});
  auto payloads = packetizer.packetize(key_frame(), {});
  auto info = inspect(Codec::Vp9, bytes_of(payloads->front()));
  EXPECT_TRUE(info->keyframe);
  EXPECT_EQ(info->picture_id, 9);
  payloads = packetizer.packetize(
      inter_frame(), {},
      {.spatial_id = 1, .inter_layer_predicted = true, .key_picture = true, .starts_picture = false});
  info = inspect(Codec::Vp9, bytes_of(payloads->front()));
  EXPECT_FALSE(info->keyframe);
  EXPECT_FALSE(info->inter_picture_predicted);
  EXPECT_TRUE(info->inter_layer_predicted);
  EXPECT_EQ(info->spatial_id, 1);
  EXPECT_EQ(info->picture_id, 9);
}

TEST(Vp9Rewrite, changes_picture_id_and_base_layer_index_in_place) {
  auto wide = hex("ac 81 02 20 07 aa");
  ASSERT_TRUE(rewrite_vp9(wide, 0x7ffe, 200));
  EXPECT_EQ(wide, hex("ac ff fe 20 c8 aa"));
  auto flexible = hex("bc 11 20 aa");
  ASSERT_TRUE(rewrite_vp9(flexible, 0x85, 200));
  EXPECT_EQ(flexible, hex("bc 05 20 aa"));
  auto cut = hex("ac 81 02");
  EXPECT_FALSE(rewrite_vp9(cut, 1, 1));
}

TEST(Vp9Frame, tells_key_frames_from_others) {
  EXPECT_EQ(inspect_vp9_frame(key_frame()).resolution, (Resolution{128, 96}));
  EXPECT_TRUE(inspect_vp9_frame(key_frame()).keyframe);
  EXPECT_FALSE(inspect_vp9_frame(inter_frame()).keyframe);
  EXPECT_FALSE(inspect_vp9_frame(hex("88")).keyframe);              // shows an existing frame
  EXPECT_FALSE(inspect_vp9_frame(hex("82 49 83 43 00")).keyframe);  // wrong sync code
  for (size_t size = 0; size < 9; ++size) {
    EXPECT_FALSE(inspect_vp9_frame(ByteView(key_frame()).first(size)).resolution) << size;
  }
}

}  // namespace
}  // namespace kaon::packetizer
