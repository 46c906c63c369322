#include "kaon/io/media_file.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "kaon/base/text.h"
#include "kaon_testdata.h"

namespace kaon::io {
namespace {

using packetizer::Codec;

std::string sample(std::string_view name) { return cat(KAON_TESTDATA, "/media/", name); }

std::vector<StoredFrame> frames_of(MediaReader& reader) {
  std::vector<StoredFrame> frames;
  while (true) {
    auto frame = reader.next();
    EXPECT_TRUE(frame) << frame.error();
    if (!frame || !*frame) return frames;
    frames.push_back(std::move(**frame));
  }
}

class MediaFile : public testing::Test {
 protected:
  MediaFile() {
    std::string name = testing::TempDir() + "kaon-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~MediaFile() override { std::filesystem::remove_all(folder_); }
  std::string path(std::string_view name) const { return cat(folder_, "/", name); }

  std::string folder_;
};

TEST_F(MediaFile, KnowsACodecByTheContentAndCopiesEveryFrame) {
  struct Case {
    const char* name;
    Codec codec;
    const char* copy;
  };
  for (const Case& c : {Case{"vp8.ivf", Codec::Vp8, "a.ivf"}, Case{"vp9.ivf", Codec::Vp9, "b.ivf"},
                        Case{"av1_svt.ivf", Codec::Av1, "c.ivf"}, Case{"x264.h264", Codec::H264, "d.264"},
                        Case{"x265.h265", Codec::H265, "e.h265"}, Case{"opus.ogg", Codec::Opus, "f.opus"}}) {
    SCOPED_TRACE(c.name);
    auto reader = MediaReader::open(sample(c.name));
    ASSERT_TRUE(reader) << reader.error();
    EXPECT_EQ((*reader)->codec(), c.codec);
    const auto frames = frames_of(**reader);
    ASSERT_GT(frames.size(), 10u);
    EXPECT_TRUE(frames[0].keyframe);
    {
      auto writer = MediaWriter::create(path(c.copy));
      ASSERT_TRUE(writer) << writer.error();
      for (const auto& frame : frames) {
        ASSERT_TRUE((*writer)->write(c.codec, {frame.data, frame.timestamp, frame.keyframe}));
      }
      EXPECT_EQ((*writer)->frames(), frames.size());
    }
    auto copy = MediaReader::open(path(c.copy));
    ASSERT_TRUE(copy) << copy.error();
    const auto again = frames_of(**copy);
    ASSERT_EQ(again.size(), frames.size());
    for (size_t i = 0; i < frames.size(); ++i) EXPECT_EQ(again[i].data, frames[i].data) << i;
    ASSERT_TRUE((*copy)->rewind());
    EXPECT_EQ(frames_of(**copy).size(), frames.size());
  }
}

TEST_F(MediaFile, SaysWhatIsWrongWithAFile) {
  EXPECT_NE(MediaReader::open(path("none.ivf")).error().find("cannot be opened: No such file"), std::string::npos);
  std::ofstream(path("text")) << "once upon a time";
  EXPECT_NE(MediaReader::open(path("text")).error().find("is neither IVF"), std::string::npos);
  std::ofstream(path("short.ivf")) << "DKIF";
  EXPECT_FALSE(MediaReader::open(path("short.ivf")));
  EXPECT_FALSE(MediaReader::open(folder_)) << "a folder";
}

TEST_F(MediaFile, WritesOnlyWhatTheEndingSaysAndRemovesAFileWithoutFrames) {
  EXPECT_EQ(MediaWriter::holds_video("x.ivf"), true);
  EXPECT_EQ(MediaWriter::holds_video("x.ogg"), false);
  EXPECT_FALSE(MediaWriter::holds_video("x.mp3"));
  EXPECT_FALSE(MediaWriter::create(path("no/such/folder.ivf")));
  const std::vector<uint8_t> frame = {1, 2, 3};
  {
    auto writer = *MediaWriter::create(path("x.ivf"));
    EXPECT_NE(writer->write(Codec::Opus, {frame}).error().find("goes into a file ending in .ogg"), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(path("x.ivf")));
  {
    auto writer = *MediaWriter::create(path("y.h264"));
    ASSERT_TRUE(writer->write(Codec::H264, {frame}));
    EXPECT_NE(writer->write(Codec::Vp8, {frame}).error().find("changed from H264 to VP8"), std::string::npos);
  }
  EXPECT_EQ(std::filesystem::file_size(path("y.h264")), 3u);
}

}  // namespace
}  // namespace kaon::io
