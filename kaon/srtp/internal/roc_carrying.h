// The rollover counter in packets whose sequence number a rate divides (RFC 4771).
//
//   AES-CM and NULL, mode 2:  ... payload | MKI | ROC 4 | MAC 6    instead of a MAC of 10
//   GCM, mode 3:              ... payload | tag 16 | MKI | ROC 4   authenticated by the nonce, of which it is a part
#pragma once

#include <cstring>

#include "kaon/base/assert.h"
#include "kaon/srtp/profile.h"

namespace kaon::srtp::internal {

inline constexpr size_t kRocSize = 4;

class RocCarrying {
 public:
  explicit RocCarrying(Profile profile) : profile_(profile), behind_(roc_overhead(profile)) {}

  void set_rate(uint16_t every) {
    KAON_ASSERT(every == 0 || can_carry_roc(profile_));
    every_ = every;
  }
  bool carries(uint16_t sequence) const { return every_ != 0 && sequence % every_ == 0; }
  /// Bytes that the counter adds to a packet, all of them behind it.
  size_t growth(uint16_t sequence) const { return carries(sequence) ? behind_ : 0; }
  /// Bytes of the MAC that it takes.
  size_t mac_cut(uint16_t sequence) const { return carries(sequence) ? kRocSize - behind_ : 0; }

  /// Into a protected packet, behind which growth() bytes are free.
  void write(uint64_t index, Bytes packet) const {
    const auto roc = static_cast<uint32_t>(index >> 16);
    if (behind_ != 0) return store_be32(packet.last(kRocSize).data(), roc);
    const Bytes tag = packet.last(kTagSize);
    std::memmove(tag.data() + kRocSize, tag.data(), kTagSize - kRocSize);
    store_be32(tag.data(), roc);
  }
  /// The index that a packet with its counter says.
  uint64_t index_of(ByteView packet, uint16_t sequence) const {
    const ByteView at = packet.last(behind_ != 0 ? kRocSize : kTagSize);
    return uint64_t{load_be32(at.data())} << 16 | sequence;
  }

 private:
  static constexpr size_t kTagSize = 10;

  Profile profile_;
  size_t behind_;
  uint16_t every_ = 0;
};

}  // namespace kaon::srtp::internal
