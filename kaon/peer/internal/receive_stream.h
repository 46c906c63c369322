// One received media stream (SSRC) with all that follows from its packets: reports, NACKs, key frame requests, frames.
#pragma once

#include <optional>
#include <vector>

#include "kaon/interceptor/frame_assembler.h"
#include "kaon/interceptor/keyframe_requester.h"
#include "kaon/interceptor/nack_generator.h"
#include "kaon/interceptor/receive_statistics.h"
#include "kaon/packetizer/depacketizer.h"
#include "kaon/peer/connection_types.h"
#include "kaon/peer/stats.h"

namespace kaon::peer::internal {

/// A payload type of a section as the receiver needs it.
struct ReceiveCodec {
  packetizer::Codec codec{};
  uint8_t payload_type = 0;
  std::optional<uint8_t> rtx_payload_type;
  bool nack = false;
  bool pli = false;
  bool fir = false;
};

/// How an incoming stream is described: what its section agreed on.
struct ReceiveSection {
  std::string mid;
  TransceiverId transceiver;
  sdp::MediaKind kind{};
  bool receives = false;
  std::vector<ReceiveCodec> codecs;
  std::vector<RemoteStream> streams;
  std::vector<std::string> rids;

  const ReceiveCodec* find(uint8_t payload_type) const;
  const ReceiveCodec* find_rtx(uint8_t payload_type) const;
};

class ReceiveStream {
 public:
  ReceiveStream(rtp::Ssrc ssrc, const ReceiveSection& section, uint8_t layer, const ReceiveCodec& codec,
                Delivery delivery);

  rtp::Ssrc ssrc() const { return statistics_.ssrc(); }
  TransceiverId transceiver() const { return transceiver_; }
  uint8_t layer() const { return layer_; }
  packetizer::Codec codec() const { return codec_.codec; }
  const ReceiveCodec& format() const { return codec_; }
  /// The peer changed to another payload type of the section.
  void change_codec(const ReceiveCodec& codec);
  void set_delivery(Delivery delivery);

  /// A packet from the wire, or one restored from RTX (packet.recovered). False if it is to be dropped.
  bool accept(rtp::Packet& packet, Time now);
  /// True with Delivery::Frames.
  bool assembles() const { return assembler_.has_value(); }
  /// The packet on its way into a frame; only if assembles().
  void assemble(rtp::Packet&& packet);
  /// The next whole frame; its data is valid until the next call.
  std::optional<MediaFrame> poll_frame(Time now);

  void request_keyframe(Time now) { keyframes_.request(now); }
  void set_round_trip(Duration rtt);
  void handle_timeout(Time now);
  Time next_timeout() const;

  interceptor::ReceiveStatistics& statistics() { return statistics_; }
  interceptor::NackGenerator& nacks() { return nacks_; }
  interceptor::KeyframeRequester& keyframes() { return keyframes_; }
  Time last_packet() const { return last_packet_; }
  /// Packets came since the last report block was made.
  bool take_active() { return std::exchange(active_, false); }
  uint8_t next_fir_sequence() { return fir_sequence_++; }
  InboundStats stats() const;

 private:
  TransceiverId transceiver_;
  uint8_t layer_;
  ReceiveCodec codec_;
  Delivery delivery_;
  interceptor::ReceiveStatistics statistics_;
  interceptor::NackGenerator nacks_;
  interceptor::KeyframeRequester keyframes_;
  std::optional<interceptor::FrameAssembler> assembler_;
  std::optional<packetizer::Depacketizer> depacketizer_;
  std::vector<packetizer::ReceivedPayload> payloads_;
  int64_t sequence_ = 0;  // of the packet accepted last, unwrapped
  Unwrapper<uint32_t> timestamps_;
  uint64_t frames_ = 0;
  uint64_t key_frames_ = 0;
  packetizer::Resolution resolution_;
  bool decodable_ = false;  // a key frame came and nothing was lost since
  bool active_ = false;
  Time last_packet_{};
  uint8_t fir_sequence_ = 0;
};

}  // namespace kaon::peer::internal
