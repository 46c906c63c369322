// Chunks that were sent and not yet acknowledged for good: RFC 9260 §6.3.3, §7.2.4; RFC 3758 §3.5.
#pragma once

#include "kaon/sctp/internal/forward_tsn_chunk.h"
#include "kaon/sctp/internal/sack_chunk.h"
#include "kaon/sctp/internal/send_queue.h"

namespace kaon::sctp {

/// Loss is detected by counting SACKs that report later chunks; detection by time (RACK) is to replace on_missing().
class RetransmissionQueue {
 public:
  RetransmissionQueue(SendQueue& messages, Tsn initial) : messages_(&messages), cumulative_(initial - 1) {}

  enum class Verdict : uint8_t { Ok, Old, Bad };
  struct Outcome {
    Verdict verdict = Verdict::Ok;
    size_t newly_acknowledged = 0;
    bool cumulative_advanced = false;
    bool loss = false;
    /// Of a chunk sent once (Karn).
    std::optional<Duration> rtt;
  };
  Outcome handle_sack(const SackChunk& sack, bool in_recovery, Time now);
  /// Everything under way counts as lost.
  void handle_timeout();

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
  /// New cumulative TSN and the ordered streams it skips, no more than `max_streams`.
  Tsn forward(std::vector<ForwardTsnChunk::Skipped>& skipped, size_t max_streams) const;

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
    uint16_t transmissions = 1;
    StreamId stream;
    Ssn ssn;
    State state = State::InFlight;
    uint8_t missing = 0;
  };
  struct Progress;

  static size_t cost(const Sent& sent);
  uint32_t index_of(Tsn tsn) const { return tsn.distance_from(cumulative_) - 1; }
  void acknowledge(size_t index, Progress& progress);
  void advance(Tsn cumulative, Progress& progress);
  void acknowledge_blocks(const SackChunk& sack, Progress& progress);
  void count_missing(const SackChunk& sack, bool in_recovery, Progress& progress);
  void count_missing_between(size_t from, size_t to, Progress& progress);
  void lose(size_t index);
  void abandon_chunk(size_t index);

  SendQueue* messages_;
  Tsn cumulative_;
  Ring<Sent> sent_;                 // sent_[i] has TSN cumulative_ + 1 + i
  std::vector<TsnRange> reported_;  // blocks of the last SACK
  size_t in_flight_ = 0;
  size_t lost_ = 0;
  size_t first_lost_ = 0;  // no Lost chunk before this index
  uint64_t retransmissions_ = 0;
  bool partial_reliability_ = false;
};

}  // namespace kaon::sctp
