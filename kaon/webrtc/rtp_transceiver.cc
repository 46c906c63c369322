#include "kaon/webrtc/rtp_transceiver.h"

#include <algorithm>

#include "kaon/webrtc/internal/core.h"

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
  handlers_ = std::make_shared<const TransceiverHandlers>(std::move(handlers));
}

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
  if (owner_.core_ == nullptr) return fail(MediaError::NotConnected);
  owner_.core_->check_thread();
  auto result = owner_.core_->connection()->send_frame(
      owner_.id_, codec, {.data = frame.data, .timestamp = frame.timestamp, .marker = frame.marker}, io::Loop::now());
  owner_.core_->touch();
  return result;
}

void RtpTransceiver::Receiver::request_keyframe() {
  if (owner_.core_ == nullptr) return;
  owner_.core_->check_thread();
  owner_.core_->connection()->request_keyframe(owner_.id_, io::Loop::now());
  owner_.core_->touch();
}

}  // namespace kaon::webrtc
