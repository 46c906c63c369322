// Statistics of a connection, by the names of W3C webrtc-stats where it has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kaon/base/time.h"
#include "kaon/ice/types.h"
#include "kaon/packetizer/codec.h"
#include "kaon/peer/negotiation_types.h"
#include "kaon/sctp/types.h"

namespace kaon::peer {

/// RTCInboundRtpStreamStats.
struct InboundStats {
  TransceiverId transceiver;
  uint32_t ssrc = 0;
  std::optional<packetizer::Codec> codec;
  uint64_t packets_received = 0;
  uint64_t bytes_received = 0;  ///< payloads
  int64_t packets_lost = 0;
  uint64_t retransmitted_packets_received = 0;
  uint64_t frames_received = 0;
  uint64_t key_frames = 0;
  Duration jitter{};
  uint64_t nack_count = 0;
  uint64_t pli_count = 0;
  packetizer::Resolution resolution;
};

/// RTCOutboundRtpStreamStats with what the peer reports (RTCRemoteInboundRtpStreamStats).
struct OutboundStats {
  TransceiverId transceiver;
  uint32_t ssrc = 0;
  uint64_t packets_sent = 0;
  uint64_t bytes_sent = 0;
  uint64_t retransmitted_packets_sent = 0;
  uint64_t frames_sent = 0;
  uint64_t nack_count = 0;
  uint64_t pli_count = 0;
  int64_t remote_packets_lost = 0;
  double remote_fraction_lost = 0;
  Duration remote_jitter{};
  std::optional<Duration> remote_round_trip_time;
};

struct TransportStats {
  uint64_t packets_sent = 0;
  uint64_t packets_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  std::optional<Duration> round_trip_time;
  std::string tls_version;  ///< "FEFC" is 1.3, "FEFD" 1.2
  std::string dtls_cipher;  ///< TLS registry name
  std::string tls_group;    ///< TLS registry name of the key exchange
  std::string srtp_cipher;  ///< IANA name of the SRTP profile
  std::optional<ice::Path> path;
  ice::SpedStats sped;  ///< handshake packets that checks and answers carried
};

struct Stats {
  TransportStats transport;
  std::vector<ice::PairStats> candidate_pairs;
  std::vector<InboundStats> inbound;
  std::vector<OutboundStats> outbound;
  std::optional<sctp::Stats> sctp;
};

}  // namespace kaon::peer
