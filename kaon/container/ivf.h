// IVF, the file format of libvpx: VP8, VP9 and AV1. https://wiki.multimedia.cx/index.php/Duck_IVF
#pragma once

#include <optional>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/container/frame.h"
#include "kaon/container/input.h"

namespace kaon::container {

/// The header of 32 bytes.
struct IvfHeader {
  Codec codec = Codec::Vp8;
  Resolution resolution = {};
  /// Seconds per unit of the frames' time stamps: numerator / denominator.
  uint32_t timebase_denominator = 90000;
  uint32_t timebase_numerator = 1;
  uint32_t frame_count = 0;

  bool operator==(const IvfHeader&) const = default;
};

/// Reads a file in chunks of any size. feed(), then next() until it gives nothing; finish() at the end of the file,
/// then next() until it gives nothing. After an error next() repeats it.
class IvfReader {
 public:
  void feed(ByteView bytes) { input_.feed(bytes); }
  void finish() { input_.finish(); }
  std::optional<Result<Frame, ReadError>> next();
  /// Known once the first 32 bytes were fed and next() was called.
  const std::optional<IvfHeader>& header() const { return header_; }

 private:
  Result<void, ReadError> parse_header(ByteView bytes);

  Input input_;
  std::optional<IvfHeader> header_;
  std::optional<ReadError> error_;
};

/// Writes a file: the header comes with the first frame. A file that was cut off is playable up to its last whole
/// frame.
class IvfWriter {
 public:
  /// The codec must be VP8, VP9 or AV1 (asserted). A resolution of zero is taken from the first key frame. Timestamps
  /// are converted from 90 kHz to the time base.
  explicit IvfWriter(const IvfHeader& header);
  void write(const Frame& frame, std::vector<uint8_t>& out);
  /// The header with the number of frames, to be written over the first one.
  Patch finish() const;

 private:
  void append_header(std::vector<uint8_t>& out) const;

  IvfHeader header_;
  bool started_ = false;
};

}  // namespace kaon::container
