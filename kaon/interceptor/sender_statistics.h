// Counts what a stream sends, writes its sender reports, and reads what receivers report about it. RFC 3550 §6.4.
#pragma once

#include <optional>

#include "kaon/base/time.h"
#include "kaon/interceptor/stream_stats.h"
#include "kaon/rtcp/reports.h"
#include "kaon/rtp/packet.h"

namespace kaon::interceptor {

/// Round trip out of what a report echoes; nothing if it echoes nothing or nonsense. All in the middle 32 bits of our
/// NTP time.
std::optional<Duration> round_trip_of(uint32_t now, uint32_t last_report, uint32_t delay_since);

/// One per sent SSRC.
class SenderStatistics {
 public:
  SenderStatistics(rtp::Ssrc ssrc, uint32_t clock_rate) : ssrc_(ssrc), clock_rate_(clock_rate) {}

  /// A packet that leaves now; `captured` is the time its timestamp stands for.
  void on_sent(const rtp::Packet& packet, Time captured);
  /// Nothing before the first packet. `ntp_now` is the wall clock at `now`. Report blocks are added by the caller.
  std::optional<rtcp::SenderReport> make_report(Time now, NtpTime ntp_now) const;
  /// A report block whose source is this stream.
  void on_report_block(const rtcp::ReportBlock& block, NtpTime ntp_now);

  rtp::Ssrc ssrc() const { return ssrc_; }
  OutboundStats& stats() { return stats_; }
  const OutboundStats& stats() const { return stats_; }
  const RemoteInboundStats& remote() const { return remote_; }

 private:
  rtp::Ssrc ssrc_;
  uint32_t clock_rate_;
  rtp::Timestamp last_timestamp_;
  Time last_captured_{};
  OutboundStats stats_;
  RemoteInboundStats remote_;
};

}  // namespace kaon::interceptor
