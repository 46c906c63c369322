// A data channel as a stream for coroutines: read() and write() instead of handlers, with back-pressure both ways.
#pragma once

#include <memory>
#include <string_view>

#include "kaon/webrtc/channel_operations.h"
#include "kaon/webrtc/data_channel.h"

namespace kaon::webrtc {

/// From DataChannel::detach(). What is not read stays in the memory that the receive window of the connection bounds
/// (sctp::Config::receive_window, one for all its channels): once that is full the peer stops sending, and nothing more
/// is taken. The loop's thread only.
class DetachedChannel {
 public:
  /// What was moved from must only be destroyed or assigned to.
  DetachedChannel(DetachedChannel&&) noexcept = default;
  /// Swaps: the former stream ends with `other`.
  DetachedChannel& operator=(DetachedChannel&& other) noexcept;
  /// close(), and forgets what has not been read. Who still waits in read() gets nothing, at the loop's next turn.
  ~DetachedChannel();

  /// `co_await` gives the bytes of one message, as many as fit; nothing once the channel is closed and everything has
  /// been read. `into` must stay until then. Several coroutines are served in the order in which they came.
  ReadOperation read(Bytes into) { return {channel_, into}; }
  /// `co_await` sends a binary message: as DataChannel::async_send().
  SendOperation write(ByteView bytes) { return channel_->async_send(bytes); }
  /// The same for a text message.
  SendOperation write(std::string_view text) { return channel_->async_send(text); }
  /// Bytes that arrived and have not been read.
  size_t unread() const;
  /// Sends what is queued, then closes both directions. What arrived can still be read.
  void close() { channel_->close(); }
  /// Its other methods, and its handlers but on_message, work as before.
  const std::shared_ptr<DataChannel>& channel() const { return channel_; }

 private:
  friend class DataChannel;
  explicit DetachedChannel(std::shared_ptr<DataChannel> channel) : channel_(std::move(channel)) {}

  std::shared_ptr<DataChannel> channel_;  // null after a move
};

}  // namespace kaon::webrtc
