// Statistics per stream, by the names of W3C "Identifiers for WebRTC's Statistics API".
#pragma once

#include <cstdint>
#include <optional>

#include "kaon/base/time.h"

namespace kaon::interceptor {

/// RTCInboundRtpStreamStats: what we know as the receiver.
struct InboundStats {
  uint64_t packets_received = 0;
  int64_t packets_lost = 0;
  uint64_t packets_discarded = 0;      ///< too late or twice
  uint64_t bytes_received = 0;         ///< payload
  uint64_t header_bytes_received = 0;  ///< headers and padding
  double jitter = 0;                   ///< seconds
  Time last_packet_received_timestamp{};
  uint64_t retransmitted_packets_received = 0;
  uint64_t retransmitted_bytes_received = 0;
  uint32_t nack_count = 0;  ///< messages sent
  uint32_t pli_count = 0;   ///< sent
  uint32_t fir_count = 0;   ///< sent
};

/// RTCOutboundRtpStreamStats: what we know as the sender.
struct OutboundStats {
  uint64_t packets_sent = 0;
  uint64_t bytes_sent = 0;         ///< payload
  uint64_t header_bytes_sent = 0;  ///< headers and padding
  uint64_t retransmitted_packets_sent = 0;
  uint64_t retransmitted_bytes_sent = 0;
  uint32_t nack_count = 0;  ///< messages received
  uint32_t pli_count = 0;   ///< received
  uint32_t fir_count = 0;   ///< received
};

/// RTCRemoteInboundRtpStreamStats: what the receiver tells us in its reports.
struct RemoteInboundStats {
  int64_t packets_lost = 0;
  double fraction_lost = 0;
  double jitter = 0;  ///< seconds
  std::optional<Duration> round_trip_time;
  Duration total_round_trip_time{};
  uint64_t round_trip_time_measurements = 0;
};

/// RTCRemoteOutboundRtpStreamStats: what the sender tells us in its reports.
struct RemoteOutboundStats {
  uint64_t packets_sent = 0;
  uint64_t bytes_sent = 0;
  NtpTime remote_timestamp;
  uint64_t reports_sent = 0;
};

}  // namespace kaon::interceptor
