#include "kaon/interceptor/receive_statistics.h"

#include <algorithm>

namespace kaon::interceptor {
namespace {

constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

/// A point of our time on the media clock.
int64_t media_units(Time time, uint32_t clock_rate) {
  const int64_t ns = time.time_since_epoch().count();
  return ns / kNanosecondsPerSecond * clock_rate + ns % kNanosecondsPerSecond * clock_rate / kNanosecondsPerSecond;
}

}  // namespace

void ReceiveStatistics::restart(rtp::SequenceNumber sequence) {
  unwrapper_.reset();
  // Room below, so that packets reordered around the first one have numbers above zero.
  base_ = highest_ = unwrapper_.unwrap(sequence.value());
  received_ = expected_prior_ = received_prior_ = 0;
  transit_.reset();
  probation_.reset();
  started_ = true;
}

// RFC 3550 A.1, but without a probation for the very first packet: SRTP has already said that the source is genuine.
std::optional<int64_t> ReceiveStatistics::on_packet(const rtp::Packet& packet) {
  const rtp::SequenceNumber sequence = packet.header.sequence;
  if (!started_) {
    restart(sequence);
  } else {
    const int64_t step = unwrapper_.peek(sequence.value()) - highest_;
    if (step > kMaxDropout || step < -kMaxMisorder) {
      if (probation_ != sequence) {
        probation_ = sequence + 1;
        ++stats_.packets_discarded;
        return std::nullopt;
      }
      restart(sequence);
    }
  }
  const int64_t unwrapped = unwrapper_.peek(sequence.value());
  if (unwrapped > highest_ || received_ == 0) {
    highest_ = unwrapper_.unwrap(sequence.value());
    probation_.reset();
  }
  ++received_;
  ++stats_.packets_received;
  stats_.bytes_received += packet.payload_slice.size;
  stats_.header_bytes_received += packet.wire_size() - packet.payload_slice.size;
  stats_.last_packet_received_timestamp = packet.time;
  update_jitter(packet);
  stats_.packets_lost = highest_ - base_ + 1 - received_;
  return unwrapped;
}

void ReceiveStatistics::on_retransmission(const rtp::Packet& packet) {
  ++stats_.retransmitted_packets_received;
  stats_.retransmitted_bytes_received += packet.payload_slice.size;
}

// RFC 3550 A.8. Packets of one frame share a timestamp and are spread by the pacer, so only the first of each counts.
void ReceiveStatistics::update_jitter(const rtp::Packet& packet) {
  if (transit_ && packet.header.timestamp == last_timestamp_) return;
  const int64_t arrival = media_units(packet.time, clock_rate_);
  // Both clocks modulo 2^32; the difference of two transits is small and signed.
  const auto transit = static_cast<int32_t>(static_cast<uint32_t>(arrival) - packet.header.timestamp.value());
  if (transit_) {
    const auto difference = static_cast<int32_t>(static_cast<uint32_t>(transit) - static_cast<uint32_t>(*transit_));
    const int64_t d = std::abs(int64_t{difference});
    // A jump of more than ten seconds is a new timeline, not jitter.
    if (d < int64_t{clock_rate_} * 10) {
      const int64_t jitter = int64_t{jitter_q4_} + d - ((int64_t{jitter_q4_} + 8) >> 4);
      jitter_q4_ = static_cast<uint32_t>(std::max<int64_t>(0, jitter));
    }
  }
  transit_ = transit;
  last_timestamp_ = packet.header.timestamp;
  stats_.jitter = static_cast<double>(jitter_q4_ >> 4) / clock_rate_;
}

void ReceiveStatistics::on_sender_report(const rtcp::SenderReport& report, Time now) {
  sender_ = SenderInfo{.ntp = report.ntp_time, .timestamp = report.rtp_timestamp, .arrival = now};
  remote_.packets_sent = report.packet_count;
  remote_.bytes_sent = report.octet_count;
  remote_.remote_timestamp = report.ntp_time;
  ++remote_.reports_sent;
}

// RFC 3550 A.3
std::optional<rtcp::ReportBlock> ReceiveStatistics::make_report(Time now) {
  if (!started_) return std::nullopt;
  const int64_t expected = highest_ - base_ + 1;
  const int64_t lost = expected - received_;
  const int64_t expected_interval = expected - expected_prior_;
  const int64_t lost_interval = expected_interval - (received_ - received_prior_);
  expected_prior_ = expected;
  received_prior_ = received_;

  rtcp::ReportBlock block;
  block.source = ssrc_;
  if (expected_interval > 0 && lost_interval > 0) {
    block.fraction_lost = static_cast<uint8_t>(std::min<int64_t>(255, (lost_interval << 8) / expected_interval));
  }
  block.cumulative_lost = static_cast<int32_t>(std::clamp<int64_t>(lost, -0x800000, 0x7fffff));
  block.extended_highest_sequence = static_cast<uint32_t>(highest_);
  block.jitter = jitter_q4_ >> 4;
  if (sender_) {
    block.last_sender_report = sender_->ntp.compact();
    const int64_t delay = std::max<int64_t>(0, (now - sender_->arrival).count());
    block.delay_since_last_sender_report = static_cast<uint32_t>(
        delay / kNanosecondsPerSecond * 65536 + delay % kNanosecondsPerSecond * 65536 / kNanosecondsPerSecond);
  }
  return block;
}

std::optional<NtpTime> ReceiveStatistics::ntp_of(rtp::Timestamp timestamp) const {
  if (!sender_) return std::nullopt;
  const auto units = static_cast<int32_t>(timestamp.value() - sender_->timestamp.value());
  const double seconds = static_cast<double>(units) / clock_rate_;
  return NtpTime{sender_->ntp.value + static_cast<uint64_t>(static_cast<int64_t>(seconds * 4294967296.0))};
}

}  // namespace kaon::interceptor
