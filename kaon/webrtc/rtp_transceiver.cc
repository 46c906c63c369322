#include "kaon/webrtc/rtp_transceiver.h"

#include <algorithm>

#include "kaon/packetizer/payload_info.h"
#include "kaon/webrtc/internal/core.h"
#include "kaon/webrtc/internal/source_clock.h"

namespace kaon::webrtc {

RtpTransceiver::RtpTransceiver(internal::Core& core, peer::TransceiverId id, MediaKind kind)
    : core_(&core), id_(id), kind_(kind), handlers_(std::make_shared<const TransceiverHandlers>()) {}

const peer::Transceiver* RtpTransceiver::state() const {
  if (core_ == nullptr) return nullptr;
  const auto all = core_->connection()->transceivers();
  const auto it = std::ranges::find(all, id_, &peer::Transceiver::id);
  return it == all.end() ? nullptr : &*it;
}

std::string RtpTransceiver::mid() const { return state() == nullptr ? std::string() : state()->mid; }

Direction RtpTransceiver::direction() const { return state() == nullptr ? Direction::Inactive : state()->direction; }

std::optional<Direction> RtpTransceiver::current_direction() const {
  return state() == nullptr ? std::nullopt : state()->current_direction;
}

bool RtpTransceiver::header_encryption_negotiated() const {
  if (core_ == nullptr) return false;
  const peer::NegotiatedSession* session = core_->connection()->session();
  return session != nullptr && session->header_encryption != peer::HeaderEncryption::Off;
}

Result<void, NegotiationError> RtpTransceiver::set_direction(Direction direction) {
  if (core_ == nullptr) return fail(NegotiationError::Closed);
  core_->check_thread();
  auto result = core_->connection()->set_direction(id_, direction);
  core_->touch();
  return result;
}

Result<void, NegotiationError> RtpTransceiver::set_codec_preferences(std::vector<peer::Codec> codecs) {
  if (core_ == nullptr) return fail(NegotiationError::Closed);
  core_->check_thread();
  auto result = core_->connection()->set_codec_preferences(id_, std::move(codecs));
  core_->touch();
  return result;
}

Result<void, NegotiationError> RtpTransceiver::stop() {
  if (core_ == nullptr) return fail(NegotiationError::Closed);
  core_->check_thread();
  auto result = core_->connection()->stop_transceiver(id_);
  core_->touch();
  return result;
}

void RtpTransceiver::set_handlers(TransceiverHandlers handlers) {
  if (core_ == nullptr) return;
  core_->check_thread();
  core_->connection()->set_delivery(id_, handlers.on_rtp ? peer::Delivery::Packets : peer::Delivery::Frames);
  handlers_ = std::make_shared<const TransceiverHandlers>(std::move(handlers));
}

// -- sender ----------------------------------------------------------------------------------------------------------

RtpTransceiver::Sender::Sender(RtpTransceiver& owner)
    : owner_(owner), clock_(std::make_unique<internal::SourceClock>()) {}
RtpTransceiver::Sender::~Sender() = default;

std::optional<Codec> RtpTransceiver::Sender::codec() const {
  if (owner_.core_ == nullptr) return std::nullopt;
  return owner_.core_->connection()->send_codec(owner_.id_);
}

Result<void, MediaError> RtpTransceiver::Sender::send_frame(const EncodedFrame& frame) {
  const auto negotiated = codec();
  if (!negotiated) return fail(MediaError::NotNegotiated);
  return send_frame(*negotiated, frame);
}

Result<void, MediaError> RtpTransceiver::Sender::send_frame(Codec codec, const EncodedFrame& frame) {
  internal::Core* core = owner_.core_;
  if (core == nullptr) return fail(MediaError::NotConnected);
  core->check_thread();
  const bool video = packetizer::is_video(codec);
  const bool keyframe = (transform_ || clock_->replaced()) && packetizer::inspect_frame(codec, frame.data).keyframe;
  if (clock_->replaced() && video && !keyframe) return fail(MediaError::NotKeyframe);
  ByteView data = frame.data;
  if (transform_) {
    transformed_.assign(data.begin(), data.end());
    TransformFrame changing{codec, transformed_, keyframe, frame.timestamp};
    if (!transform_->transform(changing)) return {};
    data = transformed_;
  }
  const Time now = io::Loop::now();
  const uint32_t rate = packetizer::clock_rate(codec);
  const internal::SourceClock::Numbers source{rtp::Timestamp(frame.timestamp), {}};
  auto result = core->connection()->send_frame(
      owner_.id_, codec,
      {.data = data, .timestamp = clock_->map(source, rate, now).timestamp.value(), .marker = frame.marker}, now);
  if (result) clock_->sent(source, rate, now);
  core->touch();
  return result;
}

Result<void, MediaError> RtpTransceiver::Sender::send_rtp(Codec codec, const rtp::Packet& packet) {
  internal::Core* core = owner_.core_;
  if (core == nullptr) return fail(MediaError::NotConnected);
  core->check_thread();
  if (clock_->replaced() && packetizer::is_video(codec)) {
    const auto info = packetizer::inspect(codec, packet.payload());
    if (!info || !info->starts_frame || !info->keyframe) return fail(MediaError::NotKeyframe);
  }
  const Time now = io::Loop::now();
  const uint32_t rate = packetizer::clock_rate(codec);
  const internal::SourceClock::Numbers source{packet.header.timestamp, packet.header.sequence};
  const auto mapped = clock_->map(source, rate, now);
  rtp::Packet ours = packet;
  ours.header.timestamp = mapped.timestamp;
  ours.header.sequence = mapped.sequence;
  auto result = core->connection()->send_packet(owner_.id_, codec, ours, now);
  if (result) clock_->sent(source, rate, now);
  core->touch();
  return result;
}

Result<void, MediaError> RtpTransceiver::Sender::send_rtp(Codec codec, ByteView packet) {
  if (owner_.core_ == nullptr) return fail(MediaError::NotConnected);
  owner_.core_->check_thread();
  // Extensions are of another session and mean nothing here.
  auto parsed = rtp::Packet::parse(SharedBuffer(owner_.core_->loop().buffers().copy(packet)), rtp::ExtensionMap(),
                                   io::Loop::now());
  if (!parsed) return fail(MediaError::Malformed);
  return send_rtp(codec, *parsed);
}

void RtpTransceiver::Sender::replace_track() { clock_->replace(); }

void RtpTransceiver::Sender::set_transform(std::shared_ptr<FrameTransform> transform) {
  transform_ = std::move(transform);
}

// -- receiver --------------------------------------------------------------------------------------------------------

void RtpTransceiver::Receiver::request_keyframe() {
  if (owner_.core_ == nullptr) return;
  owner_.core_->check_thread();
  owner_.core_->connection()->request_keyframe(owner_.id_, io::Loop::now());
  owner_.core_->touch();
}

void RtpTransceiver::Receiver::set_transform(std::shared_ptr<FrameTransform> transform) {
  transform_ = std::move(transform);
}

}  // namespace kaon::webrtc
