// What went out under the newest indices of a stream, so that none is used for two different packets.
#pragma once

#include <array>
#include <cstdint>

#include "kaon/srtp/sender.h"

namespace kaon::srtp::internal {

enum class Sent : uint8_t { Never, Same, Different };

/// Keeps the start of the tag of each packet. A tag covers header and ciphertext, so equal tags under one index mean
/// equal packets, up to one chance in 2^32 per mistake of the caller.
class SentWindow {
 public:
  /// Moves on to a higher index: those jumped over have not been sent.
  void advance(uint64_t from, uint64_t to) {
    if (to - from >= kSendWindow) {
      tags_.fill(kNone);
    } else {
      while (from != to) tags_[++from % kSendWindow] = kNone;
    }
  }
  /// Remembers `tag` under an index within the window, unless another is there.
  Sent record(uint64_t index, uint32_t tag) {
    if (tag == kNone) tag = 1;
    uint32_t& known = tags_[index % kSendWindow];
    if (known == kNone) {
      known = tag;
      return Sent::Never;
    }
    return known == tag ? Sent::Same : Sent::Different;
  }

 private:
  static constexpr uint32_t kNone = 0;
  std::array<uint32_t, kSendWindow> tags_{};
};

}  // namespace kaon::srtp::internal
