// FORWARD-TSN, RFC 3758 §3.2.
#pragma once

#include <optional>

#include "kaon/sctp/internal/packet.h"
#include "kaon/sctp/types.h"

namespace kaon::sctp {

//  |                      New Cumulative TSN                       |
//  |         Stream-1              |       Stream Sequence-1       |
//  \                              ...                              \.
struct ForwardTsnChunk {
  struct Skipped {
    StreamId stream;
    Ssn ssn;
  };
  static constexpr size_t kFixedSize = 4;
  static constexpr size_t kSkippedSize = 4;

  Tsn new_cumulative;
  /// Skipped::s of 4 bytes, borrowed.
  ByteView streams;

  size_t skipped_count() const { return streams.size() / kSkippedSize; }
  Skipped skipped(size_t i) const {
    return {StreamId(load_be16(&streams[4 * i])), Ssn(load_be16(&streams[4 * i + 2]))};
  }

  static std::optional<ForwardTsnChunk> parse(ByteView value) {
    if (value.size() < kFixedSize || value.size() % kSkippedSize != 0) return std::nullopt;
    return ForwardTsnChunk{Tsn(load_be32(value.data())), value.subspan(kFixedSize)};
  }
};

}  // namespace kaon::sctp
