// What an association is made of. Its methods are spread by topic over association.cc, setup.cc, dispatch.cc and
// transmit.cc.
#pragma once

#include <array>
#include <memory>
#include <variant>

#include "kaon/sctp/association.h"
#include "kaon/sctp/internal/ecn.h"
#include "kaon/sctp/internal/error_cause.h"
#include "kaon/sctp/internal/path_mtu.h"
#include "kaon/sctp/internal/state_cookie.h"
#include "kaon/sctp/internal/stream_reset.h"
#include "kaon/trace/sink.h"

namespace kaon::sctp {

/// Transmission control block: what exists from the moment both sides' parameters are known.
struct Tcb {
  /// `secret` is random.
  Tcb(const Config& config, SendQueue& queue, const StateCookie& agreed, uint64_t secret);

  uint32_t local_tag;
  uint32_t peer_tag;
  Tsn local_initial_tsn;
  Tsn peer_initial_tsn;
  Capabilities capabilities;
  uint16_t outgoing_streams;
  DataFormat format;
  Sender sender;
  Receiver receiver;
  StreamReset reset;
  PathMtu path_mtu;
  Ecn ecn;
};

struct Idle {};
struct CookieWait {
  uint32_t local_tag = 0;
  Tsn initial_tsn;
  Time sent{};
  bool due = true;
  bool resent = false;
  // Of a cookie that had become stale: holds the data that went with it.
  std::unique_ptr<Tcb> refused = nullptr;
};
struct CookieEchoed {
  std::unique_ptr<Tcb> tcb;
  std::vector<uint8_t> cookie;
  bool due = true;
};
struct Open {
  enum class Phase : uint8_t { Established, ShutdownPending, ShutdownSent, ShutdownReceived, ShutdownAckSent };
  std::unique_ptr<Tcb> tcb;
  Phase phase = Phase::Established;
  bool cookie_ack_due = false;
  bool shutdown_due = false;  // SHUTDOWN or, in ShutdownAckSent, SHUTDOWN ACK
  bool unheard = false;       // begun by connect_with(), and no packet has shown yet that the peer did so too
};
struct Ended {};

class Association::Impl {
 public:
  Impl(const Config& config, Env env);

  // association.cc
  void connect(Time now);
  std::vector<uint8_t> init_chunk();
  Result<void, InitError> connect_with(ByteView peer_init, Time now);
  Result<void, SendError> send(StreamId stream, Ppid ppid, ByteView payload, const SendOptions& options, Time now);
  Result<void, ResetError> reset_streams(std::span<const StreamId> streams, Time now);
  void shutdown(Time now);
  void abort(std::string_view reason, Time now);
  void path_changed();
  void share_path(bool shared);
  size_t largest_packet() const;
  State state() const;
  Stats stats() const;
  std::optional<Event> poll_event();
  Buffer keep(ByteView payload);
  void extend(Buffer& kept, ByteView bytes, size_t most);
  bool release(Buffer kept);
  void handle_timeout(Time now);
  Time next_timeout() const;

  // dispatch.cc
  void handle_packet(Bytes packet, Time now, net::Ecn ecn);

  // transmit.cc
  std::optional<net::Transmit> poll_transmit(Bytes out);

 private:
  friend class Association;
  enum class Timer : uint8_t {
    Init,
    Shutdown,
    Retransmission,
    LossProbe,
    Reordering,
    Pacing,
    DelayedSack,
    Heartbeat,
    ReConfig,
    PathMtu,
    Count
  };
  // An answer that is not part of the flow of data; each leaves as a packet of its own.
  struct Reply {
    uint32_t verification_tag = 0;
    ChunkType type{};
    uint8_t flags = 0;
    std::vector<uint8_t> value;
  };
  static constexpr size_t kMaxReplies = 16;
  static constexpr uint8_t kTagReflected = 1;  // T bit, §8.5.1
  // Bytes to send from which on it pays to look for larger packets; and to keep memory ready, if they move between two
  // heartbeats.
  static constexpr size_t kBulk = 64 * 1024;

  /// What our own INIT says of us, chosen once.
  struct Start {
    uint32_t tag = 0;
    Tsn initial_tsn;
  };

