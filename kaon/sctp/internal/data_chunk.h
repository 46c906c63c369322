// DATA, RFC 9260 §3.3.1 with the I bit of RFC 7053.
#pragma once

#include <optional>

#include "kaon/sctp/internal/packet.h"
#include "kaon/sctp/types.h"

namespace kaon::sctp {

//  |   Type = 0    |  Res  |I|U|B|E|            Length             |
//  +---------------------------------------------------------------+
//  |                              TSN                              |
//  |      Stream Identifier        |    Stream Sequence Number     |
//  |                  Payload Protocol Identifier                  |
//  \                           User Data                           \.
struct DataChunk {
  static constexpr uint8_t kEnd = 1;
  static constexpr uint8_t kBeginning = 2;
  static constexpr uint8_t kUnordered = 4;
  static constexpr uint8_t kImmediate = 8;
  /// Of the value, before the user data.
  static constexpr size_t kHeaderSize = 12;
  /// What one chunk costs beside its payload.
  static constexpr size_t kOverhead = kChunkHeaderSize + kHeaderSize;

  Tsn tsn;
  StreamId stream;
  Ssn ssn;
  Ppid ppid;
  uint8_t flags = 0;
  ByteView payload;

  bool beginning() const { return (flags & kBeginning) != 0; }
  bool end() const { return (flags & kEnd) != 0; }
  bool unordered() const { return (flags & kUnordered) != 0; }
  bool immediate() const { return (flags & kImmediate) != 0; }

  /// Nothing if shorter than its header. The payload may be empty, which is the peer's fault (§6.2).
  static std::optional<DataChunk> parse(const Chunk& chunk);
  /// Writes header and payload into `out` of kHeaderSize + payload.size() bytes.
  void write(Bytes out) const;
};

}  // namespace kaon::sctp
