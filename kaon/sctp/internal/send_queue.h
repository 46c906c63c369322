// Messages that wait to be sent, and those whose chunks are under way.
#pragma once

#include "kaon/base/buffer.h"
#include "kaon/base/result.h"
#include "kaon/base/ring.h"
#include "kaon/sctp/internal/packet.h"
#include "kaon/sctp/internal/slab.h"
#include "kaon/sctp/internal/stream_table.h"

namespace kaon::sctp {

/// One message; its chunks refer to it and read its bytes whenever they are (re)transmitted.
struct OutgoingMessage {
  Buffer bytes;
  StreamId stream;
  Ssn ssn;  // given with the first chunk
  Ppid ppid;
  bool unordered = false;
  uint32_t max_retransmits = UINT32_MAX;
  Time expires = kNever;
  size_t assigned = 0;      // bytes that have become chunks
  uint32_t references = 0;  // chunks not yet acknowledged for good
  uint32_t next = kNil;     // in its stream's queue
};

/// The next piece of a message, to become a chunk.
struct Fragment {
  uint32_t message = kNil;
  uint32_t offset = 0;
  uint16_t size = 0;
  uint8_t flags = 0;  // DATA's B, E and U
};

/// Streams take turns by message, because with DATA the chunks of a message must follow each other (RFC 9260 §6.9).
/// With I-DATA the turns are to be by chunk and by priority (RFC 8260 §3).
class SendQueue {
 public:
  explicit SendQueue(size_t max_bytes) : max_bytes_(max_bytes) {}

  Result<void, SendError> add(StreamId stream, Ppid ppid, ByteView payload, const SendOptions& options, Time now,
                              BufferPool& pool);

  bool has_data() const { return current_ != kNil || !turns_.empty(); }
  /// The next piece of at most `space` bytes. Nothing if there is no data, or if the message had better wait for a
  /// packet of its own, which has room for `full` bytes. Messages that expired before their first piece are dropped on
  /// the way.
  std::optional<Fragment> next(size_t space, size_t full, Time now);
  /// The message of which some pieces are out and some are not; kNil if there is none.
  uint32_t started() const { return current_ != kNil && messages_[current_].assigned != 0 ? current_ : kNil; }

  const OutgoingMessage& message(uint32_t index) const { return messages_[index]; }
  bool expired(uint32_t index, Time now) const { return now >= messages_[index].expires; }
  /// One chunk of the message is done with.
  void release(uint32_t index);
  /// Gives up what was not sent of it; true if there was something.
  bool drop_rest(uint32_t index);
  /// After drop_rest(), of a message without chunks under way.
  void free_message(uint32_t index);

  // Stream reset. A stream goes Normal → Draining → Resetting → Normal.
  void begin_reset(StreamId stream);
  /// Moves up to `limit` drained streams on to Resetting.
  std::vector<StreamId> take_drained(size_t limit);
  /// SSN 0 is next if `performed`.
  void end_reset(StreamId stream, bool performed);

  size_t buffered_amount(StreamId stream) const;
  void set_low_threshold(StreamId stream, size_t bytes) { streams_[stream].low_threshold = bytes; }
  std::optional<StreamId> poll_low();
  bool poll_available();

  /// Bytes held.
  size_t used() const { return used_; }
  bool idle() const { return messages_.live() == 0; }
  uint64_t abandoned() const { return abandoned_; }
  void count_abandoned() { ++abandoned_; }
  /// Drops everything and begins all streams anew.
  void clear();
  void trim();

 private:
  enum class Phase : uint8_t { Normal, Draining, Resetting };
  struct Stream {
    uint32_t first = kNil;
    uint32_t last = kNil;
    size_t buffered = 0;
    size_t low_threshold = 0;
    Ssn next_ssn;
    Phase phase = Phase::Normal;
    bool has_turn = false;
    bool low_queued = false;
  };

  bool choose_message(Time now);
  void finish_current();
  void consume(StreamId id, Stream& stream, size_t bytes);

  size_t max_bytes_;
  Slab<OutgoingMessage> messages_;
  StreamTable<Stream> streams_;
  Ring<StreamId> turns_;            // streams with messages, each once: at most 65,536
  Ring<StreamId> low_;              // each once
  std::vector<StreamId> draining_;  // each once
  uint32_t current_ = kNil;
  size_t used_ = 0;
  uint64_t abandoned_ = 0;
  bool was_full_ = false;
};

}  // namespace kaon::sctp
