// What the user of an SCTP association configures, asks for and is told.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/counters.h"
#include "kaon/base/strong.h"
#include "kaon/base/time.h"
#include "kaon/sctp/congestion_control.h"

namespace kaon::sctp {

using StreamId = Strong<struct StreamIdTag, uint16_t>;
/// Payload protocol identifier, RFC 9260 §3.3.1. Carried, never interpreted here.
using Ppid = Strong<struct PpidTag, uint32_t>;

/// Largest packet any configuration may ask for, as DATA in one DTLS record.
inline constexpr size_t kMaxPacketSize = 16 * 1024;

struct Config {
  uint16_t local_port = 5000;
  uint16_t remote_port = 5000;
  /// SCTP packets of this size, header included, go everywhere: 1280 (IPv6) less IPv6 and UDP headers, a TURN
  /// ChannelData header and a DTLS record.
  size_t max_packet_size = 1191;
  /// Path MTU discovery (RFC 8899) tries sizes up to this, at most kMaxPacketSize; not if it is not above
  /// max_packet_size. Ethernet's unless both ends are known to take more: browsers close the connection when a DTLS
  /// record comes that is larger than their 2 KiB buffer.
  size_t max_probed_packet_size = 1408;
  uint16_t outgoing_streams = 65535;
  uint16_t incoming_streams = 65535;
  /// Largest message accepted from the peer (our a=max-message-size). A peer that sends more is aborted.
  size_t max_message_size = 256 * 1024;
  /// Bytes of messages queued or not yet acknowledged. A message larger than this is accepted only when nothing is
  /// queued. Where a long path has a window for more, the buffer may hold twice the window, up to max_send_buffer.
  size_t send_buffer = 16 * 1024 * 1024;
  size_t max_send_buffer = 128 * 1024 * 1024;
  /// Bytes the peer may have on the way to us, waiting here to be polled, or kept. Raised to twice max_message_size if
  /// smaller. Grows, up to max_receive_window, to twice what arrives in a round trip while no more than half of it
  /// waits for the application.
  size_t receive_window = 8 * 1024 * 1024;
  size_t max_receive_window = 128 * 1024 * 1024;
  Duration rto_initial = std::chrono::milliseconds(500);
  Duration rto_min = std::chrono::milliseconds(200);
  Duration rto_max = std::chrono::seconds(60);
  /// Doubling of a timer stops here (but never below the measured round trip's own RTO): the path comes back after an
  /// ICE restart, and nobody wants to wait a minute then.
  Duration backoff_max = std::chrono::seconds(3);
  Duration delayed_sack = std::chrono::milliseconds(40);
  Duration heartbeat_interval = std::chrono::seconds(30);
  Duration cookie_lifetime = std::chrono::seconds(60);
  /// Time-outs in a row after which the association is given up; none: never, because ICE consent decides (RFC 7675).
  std::optional<uint32_t> max_retransmissions;
  /// Another limit for INIT and COOKIE ECHO (RFC 9260 §5.1.6); none: the same.
  std::optional<uint32_t> max_init_retransmissions;
  /// What a peer may wait before it acknowledges (§6.2): the RTO stays this much above the round trip.
  Duration peer_sack_delay = std::chrono::milliseconds(220);
  /// After two round trips without an answer something is sent once more (RFC 8985 §7), before the RTO.
  bool tail_loss_probe = true;
  /// In packets of max_packet_size, RFC 6928.
  uint32_t initial_window = 10;
  CongestionControlFactory congestion_control = make_cubic;
  /// I-DATA, if the peer has it too: messages of different streams mix, and weights count per chunk (RFC 8260).
  bool interleaving = true;
  /// Explicit Congestion Notification, if the peer has it: data packets are sent as ECT(0), and a mark (CE) counts as a
  /// loss. Needs an edge that carries the bits; ends by itself on a path that lets no such packet through.
  bool ecn = true;
  /// No checksum where DTLS protects the packet anyhow, if the peer wants none (RFC 9653).
  bool zero_checksum = true;
};

/// Control events (everything but messages, which the receive window bounds) that wait to be polled.
inline constexpr size_t kMaxQueuedEvents = 1024;

/// What a message costs of the receive window beside its memory.
inline constexpr size_t kMessageOverhead = 128;

struct SendOptions {
  bool unordered = false;
  /// Give up after this many retransmissions of any part (RFC 7496 §3.2); none: never.
  std::optional<uint32_t> max_retransmits = {};
  /// Give up when this old (RFC 3758 §4.1); none: never.
  std::optional<Duration> lifetime = {};
};

enum class SendError : uint8_t {
  Empty,            // SCTP has no empty messages, RFC 9260 §6.1; RFC 8831 §6.6 says what to send instead
  MessageTooLarge,  // above the remote's max-message-size
  BufferFull,       // try again after SendBufferAvailable
  InvalidStream,    // not below the number of negotiated streams
  StreamResetting,  // between reset_streams() and OutgoingStreamsReset
  Closed,           // shut down, aborted or failed
};
std::string_view to_string(SendError error);

enum class InitError : uint8_t {
  Malformed,  // not an INIT chunk, or one that RFC 9260 §3.3.2 forbids
  NotIdle,    // connect() or connect_with() was called before, or the association is over
};

enum class ResetError : uint8_t { NotConnected, NotSupported, InvalidStream };

enum class State : uint8_t {
  Idle,
  CookieWait,
  CookieEchoed,
  Established,
  ShutdownPending,
  ShutdownSent,
  ShutdownReceived,
  ShutdownAckSent,
  Closed,
};
std::string_view to_string(State state);

enum class CloseReason : uint8_t {
  Shutdown,           // graceful, by either side
  AbortedLocally,     // abort()
  AbortedByPeer,      // ABORT arrived; detail holds its causes
  ProtocolViolation,  // the peer broke the protocol and was aborted
  TooManyTimeouts,    // Config::max_retransmissions
};
std::string_view to_string(CloseReason reason);

// --- Events ---

/// The peer's parameters are known, and messages go: before that they wait. Of who sent the INIT the first packet of
/// them goes with the COOKIE ECHO, and the others when that has been answered (RFC 9260 §5.1 C).
struct Connected {
  /// Streams that may be used outgoing: ids below this.
  uint16_t outgoing_streams = 0;
  bool partial_reliability = false;
  bool stream_reset = false;
  bool interleaving = false;
};
/// The peer started anew over the same path (RFC 9260 §5.2.4.1): queued messages are gone, all streams begin anew.
struct Restarted {};
struct Message {
  StreamId stream;
  Ppid ppid;
  bool unordered = false;
  /// Valid until the next poll_event().
  ByteView payload;
};
/// The peer reset its side of these streams; comes after the last message of each.
struct IncomingStreamsReset {
  std::vector<StreamId> streams;
};
/// The peer confirmed reset_streams().
struct OutgoingStreamsReset {
  std::vector<StreamId> streams;
};
/// The peer refused reset_streams().
struct OutgoingResetFailed {
  std::vector<StreamId> streams;
};
/// buffered_amount(stream) fell to its threshold or below.
struct BufferedAmountLow {
  StreamId stream;
};
/// After BufferFull: at least half of the send buffer is free again, and there is room for the message that was
/// refused.
struct SendBufferAvailable {};
/// The end; nothing comes after it.
struct Closed {
  CloseReason reason;
  std::string detail;
};
using Event = std::variant<Connected, Restarted, Message, IncomingStreamsReset, OutgoingStreamsReset,
                           OutgoingResetFailed, BufferedAmountLow, SendBufferAvailable, Closed>;

// --- Statistics ---

enum class DropReason : uint8_t {
  TooShort,
  BadChecksum,  // or none though we had not said that we do without
  BadPorts,
  BadVerificationTag,
  BadBundling,
  MalformedChunk,
  UnknownChunk,
  UnexpectedChunk,  // not in this state, or not negotiated
  BadCookie,        // forged, altered or not ours
  StaleCookie,
  BadSack,  // acknowledges what was never sent, or its blocks are no blocks
  OldSack,
  BadHeartbeat,  // acknowledges a nonce we did not send
  DuplicateData,
  WindowFull,
  TsnOutOfRange,
  BadForwardTsn,
  BadReconfig,
  BadEcn,     // tells of what was never sent
  QueueFull,  // one of our own bounded queues
  Count,
};

struct Stats {
  uint64_t packets_sent = 0;
  uint64_t packets_received = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t messages_sent = 0;
  uint64_t messages_received = 0;
  uint64_t messages_abandoned = 0;
  uint64_t chunks_retransmitted = 0;
  uint64_t fast_retransmits = 0;
  uint64_t timeouts = 0;
  uint64_t marks_received = 0;  ///< packets with data that came with a mark of congestion
  uint64_t marks_reported = 0;  ///< reports of such by the peer that made the window smaller
  /// It began without a handshake, by Association::connect_with().
  bool snap = false;
  /// Largest packet of the present path.
  size_t packet_size = 0;
  size_t receive_window = 0;
  size_t congestion_window = 0;
  size_t slow_start_threshold = 0;
  size_t bytes_in_flight = 0;
  size_t peer_receive_window = 0;
  size_t send_buffer_used = 0;
  size_t receive_buffer_used = 0;
  Duration smoothed_rtt{};
  Duration rto{};
};

}  // namespace kaon::sctp
