// RTCRtpTransceiver with its sender and receiver, for encoded frames and for RTP packets.
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
#include "kaon/rtp/packet.h"
#include "kaon/webrtc/frame_transform.h"

namespace kaon::webrtc {

namespace internal {
class Core;
class SourceClock;
}  // namespace internal

using peer::MediaError;
using peer::NegotiationError;
using sdp::Direction;
using sdp::MediaKind;

/// A frame to be sent: what Packetizer::packetize() takes.
struct EncodedFrame {
  /// One whole frame: H.264 and H.265 as a byte stream, the others as their payload formats have them.
  ByteView data;
  /// In units of the codec's RTP clock; a random offset is added.
  uint32_t timestamp = 0;
  /// Of audio: the first after a silence.
  bool marker = false;
};

/// A received frame, in decoding order. The bytes are valid for the call.
struct ReceivedFrame {
  /// As negotiated; may change within a stream.
  Codec codec{};
  /// As EncodedFrame::data.
  ByteView data;
  /// Decoding can begin here.
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

/// A received RTP packet, decrypted; retransmissions have been put back into the stream. Not in order.
struct ReceivedRtp {
  /// By its payload type.
  Codec codec{};
  /// Simulcast layer; 0 without.
  uint8_t layer = 0;
  /// Cheap to copy: the payload is shared.
  rtp::Packet packet;
};

/// All optional; called on the loop, never inside a call of the library.
struct TransceiverHandlers {
  /// Whole frames, in order.
  Function<void(const ReceivedFrame&)> on_frame = {};
  /// For who forwards: packets as they arrive, instead of frames (on_frame is not called then).
  Function<void(const ReceivedRtp&)> on_rtp = {};
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
    /// The same for any codec that the peer takes (NotNegotiated otherwise).
    [[nodiscard]] Result<void, MediaError> send_frame(Codec codec, const EncodedFrame& frame);
    /// Queues a packet of a stream that exists already: payload, marker, sequence number and timestamp stay (but see
    /// replace_track()), SSRC, payload type and extensions become ours. Retransmissions and reports are made as for
    /// frames. The payload is shared, not copied, and is not cut: with the header it should fit into
    /// Configuration::mtu. A sender sends either packets or frames.
    [[nodiscard]] Result<void, MediaError> send_rtp(Codec codec, const rtp::Packet& packet);
    /// The same for the bytes of a plain RTP packet, as other programs send them.
    [[nodiscard]] Result<void, MediaError> send_rtp(Codec codec, ByteView packet);
    /// What is sent from now on comes from another source, without negotiation (W3C replaceTrack; sources are not
    /// objects here). Its timestamps and sequence numbers, which may start anywhere, go on where those of the one
    /// before ended, with the time in between; until its first key frame, video is refused with NotKeyframe.
    void replace_track();
    /// Null for none. Called for each frame between send_frame() and the packetizer, not for packets.
    void set_transform(std::shared_ptr<FrameTransform> transform);

   private:
    friend class RtpTransceiver;
    explicit Sender(RtpTransceiver& owner);
    ~Sender();
    RtpTransceiver& owner_;
    std::unique_ptr<internal::SourceClock> clock_;
    std::shared_ptr<FrameTransform> transform_;
    std::vector<uint8_t> transformed_;
  };

  /// RTCRtpReceiver; frames come to TransceiverHandlers::on_frame.
  class Receiver {
   public:
    /// Asks the peer, and again with back-off, until a key frame comes.
    void request_keyframe();
    /// Null for none. Called for each received frame before TransceiverHandlers::on_frame sees it.
    void set_transform(std::shared_ptr<FrameTransform> transform);

   private:
    friend class RtpTransceiver;
    friend class internal::Core;
    explicit Receiver(RtpTransceiver& owner) : owner_(owner) {}
    RtpTransceiver& owner_;
    std::shared_ptr<FrameTransform> transform_;
  };

  RtpTransceiver(const RtpTransceiver&) = delete;
  RtpTransceiver& operator=(const RtpTransceiver&) = delete;

  /// Audio or video; the same for life.
  MediaKind kind() const { return kind_; }
  /// Empty before the section has one.
  std::string mid() const;
  /// As wanted by this side.
  Direction direction() const;
  /// As negotiated last; nothing before.
  std::optional<Direction> current_direction() const;
  /// Both sides take encrypted header extensions, so they are sent so (Configuration::negotiation.header_encryption).
  /// W3C webrtc-extensions: rtpHeaderEncryptionNegotiated.
  bool header_encryption_negotiated() const;
  /// Takes effect with the next negotiation. An error if it has been stopped.
  [[nodiscard]] Result<void, NegotiationError> set_direction(Direction direction);
  /// In order of preference; empty for the defaults. Takes effect with the next negotiation.
  [[nodiscard]] Result<void, NegotiationError> set_codec_preferences(std::vector<peer::Codec> codecs);
  /// Its section is rejected by the next description and may then serve another.
  [[nodiscard]] Result<void, NegotiationError> stop();
  /// Within on_track no frame is missed.
  void set_handlers(TransceiverHandlers handlers);

  /// Lives as long as the transceiver.
  Sender& sender() { return sender_; }
  /// Lives as long as the transceiver.
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

/// RTCRtpSender.
using RtpSender = RtpTransceiver::Sender;
/// RTCRtpReceiver.
using RtpReceiver = RtpTransceiver::Receiver;

}  // namespace kaon::webrtc
