// RTCDataChannel.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kaon/base/buffer.h"
#include "kaon/base/function.h"
#include "kaon/base/result.h"
#include "kaon/datachannel/channels.h"
#include "kaon/webrtc/channel_operations.h"

namespace kaon::webrtc {

namespace internal {
class Core;
struct Inbox;
}  // namespace internal

using datachannel::ChannelError;
using datachannel::ChannelState;
using datachannel::OpenError;
using datachannel::SendError;

/// RTCPriorityType (W3C webrtc-priority §4). Of channels that all have something to send, one gets twice as much of the
/// connection as one of the step below it. The values are those of the wire (RFC 8831 §6.4).
enum class Priority : uint16_t { VeryLow = 128, Low = 256, Medium = 512, High = 1024 };

/// RTCDataChannelInit.
struct DataChannelInit {
  /// False: messages are delivered as they come.
  bool ordered = true;
  /// At most one of the two.
  std::optional<uint16_t> max_packet_life_time = {};  ///< ms
  /// 0 sends once only.
  std::optional<uint16_t> max_retransmits = {};
  /// A subprotocol of the application; the peer sees it.
  std::string protocol = {};
  /// Both sides create the channel with the same `id` and nothing is said on the wire.
  bool negotiated = false;
  /// The stream id, needed with `negotiated`; without, it is chosen by the DTLS role.
  std::optional<uint16_t> id = {};
  /// Decides what this side sends first, and is told to the peer for what it sends; with `negotiated` each side has its
  /// own.
  Priority priority = Priority::Low;
};

/// A received message. The bytes are valid for the call.
struct Message {
  /// Text otherwise.
  bool binary = false;
  /// May be of no bytes.
  ByteView data;
  /// Of a message that is not binary: UTF-8 (checked).
  std::string_view text() const { return {reinterpret_cast<const char*>(data.data()), data.size()}; }
};

/// All optional; called on the loop, never inside a call of the library.
struct DataChannelHandlers {
  /// send() is possible from now on.
  Function<void()> on_open = {};
  /// Whole messages, in order if the channel is ordered.
  Function<void(const Message&)> on_message = {};
  /// buffered_amount() fell to the threshold or below.
  Function<void()> on_buffered_amount_low = {};
  /// There is room again after send() said BufferFull.
  Function<void()> on_writable = {};
  /// The peer began to close; sending is over.
  Function<void()> on_closing = {};
  /// The last call. Not made after PeerConnection::close().
  Function<void(ChannelError)> on_close = {};
};

/// The connection keeps a channel until it is closed; afterwards, and after the end of the connection, its methods are
/// harmless. The loop's thread only. Source: W3C webrtc §6.2.
class DataChannel : public std::enable_shared_from_this<DataChannel> {
 public:
  ~DataChannel();
  DataChannel(const DataChannel&) = delete;
  DataChannel& operator=(const DataChannel&) = delete;

  /// As the side that made the channel gave it.
  const std::string& label() const { return options_.label; }
  /// Of DataChannelInit; empty for none.
  const std::string& protocol() const { return options_.protocol; }
  /// Whether messages come in order.
  bool ordered() const { return options_.ordered; }
  /// In ms.
  std::optional<uint16_t> max_packet_life_time() const { return options_.max_packet_lifetime_ms; }
  /// Nothing: without limit.
  std::optional<uint16_t> max_retransmits() const { return options_.max_retransmits; }
  /// Whether both sides made it, with the same id.
  bool negotiated() const { return options_.negotiated; }
  /// Of a channel that the peer made, the step that its number falls to: one between two steps to the one above.
  Priority priority() const;
  /// The stream id; nothing before it is known.
  std::optional<uint16_t> id() const;
  /// Closed also after the end of the connection.
  ChannelState state() const;
  /// Within the handler that announces a channel no event is missed.
  void set_handlers(DataChannelHandlers handlers);

  /// Queues a text message, which must be UTF-8; copied. Errors: not open, larger than the peer takes, BufferFull
  /// (on_writable tells when to go on).
  [[nodiscard]] Result<void, SendError> send(std::string_view text);
  /// The same for a binary message.
  [[nodiscard]] Result<void, SendError> send(ByteView bytes);
  /// For coroutines: `co_await` gives what send() gives, but waits while the channel is not open yet and while there is
  /// no room, instead of failing with BufferFull. The text must stay until then. Waiting ends with NotOpen when the
  /// channel closes; after PeerConnection::close() at the loop's next turn. Messages of one channel keep their order,
  /// unless send() is called meanwhile; channels take turns.
  SendOperation async_send(std::string_view text);
  /// The same for a binary message.
  SendOperation async_send(ByteView bytes);
  /// Messages are read from a stream from now on, not given to on_message. Called within the handler that announces the
  /// channel, or before it opens, it misses none. Once only (asserted). Include kaon/webrtc/detached_channel.h.
  [[nodiscard]] DetachedChannel detach();
  /// Payload bytes not yet sent for the first time.
  size_t buffered_amount() const;
  /// In bytes; 0 at first.
  size_t buffered_amount_low_threshold() const { return low_threshold_; }
  /// on_buffered_amount_low is called when buffered_amount() falls to it.
  void set_buffered_amount_low_threshold(size_t bytes);
  /// Sends what is queued, then closes both directions.
  void close();

 private:
  friend class internal::Core;
  friend class SendOperation;
  friend class ReadOperation;
  friend class DetachedChannel;
  DataChannel(internal::Core& core, datachannel::ChannelId id, datachannel::ChannelOptions options);

  // channel_operations.cc
  void arrived(Buffer bytes, bool binary);
  std::optional<ReadResult> take(Bytes into);
  bool send_first();

  internal::Core* core_;  // null after the end
  datachannel::ChannelId id_;
  datachannel::ChannelOptions options_;
  size_t low_threshold_ = 0;
  std::shared_ptr<const DataChannelHandlers> handlers_;
  internal::WaiterList senders_;
  bool waits_to_send_ = false;              // stands in Core::writers_
  std::unique_ptr<internal::Inbox> inbox_;  // once detached
};

}  // namespace kaon::webrtc
