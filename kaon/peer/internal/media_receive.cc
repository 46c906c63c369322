// Received packets: which stream they belong to, and what becomes of them.

#include <algorithm>

#include "kaon/interceptor/rtx.h"
#include "kaon/peer/connection.h"
#include "kaon/peer/internal/media.h"
#include "kaon/trace/sink.h"

namespace kaon::peer::internal {
DropReason reason_of(srtp::UnprotectError error, DropReason malformed) {
  switch (error) {
    case srtp::UnprotectError::Replayed:
    case srtp::UnprotectError::TooOld: return DropReason::ReplayedSrtp;
    case srtp::UnprotectError::Malformed: return malformed;
    default: return DropReason::BadSrtp;
  }
}

bool Media::handle_rtp(ByteView packet, srtp::Receiver& srtp, Time now) {
  // Out of place: the bytes outlive the call, and the socket's memory does not.
  Buffer buffer = pool_.allocate(packet.size());
  const auto size = srtp.unprotect_rtp(packet, buffer.bytes());
  if (!size) return drops_.add(reason_of(size.error(), DropReason::MalformedRtp)), false;
  buffer.resize(*size);
  if (env_.trace != nullptr) {
    env_.trace->packet(
        {.layer = trace::Layer::Rtp, .direction = trace::Direction::In, .time = now, .bytes = buffer.bytes()});
  }
  auto parsed = rtp::Packet::parse(SharedBuffer(std::move(buffer)), receive_extensions_, now);
  if (parsed) {
    handle_plain_rtp(std::move(*parsed), now);
  } else {
    drops_.add(DropReason::MalformedRtp);
  }
  return true;
}

void Media::handle_plain_rtp(rtp::Packet&& packet, Time now) {
  if (sends_feedback_ && packet.extensions.transport_sequence) {
    feedback_.on_packet(*packet.extensions.transport_sequence, packet.header.ssrc, now);
  }
  if (ReceiveStream* stream = find_stream(packet.header.ssrc)) return deliver(*stream, std::move(packet), now);
  if (ReceiveStream* media = bind_rtx(packet)) {
    auto restored = interceptor::restore_from_rtx(std::move(packet), media->ssrc(), media->format().payload_type);
    if (restored) deliver(*media, std::move(*restored), now);
    return;
  }
  if (ReceiveStream* stream = bind_stream(packet, now)) deliver(*stream, std::move(packet), now);
}

void Media::deliver(ReceiveStream& stream, rtp::Packet&& packet, Time now) {
  if (!packet.recovered && packet.header.payload_type != stream.format().payload_type) {
    const ReceiveSection* section = section_of(stream.transceiver());
    const ReceiveCodec* codec = section == nullptr ? nullptr : section->find(packet.header.payload_type);
    if (codec == nullptr) return drops_.add(DropReason::UnknownPayloadType);
    stream.change_codec(*codec);
  }
  if (!stream.accept(packet, now)) return;
  if (next_report_ == kNever) next_report_ = now;
  if (stream.assembles()) return stream.assemble(std::move(packet));
  if (received_.size() == Connection::kMaxReceivedPackets) return drops_.add(DropReason::QueueFull);
  received_.push_back({stream.transceiver(), stream.layer(), stream.codec(), std::move(packet)});
}

ReceiveStream* Media::find_stream(rtp::Ssrc ssrc) {
  if (last_stream_ != nullptr && last_stream_->ssrc() == ssrc) return last_stream_;
  const auto it = std::find_if(streams_.begin(), streams_.end(), [&](const auto& s) { return s->ssrc() == ssrc; });
  if (it == streams_.end()) return nullptr;
  return last_stream_ = it->get();
}

const ReceiveSection* Media::section_of(TransceiverId id) const {
  const auto it = std::find_if(sections_.begin(), sections_.end(), [&](const auto& s) { return s.transceiver == id; });
  return it == sections_.end() ? nullptr : &*it;
}

// RFC 9143 §9.2: by the mid of the packet, else by the SSRC of the description, else by a payload type only one section
// has.
const ReceiveSection* Media::section_of(const rtp::Packet& packet) const {
  const ReceiveSection* by_type = nullptr;
  bool ambiguous = false;
  for (const ReceiveSection& section : sections_) {
    if (!section.receives) continue;
    if (!packet.mid.empty()) {
      if (packet.mid == section.mid) return &section;
      continue;
    }
    const bool signalled = std::any_of(section.streams.begin(), section.streams.end(), [&](const RemoteStream& s) {
      return s.ssrc == packet.header.ssrc.value() || s.rtx_ssrc == packet.header.ssrc.value();
    });
    if (signalled) return &section;
    if (section.find(packet.header.payload_type) == nullptr && section.find_rtx(packet.header.payload_type) == nullptr)
      continue;
    ambiguous = by_type != nullptr;
    by_type = &section;
  }
  return ambiguous ? nullptr : by_type;
}

void Media::bind(rtp::Ssrc rtx, rtp::Ssrc media) {
  const auto it = std::find_if(rtx_.begin(), rtx_.end(), [&](const RtxBinding& b) { return b.rtx == rtx; });
  if (it != rtx_.end()) {
    it->media = media;
  } else if (rtx_.size() < kMaxReceiveStreams) {
    rtx_.push_back({rtx, media});
  }
}

// The media stream that a RTX packet repairs: bound before, or found by mid, payload type and repaired rid.
ReceiveStream* Media::bind_rtx(const rtp::Packet& packet) {
  const auto bound =
      std::find_if(rtx_.begin(), rtx_.end(), [&](const RtxBinding& b) { return b.rtx == packet.header.ssrc; });
  if (bound != rtx_.end()) return find_stream(bound->media);
  const ReceiveSection* section = section_of(packet);
  if (section == nullptr || section->find_rtx(packet.header.payload_type) == nullptr) return nullptr;
  for (const auto& stream : streams_) {
    if (stream->transceiver() != section->transceiver) continue;
    const bool same_layer = section->rids.empty() || (stream->layer() < section->rids.size() &&
                                                      packet.repaired_rid == section->rids[stream->layer()]);
    if (!same_layer) continue;
    bind(packet.header.ssrc, stream->ssrc());
    return stream.get();
  }
  return nullptr;
}

ReceiveStream* Media::bind_stream(const rtp::Packet& packet, Time now) {
  const ReceiveSection* section = section_of(packet);
  if (section == nullptr) return drops_.add(DropReason::UnknownStream), nullptr;
  // A retransmission or probe of a stream that has not been seen yet.
  if (section->find_rtx(packet.header.payload_type) != nullptr) return drops_.add(DropReason::UnknownStream), nullptr;
  return make_stream(packet.header.ssrc, *section, packet, now);
}

// A peer may take a new SSRC again and again, as with each new source of its picture, and goes on being seen.
bool Media::forget_silent_stream(Time now) {
  const auto silent = std::ranges::min_element(streams_, {}, [](const auto& stream) { return stream->last_packet(); });
  if (now - (*silent)->last_packet() < kStreamSilence) return false;
  std::erase_if(rtx_, [&](const RtxBinding& binding) { return binding.media == (*silent)->ssrc(); });
  last_stream_ = nullptr;
  streams_.erase(silent);
  return true;
}

ReceiveStream* Media::make_stream(rtp::Ssrc ssrc, const ReceiveSection& section, const rtp::Packet& packet, Time now) {
  const ReceiveCodec* codec = section.find(packet.header.payload_type);
  if (codec == nullptr) return drops_.add(DropReason::UnknownPayloadType), nullptr;
  uint8_t layer = 0;
  if (!section.rids.empty()) {
    const auto rid = std::find(section.rids.begin(), section.rids.end(), packet.rid.view());
    if (rid == section.rids.end()) return drops_.add(DropReason::UnknownStream), nullptr;
    layer = static_cast<uint8_t>(rid - section.rids.begin());
  }
  if (streams_.size() == kMaxReceiveStreams && !forget_silent_stream(now)) {
    return drops_.add(DropReason::TooManyStreams), nullptr;
  }
  streams_.push_back(std::make_unique<ReceiveStream>(ssrc, section, layer, *codec, delivery_of(section.transceiver)));
  streams_.back()->set_round_trip(round_trip_);
  if (events_.size() < kMaxMediaEvents) events_.push_back(StreamAdded{ssrc});
  return last_stream_ = streams_.back().get();
}

Delivery Media::delivery_of(TransceiverId id) const {
  const bool other = std::find(exceptions_.begin(), exceptions_.end(), id) != exceptions_.end();
  return other == (delivery_ == Delivery::Frames) ? Delivery::Packets : Delivery::Frames;
}

void Media::set_delivery(TransceiverId id, Delivery delivery) {
  if (delivery == delivery_of(id)) return;
  if (delivery == delivery_) {
    std::erase(exceptions_, id);
  } else {
    exceptions_.push_back(id);
  }
  for (const auto& stream : streams_) {
    if (stream->transceiver() == id) stream->set_delivery(delivery);
  }
}

std::optional<MediaPacket> Media::poll_media() {
  if (received_.empty()) return std::nullopt;
  return received_.pop_front();
}

std::optional<MediaFrame> Media::poll_frame(Time now) {
  for (const auto& stream : streams_) {
    if (auto frame = stream->poll_frame(now)) return frame;
  }
  return std::nullopt;
}

void Media::request_keyframe(TransceiverId id, Time now) {
  for (const auto& stream : streams_) {
    if (stream->transceiver() == id) stream->request_keyframe(now);
  }
}

}  // namespace kaon::peer::internal
