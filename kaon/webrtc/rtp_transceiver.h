// RTCRtpTransceiver with its sender and receiver, for encoded frames.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kaon/base/function.h"
#include "kaon/base/result.h"
#include "kaon/packetizer/codec.h"
#include "kaon/peer/connection_types.h"

namespace kaon::webrtc {

namespace internal {
class Core;
}

using packetizer::Codec;
using peer::MediaError;
using peer::NegotiationError;
using sdp::Direction;
using sdp::MediaKind;

/// A frame to be sent: what Packetizer::packetize() takes.
struct EncodedFrame {
  ByteView data;
  /// In units of the codec's RTP clock; a random offset is added.
  uint32_t timestamp = 0;
  /// Of audio: the first after a silence.
  bool marker = false;
};

/// A received frame, in decoding order. The bytes are valid for the call.
struct ReceivedFrame {
  Codec codec{};
  ByteView data;
  bool keyframe = false;
  /// Of key frames, where the bitstream gives it cheaply.
  std::optional<packetizer::Resolution> resolution;
  /// In units of the codec's RTP clock, not wrapped.
  int64_t timestamp = 0;
  /// Frames are missing before this one.
  bool after_loss = false;
  /// Simulcast layer; 0 without.
  uint8_t layer = 0;
};

/// All optional; called on the loop, never inside a call of the library.
struct TransceiverHandlers {
  Function<void(const ReceivedFrame&)> on_frame = {};
  /// The receiver of what we send cannot go on without a key frame.
  Function<void()> on_keyframe_request = {};
  /// The peer stopped sending here, by negotiation. It may begin again: PeerConnectionHandlers::on_track.
  Function<void()> on_ended = {};
};

/// One m= section's worth of sending and receiving; lives as long as its connection, and its methods are harmless
/// afterwards. The loop's thread only. Source: W3C webrtc §5.4.
class RtpTransceiver {
 public:
  /// RTCRtpSender.
  class Sender {
   public:
    /// The codec that frames must have: the first that the peer takes. Nothing before negotiation.
    std::optional<Codec> codec() const;
    /// Packetizes and queues a frame of codec(). It leaves paced.
    [[nodiscard]] Result<void, MediaError> send_frame(const EncodedFrame& frame);
    [[nodiscard]] Result<void, MediaError> send_frame(Codec codec, const EncodedFrame& frame);

   private:
    friend class RtpTransceiver;
    explicit Sender(RtpTransceiver& owner) : owner_(owner) {}
    RtpTransceiver& owner_;
  };

  /// RTCRtpReceiver; frames come to TransceiverHandlers::on_frame.
  class Receiver {
   public:
    /// Asks the peer, and again with back-off, until a key frame comes.
    void request_keyframe();

   private:
    friend class RtpTransceiver;
    explicit Receiver(RtpTransceiver& owner) : owner_(owner) {}
    RtpTransceiver& owner_;
  };

  RtpTransceiver(const RtpTransceiver&) = delete;
  RtpTransceiver& operator=(const RtpTransceiver&) = delete;

  MediaKind kind() const { return kind_; }
  /// Empty before the section has one.
  std::string mid() const;
  Direction direction() const;
  /// As negotiated last; nothing before.
  std::optional<Direction> current_direction() const;
  [[nodiscard]] Result<void, NegotiationError> set_direction(Direction direction);
  /// In order of preference; empty for the defaults. Takes effect with the next negotiation.
  [[nodiscard]] Result<void, NegotiationError> set_codec_preferences(std::vector<peer::Codec> codecs);
  [[nodiscard]] Result<void, NegotiationError> stop();
  void set_handlers(TransceiverHandlers handlers);

  Sender& sender() { return sender_; }
  Receiver& receiver() { return receiver_; }

 private:
  friend class internal::Core;
  RtpTransceiver(internal::Core& core, peer::TransceiverId id, MediaKind kind);
  const peer::Transceiver* state() const;

  internal::Core* core_;  // null after the end
  peer::TransceiverId id_;
  MediaKind kind_;
  std::shared_ptr<const TransceiverHandlers> handlers_;
  Sender sender_{*this};
  Receiver receiver_{*this};
};

using RtpSender = RtpTransceiver::Sender;
using RtpReceiver = RtpTransceiver::Receiver;

}  // namespace kaon::webrtc
