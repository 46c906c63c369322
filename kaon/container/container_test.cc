#include <cstdlib>

#include "kaon/container/annex_b.h"
#include "kaon/container/internal/media_test_util.h"
#include "kaon/container/ivf.h"
#include "kaon/container/ogg_opus.h"
#include "kaon/packetizer/opus.h"

namespace kaon::container {
namespace {

using testing::HasSubstr;

bool same(const std::vector<OwnedFrame>& a, const std::vector<OwnedFrame>& b) {
  return std::ranges::equal(a, b, [](const OwnedFrame& x, const OwnedFrame& y) {
    return x.data == y.data && x.timestamp == y.timestamp && x.keyframe == y.keyframe;
  });
}

template <class Make>
void expect_same_frames_for_every_chunk(const std::string& name, Make&& make) {
  const auto file = read_sample(name);
  std::vector<OwnedFrame> whole;
  auto reader = make();
  EXPECT_FALSE(read_all(reader, file, file.size(), whole));
  EXPECT_GE(whole.size(), 15u);
  for (size_t chunk : {1u, 2u, 3u, 7u, 100u, 4096u}) {
    std::vector<OwnedFrame> frames;
    auto again = make();
    EXPECT_FALSE(read_all(again, file, chunk, frames));
    EXPECT_TRUE(same(frames, whole)) << name << " in chunks of " << chunk;
  }
}

TEST(Readers, give_the_same_frames_whatever_the_chunks) {
  expect_same_frames_for_every_chunk("vp8.ivf", [] { return IvfReader(); });
  expect_same_frames_for_every_chunk("x264.h264", [] { return AnnexBReader(Codec::H264, {15, 1}); });
  expect_same_frames_for_every_chunk("x264_slices_aud.h264", [] { return AnnexBReader(Codec::H264, {15, 1}); });
  expect_same_frames_for_every_chunk("x265.h265", [] { return AnnexBReader(Codec::H265, {15, 1}); });
  expect_same_frames_for_every_chunk("opus.ogg", [] { return OggOpusReader(); });
}

TEST(IvfReader, reads_the_header_and_says_what_is_wrong_with_it) {
  const auto file = read_sample("vp9.ivf");
  IvfReader reader;
  std::vector<OwnedFrame> frames;
  ASSERT_FALSE(read_all(reader, file, 4096, frames));
  EXPECT_EQ(reader.header(), (IvfHeader{Codec::Vp9, {128, 96}, 15, 1, 15}));

  const auto error_of = [&](size_t at, uint8_t value) {
    auto broken = file;
    broken[at] = value;
    IvfReader bad;
    std::vector<OwnedFrame> none;
    const auto error = read_all(bad, broken, 4096, none);
    return error ? error->to_string() : std::string("no error");
  };
  EXPECT_EQ(error_of(0, 'X'), "byte 0: expected the signature DKIF of an IVF file");
  EXPECT_EQ(error_of(6, 40), "byte 6: expected a header size of 32, found 40");
  EXPECT_EQ(error_of(8, 'X'), "byte 8: expected the codec VP80, VP90 or AV01");
  EXPECT_EQ(error_of(16, 0), "byte 16: expected a time base, found 1/0");
  EXPECT_THAT(error_of(35, 0xff), HasSubstr("byte 32: expected a frame of at most"));
}

TEST(IvfReader, gives_all_whole_frames_of_a_file_cut_anywhere_then_an_error) {
  const auto file = read_sample("vp8.ivf");
  std::vector<size_t> ends = {32};  // where a cut leaves a whole file
  while (ends.back() < file.size()) ends.push_back(ends.back() + 12 + load_le32(&file[ends.back()]));
  for (size_t size = 0; size < file.size(); ++size) {
    IvfReader reader;
    std::vector<OwnedFrame> frames;
    const auto error = read_all(reader, ByteView(file).first(size), 5000, frames);
    const auto whole = static_cast<size_t>(std::ranges::count_if(ends, [&](size_t end) { return end <= size; }));
    EXPECT_EQ(frames.size(), whole == 0 ? 0 : whole - 1);
    EXPECT_EQ(error.has_value(), std::ranges::find(ends, size) == ends.end()) << size;
  }
}

TEST(IvfWriter, takes_the_size_from_the_first_frame_and_counts) {
  std::vector<OwnedFrame> frames, again;
  IvfReader reader;
  ASSERT_FALSE(read_all(reader, read_sample("vp8.ivf"), 4096, frames));
  IvfWriter writer({.codec = Codec::Vp8});
  std::vector<uint8_t> out;
  for (const OwnedFrame& frame : frames) writer.write(frame.view(), out);
  const Patch patch = writer.finish();
  EXPECT_EQ(patch.offset, 0u);
  std::ranges::copy(patch.bytes, out.begin());
  IvfReader second;
  ASSERT_FALSE(read_all(second, out, 4096, again));
  EXPECT_EQ(second.header(), (IvfHeader{Codec::Vp8, {128, 96}, 90000, 1, 15}));
  EXPECT_TRUE(same(frames, again));
}

TEST(AnnexBReader, refuses_what_is_no_byte_stream) {
  const auto error_of = [](std::vector<uint8_t> file) {
    AnnexBReader reader(Codec::H264, {});
    std::vector<OwnedFrame> frames;
    const auto error = read_all(reader, file, 4096, frames);
    return error ? error->to_string() : std::string("no error");
  };
  EXPECT_EQ(error_of({'D', 'K', 'I', 'F'}),
            "byte 0: expected a start code (00 00 01) of an H.264 or H.265 byte stream");
  EXPECT_EQ(error_of({0, 1, 2, 3}), "byte 1: expected a start code (00 00 01) of an H.264 or H.265 byte stream");
  EXPECT_THAT(error_of({}), HasSubstr("expected a start code"));
  EXPECT_THAT(error_of({0, 0, 0}), HasSubstr("expected a start code"));
  EXPECT_EQ(error_of({0, 0, 1, 9}), "no error");
}

TEST(AnnexBReader, splits_where_a_picture_begins_and_times_by_the_frame_rate) {
  // Delimiter, SPS, PPS, two slices; SEI, slice; slice of the next picture without anything before; a delimiter.
  const std::vector<uint8_t> file = {0,    0, 0,    1,    9, 0xf0, 0,    0,    0,    1,    0x67, 0x42, 0,    0,
                                     0,    1, 0x68, 0xce, 0, 0,    1,    0x65, 0x88, 0,    0,    1,    0x65, 0x40,
                                     0,    0, 1,    6,    5, 0,    0,    1,    0x41, 0x9a, 0,    0,    1,    0x41,
                                     0x9b, 0, 0,    0,    1, 9,    0xf0, 0,    0,    1,    0x41, 0x9c};
  AnnexBReader reader(Codec::H264, {30000, 1001});
  std::vector<OwnedFrame> frames;
  ASSERT_FALSE(read_all(reader, file, 1, frames));
  ASSERT_EQ(frames.size(), 4u);
  EXPECT_EQ(frames[0].data.size(), 28u);
  EXPECT_TRUE(frames[0].keyframe);
  EXPECT_FALSE(frames[1].keyframe);
  EXPECT_EQ(frames[1].data, (std::vector<uint8_t>{0, 0, 1, 6, 5, 0, 0, 1, 0x41, 0x9a}));
  EXPECT_EQ(frames[2].data, (std::vector<uint8_t>{0, 0, 1, 0x41, 0x9b}));
  EXPECT_EQ(frames[1].timestamp, 3003);
  EXPECT_EQ(frames[3].timestamp, 9009);
}

class OggOpus : public testing::Test {
 protected:
  OggOpus() {
    OggOpusReader reader;
    EXPECT_FALSE(read_all(reader, read_sample("opus_60ms_stereo.ogg"), 4096, frames_));
  }
  /// Three times the sample: several pages of sound.
  std::vector<uint8_t> long_file() {
    OggOpusWriter writer({});
    std::vector<uint8_t> file;
    int64_t timestamp = 0;
    for (int round = 0; round < 3; ++round) {
      for (const OwnedFrame& frame : frames_) {
        EXPECT_TRUE(writer.write({frame.data, timestamp, true}, file));
        timestamp += 2880;
      }
    }
    writer.finish(file);
    return file;
  }
  std::vector<OwnedFrame> frames_;
};

TEST_F(OggOpus, a_file_cut_off_anywhere_plays_up_to_its_last_page) {
  const auto file = long_file();
  size_t most = 0;
  for (size_t size = 1000; size <= file.size(); size += 97) {
    OggOpusReader reader;
    std::vector<OwnedFrame> frames;
    EXPECT_FALSE(read_all(reader, ByteView(file).first(size), 4096, frames)) << size;
    EXPECT_GE(frames.size(), most);
    most = frames.size();
    for (size_t i = 0; i < frames.size(); ++i) ASSERT_EQ(frames[i].data, frames_[i % frames_.size()].data);
  }
  EXPECT_GE(most, frames_.size() * 2);
}

TEST_F(OggOpus, a_damaged_page_is_dropped_and_its_time_is_kept) {
  auto file = long_file();
  const std::string_view text = as_text(file);
  size_t page = 0;
  for (int i = 0; i < 3; ++i) page = text.find("OggS", page + 1);  // the second page of sound
  file[page + 400] ^= 1;
  OggOpusReader reader;
  std::vector<OwnedFrame> frames;
  ASSERT_FALSE(read_all(reader, file, 4096, frames));
  EXPECT_EQ(reader.pages_dropped(), 1u);
  EXPECT_LT(frames.size(), frames_.size() * 3);
  EXPECT_EQ(frames.back().timestamp, static_cast<int64_t>(frames_.size() * 3 - 1) * 2880);
}

TEST_F(OggOpus, gaps_are_filled_with_empty_packets) {
  OggOpusWriter writer({});
  std::vector<uint8_t> file;
  ASSERT_TRUE(writer.write({frames_[0].data, 1000, true}, file));
  ASSERT_TRUE(writer.write({frames_[1].data, 1000 + 10 * 2880, true}, file));
  ASSERT_TRUE(writer.write({frames_[2].data, 5, true}, file));  // time went back: goes on
  EXPECT_FALSE(writer.write({{}, 5 + 2880, true}, file));
  writer.finish(file);
  OggOpusReader reader;
  std::vector<OwnedFrame> frames;
  ASSERT_FALSE(read_all(reader, file, 4096, frames));
  ASSERT_GT(frames.size(), 3u);
  EXPECT_EQ(frames.front().data, frames_[0].data);
  EXPECT_EQ(frames[frames.size() - 2].data, frames_[1].data);
  EXPECT_EQ(frames[frames.size() - 2].timestamp, 10 * 2880);
  EXPECT_EQ(frames.back().data, frames_[2].data);
  for (size_t i = 1; i + 2 < frames.size(); ++i) {
    EXPECT_EQ(frames[i].data, std::vector<uint8_t>{static_cast<uint8_t>(frames_[0].data[0] & 0xfc)});
  }
}

TEST_F(OggOpus, packets_larger_than_a_page_of_segments_and_of_255_bytes_survive) {
  OggOpusWriter writer({});
  std::vector<std::vector<uint8_t>> packets;
  for (size_t size : {1u, 254u, 255u, 256u, 510u, 1275u, 61440u, 20u}) {
    std::vector<uint8_t> packet(size, 0xa5);
    packet[0] = 0xf8;
    packets.push_back(packet);
  }
  std::vector<uint8_t> file;
  for (size_t i = 0; i < packets.size(); ++i) {
    ASSERT_TRUE(writer.write({packets[i], static_cast<int64_t>(i) * 960, true}, file));
  }
  writer.finish(file);
  OggOpusReader reader;
  std::vector<OwnedFrame> frames;
  ASSERT_FALSE(read_all(reader, file, 999, frames));
  ASSERT_EQ(frames.size(), packets.size());
  for (size_t i = 0; i < packets.size(); ++i) EXPECT_EQ(frames[i].data, packets[i]);
}

TEST_F(OggOpus, other_files_are_refused_with_the_place) {
  const auto error_of = [](ByteView file) {
    OggOpusReader reader;
    std::vector<OwnedFrame> frames;
    const auto error = read_all(reader, file, 4096, frames);
    return error ? error->to_string() : std::string("no error");
  };
  EXPECT_EQ(error_of(read_sample("vp8.ivf")), "byte 0: expected the signature OggS of an Ogg file");
  EXPECT_EQ(error_of({}), "byte 0: expected an Ogg page, found 0 bytes");
  EXPECT_EQ(error_of(as_bytes("OggS")), "byte 0: expected an Ogg page, found 4 bytes");
}

TEST(Readers, survive_damaged_files) {
  const char* seed_text = std::getenv("KAON_SEED");
  const uint64_t seed = seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : 3;
  SCOPED_TRACE(cat("KAON_SEED=", seed));
  uint64_t state = seed;
  const auto random = [&](uint64_t bound) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return (state >> 33) % bound;
  };
  size_t frames_read = 0;
  for (int round = 0; round < 200; ++round) {
    for (const char* name : {"opus.ogg", "vp9_altref.ivf", "av1_svt.ivf", "x264.h264", "x265.h265"}) {
      auto file = read_sample(name);
      for (int i = 0; i < 8; ++i) file[random(random(2) == 0 ? 200 : file.size())] = static_cast<uint8_t>(random(256));
      const size_t chunk = 1 + random(3000);
      std::vector<OwnedFrame> frames;
      OggOpusReader ogg;
      IvfReader ivf;
      AnnexBReader h264(Codec::H264, {}), h265(Codec::H265, {});
      (void)read_all(ogg, file, chunk, frames);
      (void)read_all(ivf, file, chunk, frames);
      (void)read_all(h264, file, chunk, frames);
      (void)read_all(h265, file, chunk, frames);
      frames_read += frames.size();
    }
  }
  EXPECT_GT(frames_read, 1000u);
}

}  // namespace
}  // namespace kaon::container
