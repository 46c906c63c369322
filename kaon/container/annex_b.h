// H.264 and H.265 byte streams: NAL units behind start codes, Annex B of both standards.
#pragma once

#include <optional>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/container/frame.h"
#include "kaon/container/input.h"

namespace kaon::container {

/// Pictures per second: numerator / denominator, for example 30000 / 1001. A byte stream has no times of its own.
struct FrameRate {
  uint32_t numerator = 30;
  uint32_t denominator = 1;
};

/// Splits a byte stream into access units (H.264 §7.4.1.2.3), fed in chunks of any size. feed(), then next() until it
/// gives nothing; finish() at the end of the file, then next() until it gives nothing. After an error next() repeats
/// it.
class AnnexBReader {
 public:
  /// `codec` is H264 or H265 (asserted).
  AnnexBReader(Codec codec, FrameRate rate);
  void feed(ByteView bytes) { input_.feed(bytes); }
  void finish() { input_.finish(); }
  /// The next access unit with the start codes it has in the file.
  std::optional<Result<Frame, ReadError>> next();

 private:
  struct StartCode {
    size_t begin;  // with the zero_byte
    size_t nal;
  };
  std::optional<StartCode> find_start_code();
  std::optional<size_t> find_end();
  bool ends_before(ByteView nal);
  Result<void, ReadError> check_start();

  Codec codec_;
  FrameRate rate_;
  Input input_;
  size_t scanned_ = 0;      // no start code that was not looked at begins before
  bool has_slice_ = false;  // the access unit has a slice
  bool keyframe_ = false;
  bool started_ = false;
  int64_t count_ = 0;
  std::optional<ReadError> error_;
};

/// Writes a byte stream: frames as they are, since the depacketizer's access units have start codes.
class AnnexBWriter {
 public:
  void write(const Frame& frame, std::vector<uint8_t>& out) {
    out.insert(out.end(), frame.data.begin(), frame.data.end());
  }
};

}  // namespace kaon::container
