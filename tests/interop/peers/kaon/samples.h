// The encoded frames that a media case sends and expects.
#pragma once

#include <string>
#include <vector>

#include "kaon/packetizer/codec.h"

namespace kaon::interop {

struct Samples {
  packetizer::Codec codec{};
  /// Of each frame, in units of the RTP clock.
  uint32_t duration = 0;
  std::vector<std::vector<uint8_t>> frames;

  /// Ends the process with a sentence if there is no such file or it is not as ../README.md says.
  static Samples load(const std::string& path);
};

/// The first 16 digits of its SHA-256, of H.264 with start codes of four bytes: how peers tell which frame they got.
std::string mark_of(packetizer::Codec codec, ByteView frame);

}  // namespace kaon::interop
