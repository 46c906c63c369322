// RTCDataChannel.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kaon/base/function.h"
#include "kaon/base/result.h"
#include "kaon/datachannel/channels.h"

namespace kaon::webrtc {

namespace internal {
class Core;
}

using datachannel::ChannelError;
using datachannel::ChannelState;
using datachannel::OpenError;
using datachannel::SendError;

/// RTCDataChannelInit.
struct DataChannelInit {
  bool ordered = true;
  /// At most one of the two.
  std::optional<uint16_t> max_packet_life_time = {};  ///< ms
  std::optional<uint16_t> max_retransmits = {};
  std::string protocol = {};
  /// Both sides create the channel with the same `id` and nothing is said on the wire.
  bool negotiated = false;
  std::optional<uint16_t> id = {};
};

/// A received message. The bytes are valid for the call.
struct Message {
  bool binary = false;
  ByteView data;
  /// Of a message that is not binary: UTF-8 (checked).
  std::string_view text() const { return {reinterpret_cast<const char*>(data.data()), data.size()}; }
};

/// All optional; called on the loop, never inside a call of the library.
struct DataChannelHandlers {
  Function<void()> on_open = {};
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
class DataChannel {
 public:
  DataChannel(const DataChannel&) = delete;
  DataChannel& operator=(const DataChannel&) = delete;

  const std::string& label() const { return options_.label; }
  const std::string& protocol() const { return options_.protocol; }
  bool ordered() const { return options_.ordered; }
  /// In ms.
  std::optional<uint16_t> max_packet_life_time() const { return options_.max_packet_lifetime_ms; }
  std::optional<uint16_t> max_retransmits() const { return options_.max_retransmits; }
  bool negotiated() const { return options_.negotiated; }
  /// The stream id; nothing before it is known.
  std::optional<uint16_t> id() const;
  ChannelState state() const;
  /// Within the handler that announces a channel no event is missed.
  void set_handlers(DataChannelHandlers handlers);

  [[nodiscard]] Result<void, SendError> send(std::string_view text);
  [[nodiscard]] Result<void, SendError> send(ByteView bytes);
  /// Payload bytes not yet sent for the first time.
  size_t buffered_amount() const;
  size_t buffered_amount_low_threshold() const { return low_threshold_; }
  void set_buffered_amount_low_threshold(size_t bytes);
  /// Sends what is queued, then closes both directions.
  void close();

 private:
  friend class internal::Core;
  DataChannel(internal::Core& core, datachannel::ChannelId id, datachannel::ChannelOptions options);

  internal::Core* core_;  // null after the end
  datachannel::ChannelId id_;
  datachannel::ChannelOptions options_;
  size_t low_threshold_ = 0;
  std::shared_ptr<const DataChannelHandlers> handlers_;
};

}  // namespace kaon::webrtc
