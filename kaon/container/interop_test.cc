// Packets made by ffmpeg's packetizers, whole as they came over the wire, back to the frames of the file they were made
// of.
#include "kaon/base/reader.h"
#include "kaon/container/annex_b.h"
#include "kaon/container/internal/media_test_util.h"
#include "kaon/container/ivf.h"
#include "kaon/container/ogg_opus.h"
#include "kaon/packetizer/depacketizer.h"

namespace kaon::container {
namespace {

using namespace kaon::packetizer;

struct Packet {
  ReceivedPayload received;
  uint32_t timestamp;
};

/// The fixed RTP header of 12 bytes, which is all that ffmpeg writes.
std::vector<Packet> packets_of(ByteView file) {
  std::vector<Packet> packets;
  Reader reader(file);
  while (!reader.at_end()) {
    Reader packet(reader.vector16());
    EXPECT_EQ(packet.u8(), 0x80);
    const uint8_t second = packet.u8();
    const uint16_t sequence_number = packet.u16();
    const uint32_t timestamp = packet.u32();
    packet.skip(4);
    packets.push_back({{sequence_number, (second & 0x80) != 0, packet.rest()}, timestamp});
  }
  EXPECT_TRUE(reader.ok());
  return packets;
}

template <class Reader>
void expect_frames(Codec codec, const std::string& sample, const std::string& capture, Reader reader) {
  std::vector<OwnedFrame> frames;
  ASSERT_FALSE(read_all(reader, read_sample(sample), 4096, frames));
  const auto file = read_sample(capture);
  const auto packets = packets_of(file);
  Depacketizer depacketizer(codec);
  size_t frame = 0;
  for (size_t i = 0; i < packets.size(); ++frame) {
    std::vector<ReceivedPayload> of_frame;
    const uint32_t timestamp = packets[i].timestamp;
    for (; i < packets.size() && packets[i].timestamp == timestamp; ++i) of_frame.push_back(packets[i].received);
    const auto assembled = depacketizer.assemble(of_frame);
    ASSERT_TRUE(assembled.has_value()) << "frame " << frame << " error " << static_cast<int>(assembled.error());
    ASSERT_LT(frame, frames.size());
    EXPECT_TRUE(std::ranges::equal(assembled->data, frames[frame].data)) << "frame " << frame;
    EXPECT_EQ(assembled->info.keyframe, frames[frame].keyframe);
    EXPECT_EQ(assembled->first.keyframe, frames[frame].keyframe);
  }
  EXPECT_EQ(frame, frames.size());
}

TEST(FfmpegPackets, of_h264_make_the_frames_of_the_file) {
  expect_frames(Codec::H264, "x264.h264", "x264_ffmpeg.rtp", AnnexBReader(Codec::H264, {15, 1}));
}
TEST(FfmpegPackets, of_h265_make_the_frames_of_the_file) {
  expect_frames(Codec::H265, "x265.h265", "x265_ffmpeg.rtp", AnnexBReader(Codec::H265, {15, 1}));
}
TEST(FfmpegPackets, of_vp8_make_the_frames_of_the_file) {
  expect_frames(Codec::Vp8, "vp8.ivf", "vp8_ffmpeg.rtp", IvfReader());
}
TEST(FfmpegPackets, of_vp9_make_the_frames_of_the_file) {
  expect_frames(Codec::Vp9, "vp9.ivf", "vp9_ffmpeg.rtp", IvfReader());
}
TEST(FfmpegPackets, of_opus_make_the_packets_of_the_file) {
  expect_frames(Codec::Opus, "opus.ogg", "opus_ffmpeg.rtp", OggOpusReader());
}

}  // namespace
}  // namespace kaon::container
