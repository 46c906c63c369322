// All data channels of one connection (RFC 8831, RFC 8832) over the SCTP association they own.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kaon/base/env.h"
#include "kaon/base/result.h"
#include "kaon/net/dtls_role.h"
#include "kaon/net/engine.h"
#include "kaon/sctp/association.h"

namespace kaon::datachannel {

/// Names one channel for as long as the Channels live; never reused, unlike stream ids.
using ChannelId = Strong<struct ChannelIdTag, uint64_t>;

/// Says who opens on even streams and who on odd ones.
using net::DtlsRole;

/// Channels that exist at once, closing ones included: one per stream id.
inline constexpr size_t kMaxChannels = 65535;

struct Config {
  sctp::Config sctp;
  /// In-band channels the peer may have open at once; more are closed at once.
  size_t max_incoming_channels = kMaxChannels;
};

/// Of messages that come in parts (the deprecated PPIDs 52 and 54) those received so far count against the receive
/// window, and those of all channels together may take this share of it. The channel of one more is closed, and the
/// rest of the window keeps the others going.
inline constexpr size_t kPartsShare = 2;

/// As RTCDataChannelInit of the W3C.
struct ChannelOptions {
  std::string label = {};
  std::string protocol = {};
  bool ordered = true;
  /// At most one of the two.
  std::optional<uint16_t> max_packet_lifetime_ms = {};
  std::optional<uint16_t> max_retransmits = {};
  /// True: both sides call open() with the same stream id and nothing is said on the wire.
  bool negotiated = false;
  /// Needed if negotiated; otherwise chosen when the role is known.
  std::optional<uint16_t> stream = {};
  /// RFC 8831 §6.4: 128 very low, 256 low, 512 medium, 1024 high.
  uint16_t priority = 256;
};

enum class ChannelState : uint8_t { Connecting, Open, Closing, Closed };
std::string_view to_string(ChannelState state);

struct ChannelInfo {
  ChannelOptions options;
  ChannelState state = ChannelState::Connecting;
  /// The peer opened it in-band.
  bool remote = false;
};

struct ChannelStats {
  uint64_t messages_sent = 0;
  uint64_t bytes_sent = 0;
  uint64_t messages_received = 0;
  uint64_t bytes_received = 0;
};

enum class OpenError : uint8_t {
  LabelTooLong,  // label and protocol have at most 65535 bytes each
  InvalidUtf8,
  InvalidOptions,  // both limits, or negotiated without a stream
  StreamInUse,
  NoStreamLeft,
  Closed,
};
std::string_view to_string(OpenError error);

enum class SendError : uint8_t {
  UnknownChannel,
  NotOpen,          // connecting, closing or closed
  MessageTooLarge,  // above the remote's max-message-size
  BufferFull,       // try again after SendBufferAvailable
  InvalidUtf8,
};
std::string_view to_string(SendError error);

enum class ChannelError : uint8_t {
  None,               // closed by close() on either side
  AssociationClosed,  // the whole association ended
  ProtocolViolation,  // the peer broke DCEP, sent a kind of message that there is not, or text that is no UTF-8
  NoStreamLeft,       // the id it was to use turned out not to exist
};
std::string_view to_string(ChannelError error);

enum class DropReason : uint8_t {
  MalformedDcep,
  UnknownDcep,
  UnexpectedOpen,  // wrong parity, or the stream has a channel already
  UnexpectedAck,
  UnknownStream,  // data for a stream without a channel
  UnknownPpid,
  InvalidUtf8,
  TooManyChannels,
  PartsTooLarge,  // of a message in several (the deprecated PPIDs 52 and 54)
  Count,
};

// --- Events ---

/// Messages go: sctp::Connected.
struct Connected {};
/// The peer opened a channel in-band; it is open.
struct ChannelAnnounced {
  ChannelId channel;
};
/// A channel of ours may send.
struct ChannelOpened {
  ChannelId channel;
};
struct MessageReceived {
  ChannelId channel;
  bool binary = false;
  /// Valid until the next poll_event(). UTF-8 if not binary (checked).
  ByteView payload;
};
/// buffered_amount(channel) fell to its threshold or below.
struct BufferedAmountLow {
  ChannelId channel;
};
/// After BufferFull: at least half of the send buffer is free again, and there is room for the message that was
/// refused.
struct SendBufferAvailable {};
/// The peer began to close it; sending is over. Not sent for a close() of ours.
struct ChannelClosing {
  ChannelId channel;
};
/// Both directions are closed; the id means nothing any more.
struct ChannelClosed {
  ChannelId channel;
  ChannelError error = ChannelError::None;
};
/// The association ended, after a ChannelClosed for every channel; nothing comes after it.
struct Closed {
  sctp::CloseReason reason;
  std::string detail;
};
using Event = std::variant<Connected, ChannelAnnounced, ChannelOpened, MessageReceived, BufferedAmountLow,
                           SendBufferAvailable, ChannelClosing, ChannelClosed, Closed>;

/// A net::ByteEngine like the association it owns. Not thread-safe. Drain poll_event() before poll_transmit(): the
/// peer's DCEP messages are answered while events are polled. What arrives waits in the association, bounded by its
/// receive window; queued here are at most a few events per channel.
class Channels {
 public:
  Channels(const Config& config, Env env);
  Channels(Channels&&) noexcept;
  Channels& operator=(Channels&&) noexcept;
  ~Channels();

