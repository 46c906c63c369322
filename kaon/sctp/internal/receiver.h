// The receiving half of an association: acknowledges, reassembles, advertises the window.
#pragma once

#include "kaon/base/ring.h"
#include "kaon/sctp/internal/reassembly.h"
#include "kaon/sctp/internal/tsn_tracker.h"

namespace kaon::sctp {

class Receiver {
 public:
  /// `secret` is random.
  Receiver(const Config& config, Tsn peer_initial_tsn, uint64_t secret);

  /// LockedUp: the window is full of messages in the making, nothing is missing and nothing waits to be polled, so that
  /// none of them can ever be whole.
  enum class Outcome : uint8_t { Taken, Duplicate, OutOfRange, WindowFull, LockedUp, BrokenFragments, MessageTooLarge };
  Outcome handle_data(const DataChunk& chunk, BufferPool& pool, EventQueue& events);
  /// Acknowledged as any other, and forgotten: of a stream that does not exist (RFC 9260 §6.5).
  void discard_data(const DataChunk& chunk, const EventQueue& events);
  /// False if it is of no use: behind us, or far ahead of everything.
  bool handle_forward_tsn(const ForwardTsnChunk& chunk, EventQueue& events);
  /// After the last chunk of a packet. True if `sack_now()` turned true or a delayed SACK must be due after
  /// Config::delayed_sack.
  void packet_ended(Duration round_trip, const EventQueue& events, Time now);
  /// The peer sends whole windows on one SACK: then one SACK is enough for the packets of a batch.
  void coalesce_sacks() { coalesces_ = true; }

  /// RFC 9260 §6.2: at once on the first data, gaps, duplicates, the I bit and every second packet; otherwise a little
  /// later.
  bool sack_now() const { return sack_now_; }
  bool sack_later() const { return unacknowledged_packets_ != 0; }
  void want_sack() { sack_now_ = true; }
  /// SACKs that packets of one batch are still owed.
  static constexpr size_t kMaxOwed = 32;
  /// The application polled messages: perhaps the window opened enough to say so (RFC 9260 §6.2).
  void messages_polled(const EventQueue& events);

  /// Size of the SACK's value in at most `space` bytes.
  size_t sack_size(size_t space) const;
  void write_sack(Bytes out, const EventQueue& events);
  /// The cumulative TSN is told by another chunk; a SACK is needed only for what it cannot tell.
  void acknowledged_otherwise();

  Tsn cumulative() const { return tracker_.cumulative(); }
  Reassembly& reassembly() { return reassembly_; }
  size_t used(const EventQueue& events) const { return reassembly_.used() + events.message_bytes(); }
  static size_t window_of(const Config& config);
  size_t window() const { return window_; }
  /// From time to time: a window that nobody fills any more becomes smaller again.
  void shrink_window();
  void trim() { reassembly_.trim(); }

 private:
  uint32_t advertised(const EventQueue& events) const;
  bool has_room(Tsn tsn, size_t used) const;
  std::optional<Outcome> refuse(const DataChunk& chunk, const EventQueue& events);
  void acknowledge(Tsn tsn);
  void grow_window(Duration round_trip, const EventQueue& events, Time now);

  size_t usual_window_;
  size_t most_window_;
  size_t window_;
  TsnTracker tracker_;
  Reassembly reassembly_;
  uint32_t last_advertised_;
  Time round_start_{};
  size_t bytes_in_round_ = 0;
  size_t most_in_round_ = 0;  // since shrink_window()
  uint8_t unacknowledged_packets_ = 0;
  // Cumulative TSNs after every second packet since the last SACK. A batch of packets that arrives at once is not
  // answered by one SACK for all: peers send only a few packets per SACK (RFC 9260 §6.1 D), and would wait for each
  // batch.
  Ring<Tsn> owed_;
  bool coalesces_ = false;
  bool sack_now_ = false;
  bool packet_had_data_ = false;
  bool heard_ = false;
};

}  // namespace kaon::sctp