  // setup.cc
  const Start& start();
  void start_handshake(Time now);
  void handle_init(ByteView value);
  void handle_init_ack(ByteView value);
  bool handle_cookie_echo(ByteView value, uint32_t verification_tag);
  bool handle_cookie_with_tcb(const StateCookie& cookie);
  bool is_setting_up() const;
  void handle_cookie_ack();
  void handle_stale_cookie();
  void establish(std::unique_ptr<Tcb> tcb);
  void announce(const Tcb& tcb);
  InitChunk own_init(uint32_t tag, Tsn initial_tsn) const;
  std::unique_ptr<Tcb> make_tcb(const StateCookie& agreed);
  uint32_t random_tag();

  // dispatch.cc
  bool checksum_fits(Bytes packet) const;
  bool tag_fits(const Chunk& first, uint32_t tag);
  void mark_heard();
  bool is_out_of_the_blue(const Chunk& first) const;
  void handle_out_of_the_blue(ByteView packet, uint32_t tag);
  bool handle_chunk(const Chunk& chunk, uint32_t tag);
  bool handle_chunk_of_open(const Chunk& chunk);
  bool handle_unknown(const Chunk& chunk);
  void handle_data(const Chunk& chunk);
  void handle_sack(ByteView value);
  void handle_ecn_echo(ByteView value);
  void handle_window_reduced(ByteView value);
  void handle_heartbeat(const Chunk& chunk);
  void handle_heartbeat_ack(ByteView value);
  void handle_forward_tsn(const Chunk& chunk);
  void handle_reconfig(ByteView value);
  void handle_error(ByteView value);
  void handle_shutdown(ByteView value);
  void handle_shutdown_ack();
  void trace_packet(trace::Direction direction, ByteView packet);

  // transmit.cc
  std::optional<net::Transmit> transmit(PacketWriter& writer, uint32_t tag, Bytes out,
                                        PacketWriter::Checksum checksum = PacketWriter::Checksum::Crc32c);
  std::optional<net::Transmit> transmit_cookie_echo(PacketWriter& writer, CookieEchoed& echoed, Bytes out);
  std::optional<net::Transmit> transmit_open(PacketWriter& writer, Open& open, Bytes out);
  std::optional<net::Transmit> transmit_probe(Tcb& tcb, Bytes out);
  PacketWriter::Checksum checksum_for(const Tcb& tcb) const;
  void write_sack(PacketWriter& writer, Tcb& tcb);
  bool rides_along(const Reply& reply) const;
  void write_errors(PacketWriter& writer);
  void advance_shutdown(Open& open);

  void reply(uint32_t tag, ChunkType type, uint8_t flags, ByteView value);
  void drop(DropReason reason) { drops_.add(reason); }
  void end(CloseReason reason, std::string detail);
  void abort_peer(ErrorCause cause, ByteView info, CloseReason reason, std::string_view detail = {});
  void abort_peer(ErrorCause cause, std::string_view text, CloseReason reason);
  bool count_timeout(std::optional<uint32_t> limit);
  bool count_timeout() { return count_timeout(config_.max_retransmissions); }
  void on_timer(Timer timer);
  void heartbeat();
  void on_retransmission_timeout();
  void use_path_mtu();
  void update_timers();
  void trim_memory();
  Time& deadline(Timer timer) { return deadlines_[static_cast<size_t>(timer)]; }
  void tick(Time now) { now_ = std::max(now_, now); }
  Tcb* tcb();
  const Tcb* tcb() const { return const_cast<Impl*>(this)->tcb(); }
  bool ended() const { return std::holds_alternative<Ended>(state_); }

  Config config_;
  Env env_;
  Time now_{};
  std::variant<Idle, CookieWait, CookieEchoed, Open, Ended> state_;
  std::array<Time, static_cast<size_t>(Timer::Count)> deadlines_;
  std::optional<Start> start_;
  std::optional<CookieJar> jar_;
  std::optional<BufferPool> pool_;
  SendQueue queue_;
  EventQueue events_;
  Ring<Reply> replies_;
  RetransmissionTimeout rto_;
  uint64_t remote_max_message_size_ = 65536;
  std::optional<Tsn> first_tsn_;  // of the new data in the packet at hand
  std::optional<uint64_t> heartbeat_nonce_;
  Time heartbeat_sent_{};
  uint64_t moved_ = 0;  // bytes in both directions up to the last heartbeat
  uint32_t timeouts_in_row_ = 0;
  bool shutdown_wanted_ = false;
  bool announced_ = false;  // Connected has been told
  bool path_shared_ = false;
  Stats totals_;
  Counters<DropReason> drops_;
};

}  // namespace kaon::sctp
