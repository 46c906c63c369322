// AV1 payloads: RTP Payload Format For AV1 v1.0 of the Alliance for Open Media,
// https://aomediacodec.github.io/av1-rtp-spec/
#pragma once

#include <optional>
#include <vector>

#include "kaon/base/result.h"
#include "kaon/packetizer/codec.h"
#include "kaon/packetizer/payload.h"

namespace kaon::packetizer {

/// obu_type, AV1 bitstream specification §6.2.2. Other values are reserved.
enum class ObuType : uint8_t {
  SequenceHeader = 1,
  TemporalDelimiter = 2,
  FrameHeader = 3,
  TileGroup = 4,
  Metadata = 5,
  Frame = 6,
  RedundantFrameHeader = 7,
  TileList = 8,
  Padding = 15,
};

/// One OBU of a temporal unit, without its size field: the header byte, the extension byte if there is one, the
/// payload.
struct Obu {
  ObuType type{};
  uint8_t header = 0;  // obu_has_size_field cleared
  std::optional<uint8_t> extension;
  ByteView payload;

  /// Size as an RTP OBU element.
  size_t size() const { return (extension ? 2 : 1) + payload.size(); }
};

/// Walks the OBUs of a temporal unit in low overhead format (AV1 §5.2).
class ObuReader {
 public:
  /// `cut`: the bytes end within their last OBU, as in a packet whose last OBU goes on in the next one; of that comes
  /// what is there, from its whole header on.
  explicit ObuReader(ByteView temporal_unit, bool cut = false) : left_(temporal_unit), cut_(cut) {}
  /// The next OBU; nothing at the end, or if the bytes are malformed (then ok() is false).
  std::optional<Obu> next();
  bool ok() const { return ok_; }

 private:
  ByteView left_;
  bool cut_;
  bool ok_ = true;
};

/// The aggregation header in front of every AV1 payload, §4.4.
struct Av1AggregationHeader {
  bool continues_obu = false;       // Z: the first element continues an OBU of the previous packet
  bool obu_continues = false;       // Y: the last element goes on in the next packet
  uint8_t element_count = 0;        // W: 1 to 3, or 0 where every element has a length
  bool new_coded_sequence = false;  // N

  /// Nothing if the payload is empty or its header illegal (N together with Z).
  static std::optional<Av1AggregationHeader> parse(ByteView payload);
};

/// Walks the OBU elements of one payload.
class Av1ElementReader {
 public:
  explicit Av1ElementReader(ByteView payload);
  /// The next element; nothing at the end, or if the payload is malformed (then ok() is false).
  std::optional<ByteView> next();
  bool ok() const { return ok_; }
  bool at_end() const { return left_.empty(); }
  const Av1AggregationHeader& header() const { return header_; }

 private:
  Av1AggregationHeader header_;
  ByteView left_;
  uint8_t index_ = 0;
  bool ok_ = true;
};

/// Drops temporal delimiters and tile lists, and the size fields; sets W and N. A packet other than the first never
/// starts with a new OBU: receivers without the dependency descriptor take that for the start of a frame.
class Av1Packetizer {
 public:
  [[nodiscard]] Result<void, PacketizeError> packetize(ByteView temporal_unit, const Limits& limits, PayloadList& out);

 private:
  std::vector<Obu> obus_;
};

/// Looks for a sequence header and reads the maximum picture size in it.
FrameInfo inspect_av1_frame(ByteView temporal_unit);
/// Picture size of a sequence header OBU's payload (AV1 §5.5); nothing if malformed.
std::optional<Resolution> parse_av1_sequence_header(ByteView payload);

}  // namespace kaon::packetizer
