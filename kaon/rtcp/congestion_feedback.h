// Congestion control feedback, one block per media stream. RFC 8888.
#pragma once

#include <optional>
#include <string>

#include "kaon/base/time.h"
#include "kaon/rtcp/list.h"
#include "kaon/rtcp/packet.h"

namespace kaon::rtcp {

/// One packet. RFC 8888 §3.1.
struct PacketMetric {
  static constexpr size_t kSize = 2;
  static constexpr uint16_t kOverRange = 0x1ffe;
  static constexpr uint16_t kUnavailable = 0x1fff;
  bool received = false;
  uint8_t ecn = 0;              ///< the two bits of the IP header
  uint16_t arrival_offset = 0;  ///< 1/1024 s before the report's time, 13 bits
  static PacketMetric read(const uint8_t* p);
  void write(Writer& writer) const;
  bool operator==(const PacketMetric&) const = default;
};

struct StreamMetrics {
  Ssrc media;
  SequenceNumber begin;
  List<PacketMetric> packets;  ///< begin, begin + 1, …
  /// Bytes on the wire: an odd number of packets is padded to a word.
  size_t size() const { return 8 + (packets.bytes() + 3) / 4 * 4; }
};

struct CongestionFeedback {
  /// A report covers at most this many packets of a stream, a quarter of the circle of sequence numbers.
  static constexpr size_t kMaxPackets = 16384;

  Ssrc sender;
  uint32_t report_time = 0;  ///< middle 32 bits of an NTP time
  /// Blocks of a received report; empty when writing.
  ByteView blocks;
  /// Blocks to write; empty in a received report.
  std::span<const StreamMetrics> streams;

  /// Checks all blocks.
  static std::optional<CongestionFeedback> parse(const PacketView& packet);
  size_t size() const;
  size_t write(Bytes out) const;
  std::string to_string() const;

  /// Blocks of a received report: while (auto stream = cursor.next()) …
  class Cursor {
   public:
    explicit Cursor(const CongestionFeedback& feedback) : rest_(feedback.blocks) {}
    std::optional<StreamMetrics> next();
    bool failed() const { return failed_; }

   private:
    ByteView rest_;
    bool failed_ = false;
  };
};

}  // namespace kaon::rtcp
