// Chunks that were sent and not yet acknowledged for good: RFC 9260 §6.3.3, RFC 8985, RFC 3758 §3.5.
#pragma once

#include "kaon/sctp/internal/forward_tsn_chunk.h"
#include "kaon/sctp/internal/rack.h"
#include "kaon/sctp/internal/sack_chunk.h"
#include "kaon/sctp/internal/send_queue.h"

namespace kaon::sctp {

class RetransmissionQueue {
 public:
  RetransmissionQueue(SendQueue& messages, Tsn initial) : messages_(&messages), cumulative_(initial - 1) {}

  enum class Verdict : uint8_t { Ok, Old, Bad };
  struct Outcome {
    Verdict verdict = Verdict::Ok;
    size_t newly_acknowledged = 0;
    bool cumulative_advanced = false;
    /// Of a chunk sent once (Karn).
    std::optional<Duration> rtt;
  };
  Outcome handle_sack(const SackChunk& sack, Time now);
  /// Marks for retransmission what counts as lost by now; true if there was something. Sets reordering_deadline().
  bool detect_losses(bool in_recovery, Duration smoothed_rtt, Time now);
  /// When detect_losses() may find more; kNever if it cannot.
  Time reordering_deadline() const { return reordering_deadline_; }
  void recovery_ended() { rack_.recovery_ended(); }
  /// Everything under way counts as lost.
  void handle_timeout();
  /// The newest chunk under way is to be sent once more though nobody knows that it is lost (RFC 8985 §7.3). False if
  /// there is none that may.
  bool probe_last();

  /// A new chunk gets its TSN.
  Tsn add(const Fragment& fragment, Time now);
  struct Chunk {
    Tsn tsn;
    Fragment fragment;
  };
  /// The first chunk that is to be sent again; those that have become too old are given up on the way.
  std::optional<Chunk> next_lost(Time now);
  void retransmitted(Tsn tsn, Time now);

  /// Gives up the message and all its chunks; needs a peer that knows FORWARD-TSN.
  void abandon(uint32_t message);
  void set_partial_reliability(bool negotiated) { partial_reliability_ = negotiated; }

  /// Whether the peer must be told to move past abandoned chunks.
  bool must_forward() const { return !sent_.empty() && sent_[0].state == State::Abandoned; }
  /// New cumulative TSN and the messages it skips (of each stream the last one), no more than `max_entries`.
  Tsn forward(std::vector<ForwardTsnChunk::Skipped>& skipped, size_t max_entries) const;

  Tsn cumulative() const { return cumulative_; }
  Tsn next_tsn() const { return cumulative_ + 1 + static_cast<uint32_t>(sent_.size()); }
  bool empty() const { return sent_.empty(); }
  bool has_lost() const { return lost_ != 0; }
  /// With chunk headers.
  size_t in_flight() const { return in_flight_; }
  uint64_t retransmissions() const { return retransmissions_; }
  void trim() {
    if (sent_.empty()) sent_.release();
  }

 private:
  enum class State : uint8_t { InFlight, Acked, Lost, Abandoned };
  struct Sent {
    Time at;
    Fragment fragment;
    // Neighbours in the list of chunks in flight by time of sending; its own TSN at either end.
    Tsn earlier;
    Tsn later;
    Mid mid;
    StreamId stream;
    uint16_t transmissions = 1;
    State state = State::InFlight;
  };
  struct Progress;

  size_t cost(const Sent& sent) const;
  uint32_t index_of(Tsn tsn) const { return tsn.distance_from(cumulative_) - 1; }
  Sent& at(Tsn tsn) { return sent_[index_of(tsn)]; }
  void put_in_flight(Sent& sent, Tsn tsn, Time now);
  void take_from_flight(Sent& sent, Tsn tsn);
  void acknowledge(Tsn tsn, Progress& progress);
  void advance(Tsn cumulative, Progress& progress);
  void acknowledge_blocks(const SackChunk& sack, Progress& progress);
  void lose(Tsn tsn);
  void mark_lost(Sent& sent, Tsn tsn);
  size_t abandon_chunks(uint32_t message);

  SendQueue* messages_;
  Tsn cumulative_;
  Ring<Sent> sent_;                 // sent_[i] has TSN cumulative_ + 1 + i
  std::vector<TsnRange> reported_;  // blocks of the last SACK
  Rack rack_;
  Time reordering_deadline_ = kNever;
  size_t chunks_in_flight_ = 0;
  Tsn earliest_;  // if there are any
  Tsn latest_;
  size_t in_flight_ = 0;
  size_t beyond_ = 0;  // chunks in state Acked
  size_t lost_ = 0;
  size_t first_lost_ = 0;  // no Lost chunk before this index
  uint64_t retransmissions_ = 0;
  bool partial_reliability_ = false;
};

}  // namespace kaon::sctp
