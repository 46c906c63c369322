// FORWARD-TSN, RFC 3758 §3.2, and I-FORWARD-TSN, RFC 8260 §2.3.
#pragma once

#include <optional>

#include "kaon/base/writer.h"
#include "kaon/sctp/internal/data_chunk.h"

namespace kaon::sctp {

//  |                      New Cumulative TSN                       |
//  |         Stream-1              |       Stream Sequence-1       |
//  \                              ...                              \.
//
//  |                      New Cumulative TSN                       |
//  |         Stream-1              |         Reserved            |U|
//  |                     Message Identifier-1                      |
//  \                              ...                              \.
struct ForwardTsnChunk {
  struct Skipped {
    StreamId stream;
    /// Of FORWARD-TSN a stream sequence number, 16 bits.
    Mid mid;
    /// I-FORWARD-TSN only: FORWARD-TSN does not speak of unordered messages.
    bool unordered = false;
  };
  static constexpr size_t kFixedSize = 4;
  static constexpr size_t skipped_size(DataFormat format) { return format == DataFormat::Data ? 4 : 8; }
  static constexpr ChunkType type(DataFormat format) {
    return format == DataFormat::Data ? ChunkType::ForwardTsn : ChunkType::IForwardTsn;
  }

  DataFormat format = DataFormat::Data;
  Tsn new_cumulative;
  /// Skipped::s, borrowed.
  ByteView streams;

  size_t skipped_count() const { return streams.size() / skipped_size(format); }
  Skipped skipped(size_t i) const {
    const ByteView entry = streams.subspan(i * skipped_size(format));
    if (format == DataFormat::Data) return {StreamId(load_be16(&entry[0])), Mid(load_be16(&entry[2]))};
    return {StreamId(load_be16(&entry[0])), Mid(load_be32(&entry[4])), (entry[3] & 1) != 0};
  }
  static void write_skipped(Writer& writer, DataFormat format, const Skipped& skipped) {
    writer.u16(skipped.stream.value());
    if (format == DataFormat::Data) return writer.u16(static_cast<uint16_t>(skipped.mid.value()));
    writer.u16(skipped.unordered ? 1 : 0);
    writer.u32(skipped.mid.value());
  }

  static std::optional<ForwardTsnChunk> parse(DataFormat format, ByteView value) {
    if (value.size() < kFixedSize || (value.size() - kFixedSize) % skipped_size(format) != 0) return std::nullopt;
    return ForwardTsnChunk{format, Tsn(load_be32(value.data())), value.subspan(kFixedSize)};
  }
};

}  // namespace kaon::sctp
