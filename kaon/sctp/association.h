// One SCTP association over DTLS (RFC 9260, RFC 8261) without I/O, with partial reliability (RFC 3758), stream reset
// (RFC 6525) and interleaving (RFC 8260).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "kaon/base/buffer.h"
#include "kaon/base/env.h"
#include "kaon/base/result.h"
#include "kaon/net/engine.h"
#include "kaon/sctp/types.h"

namespace kaon::sctp {

/// A net::ByteEngine: SCTP packets in and out, as DTLS application data. Not thread-safe. Time that goes backwards
/// counts as no time passed. Drain poll_event() before poll_transmit(): answering events makes packets.
class Association {
 public:
  Association(const Config& config, Env env);
  Association(Association&&) noexcept;
  Association& operator=(Association&&) noexcept;
  ~Association();

  /// Sends INIT. Over DTLS both sides call it at once; collisions are resolved (RFC 9260 §5.2). Messages may be sent
  /// before.
  void connect(Time now);

  /// Our INIT chunk, whole, for the peer to have by other means than the wire (SNAP, draft-hancke-tsvwg-snap): the same
  /// on every call, and a later connect() sends this one.
  std::vector<uint8_t> init_chunk();
  /// Instead of connect(), where the peer has our init_chunk() and `peer_init` is its own: the association is there at
  /// once, and nothing of a handshake goes over the wire. Nothing changes on failure. Only over DTLS, which protects
  /// from what the state cookie would (RFC 9260 §5.1.3).
  [[nodiscard]] Result<void, InitError> connect_with(ByteView peer_init, Time now);

  /// Queues a copy of one message. Data of a stream that peer cannot be told to skip (no FORWARD-TSN) is sent reliably.
  [[nodiscard]] Result<void, SendError> send(StreamId stream, Ppid ppid, ByteView payload, const SendOptions& options,
                                             Time now);

  /// Resets our side of these streams once all that is queued on them has been sent (RFC 6525 §5.1).
  /// OutgoingStreamsReset or OutgoingResetFailed follows; until then send() on them fails.
  [[nodiscard]] Result<void, ResetError> reset_streams(std::span<const StreamId> streams, Time now);

  /// Sends everything that is queued, then ends (RFC 9260 §9.2).
  void shutdown(Time now);
  /// Ends now; one ABORT packet is left for poll_transmit().
  void abort(std::string_view reason, Time now);

  /// A round trip known from below (DTLS, ICE): the first timers use it instead of Config::rto_initial.
  void set_rtt(Duration rtt);
  /// Packets go another way from now on: what is known of their largest size is known no more.
  void path_changed();
  /// Something that must not wait, such as media, is being sent over the same path (or no longer is): while it is, the
  /// queue before the bottleneck is kept short (CongestionControl::share_path()).
  void share_path(bool shared);
  /// Of streams with data to send, one with twice the weight gets twice as much (RFC 8260 §3.6). 256 until set.
  void set_weight(StreamId stream, uint16_t weight);

  /// The remote's a=max-message-size (RFC 8841 §6); 0: no limit. 65536 until set.
  void set_remote_max_message_size(uint64_t size);

  /// Bytes of this stream that have not been sent for the first time.
  size_t buffered_amount(StreamId stream) const;
  /// BufferedAmountLow comes when buffered_amount(stream) falls from above to this or below. Zero at first.
  void set_buffered_amount_low_threshold(StreamId stream, size_t bytes);

  /// The payload of the Message just polled (or bytes made of it), to be kept beyond the next poll_event(). It counts
  /// against the receive window until release(): who does not read stops the peer.
  Buffer keep(ByteView payload);
  /// Appends to what keep() gave (or begins with an empty Buffer): a message that is put together above. Counts like
  /// keep(), with the memory that is taken ahead; `most` is the largest size it can have.
  void extend(Buffer& kept, ByteView bytes, size_t most);
  /// What keep() gave has been read. True if the peer is to be told of the room, by poll_transmit(). It may also just
  /// be destroyed together with the association.
  bool release(Buffer kept);

  /// The largest packet that the next poll_transmit() may write.
  size_t largest_packet() const;

  State state() const;
  Stats stats() const;
  const Counters<DropReason>& drops() const;

  /// `ecn`: of the datagram that brought it.
  void handle_packet(Bytes packet, Time now, net::Ecn ecn = net::Ecn::NotEct);
  void handle_timeout(Time now);
  Time next_timeout() const;
  /// `out` must hold Config::max_packet_size (asserted). With largest_packet() it gets all that may come; with less,
  /// no discovery of larger packets.
  std::optional<net::Transmit> poll_transmit(Bytes out);
  std::optional<Event> poll_event();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

static_assert(net::ByteEngine<Association>);

/// Whether Association::connect_with() takes these bytes: one INIT chunk that RFC 9260 §3.3.2 allows.
bool is_init_chunk(ByteView bytes);

}  // namespace kaon::sctp
