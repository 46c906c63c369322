// One stream that we send (SSRC, and another for its retransmissions).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kaon/interceptor/nack_responder.h"
#include "kaon/interceptor/send_history.h"
#include "kaon/interceptor/sender_statistics.h"
#include "kaon/packetizer/packetizer.h"
#include "kaon/peer/connection_types.h"
#include "kaon/peer/stats.h"

namespace kaon::peer::internal {

/// A payload type of a section as the sender needs it.
struct SendCodec {
  packetizer::Codec codec{};
  uint8_t payload_type = 0;
  std::optional<uint8_t> rtx_payload_type;
  bool nack = false;
  int h264_packetization_mode = 1;
};

class SendStream {
 public:
  SendStream(TransceiverId transceiver, const SendEncoding& encoding, sdp::MediaKind kind, Random& random);

  /// What the peer takes now; no codecs when it does not want to receive.
  void negotiate(std::string mid, std::vector<SendCodec> codecs);
  const SendCodec* find(packetizer::Codec codec) const;
  const std::vector<SendCodec>& codecs() const { return codecs_; }

  TransceiverId transceiver() const { return transceiver_; }
  rtp::Ssrc ssrc() const { return ssrc_; }
  rtp::Ssrc rtx_ssrc() const { return rtx_ssrc_; }
  bool is_audio() const { return kind_ == sdp::MediaKind::Audio; }
  const std::string& mid() const { return mid_; }
  /// Until the first report the peer may not know the SSRC: packets carry the mid (RFC 9143 §9.2).
  bool announces_mid() const { return !confirmed_; }

  /// Cuts a frame into payloads; valid until the next call and as long as `frame`.
  Result<std::span<const packetizer::Payload>, MediaError> packetize(const SendCodec& codec, ByteView frame,
                                                                     const packetizer::Limits& limits);
  /// The header of the next packet of our own; `timestamp` without the random offset.
  rtp::Header next_header(const SendCodec& codec, uint32_t timestamp);
  /// Makes a forwarded packet ours: SSRC and payload type; sequence number and timestamp stay.
  void adopt(const SendCodec& codec, rtp::Packet& packet) const;

  /// A packet of the stream (not of its RTX) has left.
  void on_sent(const rtp::Packet& packet, Time now);
  /// Calls send(rtp::Packet) for each packet to send again.
  template <class Send>
  void on_nack(const rtcp::Nack& nack, Time now, Send send) {
    ++statistics_.stats().nack_count;
    if (responder_) responder_->on_nack(nack, history_, now, send);
  }
  void on_report(const rtcp::ReportBlock& block, NtpTime now);
  /// A key frame request arrived; true if it is to be passed on (not too soon after another).
  bool on_keyframe_request(Time now);
  std::optional<rtcp::SenderReport> make_report(Time now, NtpTime ntp) const {
    return statistics_.make_report(now, ntp);
  }
  void set_round_trip(Duration rtt);
  OutboundStats stats() const;

 private:
  TransceiverId transceiver_;
  sdp::MediaKind kind_;
  rtp::Ssrc ssrc_;
  rtp::Ssrc rtx_ssrc_;
  std::string mid_;
  std::vector<SendCodec> codecs_;
  std::optional<packetizer::Packetizer> packetizer_;
  rtp::SequenceNumber next_sequence_;
  rtp::SequenceNumber first_rtx_sequence_;
  uint32_t timestamp_offset_;
  interceptor::SendHistory history_;
  std::optional<interceptor::NackResponder> responder_;
  interceptor::SenderStatistics statistics_;
  bool confirmed_ = false;
  uint64_t frames_ = 0;
  Time last_keyframe_request_{};
};

}  // namespace kaon::peer::internal
