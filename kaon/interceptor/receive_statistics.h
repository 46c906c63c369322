// Loss and jitter of a received stream, and the report block about it. RFC 3550 §6.4.1, appendix A.1, A.3 and A.8.
#pragma once

#include <optional>

#include "kaon/base/strong.h"
#include "kaon/base/time.h"
#include "kaon/interceptor/stream_stats.h"
#include "kaon/rtcp/reports.h"
#include "kaon/rtp/packet.h"

namespace kaon::interceptor {

/// One per received SSRC. The RTX stream of a media stream has its own.
class ReceiveStatistics {
 public:
  /// A step of more than this forward is believed only after a second packet there; see A.1.
  static constexpr int64_t kMaxDropout = 3000;
  /// A step of more than this back is a restart, also after a second packet.
  static constexpr int64_t kMaxMisorder = 100;

  ReceiveStatistics(rtp::Ssrc ssrc, uint32_t clock_rate) : ssrc_(ssrc), clock_rate_(clock_rate) {}

  /// A packet that arrived on the wire; retransmissions restored from RTX are not, see on_retransmission(). Returns its
  /// unwrapped sequence number, nothing if it is not to be believed yet.
  std::optional<int64_t> on_packet(const rtp::Packet& packet);
  /// The unwrapped number of a packet that did not come on this stream's wire: restored by RTX or FEC.
  int64_t unwrap(rtp::SequenceNumber sequence) const { return unwrapper_.peek(sequence.value()); }
  /// A packet that RTX or FEC gave back.
  void on_retransmission(const rtp::Packet& packet);
  void on_sender_report(const rtcp::SenderReport& report, Time now);

  /// Block for the next report; resets the interval of fraction_lost. Nothing before the first packet.
  std::optional<rtcp::ReportBlock> make_report(Time now);

  /// Media time of an NTP time of the sender, for lip sync; nothing before the first sender report.
  std::optional<NtpTime> ntp_of(rtp::Timestamp timestamp) const;

  rtp::Ssrc ssrc() const { return ssrc_; }
  InboundStats& stats() { return stats_; }
  const InboundStats& stats() const { return stats_; }
  const RemoteOutboundStats& remote() const { return remote_; }

 private:
  struct SenderInfo {
    NtpTime ntp;
    rtp::Timestamp timestamp;
    Time arrival{};
  };
  void restart(rtp::SequenceNumber sequence);
  void update_jitter(const rtp::Packet& packet);

  rtp::Ssrc ssrc_;
  uint32_t clock_rate_;
  Unwrapper<uint16_t> unwrapper_;
  int64_t base_ = 0;
  int64_t highest_ = 0;
  bool started_ = false;
  std::optional<rtp::SequenceNumber> probation_;  // the sequence number that would confirm a jump
  int64_t received_ = 0;
  int64_t expected_prior_ = 0;
  int64_t received_prior_ = 0;
  std::optional<int64_t> transit_;
  rtp::Timestamp last_timestamp_;
  uint32_t jitter_q4_ = 0;  // sixteenths
  std::optional<SenderInfo> sender_;
  InboundStats stats_;
  RemoteOutboundStats remote_;
};

}  // namespace kaon::interceptor
