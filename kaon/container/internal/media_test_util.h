// Reading samples in tests of this module.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kaon/container/frame.h"
#include "kaon_testdata.h"

namespace kaon::container {

/// A frame that owns its bytes.
struct OwnedFrame {
  std::vector<uint8_t> data;
  int64_t timestamp = 0;
  bool keyframe = false;
  Frame view() const { return {data, timestamp, keyframe}; }
};

inline std::vector<uint8_t> read_sample(const std::string& name) {
  std::ifstream file(std::string(KAON_TESTDATA) + "/media/" + name, std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Feeds `file` in chunks and collects all frames; stops at an error and returns it.
template <class Reader>
std::optional<ReadError> read_all(Reader& reader, ByteView file, size_t chunk, std::vector<OwnedFrame>& frames) {
  for (size_t at = 0; at <= file.size(); at += chunk) {
    const bool last = file.size() - at <= chunk;
    reader.feed(file.subspan(at, last ? file.size() - at : chunk));
    if (last) reader.finish();
    while (auto frame = reader.next()) {
      if (!*frame) return frame->error();
      frames.push_back({{(*frame)->data.begin(), (*frame)->data.end()}, (*frame)->timestamp, (*frame)->keyframe});
    }
    if (last) break;
  }
  return std::nullopt;
}

}  // namespace kaon::container
