#include "kaon/router/forwarder.h"

#include <algorithm>

namespace kaon::router {

namespace {

// RTP timestamps need a step between two sources even if both packets arrive at once.
constexpr Duration kSmallestGap = std::chrono::milliseconds(1);

}  // namespace

void Forwarder::begin_source(const rtp::Packet& packet, Layer layer, Time now) {
  source_ = packet.header.ssrc;
  current_ = layer;
  unwrapper_.reset();
  first_ = unwrapper_.unwrap(packet.header.sequence.value());
  sequence_offset_ = next_sequence_ - first_;
  uint32_t step = 0;
  if (sent_) {
    const Duration gap = std::max(now - last_time_, kSmallestGap);
    step = static_cast<uint32_t>(std::chrono::duration<double>(gap).count() * clock_rate_);
  }
  timestamp_offset_ = last_timestamp_.value() + step - packet.header.timestamp.value();
}

std::optional<Rewritten> Forwarder::forward(const rtp::Packet& packet, Layer layer,
                                            const std::optional<packetizer::PayloadInfo>& info, Time now) {
  const bool starts = !video_ || (info && info->keyframe);
  const bool same_source = source_ && *source_ == packet.header.ssrc && current_ == layer;
  if (!same_source) {
    if (layer != target_ || packet.payload().empty() || !starts) return std::nullopt;
    begin_source(packet, layer, now);
  }
  const int64_t source_number = unwrapper_.unwrap(packet.header.sequence.value());
  // What was sent before the key frame is no use, and its number belongs to an earlier source.
  if (source_number < first_) return std::nullopt;
  const int64_t number = source_number + sequence_offset_;
  const rtp::Timestamp timestamp(packet.header.timestamp.value() + timestamp_offset_);
  if (number >= next_sequence_) {
    next_sequence_ = number + 1;
    last_timestamp_ = timestamp;
    last_time_ = now;
    sent_ = true;
  }
  return Rewritten{rtp::SequenceNumber(static_cast<uint16_t>(number)), timestamp};
}

}  // namespace kaon::router
