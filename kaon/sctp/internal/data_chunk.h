// DATA, RFC 9260 §3.3.1 with the I bit of RFC 7053, and I-DATA, RFC 8260 §2.1.
#pragma once

#include <optional>

#include "kaon/sctp/internal/packet.h"
#include "kaon/sctp/types.h"

namespace kaon::sctp {

/// Which of the two chunks an association uses for its data, as agreed in its set-up.
enum class DataFormat : uint8_t { Data, IData };

//  |   Type = 0    |  Res  |I|U|B|E|            Length             |
//  +---------------------------------------------------------------+
//  |                              TSN                              |
//  |      Stream Identifier        |    Stream Sequence Number     |
//  |                  Payload Protocol Identifier                  |
//  \                           User Data                           \.
//
//  |   Type = 64   |  Res  |I|U|B|E|            Length             |
//  +---------------------------------------------------------------+
//  |                              TSN                              |
//  |      Stream Identifier        |           Reserved            |
//  |                      Message Identifier                       |
//  |    Payload Protocol Identifier / Fragment Sequence Number     |
//  \                           User Data                           \.
struct DataChunk {
  static constexpr uint8_t kEnd = 1;
  static constexpr uint8_t kBeginning = 2;
  static constexpr uint8_t kUnordered = 4;
  static constexpr uint8_t kImmediate = 8;
  /// Of the value, before the user data.
  static constexpr size_t header_size(DataFormat format) { return format == DataFormat::Data ? 12 : 16; }
  /// What one chunk costs beside its payload.
  static constexpr size_t overhead(DataFormat format) { return kChunkHeaderSize + header_size(format); }
  static constexpr ChunkType type(DataFormat format) {
    return format == DataFormat::Data ? ChunkType::Data : ChunkType::IData;
  }

  DataFormat format = DataFormat::Data;
  Tsn tsn;
  StreamId stream;
  /// Of DATA the stream sequence number, 16 bits, which means nothing if unordered.
  Mid mid;
  /// I-DATA only; zero in the first fragment.
  uint32_t fsn = 0;
  /// Of I-DATA in the first fragment only.
  Ppid ppid;
  uint8_t flags = 0;
  ByteView payload;

  bool beginning() const { return (flags & kBeginning) != 0; }
  bool end() const { return (flags & kEnd) != 0; }
  bool unordered() const { return (flags & kUnordered) != 0; }
  bool immediate() const { return (flags & kImmediate) != 0; }

  /// Nothing if shorter than its header. The payload may be empty, which is the peer's fault (§6.2).
  static std::optional<DataChunk> parse(const Chunk& chunk);
  /// Writes header and payload into `out` of header_size() + payload.size() bytes.
  void write(Bytes out) const;
};

}  // namespace kaon::sctp
