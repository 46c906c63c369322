// The sending half of an association: what may leave now, and when to try again.
#pragma once

#include "kaon/sctp/congestion_control.h"
#include "kaon/sctp/internal/pacer.h"
#include "kaon/sctp/internal/retransmission_queue.h"
#include "kaon/sctp/internal/rtt.h"

namespace kaon::sctp {

class Sender {
 public:
  Sender(const Config& config, SendQueue& queue, Tsn initial_tsn, uint32_t peer_a_rwnd, bool partial_reliability);

  /// Without effect unless Ok; the verdict is for counting.
  RetransmissionQueue::Verdict handle_sack(const SackChunk& sack, RetransmissionTimeout& rto, Time now);
  /// The peer saw a mark on a packet that began with this TSN (RFC 4960 Appendix A.2): once per round trip the window
  /// becomes smaller as by a loss.
  enum class Mark : uint8_t { Counted, Known, NeverSent };
  Mark handle_mark(Tsn tsn, Time now);
  /// T3-rtx, RFC 9260 §6.3.3.
  void handle_timeout(Time now);
  /// reordering_deadline() or probe_deadline() has come.
  void handle_reordering_timeout(const RetransmissionTimeout& rto, Time now);
  void handle_probe_timeout();
  void message_queued(Time now, Duration rto);
  /// Takes over what an earlier set-up of the same association sent along with its COOKIE ECHO: all of it counts as
  /// lost.
  void adopt(Sender&& earlier);
  void set_packet_size(size_t size);
  void share_path(bool shared) { congestion_->share_path(shared); }

  /// Puts FORWARD-TSN, lost and new chunks into the packet, as many as are allowed.
  void fill(PacketWriter& writer, Time now);
  bool wants_to_send(Time now);

  /// Whether T3-rtx must run.
  bool outstanding() const { return !sent_.empty(); }
  /// True once after a SACK that moved the cumulative TSN: T3-rtx begins anew.
  bool take_progress() { return std::exchange(progress_, false); }
  Time reordering_deadline() const { return sent_.reordering_deadline(); }
  /// RFC 8985 §7.2.
  Time probe_deadline(const RetransmissionTimeout& rto) const;
  /// When pacing lets the next chunks go, if there are any that wait for it.
  Time pacing_deadline(Time now) const;

  Tsn last_assigned_tsn() const { return sent_.next_tsn() - 1; }
  size_t peer_window_estimate() const { return peer_window_ + sent_.in_flight(); }
  void add_stats(Stats& stats) const;
  void trim() { sent_.trim(); }

 private:
  bool window_open(size_t payload, Time now);
  void on_losses(Time now);
  void end_recovery(Tsn cumulative);
  void judge_probe(const SackChunk& sack, Time now);
  void fill_forward_tsn(PacketWriter& writer);
  /// As next_lost(); notes if something was given up on the way.
  std::optional<RetransmissionQueue::Chunk> find_lost(Time now);
  void fill_lost(PacketWriter& writer, Time now);
  void fill_new(PacketWriter& writer, Time now);
  void give_up_expired(Time now);
  void write_chunk(PacketWriter& writer, Tsn tsn, const Fragment& fragment, bool immediate, Time now);

  SendQueue* queue_;
  RetransmissionQueue sent_;
  std::unique_ptr<CongestionControl> congestion_;
  Pacer pacer_;
  size_t max_packet_size_;
  size_t peer_window_;
  std::optional<Tsn> recovery_end_;  // fast recovery until this is acknowledged, RFC 9260 §7.2.4
  std::optional<Tsn> marked_until_;  // a mark up to this tells nothing new
  Tsn round_end_;                    // a round trip ends when this is acknowledged
  std::optional<Tsn> probe_end_;     // a tail loss probe is out, RFC 8985 §7.4
  std::vector<ForwardTsnChunk::Skipped> skipped_;
  Time last_sent_{};
  uint64_t fast_retransmits_ = 0;
  uint64_t timeouts_ = 0;
  bool partial_reliability_;
  bool free_packet_ = false;        // one packet leaves whatever the window says
  bool probe_repeats_ = false;      // the probe that is out was sent before
  bool limited_by_window_ = false;  // when something was to be sent last
  bool gathers_ = false;            // the window was full: wait until a group of the pacer has room
  bool limited_by_peer_ = false;    // since the last chunk
  bool forward_due_ = false;
  bool progress_ = false;
  bool reduced_by_mark_ = false;  // within this round trip
};

}  // namespace kaon::sctp
