#include "kaon/interceptor/sender_statistics.h"

namespace kaon::interceptor {

// RFC 3550 §6.4.1: A - LSR - DLSR, in 1/65536 s.
std::optional<Duration> round_trip_of(uint32_t now, uint32_t last_report, uint32_t delay_since) {
  if (last_report == 0) return std::nullopt;
  const auto units = static_cast<int32_t>(now - last_report - delay_since);
  // The two clocks' steps may make a very short path a little negative; anything else is a lie or a changed clock.
  constexpr int32_t kTolerance = 65536 / 100;
  if (units < -kTolerance || units > 60 * 65536) return std::nullopt;
  const int64_t positive = units < 0 ? 0 : units;
  return Duration(positive * 1'000'000'000 / 65536);
}

void SenderStatistics::on_sent(const rtp::Packet& packet, Time captured) {
  ++stats_.packets_sent;
  stats_.bytes_sent += packet.payload_slice.size;
  stats_.header_bytes_sent += packet.wire_size() - packet.payload_slice.size;
  last_timestamp_ = packet.header.timestamp;
  last_captured_ = captured;
}

std::optional<rtcp::SenderReport> SenderStatistics::make_report(Time now, NtpTime ntp_now) const {
  if (stats_.packets_sent == 0) return std::nullopt;
  const auto since = std::chrono::duration_cast<std::chrono::microseconds>(now - last_captured_).count();
  const auto units = since * static_cast<int64_t>(clock_rate_) / 1'000'000;
  return rtcp::SenderReport{.sender = ssrc_,
                            .ntp_time = ntp_now,
                            .rtp_timestamp = last_timestamp_ + static_cast<uint32_t>(units),
                            .packet_count = static_cast<uint32_t>(stats_.packets_sent),
                            .octet_count = static_cast<uint32_t>(stats_.bytes_sent),
                            .reports = {}};
}

void SenderStatistics::on_report_block(const rtcp::ReportBlock& block, NtpTime ntp_now) {
  remote_.packets_lost = block.cumulative_lost;
  remote_.fraction_lost = block.fraction_lost / 256.0;
  remote_.jitter = static_cast<double>(block.jitter) / clock_rate_;
  const auto rtt = round_trip_of(ntp_now.compact(), block.last_sender_report, block.delay_since_last_sender_report);
  if (!rtt) return;
  remote_.round_trip_time = *rtt;
  remote_.total_round_trip_time += *rtt;
  ++remote_.round_trip_time_measurements;
}

}  // namespace kaon::interceptor