  /// DTLS is up: gives the channels opened so far their streams and connects the association. With the peer's INIT
  /// chunk, which it gave away together with having ours (SNAP), there is nothing to wait for; one that is no INIT
  /// counts as none. Later calls do nothing.
  void start(DtlsRole role, Time now, ByteView peer_init = {});
  /// As sctp::Association::init_chunk().
  std::vector<uint8_t> init_chunk();
  bool started() const;

  /// Before start() the channel waits for its stream.
  [[nodiscard]] Result<ChannelId, OpenError> open(ChannelOptions options, Time now);
  [[nodiscard]] Result<void, SendError> send_text(ChannelId channel, std::string_view text, Time now);
  [[nodiscard]] Result<void, SendError> send_binary(ChannelId channel, ByteView bytes, Time now);
  /// Sends what is queued, then closes both directions; ChannelClosed follows. Unknown channels are ignored.
  void close(ChannelId channel, Time now);

  /// Ends the association gracefully (shutdown) or at once (abort, what browsers do).
  void shutdown(Time now);
  void abort(std::string_view reason, Time now);

  void set_rtt(Duration rtt);
  /// Packets go another way from now on.
  void path_changed();
  /// Media is being sent over the same path, or no longer is: see sctp::Association::share_path().
  void share_path(bool shared);
  /// The remote's a=max-message-size; 0: no limit. 65536 until set.
  void set_remote_max_message_size(uint64_t size);

  /// Payload bytes not yet sent for the first time; zero for unknown channels.
  size_t buffered_amount(ChannelId channel) const;
  void set_buffered_amount_low_threshold(ChannelId channel, size_t bytes);
  /// The payload of the MessageReceived just polled, to be kept beyond the next poll_event(); it counts against the
  /// receive window until release(), so that who does not read stops the peer.
  Buffer keep(ByteView payload);
  /// What keep() gave has been read. True if poll_transmit() has something to say about it.
  bool release(Buffer kept, Time now);

  /// Nothing for unknown and for closed channels.
  std::optional<ChannelInfo> info(ChannelId channel) const;
  std::optional<ChannelStats> stats(ChannelId channel) const;
  size_t channel_count() const;
  const sctp::Association& association() const;
  const Counters<DropReason>& drops() const;

  /// `ecn`: of the datagram that brought it.
  void handle_packet(Bytes packet, Time now, net::Ecn ecn = net::Ecn::NotEct);
  void handle_timeout(Time now);
  Time next_timeout() const;
  std::optional<net::Transmit> poll_transmit(Bytes out);
  std::optional<Event> poll_event();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

static_assert(net::ByteEngine<Channels>);

}  // namespace kaon::datachannel
