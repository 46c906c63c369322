// The SCTP packet: common header and a list of chunks, RFC 9260 §3.
#pragma once

#include <optional>

#include "kaon/base/bytes.h"
#include "kaon/base/strong.h"

namespace kaon::sctp {

using Tsn = Serial<struct TsnTag, uint32_t>;
using Ssn = Serial<struct SsnTag, uint16_t>;
/// Message identifier, RFC 8260 §2.1; of DATA the stream sequence number.
using Mid = Serial<struct MidTag, uint32_t>;

// RFC 9260 §3.2, RFC 3758 §3.2, RFC 4820 §3, RFC 6525 §3.1, RFC 8260 §2.
enum class ChunkType : uint8_t {
  Data = 0,
  Init = 1,
  InitAck = 2,
  Sack = 3,
  Heartbeat = 4,
  HeartbeatAck = 5,
  Abort = 6,
  Shutdown = 7,
  ShutdownAck = 8,
  Error = 9,
  CookieEcho = 10,
  CookieAck = 11,
  EcnEcho = 12,
  WindowReduced = 13,
  ShutdownComplete = 14,
  IData = 64,
  ReConfig = 130,
  Pad = 132,
  ForwardTsn = 192,
  IForwardTsn = 194,
};

// What to do about chunks and parameters of unknown type: the two highest bits of the type, RFC 9260 §3.2 and §3.2.1.
enum class UnknownAction : uint8_t { Stop = 0, StopAndReport = 1, Skip = 2, SkipAndReport = 3 };
inline bool stops(UnknownAction action) { return (static_cast<uint8_t>(action) & 2) == 0; }
inline bool reports(UnknownAction action) { return (static_cast<uint8_t>(action) & 1) != 0; }

inline constexpr size_t kCommonHeaderSize = 12;
inline constexpr size_t kChunkHeaderSize = 4;
inline constexpr size_t padded(size_t size) { return (size + 3) & ~size_t{3}; }

//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-------------------------------+-------------------------------+
//  |      Source Port Number       |    Destination Port Number    |
//  +-------------------------------+-------------------------------+
//  |                       Verification Tag                        |
//  +---------------------------------------------------------------+
//  |                 Checksum (CRC32c, bytes reversed)             |
//  +---------------------------------------------------------------+
struct CommonHeader {
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint32_t verification_tag = 0;

  /// `packet` has at least kCommonHeaderSize bytes.
  static CommonHeader parse(ByteView packet);
};

/// Checks CRC32c; changes the checksum field (to zero) on the way.
bool crc_fits(Bytes packet);

//  +---------------+---------------+-------------------------------+
//  |  Chunk Type   |  Chunk Flags  |  Chunk Length (with header)   |
//  +---------------+---------------+-------------------------------+
//  \                     Value, padded to 4 bytes                  \.
struct Chunk {
  ChunkType type{};
  uint8_t flags = 0;
  ByteView value;
  /// With its header, without padding.
  ByteView whole;
  bool last = false;

  UnknownAction unknown_action() const { return static_cast<UnknownAction>(static_cast<uint8_t>(type) >> 6); }
};

/// Walks the chunks of a packet.
class ChunkReader {
 public:
  explicit ChunkReader(ByteView chunks) : rest_(chunks) {}
  /// The next chunk; nothing at the end or when the rest is malformed.
  std::optional<Chunk> next();
  bool malformed() const { return malformed_; }

 private:
  ByteView rest_;
  bool malformed_ = false;
};

//  +-------------------------------+-------------------------------+
//  |        Parameter Type         | Parameter Length (with header)|
//  +-------------------------------+-------------------------------+
//  \                     Value, padded to 4 bytes                  \.
struct Parameter {
  uint16_t type = 0;
  ByteView value;
  ByteView whole;

  UnknownAction unknown_action() const { return static_cast<UnknownAction>(type >> 14); }
};

/// Walks parameters or error causes, which have the same form.
class ParameterReader {
 public:
  explicit ParameterReader(ByteView parameters) : rest_(parameters) {}
  std::optional<Parameter> next();
  bool malformed() const { return malformed_; }

 private:
  ByteView rest_;
  bool malformed_ = false;
};

/// Builds one packet in the caller's memory.
class PacketWriter {
 public:
  /// `out` is cut to `max_size`; at least kCommonHeaderSize bytes.
  PacketWriter(Bytes out, size_t max_size);

  /// Size of the packet when it is full.
  size_t capacity() const { return out_.size(); }
  /// Largest value that one more chunk can have.
  size_t space() const;
  /// Memory for the value of a new chunk, padding zeroed; `size` is at most space() (asserted).
  Bytes add(ChunkType type, uint8_t flags, size_t size);
  void add(ChunkType type, uint8_t flags, ByteView value);
  bool empty() const { return size_ == kCommonHeaderSize; }
  /// Room for one value of `size` bytes in a packet that is still empty, also beyond the size it was to have: a chunk
  /// that was made for larger packets. False if the memory does not hold it.
  bool stretch(size_t size);

  enum class Checksum : uint8_t { Crc32c, Zero };
  /// Writes header and checksum; the size of the packet.
  size_t finish(const CommonHeader& header, Checksum checksum = Checksum::Crc32c);

 private:
  Bytes memory_;
  Bytes out_;
  size_t size_ = kCommonHeaderSize;
};

}  // namespace kaon::sctp
