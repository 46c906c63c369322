#include "kaon/peer/internal/receive_stream.h"

#include <algorithm>

namespace kaon::peer::internal {
namespace {

// How long a gap may hold up the frames behind it while nothing is known of the round trip.
constexpr Duration kFirstWait = std::chrono::milliseconds(150);
constexpr Duration kLongestWait = std::chrono::milliseconds(1000);

interceptor::FrameAssembler::Mode mode_of(packetizer::Codec codec) {
  return packetizer::is_video(codec) ? interceptor::FrameAssembler::Mode::Video
                                     : interceptor::FrameAssembler::Mode::Audio;
}

}  // namespace

const ReceiveCodec* ReceiveSection::find(uint8_t payload_type) const {
  const auto it =
      std::find_if(codecs.begin(), codecs.end(), [&](const auto& c) { return c.payload_type == payload_type; });
  return it == codecs.end() ? nullptr : &*it;
}

const ReceiveCodec* ReceiveSection::find_rtx(uint8_t payload_type) const {
  const auto it =
      std::find_if(codecs.begin(), codecs.end(), [&](const auto& c) { return c.rtx_payload_type == payload_type; });
  return it == codecs.end() ? nullptr : &*it;
}

ReceiveStream::ReceiveStream(rtp::Ssrc ssrc, const ReceiveSection& section, uint8_t layer, const ReceiveCodec& codec,
                             Delivery delivery)
    : transceiver_(section.transceiver),
      layer_(layer),
      codec_(codec),
      delivery_(delivery),
      statistics_(ssrc, packetizer::clock_rate(codec.codec)) {
  set_delivery(delivery);
}

void ReceiveStream::change_codec(const ReceiveCodec& codec) {
  codec_ = codec;
  set_delivery(delivery_);
}

void ReceiveStream::set_delivery(Delivery delivery) {
  delivery_ = delivery;
  decodable_ = false;
  assembler_.reset();
  if (delivery != Delivery::Frames) return;
  assembler_.emplace(mode_of(codec_.codec), kFirstWait);
  depacketizer_.emplace(codec_.codec);
}

bool ReceiveStream::accept(rtp::Packet& packet, Time now) {
  active_ = true;
  last_packet_ = now;
  if (packet.recovered) {
    statistics_.on_retransmission(packet);
    sequence_ = statistics_.unwrap(packet.header.sequence);
  } else {
    const auto sequence = statistics_.on_packet(packet);
    if (!sequence) return false;
    sequence_ = *sequence;
  }
  if (codec_.nack) nacks_.on_packet(sequence_, now);
  if (packetizer::is_video(codec_.codec)) {
    if (const auto info = packetizer::inspect(codec_.codec, packet.payload())) {
      packet.frame.start_of_frame = info->starts_frame;
      packet.frame.end_of_frame = info->ends_frame || packet.header.marker;
      packet.frame.keyframe = info->keyframe;
      packet.frame.spatial_layer = info->spatial_id;
      packet.frame.temporal_layer = info->temporal_id;
      if (info->keyframe) keyframes_.on_keyframe();
      if (info->resolution) resolution_ = *info->resolution;
    }
  } else {
    packet.frame.start_of_frame = packet.frame.end_of_frame = packet.frame.keyframe = true;
  }
  if (packet.header.marker && !assembler_) ++frames_;
  return true;
}

void ReceiveStream::assemble(rtp::Packet&& packet) {
  if (assembler_) assembler_->push(sequence_, std::move(packet));
}

std::optional<MediaFrame> ReceiveStream::poll_frame(Time now) {
  if (!assembler_) return std::nullopt;
  while (const auto assembled = assembler_->poll(now)) {
    nacks_.forget_before(assembler_->next_sequence());
    payloads_.clear();
    for (const rtp::Packet& packet : assembled->packets) {
      payloads_.push_back({packet.header.sequence.value(), packet.header.marker, packet.payload()});
    }
    const auto frame = depacketizer_->assemble(payloads_);
    if (assembled->after_loss) decodable_ = false;
    if (!frame) {
      // Padding only is no loss.
      if (frame.error() != packetizer::DepacketizeError::Empty) decodable_ = false;
      continue;
    }
    const bool keyframe = frame->info.keyframe;
    if (keyframe) decodable_ = true;
    if (!decodable_) {
      keyframes_.request(now);
      continue;
    }
    ++frames_;
    if (keyframe && packetizer::is_video(codec_.codec)) ++key_frames_;
    return MediaFrame{.transceiver = transceiver_,
                      .layer = layer_,
                      .codec = codec_.codec,
                      .data = frame->data,
                      .info = frame->info,
                      .timestamp = timestamps_.unwrap(assembled->timestamp.value()),
                      .after_loss = assembled->after_loss};
  }
  if (assembler_->take_frame_lost() && packetizer::is_video(codec_.codec)) {
    decodable_ = false;
    keyframes_.request(now);
  }
  return std::nullopt;
}

void ReceiveStream::set_round_trip(Duration rtt) {
  nacks_.set_round_trip(rtt);
  keyframes_.set_round_trip(rtt);
  // Two retransmissions and some patience.
  if (assembler_)
    assembler_->set_max_wait(
        std::clamp<Duration>(rtt * 5 / 2 + std::chrono::milliseconds(50), kFirstWait, kLongestWait));
}

void ReceiveStream::handle_timeout(Time now) {
  if (nacks_.take_given_up() && packetizer::is_video(codec_.codec)) keyframes_.request(now);
}

Time ReceiveStream::next_timeout() const {
  Time next = keyframes_.next_timeout();
  if (codec_.nack) next = std::min(next, nacks_.next_timeout());
  if (assembler_) next = std::min(next, assembler_->next_timeout());
  return next;
}

InboundStats ReceiveStream::stats() const {
  const interceptor::InboundStats& from = statistics_.stats();
  InboundStats stats;
  stats.transceiver = transceiver_;
  stats.ssrc = statistics_.ssrc().value();
  stats.codec = codec_.codec;
  stats.packets_received = from.packets_received;
  stats.bytes_received = from.bytes_received;
  stats.packets_lost = from.packets_lost;
  stats.retransmitted_packets_received = from.retransmitted_packets_received;
  stats.frames_received = frames_;
  stats.key_frames = key_frames_;
  stats.jitter = Duration(static_cast<int64_t>(from.jitter * 1e9));
  stats.nack_count = from.nack_count;
  stats.pli_count = from.pli_count;
  stats.resolution = resolution_;
  return stats;
}

}  // namespace kaon::peer::internal
