// The sending half of an association: what may leave now, and when to try again.
#pragma once

#include "kaon/sctp/internal/congestion_control.h"
#include "kaon/sctp/internal/retransmission_queue.h"
#include "kaon/sctp/internal/rtt.h"

namespace kaon::sctp {

class Sender {
 public:
  Sender(const Config& config, SendQueue& queue, Tsn initial_tsn, uint32_t peer_a_rwnd, bool partial_reliability);

  /// Without effect unless Ok; the verdict is for counting.
  RetransmissionQueue::Verdict handle_sack(const SackChunk& sack, RetransmissionTimeout& rto, Time now);
  /// T3-rtx, RFC 9260 §6.3.3.
  void handle_timeout(Time now);
  void message_queued(Time now, Duration rto);
  /// Takes over what an earlier set-up of the same association sent along with its COOKIE ECHO: all of it counts as
  /// lost.
  void adopt(Sender&& earlier);

  /// Puts FORWARD-TSN, lost and new chunks into the packet, as many as are allowed.
  void fill(PacketWriter& writer, Time now);
  bool wants_to_send(Time now);

  /// Whether T3-rtx must run.
  bool outstanding() const { return !sent_.empty(); }
  /// True once after a SACK that moved the cumulative TSN: T3-rtx begins anew.
  bool take_progress() { return std::exchange(progress_, false); }
  Tsn last_assigned_tsn() const { return sent_.next_tsn() - 1; }
  size_t peer_window_estimate() const { return peer_window_ + sent_.in_flight(); }
  void add_stats(Stats& stats) const;
  void trim() { sent_.trim(); }

 private:
  bool window_open(size_t payload) const;
  void fill_forward_tsn(PacketWriter& writer);
  /// As next_lost(); notes if something was given up on the way.
  std::optional<RetransmissionQueue::Chunk> find_lost(Time now);
  void fill_lost(PacketWriter& writer, Time now);
  void fill_new(PacketWriter& writer, Time now);
  void give_up_expired(Time now);
  void write_chunk(PacketWriter& writer, Tsn tsn, const Fragment& fragment, bool immediate);

  SendQueue* queue_;
  RetransmissionQueue sent_;
  std::unique_ptr<CongestionControl> congestion_;
  size_t max_packet_size_;
  size_t burst_;
  size_t budget_;  // bytes that may leave before the next SACK or time-out
  size_t peer_window_;
  std::optional<Tsn> recovery_end_;  // fast recovery until this is acknowledged, §7.2.4
  std::vector<ForwardTsnChunk::Skipped> skipped_;
  Time last_sent_{};
  uint64_t fast_retransmits_ = 0;
  uint64_t timeouts_ = 0;
  bool partial_reliability_;
  bool free_packet_ = false;  // one packet of fast retransmissions leaves whatever the window says
  bool forward_due_ = false;
  bool progress_ = false;
};

}  // namespace kaon::sctp
