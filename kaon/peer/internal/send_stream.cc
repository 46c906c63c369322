#include "kaon/peer/internal/send_stream.h"

#include <algorithm>

namespace kaon::peer::internal {
namespace {

// A peer that asks more often than this hears the same key frame.
constexpr Duration kKeyframeRequestInterval = std::chrono::milliseconds(100);

packetizer::Options options_for(const SendCodec& codec) {
  packetizer::Options options;
  options.codec = codec.codec;
  options.h264_packetization_mode = codec.h264_packetization_mode;
  return options;
}

}  // namespace

SendStream::SendStream(TransceiverId transceiver, const SendEncoding& encoding, sdp::MediaKind kind, Random& random)
    : transceiver_(transceiver),
      kind_(kind),
      ssrc_(encoding.ssrc),
      rtx_ssrc_(encoding.rtx_ssrc),
      // In the lower half, so that an early wrap does not meet a receiver that has no roll-over count yet.
      next_sequence_(static_cast<uint16_t>(random.below(0x8000))),
      first_rtx_sequence_(static_cast<uint16_t>(random.below(0x8000))),
      timestamp_offset_(random.u32()),
      statistics_(ssrc_, kind == sdp::MediaKind::Audio ? 48000 : 90000) {}

void SendStream::negotiate(std::string mid, std::vector<SendCodec> codecs) {
  mid_ = std::move(mid);
  if (!codecs.empty() && (codecs_.empty() || codecs.front().rtx_payload_type != codecs_.front().rtx_payload_type)) {
    const SendCodec& first = codecs.front();
    responder_.reset();
    // Without RTX nothing is sent again: a repeated packet would have to be the same to the last bit (SRTP).
    if (first.nack && first.rtx_payload_type && rtx_ssrc_.value() != 0) {
      responder_.emplace(interceptor::RtxStream{rtx_ssrc_, *first.rtx_payload_type}, first_rtx_sequence_);
    }
  }
  codecs_ = std::move(codecs);
}

const SendCodec* SendStream::find(packetizer::Codec codec) const {
  const auto it = std::find_if(codecs_.begin(), codecs_.end(), [&](const SendCodec& c) { return c.codec == codec; });
  return it == codecs_.end() ? nullptr : &*it;
}

Result<std::span<const packetizer::Payload>, MediaError> SendStream::packetize(const SendCodec& codec, ByteView frame,
                                                                               const packetizer::Limits& limits) {
  if (!packetizer_ || packetizer_->codec() != codec.codec) packetizer_.emplace(options_for(codec));
  const auto payloads = packetizer_->packetize(frame, limits);
  if (!payloads) return fail(MediaError::Malformed);
  return *payloads;
}

rtp::Header SendStream::next_header(const SendCodec& codec, uint32_t timestamp) {
  rtp::Header header;
  header.payload_type = codec.payload_type;
  header.sequence = next_sequence_;
  header.timestamp = rtp::Timestamp(timestamp + timestamp_offset_);
  header.ssrc = ssrc_;
  ++next_sequence_;
  return header;
}

void SendStream::adopt(const SendCodec& codec, rtp::Packet& packet) const {
  packet.header.ssrc = ssrc_;
  packet.header.payload_type = codec.payload_type;
  packet.header.csrcs = {};
  packet.padding_size = 0;
}

void SendStream::on_sent(const rtp::Packet& packet, Time now) {
  statistics_.on_sent(packet, now);
  if (packet.header.marker || is_audio()) ++frames_;
  if (responder_) history_.push(packet, now);
}

void SendStream::on_report(const rtcp::ReportBlock& block, NtpTime now) {
  confirmed_ = true;
  statistics_.on_report_block(block, now);
}

bool SendStream::on_keyframe_request(Time now) {
  ++statistics_.stats().pli_count;
  if (last_keyframe_request_ != Time{} && now - last_keyframe_request_ < kKeyframeRequestInterval) return false;
  last_keyframe_request_ = now;
  return true;
}

void SendStream::set_round_trip(Duration rtt) {
  if (responder_) responder_->set_round_trip(rtt);
}

OutboundStats SendStream::stats() const {
  const interceptor::OutboundStats& sent = statistics_.stats();
  const interceptor::RemoteInboundStats& remote = statistics_.remote();
  OutboundStats stats;
  stats.transceiver = transceiver_;
  stats.ssrc = ssrc_.value();
  stats.packets_sent = sent.packets_sent;
  stats.bytes_sent = sent.bytes_sent;
  stats.retransmitted_packets_sent = responder_ ? responder_->packets_sent() : 0;
  stats.frames_sent = frames_;
  stats.nack_count = sent.nack_count;
  stats.pli_count = sent.pli_count;
  stats.remote_packets_lost = remote.packets_lost;
  stats.remote_fraction_lost = remote.fraction_lost;
  stats.remote_jitter = Duration(static_cast<int64_t>(remote.jitter * 1e9));
  stats.remote_round_trip_time = remote.round_trip_time;
  return stats;
}

}  // namespace kaon::peer::internal
