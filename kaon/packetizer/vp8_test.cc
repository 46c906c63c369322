#include "kaon/packetizer/vp8.h"

#include "kaon/packetizer/internal/test_util.h"
#include "kaon/packetizer/packetizer.h"

namespace kaon::packetizer {
namespace {

// RFC 7741 §4.6.1: first partition of a key frame with a 7-bit picture id of 17; the other examples of the section
// follow.
TEST(Vp8Descriptor, reads_the_examples_of_rfc_7741) {
  auto descriptor = Vp8Descriptor::parse(hex("90 80 11 00"));
  ASSERT_TRUE(descriptor);
  EXPECT_TRUE(descriptor->start_of_partition);
  EXPECT_EQ(descriptor->partition, 0);
  EXPECT_EQ(descriptor->picture_id, 17);
  EXPECT_FALSE(descriptor->long_picture_id);
  EXPECT_EQ(descriptor->size, 3u);

  descriptor = Vp8Descriptor::parse(hex("80 80 92 46 00"));  // 4.6.4: extended picture id 4678
  ASSERT_TRUE(descriptor);
  EXPECT_EQ(descriptor->picture_id, 4678);
  EXPECT_TRUE(descriptor->long_picture_id);
  EXPECT_FALSE(descriptor->start_of_partition);
}

TEST(Vp8Descriptor, reads_all_fields) {
  const auto payload = hex("b3 f0 81 02 2a a5 ff");
  const auto descriptor = Vp8Descriptor::parse(payload);
  ASSERT_TRUE(descriptor);
  EXPECT_TRUE(descriptor->non_reference);
  EXPECT_EQ(descriptor->partition, 3);
  EXPECT_EQ(descriptor->picture_id, 0x102);
  EXPECT_EQ(descriptor->tl0_picture_index, 42);
  EXPECT_EQ(descriptor->temporal_id, 2);
  EXPECT_TRUE(descriptor->layer_sync);
  EXPECT_EQ(descriptor->key_index, 5);
  EXPECT_EQ(descriptor->size, 6u);
  for (size_t size = 0; size < payload.size(); ++size) {
    EXPECT_FALSE(Vp8Descriptor::parse(ByteView(payload).first(size))) << size;
  }
}

TEST(Vp8Packetizer, writes_picture_ids_that_wrap_and_the_base_layer_index) {
  Packetizer packetizer({.codec = Codec::Vp8,
                         .vp8 = {.first_picture_id = 0x7fff, .first_tl0_picture_index = 255, .temporal_layers = true}});
  const auto frame = noise(100);
  auto payloads = packetizer.packetize(frame, {});
  ASSERT_TRUE(payloads && payloads->size() == 1);
  auto descriptor = Vp8Descriptor::parse(bytes_of(payloads->front()));
  EXPECT_EQ(descriptor->picture_id, 0x7fff);
  EXPECT_EQ(descriptor->tl0_picture_index, 255);
  EXPECT_EQ(descriptor->temporal_id, 0);

  payloads = packetizer.packetize(frame, {}, {.temporal_id = 2, .layer_sync = true, .not_referenced = true});
  descriptor = Vp8Descriptor::parse(bytes_of(payloads->front()));
  EXPECT_EQ(descriptor->picture_id, 0);
  EXPECT_EQ(descriptor->tl0_picture_index, 255);
  EXPECT_EQ(descriptor->temporal_id, 2);
  EXPECT_TRUE(descriptor->layer_sync);
  EXPECT_TRUE(descriptor->non_reference);

  payloads = packetizer.packetize(frame, {});
  EXPECT_EQ(Vp8Descriptor::parse(bytes_of(payloads->front()))->tl0_picture_index, 0);
}

TEST(Vp8Packetizer, refers_to_the_frame_without_copying_it) {
  Packetizer packetizer({.codec = Codec::Vp8});
  const auto frame = noise(3000);
  const auto payloads = packetizer.packetize(frame, {});
  ASSERT_TRUE(payloads && payloads->size() == 3);
  EXPECT_EQ((*payloads)[0].pieces()[0].body.data(), frame.data());
  EXPECT_EQ((*payloads)[0].size(), (*payloads)[1].size());
}

TEST(Vp8Rewrite, changes_both_widths_in_place_and_nothing_else) {
  auto wide = hex("90 e0 81 02 2a 40 aa bb");
  ASSERT_TRUE(rewrite_vp8(wide, 0xffff, 9));
  EXPECT_EQ(wide, hex("90 e0 ff ff 09 40 aa bb"));
  auto narrow = hex("90 c0 11 2a aa");
  ASSERT_TRUE(rewrite_vp8(narrow, 0x1234, 7));
  EXPECT_EQ(narrow, hex("90 c0 34 07 aa"));
  auto index_only = hex("90 40 2a aa");
  ASSERT_TRUE(rewrite_vp8(index_only, 1, 7));
  EXPECT_EQ(index_only, hex("90 40 07 aa"));
  auto plain = hex("10 aa");
  ASSERT_TRUE(rewrite_vp8(plain, 1, 7));
  EXPECT_EQ(plain, hex("10 aa"));
  auto cut = hex("90 e0 81");
  EXPECT_FALSE(rewrite_vp8(cut, 1, 7));
  EXPECT_EQ(cut, hex("90 e0 81"));
}

}  // namespace
}  // namespace kaon::packetizer
