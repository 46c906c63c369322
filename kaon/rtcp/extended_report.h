// Extended reports. RFC 3611.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "kaon/base/time.h"
#include "kaon/rtcp/list.h"
#include "kaon/rtcp/packet.h"

namespace kaon::rtcp {

/// RFC 3611 §4.
enum class XrType : uint8_t {
  LossRle = 1,
  DuplicateRle = 2,
  PacketReceiptTimes = 3,
  ReceiverReferenceTime = 4,
  Dlrr = 5,
  StatisticsSummary = 6,
  VoipMetrics = 7,
};

/// §4.4: lets a receiver that sends no media measure the round trip.
struct ReceiverReferenceTime {
  NtpTime ntp_time;
  bool operator==(const ReceiverReferenceTime&) const = default;
};

/// §4.5: the answer, per receiver.
struct DlrrItem {
  static constexpr size_t kSize = 12;
  Ssrc receiver;
  uint32_t last_receiver_report = 0;  ///< middle 32 bits of its reference time
  uint32_t delay = 0;                 ///< since then, 1/65536 s
  static DlrrItem read(const uint8_t* p) { return {Ssrc(load_be32(p)), load_be32(p + 4), load_be32(p + 8)}; }
  void write(Writer& writer) const;
  bool operator==(const DlrrItem&) const = default;
};
struct Dlrr {
  List<DlrrItem> items;
};

/// §4.1: one chunk of run lengths or a bit vector.
struct RleChunk {
  static constexpr size_t kSize = 2;
  uint16_t value = 0;
  bool is_vector() const { return (value & 0x8000) != 0; }
  static RleChunk read(const uint8_t* p) { return {load_be16(p)}; }
  void write(Writer& writer) const { writer.u16(value); }
  bool operator==(const RleChunk&) const = default;
};
/// §4.1 and §4.2: which packets were lost, or came twice.
struct RunLengths {
  bool duplicates = false;
  uint8_t thinning = 0;
  Ssrc source;
  SequenceNumber begin, end;
  List<RleChunk> chunks;
};

struct ReceiptTime {
  static constexpr size_t kSize = 4;
  Timestamp time;
  static ReceiptTime read(const uint8_t* p) { return {Timestamp(load_be32(p))}; }
  void write(Writer& writer) const { writer.u32(time.value()); }
  bool operator==(const ReceiptTime&) const = default;
};
/// §4.3.
struct PacketReceiptTimes {
  uint8_t thinning = 0;
  Ssrc source;
  SequenceNumber begin, end;
  List<ReceiptTime> times;
};

/// §4.6. Fields whose flag is not set have no meaning.
struct StatisticsSummary {
  uint8_t flags = 0;
  Ssrc source;
  SequenceNumber begin, end;
  uint32_t lost_packets = 0, duplicate_packets = 0;
  uint32_t min_jitter = 0, max_jitter = 0, mean_jitter = 0, deviation_jitter = 0;
  uint8_t min_ttl = 0, max_ttl = 0, mean_ttl = 0, deviation_ttl = 0;
};

/// §4.7.
struct VoipMetrics {
  Ssrc source;
  uint8_t loss_rate = 0, discard_rate = 0, burst_density = 0, gap_density = 0;
  uint16_t burst_duration = 0, gap_duration = 0, round_trip_delay = 0, end_system_delay = 0;
  uint8_t signal_level = 0, noise_level = 0, echo_return_loss = 0, gap_threshold = 0;
  uint8_t r_factor = 0, external_r_factor = 0, mos_listening = 0, mos_conversation = 0, receiver_configuration = 0;
  uint16_t jitter_buffer_nominal = 0, jitter_buffer_maximum = 0, jitter_buffer_absolute_maximum = 0;
};

/// A block we have no type for.
struct UnknownXrBlock {
  uint8_t type = 0;
  uint8_t type_specific = 0;
  ByteView body;
};

using XrBlock = std::variant<UnknownXrBlock, ReceiverReferenceTime, Dlrr, RunLengths, PacketReceiptTimes,
                             StatisticsSummary, VoipMetrics>;

struct ExtendedReport {
  Ssrc sender;
  /// Blocks of a received report; empty when writing.
  ByteView blocks;
  /// Blocks to write; empty in a received report.
  std::span<const XrBlock> outgoing;

  /// Checks the lengths of all blocks.
  static std::optional<ExtendedReport> parse(const PacketView& packet);
  size_t size() const;
  size_t write(Bytes out) const;
  std::string to_string() const;

  /// while (auto block = cursor.next()) …; a block whose fields do not fit its length is an UnknownXrBlock.
  class Cursor {
   public:
    explicit Cursor(const ExtendedReport& report) : rest_(report.blocks) {}
    std::optional<XrBlock> next();

   private:
    ByteView rest_;
  };
};

}  // namespace kaon::rtcp
