// Media files on disk: the readers and writers of kaon/container with a file behind them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/container/annex_b.h"
#include "kaon/container/ivf.h"
#include "kaon/container/ogg_opus.h"

namespace kaon::io {

/// A frame that owns its bytes.
struct StoredFrame {
  std::vector<uint8_t> data;
  /// In units of the codec's RTP clock.
  int64_t timestamp = 0;
  bool keyframe = false;
};

/// Reads IVF, Ogg Opus, H.264 and H.265 byte streams; which of them, the content tells. Errors are sentences. Blocks
/// for as long as the disk does.
class MediaReader {
 public:
  /// `rate` is that of byte streams, which have no times.
  static Result<std::unique_ptr<MediaReader>, std::string> open(const std::string& path,
                                                                container::FrameRate rate = {});
  ~MediaReader();

  packetizer::Codec codec() const { return codec_; }
  const std::string& path() const { return path_; }
  /// Nothing at the end of the file.
  Result<std::optional<StoredFrame>, std::string> next();
  /// Back to the beginning.
  Result<void, std::string> rewind();

 private:
  using Reader = std::variant<container::AnnexBReader, container::IvfReader, container::OggOpusReader>;

  MediaReader(std::string path, int descriptor, container::FrameRate rate);
  Result<void, std::string> detect();
  Result<size_t, std::string> read(Bytes out);

  std::string path_;
  int descriptor_;
  container::FrameRate rate_;
  packetizer::Codec codec_{};
  std::optional<Reader> reader_;
  bool finished_ = false;
};

/// Writes one stream to a file whose container its name says. What was written stays playable whenever it ends.
class MediaWriter {
 public:
  /// Video for .ivf, .h264, .264, .h265 and .265, audio for .ogg and .opus; nothing for other endings.
  static std::optional<bool> holds_video(const std::string& path);
  /// Opens, and empties, the file.
  static Result<std::unique_ptr<MediaWriter>, std::string> create(const std::string& path);
  /// finish() if that was not done. A file without a frame is removed.
  ~MediaWriter();

  /// The container is made for the codec of the first frame; the error says so when the ending does not go with it.
  Result<void, std::string> write(packetizer::Codec codec, const container::Frame& frame);
  Result<void, std::string> finish();
  uint64_t frames() const { return frames_; }
  uint64_t bytes() const { return size_; }

 private:
  using Writer = std::variant<std::monostate, container::AnnexBWriter, container::IvfWriter, container::OggOpusWriter>;

  MediaWriter(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Result<void, std::string> choose(packetizer::Codec codec, const container::Frame& first);
  Result<void, std::string> append();

  std::string path_;
  int descriptor_;
  packetizer::Codec codec_{};
  Writer writer_;
  std::vector<uint8_t> pending_;
  uint64_t size_ = 0;  // of what was written whole
  uint64_t frames_ = 0;
  bool broken_ = false;
};

}  // namespace kaon::io
