// From DATA and I-DATA chunks to messages, RFC 9260 §6.5, §6.6 and §6.9; RFC 8260 §2.2.
#pragma once

#include "kaon/base/buffer.h"
#include "kaon/sctp/internal/data_chunk.h"
#include "kaon/sctp/internal/event_queue.h"
#include "kaon/sctp/internal/forward_tsn_chunk.h"
#include "kaon/sctp/internal/fragment_table.h"
#include "kaon/sctp/internal/slab.h"
#include "kaon/sctp/internal/stream_table.h"
#include "kaon/sctp/internal/tsn_tracker.h"

namespace kaon::sctp {

/// Each byte is copied once on its way into a message when fragments come in order, twice when they do not. Fragments
/// have numbers: the TSN with DATA, the fragment sequence number within its message with I-DATA. A message in the
/// making waits in a table under the number that it needs next, and a fragment that came too early waits there under
/// its own: each chunk costs constant time, whatever the peer does. Complete messages that wait for their turn are a
/// heap per stream.
class Reassembly {
 public:
  /// `secret` is random: it keys the table.
  Reassembly(size_t max_message_size, uint64_t secret) : max_message_size_(max_message_size), table_(secret) {}

  enum class Status : uint8_t { Ok, BrokenFragments, MessageTooLarge };
  /// `chunk` is new to `tracker`, which has not been told of it yet. Complete messages go to `ready`.
  [[nodiscard]] Status add(const DataChunk& chunk, const TsnTracker& tracker, BufferPool& pool, EventQueue& ready);

  /// RFC 3758 §3.6, RFC 8260 §2.3.2: forgets what is incomplete and was given up, and delivers what waited for it.
  /// `tracker` has not been told of it yet.
  void skip(const ForwardTsnChunk& chunk, const TsnTracker& tracker, EventQueue& ready);

  /// Parts of messages that were given up are still here: streams cannot begin anew yet.
  bool owes_cleaning() const { return given_up_; }
  /// RFC 6525 §5.2.2: next comes message 0. What still waits on the stream is delivered first.
  void reset_stream(StreamId stream, EventQueue& ready);
  void reset_all_streams(EventQueue& ready);

  /// Memory held, with an allowance for each piece.
  size_t used() const { return used_; }
  void trim();

 private:
  using Key = FragmentTable::Key;
  // A fragment (not yet attached) or a message in the making; one that is complete may wait for its turn.
  struct Item {
    enum class Kind : uint8_t { Free, Fragment, Partial, Waiting };
    Kind kind = Kind::Free;
    uint8_t flags = 0;
    StreamId stream;
    Mid mid;
    Ppid ppid;
    Key key;  // Fragment: its own; Partial: the one it needs next
    Buffer bytes;
  };
  struct Turn {
    Mid mid;
    uint32_t item;
  };
  struct Stream {
    Mid next_mid;
    Mid first_unordered;                         // of the unordered messages that the peer has not given up
    std::unique_ptr<std::vector<Turn>> waiting;  // a heap, the lowest number first; null if none does
  };
  // All items are looked through only as often as the chunks that came since the last time pay for it, each with so
  // many: a peer may give up one message after another while thousands of parts wait.
  static constexpr size_t kItemsPerChunk = 128;
  static constexpr size_t kItemOverhead = kMessageOverhead;

  static size_t cost(const Item& item) { return item.bytes.capacity() + kItemOverhead; }
  static Key key_of(const DataChunk& chunk);
  static Key next_key(Key key) { return {key.message, key.number + 1}; }
  uint32_t add_item(Item item);
  Item take_item(uint32_t index);

  Status start(const DataChunk& chunk, const TsnTracker& tracker, BufferPool& pool, EventQueue& ready);
  Status extend(uint32_t partial, const TsnTracker& tracker, BufferPool& pool, EventQueue& ready);
  bool is_fragment(const Key& key) const;
  bool is_orphan(const DataChunk& chunk, const TsnTracker& tracker) const;
  bool is_given_up(StreamId stream, bool unordered, Mid mid) const;
  void drop_orphans_from(Tsn tsn);
  Status append(Item& partial, ByteView bytes, BufferPool& pool);
  static bool belongs(const Item& partial, DataFormat format, const Item& fragment);
  void complete(Item message, DataFormat format, EventQueue& ready);
  void wait_for_turn(Stream& stream, Item message);
  void deliver(Item message, EventQueue& ready);
  void deliver_in_turn(Stream& stream, EventQueue& ready);
  void deliver_waiting_up_to(Stream& stream, Mid mid, EventQueue& ready);
  void deliver_first_waiting(Stream& stream, EventQueue& ready);
  void drop(const Key& key);
  void drop_skipped(Tsn new_cumulative, const TsnTracker& tracker);
  void drop_given_up();

  size_t max_message_size_;
  Slab<Item> items_;
  FragmentTable table_;
  StreamTable<Stream> streams_;
  size_t used_ = 0;
  size_t usual_size_ = 2048;  // of the last fragmented message: the next one's first guess
  size_t paid_ = 0;           // items that may be looked through
  bool given_up_ = false;     // there may be such among them
};

}  // namespace kaon::sctp
