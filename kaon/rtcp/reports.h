// Sender and receiver reports. RFC 3550 §6.4.
#pragma once

#include <optional>
#include <string>

#include "kaon/base/time.h"
#include "kaon/rtcp/list.h"
#include "kaon/rtcp/packet.h"

namespace kaon::rtcp {

/// What a receiver says about one source. RFC 3550 §6.4.1.
struct ReportBlock {
  static constexpr size_t kSize = 24;
  Ssrc source;
  uint8_t fraction_lost = 0;    ///< of 256, since the previous report
  int32_t cumulative_lost = 0;  ///< 24 bits signed: duplicates make it negative
  uint32_t extended_highest_sequence = 0;
  uint32_t jitter = 0;                          ///< media clock
  uint32_t last_sender_report = 0;              ///< middle 32 bits of its NTP time; 0 if none came
  uint32_t delay_since_last_sender_report = 0;  ///< 1/65536 s

  static ReportBlock read(const uint8_t* p);
  void write(Writer& writer) const;
  std::string to_string() const;
  bool operator==(const ReportBlock&) const = default;
};

struct SenderReport {
  Ssrc sender;
  NtpTime ntp_time;
  Timestamp rtp_timestamp;
  uint32_t packet_count = 0;
  uint32_t octet_count = 0;
  List<ReportBlock> reports;  ///< at most kMaxCount

  static std::optional<SenderReport> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 24 + reports.bytes(); }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

struct ReceiverReport {
  Ssrc sender;
  List<ReportBlock> reports;  ///< at most kMaxCount

  static std::optional<ReceiverReport> parse(const PacketView& packet);
  size_t size() const { return kHeaderSize + 4 + reports.bytes(); }
  size_t write(Bytes out) const;
  std::string to_string() const;
};

}  // namespace kaon::rtcp
