// Messages that wait to be sent, and those whose chunks are under way.
#pragma once

#include "kaon/base/buffer.h"
#include "kaon/base/result.h"
#include "kaon/base/ring.h"
#include "kaon/sctp/internal/data_chunk.h"
#include "kaon/sctp/internal/slab.h"
#include "kaon/sctp/internal/stream_table.h"
#include "kaon/sctp/internal/turns.h"

namespace kaon::sctp {

/// One message; its chunks refer to it and read its bytes whenever they are (re)transmitted.
struct OutgoingMessage {
  Buffer bytes;
  StreamId stream;
  Mid mid;  // given with the first chunk
  Ppid ppid;
  bool unordered = false;
  uint32_t max_retransmits = UINT32_MAX;
  Time expires = kNever;
  size_t assigned = 0;      // bytes that have become chunks
  uint32_t fragments = 0;   // so many
  uint32_t references = 0;  // chunks not yet acknowledged for good
  uint32_t next = kNil;     // in its stream's queue
  Tsn first_tsn;            // of its chunks, once there are any
  Tsn last_tsn;
};

/// The next piece of a message, to become a chunk.
struct Fragment {
  uint32_t message = kNil;
  uint32_t offset = 0;
  uint32_t fsn = 0;
  uint16_t size = 0;
  uint8_t flags = 0;  // DATA's B, E and U
};

/// Streams take turns by weight (RFC 8260 §3.6): with I-DATA by chunk, with DATA by message, because there the chunks
/// of a message must follow each other (RFC 9260 §6.9).
class SendQueue {
 public:
  /// Bytes that may be queued: `usual`, and more where the congestion window asks for it, up to `most`.
  SendQueue(size_t usual, size_t most) : usual_bytes_(usual), most_bytes_(std::max(usual, most)), max_bytes_(usual) {}

  Result<void, SendError> add(StreamId stream, Ppid ppid, ByteView payload, const SendOptions& options, Time now,
                              BufferPool& pool);
  void set_format(DataFormat format) { format_ = format; }
  DataFormat format() const { return format_; }
  /// With I-DATA: messages of more than kSmall bytes that have begun and not ended have at most so many bytes together;
  /// one alone may have more. The peer keeps all of them until one is whole, and if all of its window were beginnings
  /// none ever would be.
  void set_most_begun(size_t bytes) { most_begun_ = bytes; }
  static constexpr size_t kSmall = 1024;
  void set_weight(StreamId stream, uint16_t weight) { streams_[stream].share.weight = weight; }
  /// Twice the window is what a sender needs that is told of room when half of the buffer is free.
  void fit_to_window(size_t window) { max_bytes_ = std::clamp(2 * window, usual_bytes_, most_bytes_); }

  bool has_data() const { return unsent_ != 0; }
  /// The message whose turn it is; kNil if there is none. Messages that expired before their first piece are dropped on
  /// the way; one that has a piece out is for the caller to abandon.
  uint32_t choose(Time now);
  /// The next piece of the chosen message, of at most `space` bytes. Nothing if it had better wait for a packet of its
  /// own, which has room for `full` bytes.
  std::optional<Fragment> next(size_t space, size_t full);

  const OutgoingMessage& message(uint32_t index) const { return messages_[index]; }
  void set_tsn(uint32_t index, Tsn tsn);
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
  /// Message number 0 is next if `performed`.
  void end_reset(StreamId stream, bool performed);

  size_t buffered_amount(StreamId stream) const;
  void set_low_threshold(StreamId stream, size_t bytes) { streams_[stream].low_threshold = bytes; }
  /// One of the next two may have something.
  bool may_tell() const { return refused_ != 0 || !low_.empty(); }
  std::optional<StreamId> poll_low();
  bool poll_available();

  /// Bytes held.
  size_t used() const { return used_; }
  /// Of them, bytes that have not been sent for the first time.
  size_t unsent() const { return unsent_; }
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
    Turns::Share share;
    uint64_t due_to_begin = 0;  // its share of held_
    Mid next_ordered;
    Mid next_unordered;
    Phase phase = Phase::Normal;
    bool has_turn = false;  // current_, among turns_ or among held_
    bool admitted = false;  // its first message counts in begun_
    bool low_queued = false;
  };

  void take_turn();
  bool may_send(Stream& stream);
  bool admit(Stream& stream);
  void admit_held();
  void remove_first(Stream& stream);
  void consume(StreamId id, Stream& stream, size_t bytes);

  size_t usual_bytes_;
  size_t most_bytes_;
  size_t max_bytes_;
  DataFormat format_ = DataFormat::Data;
  Slab<OutgoingMessage> messages_;
  StreamTable<Stream> streams_;
  Turns turns_;
  Turns held_;  // streams whose first message may not begin yet; whole messages take turns there
  size_t most_begun_ = SIZE_MAX;
  size_t begun_ = 0;                // while it is zero held_ is empty
  Ring<StreamId> low_;              // each once
  std::vector<StreamId> draining_;  // each once
  uint32_t current_ = kNil;         // first of its stream, which is not among turns_
  size_t used_ = 0;
  size_t unsent_ = 0;
  uint64_t abandoned_ = 0;
  size_t refused_ = 0;  // size of the smallest message for which there was no room
};

}  // namespace kaon::sctp
