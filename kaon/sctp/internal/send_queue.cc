#include "kaon/sctp/internal/send_queue.h"

#include <algorithm>

#include "kaon/sctp/internal/data_chunk.h"

namespace kaon::sctp {

// A piece smaller than this is not worth its header: rather start the next packet.
constexpr size_t kMinFragment = 512;

Result<void, SendError> SendQueue::add(StreamId id, Ppid ppid, ByteView payload, const SendOptions& options, Time now,
                                       BufferPool& pool) {
  Stream& stream = streams_[id];
  if (stream.phase != Phase::Normal) return fail(SendError::StreamResetting);
  if (used_ != 0 && used_ + payload.size() > max_bytes_) {
    was_full_ = true;
    return fail(SendError::BufferFull);
  }
  OutgoingMessage message;
  message.bytes = pool.copy(payload);
  message.stream = id;
  message.ppid = ppid;
  message.unordered = options.unordered;
  message.max_retransmits = options.max_retransmits.value_or(UINT32_MAX);
  if (options.lifetime && *options.lifetime < kNever - now) message.expires = now + *options.lifetime;
  used_ += payload.size();
  const uint32_t index = messages_.add(std::move(message));

  if (stream.last == kNil) {
    stream.first = index;
  } else {
    messages_[stream.last].next = index;
  }
  stream.last = index;
  stream.buffered += payload.size();
  if (!std::exchange(stream.has_turn, true)) turns_.push_back(id);
  return {};
}

bool SendQueue::choose_message(Time now) {
  while (current_ == kNil && !turns_.empty()) {
    const StreamId id = turns_.pop_front();
    Stream& stream = streams_[id];
    current_ = stream.first;
    if (!expired(current_, now)) break;
    const uint32_t index = current_;
    ++abandoned_;
    drop_rest(index);
    free_message(index);
  }
  return current_ != kNil;
}

std::optional<Fragment> SendQueue::next(size_t space, size_t full, Time now) {
  if (!choose_message(now)) return std::nullopt;
  OutgoingMessage& message = messages_[current_];
  Stream& stream = streams_[message.stream];
  const size_t left = message.bytes.size() - message.assigned;
  if (left > space && (left <= full || space < std::min(full, kMinFragment))) return std::nullopt;

  Fragment fragment;
  fragment.message = current_;
  fragment.offset = static_cast<uint32_t>(message.assigned);
  fragment.size = static_cast<uint16_t>(std::min(left, space));
  if (message.unordered) fragment.flags |= DataChunk::kUnordered;
  if (message.assigned == 0) {
    fragment.flags |= DataChunk::kBeginning;
    if (!message.unordered) {
      message.ssn = stream.next_ssn;
      ++stream.next_ssn;
    }
  }
  if (fragment.size == left) fragment.flags |= DataChunk::kEnd;
  ++message.references;
  message.assigned += fragment.size;
  consume(message.stream, stream, fragment.size);
  if (fragment.size == left) finish_current();
  return fragment;
}

// The current message has left its stream's queue; the stream's next one waits for its turn.
void SendQueue::finish_current() {
  const OutgoingMessage& message = messages_[current_];
  Stream& stream = streams_[message.stream];
  stream.first = message.next;
  if (stream.first == kNil) {
    stream.last = kNil;
    stream.has_turn = false;
  } else {
    turns_.push_back(message.stream);
  }
  current_ = kNil;
}

void SendQueue::consume(StreamId id, Stream& stream, size_t bytes) {
  const bool was_above = stream.buffered > stream.low_threshold;
  stream.buffered -= bytes;
  if (was_above && stream.buffered <= stream.low_threshold && !std::exchange(stream.low_queued, true))
    low_.push_back(id);
}

void SendQueue::release(uint32_t index) {
  OutgoingMessage& message = messages_[index];
  KAON_ASSERT(message.references != 0);
  if (--message.references == 0 && message.assigned == message.bytes.size()) free_message(index);
}

void SendQueue::free_message(uint32_t index) {
  used_ -= messages_[index].bytes.size();
  messages_.take(index);
}

bool SendQueue::drop_rest(uint32_t index) {
  OutgoingMessage& message = messages_[index];
  const size_t left = message.bytes.size() - message.assigned;
  if (left == 0) return false;
  KAON_ASSERT(index == current_);
  message.assigned = message.bytes.size();
  consume(message.stream, streams_[message.stream], left);
  finish_current();
  return true;
}

void SendQueue::begin_reset(StreamId id) {
  Stream& stream = streams_[id];
  if (stream.phase != Phase::Normal) return;
  stream.phase = Phase::Draining;
  draining_.push_back(id);
}

std::vector<StreamId> SendQueue::take_drained(size_t limit) {
  std::vector<StreamId> drained;
  std::erase_if(draining_, [&](StreamId id) {
    Stream& stream = streams_[id];
    if (stream.first != kNil || drained.size() == limit) return false;
    stream.phase = Phase::Resetting;
    drained.push_back(id);
    return true;
  });
  return drained;
}

void SendQueue::end_reset(StreamId id, bool performed) {
  Stream& stream = streams_[id];
  stream.phase = Phase::Normal;
  if (performed) stream.next_ssn = Ssn();
}

size_t SendQueue::buffered_amount(StreamId id) const {
  const Stream* stream = streams_.find(id);
  return stream == nullptr ? 0 : stream->buffered;
}

std::optional<StreamId> SendQueue::poll_low() {
  if (low_.empty()) return std::nullopt;
  const StreamId id = low_.pop_front();
  streams_[id].low_queued = false;
  return id;
}

bool SendQueue::poll_available() {
  if (!was_full_ || used_ > max_bytes_ / 2) return false;
  was_full_ = false;
  return true;
}

void SendQueue::clear() { *this = SendQueue(max_bytes_); }

void SendQueue::trim() {
  messages_.trim();
  if (turns_.empty()) turns_.release();
  if (low_.empty()) low_.release();
}

}  // namespace kaon::sctp
