#include "kaon/webrtc/channel_operations.h"

#include <algorithm>

#include "kaon/webrtc/detached_channel.h"
#include "kaon/webrtc/internal/core.h"
#include "kaon/webrtc/internal/inbox.h"

namespace kaon::webrtc {

// -- sending ---------------------------------------------------------------------------------------------------------

SendOperation DataChannel::async_send(std::string_view text) { return {shared_from_this(), as_bytes(text), false}; }

SendOperation DataChannel::async_send(ByteView bytes) { return {shared_from_this(), bytes, true}; }

bool SendOperation::await_ready() {
  const auto* core = channel_->core_;
  if (core != nullptr && (!channel_->senders_.empty() || core->resuming_writers())) return false;
  return attempt();
}

void SendOperation::await_suspend(std::coroutine_handle<> coroutine) {
  coroutine_ = coroutine;
  channel_->senders_.push_back(*this);
  channel_->core_->wait_to_send(channel_);
}

bool SendOperation::attempt() {
  auto result = binary_ ? channel_->send(bytes_) : channel_->send(as_text(bytes_));
  if (!result && result.error() == SendError::BufferFull) return false;
  if (!result && result.error() == SendError::NotOpen && channel_->state() == ChannelState::Connecting) return false;
  result_ = result;
  return true;
}

// False if its first one has to wait longer.
bool DataChannel::send_first() {
  if (senders_.empty()) return true;
  if (!static_cast<SendOperation&>(senders_.front()).attempt()) {
    core_->wait_to_send(shared_from_this());
    return false;
  }
  const auto coroutine = senders_.pop_front();
  if (!senders_.empty()) core_->wait_to_send(shared_from_this());
  coroutine.resume();
  return true;
}

// -- reading ---------------------------------------------------------------------------------------------------------

DetachedChannel DataChannel::detach() {
  if (core_ != nullptr) core_->check_thread();
  KAON_ASSERT(!inbox_);
  inbox_ = std::make_unique<internal::Inbox>();
  return DetachedChannel(shared_from_this());
}

bool ReadOperation::await_ready() {
  const auto& inbox = channel_->inbox_;
  if (!inbox) return true;  // the stream was destroyed meanwhile
  if (channel_->core_ != nullptr) channel_->core_->check_thread();
  if (inbox->messages.empty() || !inbox->readers.empty()) return channel_->core_ == nullptr;
  result_ = channel_->take(into_);
  return true;
}

void ReadOperation::await_suspend(std::coroutine_handle<> coroutine) {
  coroutine_ = coroutine;
  channel_->inbox_->readers.push_back(*this);
}

void DataChannel::arrived(Buffer bytes, bool binary) {
  inbox_->unread += bytes.size();
  inbox_->messages.push_back({std::move(bytes), binary});
  // Each reader that goes on may destroy the stream.
  while (inbox_ && !inbox_->readers.empty() && !inbox_->messages.empty()) {
    auto& first = static_cast<ReadOperation&>(inbox_->readers.front());
    first.result_ = take(first.into_);
    inbox_->readers.pop_front().resume();
  }
}

std::optional<ReadResult> DataChannel::take(Bytes into) {
  auto& entry = inbox_->messages.front();
  const ByteView rest = entry.bytes.view().subspan(inbox_->offset);
  ReadResult result{std::min(into.size(), rest.size()), entry.binary, into.size() >= rest.size()};
  std::ranges::copy(rest.first(result.size), into.begin());
  inbox_->offset += result.size;
  inbox_->unread -= result.size;
  if (!result.end_of_message) return result;
  inbox_->offset = 0;
  Buffer read = std::move(inbox_->messages.pop_front().bytes);
  if (core_ != nullptr) core_->release(std::move(read));
  return result;
}

size_t DetachedChannel::unread() const { return channel_->inbox_->unread; }

DetachedChannel& DetachedChannel::operator=(DetachedChannel&& other) noexcept {
  std::swap(channel_, other.channel_);
  return *this;
}

DetachedChannel::~DetachedChannel() {
  if (!channel_) return;
  internal::Core* core = channel_->core_;
  const auto inbox = std::move(channel_->inbox_);
  if (core == nullptr) return;
  channel_->close();
  while (!inbox->messages.empty()) core->release(inbox->messages.pop_front().bytes);
  auto ended = std::make_shared<internal::WaiterList>();
  ended->take_all(inbox->readers);
  core->resume_later(std::move(ended));
}

}  // namespace kaon::webrtc
