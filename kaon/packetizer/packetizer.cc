#include "kaon/packetizer/packetizer.h"

#include "kaon/packetizer/internal/split.h"

namespace kaon::packetizer {

Packetizer::Packetizer(const Options& options) : codec_(options.codec) {
  switch (options.codec) {
    case Codec::Vp8: state_.emplace<Vp8Packetizer>(options.vp8); break;
    case Codec::Vp9: state_.emplace<Vp9Packetizer>(options.vp9); break;
    case Codec::Av1: state_.emplace<Av1Packetizer>(); break;
    case Codec::H264:
    case Codec::H265: state_.emplace<NalPacketizer>(options.codec, options.h264_packetization_mode); break;
    case Codec::Opus:
    case Codec::Pcmu:
    case Codec::Pcma:
    case Codec::G722: break;
  }
}

Result<std::span<const Payload>, PacketizeError> Packetizer::packetize(ByteView frame, const Limits& limits,
                                                                       const LayerInfo& layers) {
  if (frame.empty()) return fail(PacketizeError::EmptyFrame);
  list_.clear();
  Result<void, PacketizeError> done;
  if (auto* vp8 = std::get_if<Vp8Packetizer>(&state_)) {
    done = vp8->packetize(frame, limits, layers, list_);
  } else if (auto* vp9 = std::get_if<Vp9Packetizer>(&state_)) {
    done = vp9->packetize(frame, limits, layers, list_);
  } else if (auto* av1 = std::get_if<Av1Packetizer>(&state_)) {
    done = av1->packetize(frame, limits, list_);
  } else if (auto* nal = std::get_if<NalPacketizer>(&state_)) {
    done = nal->packetize(frame, limits, list_);
  } else {
    // RFC 7587 §4.2, RFC 3551 §4.2: one audio packet is one payload.
    if (!internal::limits_fit(limits)) return fail(PacketizeError::LimitsTooSmall);
    if (frame.size() > limits.max_payload - limits.first_reduction - limits.last_reduction) {
      return fail(PacketizeError::TooLarge);
    }
    list_.add_piece(frame);
    list_.end_payload();
  }
  if (!done) return fail(done.error());
  return list_.seal();
}

}  // namespace kaon::packetizer
