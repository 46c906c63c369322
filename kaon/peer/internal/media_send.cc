// Packets on their way out: cut, queued, paced, given headers and encrypted into the caller's memory.

#include <algorithm>
#include <array>

#include "kaon/base/writer.h"
#include "kaon/peer/connection.h"
#include "kaon/peer/internal/media.h"
#include "kaon/trace/sink.h"

namespace kaon::peer::internal {
namespace {

// Fixed header and the largest extension block we write.
constexpr size_t kMaxHeader = 512;
// What RTX puts before a payload (RFC 4588 §4): packets must leave room for it.
constexpr size_t kRtxOverhead = 2;

// The original sequence number and the payload, where they will be encrypted.
ByteView place_rtx_payload(const rtp::Packet& packet, Bytes out) {
  Writer writer(out);
  writer.u16(packet.original_sequence->value());
  writer.bytes(packet.payload());
  return writer.written();
}

}  // namespace

SendStream* Media::find_sender(TransceiverId id) {
  return const_cast<SendStream*>(std::as_const(*this).find_sender(id));
}

const SendStream* Media::find_sender(TransceiverId id) const {
  const auto it = std::find_if(senders_.begin(), senders_.end(), [&](const auto& s) { return s->transceiver() == id; });
  return it == senders_.end() ? nullptr : it->get();
}

SendStream* Media::find_sender(rtp::Ssrc ssrc) {
  const auto it = std::find_if(senders_.begin(), senders_.end(),
                               [&](const auto& s) { return s->ssrc() == ssrc || s->rtx_ssrc() == ssrc; });
  return it == senders_.end() ? nullptr : it->get();
}

std::optional<packetizer::Codec> Media::send_codec(TransceiverId id) const {
  const SendStream* sender = find_sender(id);
  if (sender == nullptr || sender->codecs().empty()) return std::nullopt;
  return sender->codecs().front().codec;
}

Result<void, MediaError> Media::send_frame(TransceiverId id, packetizer::Codec codec, const OutgoingFrame& frame,
                                           Time now) {
  SendStream* sender = find_sender(id);
  if (sender == nullptr) return fail(MediaError::UnknownTransceiver);
  const SendCodec* format = sender->find(codec);
  if (format == nullptr) return fail(MediaError::NotNegotiated);
  if (pacer_.size() >= Connection::kMaxQueuedPackets) return fail(MediaError::QueueFull);
  // All packets of the stream carry the same extensions until the mid is no longer needed, so one measurement fits all.
  rtp::Packet sample;
  sample.header.ssrc = sender->ssrc();
  std::array<uint8_t, kMaxHeader> memory;
  const size_t header = write_header(sample, *sender, now, memory);
  packetizer::Limits limits;
  limits.max_payload = mtu_ - header - srtp_overhead_ - (format->rtx_payload_type ? kRtxOverhead : 0);
  const auto payloads = sender->packetize(*format, frame.data, limits);
  if (!payloads) return fail(payloads.error());
  for (size_t i = 0; i < payloads->size(); ++i) {
    const packetizer::Payload& payload = (*payloads)[i];
    Buffer buffer = pool_.allocate(payload.size());
    payload.write(buffer.bytes());
    rtp::Header fields = sender->next_header(*format, frame.timestamp);
    fields.marker = sender->is_audio() ? frame.marker : i + 1 == payloads->size();
    const DataSize size = DataSize::bytes(static_cast<int64_t>(header + payload.size() + srtp_overhead_));
    const auto priority = sender->is_audio() ? congestion::Priority::Audio : congestion::Priority::Video;
    pacer_.push(priority, rtp::Packet::from_payload(fields, SharedBuffer(std::move(buffer)), now), size);
  }
  if (next_report_ == kNever) next_report_ = now;
  return {};
}

Result<void, MediaError> Media::send_packet(TransceiverId id, packetizer::Codec codec, const rtp::Packet& packet,
                                            Time now) {
  SendStream* sender = find_sender(id);
  if (sender == nullptr) return fail(MediaError::UnknownTransceiver);
  const SendCodec* format = sender->find(codec);
  if (format == nullptr) return fail(MediaError::NotNegotiated);
  rtp::Packet ours = packet;
  sender->adopt(*format, ours);
  const auto priority = sender->is_audio() ? congestion::Priority::Audio : congestion::Priority::Video;
  const DataSize size = DataSize::bytes(static_cast<int64_t>(ours.wire_size() + srtp_overhead_));
  if (!pacer_.push(priority, std::move(ours), size)) return fail(MediaError::QueueFull);
  if (next_report_ == kNever) next_report_ = now;
  return {};
}

size_t Media::write_header(const rtp::Packet& packet, const SendStream& sender, Time now, Bytes out) {
  rtp::OutgoingHeader header{.header = packet.header, .extensions = packet.borrowed_extensions(), .has_padding = false};
  rtp::Extensions& extensions = header.extensions;
  extensions.mid = sender.announces_mid() ? std::string_view(sender.mid()) : std::string_view();
  extensions.rid = {};
  extensions.repaired_rid = {};
  extensions.abs_send_time = rtp::AbsSendTime::from(now);
  extensions.transport_sequence = sequencer_.next();
  return rtp::write_header(header, send_extensions_, out);
}

std::optional<Media::Run> Media::poll_transmit(Bytes out, srtp::Sender& srtp, Time now) {
  if (auto run = transmit_rtcp(out, srtp, now)) return run;
  return transmit_packets(out, srtp, now);
}

// Packets of equal size and DSCP to one address leave in one system call; a smaller one ends the run.
std::optional<Media::Run> Media::transmit_packets(Bytes out, srtp::Sender& srtp, Time now) {
  Run run;
  std::array<uint8_t, kMaxHeader> header;
  while (run.packets < Connection::kMaxSegments) {
    const rtp::Packet* packet = pacer_.front(now);
    if (packet == nullptr) break;
    SendStream* sender = find_sender(packet->header.ssrc);
    if (sender == nullptr || sender->codecs().empty()) {
      pacer_.pop(now);
      continue;
    }
    const uint8_t dscp = !dscp_ ? uint8_t{0} : sender->is_audio() ? dscp_->audio : dscp_->video;
    if (run.packets > 0 && dscp != run.dscp) break;
    run.dscp = dscp;
    const size_t header_size = write_header(*packet, *sender, now, header);
    const size_t original = packet->original_sequence ? kRtxOverhead : 0;
    const size_t size = srtp.protected_size(Bytes(header).first(header_size), original + packet->payload_slice.size);
    if (run.packets > 0 && (size > run.segment_size || run.size + size > out.size())) break;
    const Bytes slot = out.subspan(run.size);
    ByteView payload = packet->payload();
    if (packet->original_sequence) payload = place_rtx_payload(*packet, slot.subspan(header_size));
    if (env_.trace != nullptr) {
      const ByteView head = Bytes(header).first(header_size);
      env_.trace->packet({trace::Layer::Rtp, trace::Direction::Out, now, {}, {}, {}, head, payload});
    }
    const auto written = srtp.protect_rtp(Bytes(header).first(header_size), payload, slot);
    if (!written) {
      drops_.add(DropReason::BadSrtp);
      pacer_.pop(now);
      continue;
    }
    if (send_extensions_.has(rtp::ExtensionKind::TransportSequence))
      sequencer_.on_sent(DataSize::bytes(static_cast<int64_t>(*written)), now);
    if (packet->header.ssrc == sender->ssrc()) sender->on_sent(*packet, now);
    pacer_.pop(now);
    if (run.packets == 0) run.segment_size = *written;
    run.size += *written;
    ++run.packets;
    if (*written < run.segment_size) break;
  }
  if (run.packets == 0) return std::nullopt;
  last_sent_ = now;
  if (run.packets == 1) run.segment_size = 0;
  return run;
}

}  // namespace kaon::peer::internal
