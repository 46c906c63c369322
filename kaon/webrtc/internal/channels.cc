// Data channels: from the engine's events to their handlers and to the coroutines that wait. Each may close or destroy
// the connection: nothing of it is touched afterwards without a look at closed_.
#include "kaon/webrtc/internal/core.h"
#include "kaon/webrtc/internal/inbox.h"

namespace kaon::webrtc::internal {

void Core::drain_channels() {
  while (!closed_) {
    const auto event = connection()->poll_channel_event();
    if (!event) return;
    std::visit([this](const auto& e) { handle(e); }, *event);
  }
}

void Core::handle(const datachannel::ChannelAnnounced& event) {
  const auto info = connection()->channels()->info(event.channel);
  if (!info) return;
  const auto channel = make_channel(event.channel, info->options);
  const auto handlers = handlers_;
  if (handlers->on_data_channel) handlers->on_data_channel(channel);
  if (closed_) return;
  const auto channel_handlers = channel->handlers_;
  if (channel_handlers && channel_handlers->on_open) channel_handlers->on_open();
  resume_writers();
}

void Core::handle(const datachannel::ChannelOpened& event) {
  const auto channel = this->channel(event.channel);
  const auto handlers = channel ? channel->handlers_ : nullptr;
  if (handlers && handlers->on_open) handlers->on_open();
  resume_writers();
}

void Core::handle(const datachannel::MessageReceived& event) {
  const auto channel = this->channel(event.channel);
  if (channel && channel->inbox_) {
    return channel->arrived(connection()->channels()->keep(event.payload), event.binary);
  }
  const auto handlers = channel ? channel->handlers_ : nullptr;
  if (!handlers || !handlers->on_message) return;
  // A copy, so that the handler may call anything while it looks at the bytes.
  bytes_.assign(event.payload.begin(), event.payload.end());
  handlers->on_message({event.binary, bytes_});
}

void Core::handle(const datachannel::BufferedAmountLow& event) {
  const auto channel = this->channel(event.channel);
  const auto handlers = channel ? channel->handlers_ : nullptr;
  if (handlers && handlers->on_buffered_amount_low) handlers->on_buffered_amount_low();
}

void Core::handle(const datachannel::SendBufferAvailable&) {
  resume_writers();
  std::vector<std::shared_ptr<DataChannel>> all;
  for (const auto& [id, channel] : channels_) all.push_back(channel);
  for (const auto& channel : all) {
    const auto handlers = channel->handlers_;
    if (handlers && handlers->on_writable) handlers->on_writable();
  }
}

void Core::handle(const datachannel::ChannelClosing& event) {
  const auto channel = this->channel(event.channel);
  const auto handlers = channel ? channel->handlers_ : nullptr;
  if (handlers && handlers->on_closing) handlers->on_closing();
  if (channel) channel->senders_.resume_all();
}

void Core::handle(const datachannel::ChannelClosed& event) {
  const auto it = channels_.find(event.channel);
  if (it == channels_.end()) return;
  const auto channel = std::move(it->second);
  channels_.erase(it);
  channel->core_ = nullptr;
  const auto handlers = std::exchange(channel->handlers_, nullptr);
  channel->senders_.resume_all();
  // They wait because there is nothing to read.
  while (channel->inbox_ && !channel->inbox_->readers.empty()) channel->inbox_->readers.pop_front().resume();
  if (!closed_ && handlers && handlers->on_close) handlers->on_close(event.error);
}

// -- coroutines that wait to send --

void Core::wait_to_send(std::shared_ptr<DataChannel> channel) {
  if (!std::exchange(channel->waits_to_send_, true)) writers_.push_back(std::move(channel));
}

// One message of each channel in turn, until there is no room for the next of any. A stream that is being reset takes
// none though others do, so that one refusal says nothing about the others.
void Core::resume_writers() {
  resuming_writers_ = true;
  size_t refused = 0;
  while (!closed_ && refused < writers_.size()) {
    const auto channel = writers_.pop_front();
    channel->waits_to_send_ = false;
    refused = channel->send_first() ? 0 : refused + 1;
  }
  resuming_writers_ = false;
}

void Core::release(Buffer message) {
  if (connection()->channels()->release(std::move(message), io::Loop::now())) touch();
}

void Core::resume_later(std::shared_ptr<WaiterList> ended) {
  if (!ended->empty()) loop_.post([ended = std::move(ended)] { ended->resume_all(); });
}

}  // namespace kaon::webrtc::internal
