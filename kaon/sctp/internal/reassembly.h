// From DATA chunks to messages, RFC 9260 §6.5, §6.6 and §6.9.
#pragma once

#include "kaon/base/buffer.h"
#include "kaon/sctp/internal/data_chunk.h"
#include "kaon/sctp/internal/event_queue.h"
#include "kaon/sctp/internal/forward_tsn_chunk.h"
#include "kaon/sctp/internal/slab.h"
#include "kaon/sctp/internal/stream_table.h"
#include "kaon/sctp/internal/tsn_tracker.h"

namespace kaon::sctp {

/// Each byte is copied once on its way into a message when fragments come in order, twice when they do not. A message
/// in the making waits for its next TSN in a table over the window of TSNs, and a fragment that came too early waits
/// there to be found: each chunk costs constant time, whatever the peer does. I-DATA (RFC 8260) is to become a second
/// way in.
class Reassembly {
 public:
  explicit Reassembly(size_t max_message_size) : max_message_size_(max_message_size) {}

  enum class Status : uint8_t { Ok, BrokenFragments, MessageTooLarge };
  /// `chunk` is new to `tracker`, which has not been told of it yet. Complete messages go to `ready`.
  [[nodiscard]] Status add(const DataChunk& chunk, const TsnTracker& tracker, BufferPool& pool, EventQueue& ready);

  /// RFC 3758 §3.6: forgets what is incomplete up to the chunk's TSN and delivers what waited for it.
  void skip(const ForwardTsnChunk& chunk, EventQueue& ready);

  /// RFC 6525 §5.2.2: next comes SSN 0. What still waits on the stream is delivered first.
  void reset_stream(StreamId stream, EventQueue& ready);
  void reset_all_streams(EventQueue& ready);

  /// Memory held, with an allowance for each piece.
  size_t used() const { return used_; }
  void trim();

 private:
  // A fragment (not yet attached), a message in the making, or a complete one that waits for its turn.
  struct Item {
    enum class Kind : uint8_t { Free, Fragment, Partial, Waiting };
    Kind kind = Kind::Free;
    uint8_t flags = 0;
    StreamId stream;
    Ssn ssn;
    Ppid ppid;
    Tsn tsn;  // Fragment: its own; Partial: the one it needs next
    uint32_t next = kNil;
    Buffer bytes;
  };
  struct Stream {
    Ssn next_ssn;
    uint32_t first_waiting = kNil;  // in SSN order
    uint32_t last_waiting = kNil;
  };
  static constexpr size_t kItemOverhead = EventQueue::kMessageOverhead;

  static size_t cost(const Item& item) { return item.bytes.capacity() + kItemOverhead; }
  uint32_t add_item(Item item);
  Item take_item(uint32_t index);

  uint32_t& slot(Tsn tsn) { return slots_[tsn.value() & (slots_.size() - 1)]; }
  void make_room(uint32_t ahead);
  Status start(const DataChunk& chunk, const TsnTracker& tracker, BufferPool& pool, EventQueue& ready);
  Status extend(uint32_t partial, const TsnTracker& tracker, BufferPool& pool, EventQueue& ready);
  bool is_fragment(Tsn tsn);
  Status append(Item& partial, ByteView bytes, BufferPool& pool);
  static bool belongs(const Item& partial, const DataChunk& chunk);
  void complete(Item message, EventQueue& ready);
  void wait_for_turn(Stream& stream, Item message);
  void deliver(Item message, EventQueue& ready);
  void deliver_in_turn(Stream& stream, EventQueue& ready);
  void deliver_waiting_up_to(Stream& stream, Ssn ssn, EventQueue& ready);

  size_t max_message_size_;
  Slab<Item> items_;
  std::vector<uint32_t>
      slots_;  // size is zero or a power of two; by TSN: a Fragment with it or a Partial that needs it
  StreamTable<Stream> streams_;
  size_t used_ = 0;
  size_t usual_size_ = 2048;  // of the last fragmented message: the next one's first guess
};

}  // namespace kaon::sctp
