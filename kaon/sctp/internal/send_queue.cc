#include "kaon/sctp/internal/send_queue.h"

#include <algorithm>

namespace kaon::sctp {

// A piece smaller than this is not worth its header: rather start the next packet.
constexpr size_t kMinFragment = 512;

Result<void, SendError> SendQueue::add(StreamId id, Ppid ppid, ByteView payload, const SendOptions& options, Time now,
                                       BufferPool& pool) {
  Stream& stream = streams_[id];
  if (stream.phase != Phase::Normal) return fail(SendError::StreamResetting);
  if (used_ != 0 && used_ + payload.size() > max_bytes_) {
    refused_ = refused_ == 0 ? payload.size() : std::min(refused_, payload.size());
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
  unsent_ += payload.size();
  if (!std::exchange(stream.has_turn, true)) turns_.enter(id, stream.share);
  return {};
}

void SendQueue::take_turn() {
  const StreamId id = turns_.leave();
  Stream& stream = streams_[id];
  current_ = stream.first;
  if (current_ == kNil) stream.has_turn = false;  // what it had was given up meanwhile
}

// Whether the stream's first message may begin or go on. Nobody passes those that are held.
bool SendQueue::may_send(Stream& stream) {
  const OutgoingMessage& message = messages_[stream.first];
  const bool free = format_ == DataFormat::Data || message.bytes.size() <= kSmall || message.assigned != 0;
  return free || stream.admitted || (held_.empty() && admit(stream));
}

bool SendQueue::admit(Stream& stream) {
  const size_t size = messages_[stream.first].bytes.size();
  if (begun_ != 0 && (begun_ > most_begun_ || size > most_begun_ - begun_)) return false;
  begun_ += size;
  Turns::Share share{stream.due_to_begin, stream.share.weight};
  held_.pay(share, size);
  stream.due_to_begin = share.due;
  return stream.admitted = true;
}

void SendQueue::admit_held() {
  while (!held_.empty()) {
    Stream& stream = streams_[held_.first()];
    if (!admit(stream)) return;
    turns_.enter(held_.leave(), stream.share);
  }
}

uint32_t SendQueue::choose(Time now) {
  while (unsent_ != 0) {
    if (current_ == kNil) {
      take_turn();
      continue;
    }
    OutgoingMessage& message = messages_[current_];
    Stream& stream = streams_[message.stream];
    if ((format_ == DataFormat::IData || message.assigned == 0) && turns_.another_is_before(stream.share)) {
      turns_.enter(message.stream, stream.share);
      take_turn();
      continue;
    }
    if (message.assigned != 0 || !expired(current_, now)) {
      if (may_send(stream)) return current_;
      Turns::Share share{stream.due_to_begin, stream.share.weight};
      held_.enter(message.stream, share, message.bytes.size());
      stream.due_to_begin = share.due;
      current_ = kNil;
      continue;
    }
    const uint32_t index = current_;
    ++abandoned_;
    drop_rest(index);
    free_message(index);
  }
  return kNil;
}

std::optional<Fragment> SendQueue::next(size_t space, size_t full) {
  OutgoingMessage& message = messages_[current_];
  Stream& stream = streams_[message.stream];
  const size_t left = message.bytes.size() - message.assigned;
  if (left > space && (left <= full || space < std::min(full, kMinFragment))) return std::nullopt;

  Fragment fragment;
  fragment.message = current_;
  fragment.offset = static_cast<uint32_t>(message.assigned);
  fragment.fsn = message.fragments++;
  fragment.size = static_cast<uint16_t>(std::min(left, space));
  if (message.unordered) fragment.flags |= DataChunk::kUnordered;
  if (message.assigned == 0) {
    fragment.flags |= DataChunk::kBeginning;
    Mid& next = message.unordered ? stream.next_unordered : stream.next_ordered;
    message.mid = next;
    ++next;
  }
  if (fragment.size == left) fragment.flags |= DataChunk::kEnd;
  ++message.references;
  message.assigned += fragment.size;
  turns_.pay(stream.share, fragment.size);
  consume(message.stream, stream, fragment.size);
  if (fragment.size == left) remove_first(stream);
  return fragment;
}

void SendQueue::set_tsn(uint32_t index, Tsn tsn) {
  OutgoingMessage& message = messages_[index];
  if (message.fragments <= 1) message.first_tsn = tsn;
  message.last_tsn = tsn;
}

// The message has left its stream's queue; the stream's next one waits for its turn.
void SendQueue::remove_first(Stream& stream) {
  const uint32_t index = stream.first;
  const OutgoingMessage& message = messages_[index];
  stream.first = message.next;
  if (stream.first == kNil) stream.last = kNil;
  if (std::exchange(stream.admitted, false)) {
    begun_ -= message.bytes.size();
    admit_held();
  }
  if (index != current_) return;
  current_ = kNil;
  if (stream.first == kNil) {
    stream.has_turn = false;
  } else {
    turns_.enter(message.stream, stream.share);
  }
}

void SendQueue::consume(StreamId id, Stream& stream, size_t bytes) {
  const bool was_above = stream.buffered > stream.low_threshold;
  stream.buffered -= bytes;
  unsent_ -= bytes;
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
  Stream& stream = streams_[message.stream];
  KAON_ASSERT(index == stream.first);
  message.assigned = message.bytes.size();
  consume(message.stream, stream, left);
  remove_first(stream);
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
  if (performed) stream.next_ordered = stream.next_unordered = Mid();
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
  // Also for a message of more than half of the buffer, which would be refused again.
  if (refused_ == 0 || used_ > max_bytes_ / 2 || (used_ != 0 && used_ + refused_ > max_bytes_)) return false;
  refused_ = 0;
  return true;
}

void SendQueue::clear() { *this = SendQueue(usual_bytes_, most_bytes_); }

void SendQueue::trim() {
  max_bytes_ = usual_bytes_;
  messages_.trim();
  turns_.trim();
  if (low_.empty()) low_.release();
  held_.trim();
}

}  // namespace kaon::sctp
