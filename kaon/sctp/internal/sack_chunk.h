// SACK, RFC 9260 §3.3.4.
#pragma once

#include <optional>

#include "kaon/sctp/internal/packet.h"

namespace kaon::sctp {

/// TSNs from `start` to `end`, both included.
struct TsnRange {
  Tsn start;
  Tsn end;
  bool operator==(const TsnRange&) const = default;
};

//  |                      Cumulative TSN Ack                       |
//  |          Advertised Receiver Window Credit (a_rwnd)           |
//  | Number of Gap Ack Blocks = N  |  Number of Duplicate TSNs = M |
//  |    Gap Ack Block #1 Start     |   Gap Ack Block #1 End        |  offsets from the cumulative TSN ack
//  \                              ...                              \.
//  |                       Duplicate TSN 1                         |
struct SackChunk {
  static constexpr size_t kFixedSize = 12;

  Tsn cumulative;
  uint32_t a_rwnd = 0;
  /// N blocks of 4 bytes, borrowed.
  ByteView blocks;
  size_t duplicates = 0;

  size_t block_count() const { return blocks.size() / 4; }
  TsnRange block(size_t i) const {
    return {cumulative + load_be16(&blocks[4 * i]), cumulative + load_be16(&blocks[4 * i + 2])};
  }

  /// Nothing if the counts do not fit the length, or if the blocks are not in order and apart from each other: whoever
  /// acknowledges by them may rely on it.
  static std::optional<SackChunk> parse(ByteView value);
};

}  // namespace kaon::sctp
