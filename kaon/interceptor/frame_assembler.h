// Puts received packets in order and together into frames.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "kaon/base/counters.h"
#include "kaon/base/time.h"
#include "kaon/rtp/packet.h"

namespace kaon::interceptor {

/// Packets by unwrapped sequence number, in slots of one circular array that grows up to its bound.
class ReorderBuffer {
 public:
  /// The span of sequence numbers it can hold: more than a second of 15 Mbit/s.
  static constexpr size_t kMaxPackets = 2048;
  enum class Drop : uint8_t { Late, Duplicate, TooFarAhead, Count };

  /// Nothing if the packet was taken, otherwise why not. The first packet says where the stream starts, but until one
  /// was taken out, others may come before it.
  std::optional<Drop> push(int64_t sequence, rtp::Packet&& packet);
  /// The next packet in order, if it is there.
  const rtp::Packet* front() const;
  rtp::Packet pop();
  /// True if packets wait behind a gap.
  bool gap() const { return count_ != 0 && front() == nullptr; }
  /// Arrival of the first packet behind the gap, which must be there (asserted).
  Time behind_gap() const;
  /// Goes on at the first packet behind the gap.
  void skip_gap();
  void clear();
  int64_t next() const { return next_; }
  size_t size() const { return count_; }

 private:
  struct Slot {
    bool used = false;
    rtp::Packet packet;
  };
  Slot& slot(int64_t sequence) { return slots_[static_cast<size_t>(sequence) & (slots_.size() - 1)]; }
  const Slot& slot(int64_t sequence) const { return slots_[static_cast<size_t>(sequence) & (slots_.size() - 1)]; }
  void grow(size_t needed);

  std::vector<Slot> slots_;  // size is zero or a power of two
  int64_t next_ = 0;
  int64_t highest_ = 0;
  size_t count_ = 0;
  bool started_ = false;
  bool fixed_ = false;  // a packet was taken out, so nothing before next() is of use
};

/// A whole frame. Its packets are valid until the next poll().
struct AssembledFrame {
  std::span<const rtp::Packet> packets;
  rtp::Timestamp timestamp;
  bool keyframe = false;     ///< as the first packet's marks say
  bool after_loss = false;   ///< frames before it are missing
  int64_t end_sequence = 0;  ///< unwrapped, of the packet behind it
};

/// One per received stream. Frames come out complete and in order; what cannot be completed in time is left out. Where
/// a frame starts is known by FrameMarks::start_of_frame, or by the end of the frame before it if no packet is missing
/// between.
class FrameAssembler {
 public:
  /// Frames end at the marker or where the timestamp changes (video), or each packet is one (audio).
  enum class Mode : uint8_t { Video, Audio };
  /// How long a stream's first packet, if it is not the start of a frame, waits for one that was only reordered.
  static constexpr Duration kStartWait = std::chrono::milliseconds(20);
  /// A frame of more packets is left out.
  static constexpr size_t kMaxFramePackets = 1024;

  FrameAssembler(Mode mode, Duration max_wait) : mode_(mode), max_wait_(max_wait), resync_(mode == Mode::Video) {}

  /// How long a gap may hold up what is behind it: about what two retransmissions take.
  void set_max_wait(Duration wait) { max_wait_ = wait; }
  /// `sequence` as ReceiveStatistics unwrapped it. A jump of more than the buffer's span starts anew.
  void push(int64_t sequence, rtp::Packet&& packet);
  std::optional<AssembledFrame> poll(Time now);
  /// When a gap will be given up; kNever without one.
  Time next_timeout() const { return deadline_; }
  /// True once after a frame was lost: what follows cannot be decoded without a key frame, unless the codec's layers
  /// say so.
  bool take_frame_lost() { return std::exchange(frame_lost_, false); }
  /// Packets below have been used or left out; nothing there needs to be asked for.
  int64_t next_sequence() const { return buffer_.next(); }
  const Counters<ReorderBuffer::Drop>& dropped() const { return dropped_; }
  size_t buffered() const { return buffer_.size() + frame_.size(); }

 private:
  void restart_at(int64_t sequence, rtp::Packet&& packet);
  void give_up_gap();
  void lose_frame();
  bool starts_frame(const rtp::Packet& packet) const;
  bool ends_before(const rtp::Packet& packet) const;
  bool take_packet();
  bool waits_for_start(const rtp::Packet& packet) const;
  AssembledFrame complete();
  void update_deadline();

  Mode mode_;
  Duration max_wait_;
  ReorderBuffer buffer_;
  std::vector<rtp::Packet> frame_;
  bool complete_ = false;     // frame_ was given out and goes with the next poll
  bool frame_ended_ = false;  // the packet before next() was the last of its frame
  bool resync_;               // packets are left out until a frame starts
  bool after_loss_ = false;
  bool frame_lost_ = false;
  std::optional<rtp::Timestamp> last_timestamp_;
  bool started_ = false;  // the first packet was taken
  Time deadline_ = kNever;
  int64_t gap_at_ = 0;  // next() when the deadline was set
  Counters<ReorderBuffer::Drop> dropped_;
};

}  // namespace kaon::interceptor
