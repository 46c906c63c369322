// What all readers and writers of media files share. Nothing here touches a file: readers are fed bytes, writers append
// bytes to a vector of the caller's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/text.h"
#include "kaon/packetizer/codec.h"

namespace kaon::container {

using packetizer::Codec;
using packetizer::Resolution;

/// One encoded frame, in the form kaon::packetizer takes and gives.
struct Frame {
  /// From a reader: valid until the next call of feed() or next().
  ByteView data;
  /// In units of the codec's RTP clock (90 kHz for video, 48 kHz for Opus), not wrapped.
  int64_t timestamp = 0;
  bool keyframe = false;
};

/// No frame of any file may be larger; a file that says so is refused.
inline constexpr size_t kMaxFrameSize = 16 << 20;

/// What is wrong with a file.
struct ReadError {
  /// Byte of the file, counted from zero.
  uint64_t offset = 0;
  /// What was expected and what was found there.
  std::string message;

  std::string to_string() const { return cat("byte ", offset, ": ", message); }
};

/// Bytes to be written over earlier ones once a file is complete.
struct Patch {
  uint64_t offset = 0;
  std::vector<uint8_t> bytes;
};

}  // namespace kaon::container
