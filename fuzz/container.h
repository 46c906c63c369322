// Media files: read in one piece and in small ones, which must give the same.
#pragma once

#include "fuzz/fuzz.h"
#include "kaon/container/frame.h"

namespace kaon::fuzz {

struct ReadFile {
  struct Frame {
    std::vector<uint8_t> data;
    int64_t timestamp = 0;
    bool keyframe = false;
    bool operator==(const Frame&) const = default;
  };
  std::vector<Frame> frames;
  std::string error;
  bool operator==(const ReadFile&) const = default;
};

/// The whole of `file`, fed in chunks of `chunk` bytes.
template <class Reader>
ReadFile read_file(Reader& reader, ByteView file, size_t chunk) {
  ReadFile all;
  const auto take = [&] {
    while (const auto frame = reader.next()) {
      if (!*frame) {
        KAON_ASSERT(all.error.empty() || all.error == frame->error().to_string());
        all.error = frame->error().to_string();
        break;
      }
      KAON_ASSERT(all.error.empty());
      KAON_ASSERT((*frame)->data.size() <= container::kMaxFrameSize);
      all.frames.push_back({copy((*frame)->data), (*frame)->timestamp, (*frame)->keyframe});
    }
  };
  for (size_t at = 0; at < file.size(); at += chunk) {
    const std::vector<uint8_t> piece = copy(file.subspan(at, std::min(chunk, file.size() - at)));
    reader.feed(piece);
    take();
  }
  reader.finish();
  take();
  return all;
}

}  // namespace kaon::fuzz
