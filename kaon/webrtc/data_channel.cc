#include "kaon/webrtc/data_channel.h"

#include "kaon/webrtc/internal/core.h"
#include "kaon/webrtc/internal/inbox.h"

namespace kaon::webrtc {

DataChannel::DataChannel(internal::Core& core, datachannel::ChannelId id, datachannel::ChannelOptions options)
    : core_(&core), id_(id), options_(std::move(options)), handlers_(std::make_shared<const DataChannelHandlers>()) {}

DataChannel::~DataChannel() = default;

Priority DataChannel::priority() const {
  for (const Priority step : {Priority::VeryLow, Priority::Low, Priority::Medium}) {
    if (options_.priority <= static_cast<uint16_t>(step)) return step;
  }
  return Priority::High;
}

std::optional<uint16_t> DataChannel::id() const {
  if (core_ == nullptr) return options_.stream;
  const auto info = core_->connection()->channels()->info(id_);
  return info ? info->options.stream : options_.stream;
}

ChannelState DataChannel::state() const {
  if (core_ == nullptr) return ChannelState::Closed;
  const auto info = core_->connection()->channels()->info(id_);
  return info ? info->state : ChannelState::Closed;
}

void DataChannel::set_handlers(DataChannelHandlers handlers) {
  if (core_ == nullptr) return;
  core_->check_thread();
  handlers_ = std::make_shared<const DataChannelHandlers>(std::move(handlers));
}

Result<void, SendError> DataChannel::send(std::string_view text) {
  if (core_ == nullptr) return fail(SendError::NotOpen);
  core_->check_thread();
  auto result = core_->connection()->send_text(id_, text, io::Loop::now());
  core_->touch();
  return result;
}

Result<void, SendError> DataChannel::send(ByteView bytes) {
  if (core_ == nullptr) return fail(SendError::NotOpen);
  core_->check_thread();
  auto result = core_->connection()->send_binary(id_, bytes, io::Loop::now());
  core_->touch();
  return result;
}

size_t DataChannel::buffered_amount() const {
  return core_ == nullptr ? 0 : core_->connection()->channels()->buffered_amount(id_);
}

void DataChannel::set_buffered_amount_low_threshold(size_t bytes) {
  low_threshold_ = bytes;
  if (core_ == nullptr) return;
  core_->check_thread();
  core_->connection()->channels()->set_buffered_amount_low_threshold(id_, bytes);
}

void DataChannel::close() {
  if (core_ == nullptr) return;
  core_->check_thread();
  core_->connection()->close_channel(id_, io::Loop::now());
  core_->touch();
}

}  // namespace kaon::webrtc
