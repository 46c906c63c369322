// What waits to be polled, in the order in which it happened.
#pragma once

#include <algorithm>
#include <optional>

#include "kaon/base/buffer.h"
#include "kaon/base/ring.h"
#include "kaon/sctp/types.h"

namespace kaon::sctp {

/// A complete message that owns its bytes.
struct ReadyMessage {
  StreamId stream;
  Ppid ppid;
  bool unordered = false;
  Buffer payload;
};

/// Messages are bounded by the receive window, which counts them until they are polled, or released if they were kept;
/// the others by kMaxQueuedEvents, which the callers respect where the peer is the cause.
class EventQueue {
 public:
  void push(ReadyMessage message) {
    message_bytes_ += message.payload.capacity() + kMessageOverhead;
    queue_.push_back(std::move(message));
  }
  void push(Event event) {
    ++control_events_;
    queue_.push_back(std::move(event));
  }

  bool empty() const { return queue_.empty(); }
  bool has_room() const { return control_events_ < kMaxQueuedEvents; }
  /// Of messages that wait to be polled, and of those that were kept.
  size_t message_bytes() const { return message_bytes_; }
  /// The Message's payload lives until the next call.
  std::optional<Event> pop() {
    current_ = Buffer();
    if (queue_.empty()) return std::nullopt;
    Entry entry = queue_.pop_front();
    if (auto* event = std::get_if<Event>(&entry)) {
      --control_events_;
      return std::move(*event);
    }
    auto& message = std::get<ReadyMessage>(entry);
    message_bytes_ -= message.payload.capacity() + kMessageOverhead;
    current_ = std::move(message.payload);
    return Message{message.stream, message.ppid, message.unordered, current_.view()};
  }
  /// The payload just polled itself, or a copy of what was made of it. Counts on, until release().
  Buffer keep(ByteView payload, BufferPool& pool) {
    const bool whole =
        !payload.empty() && payload.data() == current_.view().data() && payload.size() == current_.size();
    Buffer kept = whole ? std::move(current_) : pool.copy(payload);
    message_bytes_ += kept.capacity() + kMessageOverhead;
    return kept;
  }
  /// Appends to what was kept, which grows in steps so that each byte is copied a few times at most.
  void extend(Buffer& kept, ByteView bytes, size_t most, BufferPool& pool) {
    if (kept.capacity() == 0) {
      kept = keep(bytes, pool);
      return;
    }
    const size_t old_size = kept.size();
    const size_t new_size = old_size + bytes.size();
    if (new_size > kept.capacity()) {
      Buffer bigger = pool.allocate(std::max(new_size, std::min(most, 2 * new_size)));
      std::ranges::copy(kept.view(), bigger.bytes().begin());
      message_bytes_ += bigger.capacity() - kept.capacity();
      kept = std::move(bigger);
    }
    kept.resize(new_size);
    std::ranges::copy(bytes, kept.bytes().begin() + static_cast<ptrdiff_t>(old_size));
  }
  void release(const Buffer& kept) {
    KAON_ASSERT(message_bytes_ >= kept.capacity() + kMessageOverhead);
    message_bytes_ -= kept.capacity() + kMessageOverhead;
  }
  void trim() {
    if (queue_.empty()) queue_.release();
  }

 private:
  using Entry = std::variant<ReadyMessage, Event>;
  Ring<Entry> queue_;
  Buffer current_;
  size_t message_bytes_ = 0;
  size_t control_events_ = 0;
};

}  // namespace kaon::sctp
