#include "kaon/sctp/internal/reassembly.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace kaon::sctp {

uint32_t Reassembly::add_item(Item item) {
  used_ += cost(item);
  return items_.add(std::move(item));
}

Reassembly::Item Reassembly::take_item(uint32_t index) {
  Item item = items_.take(index);
  used_ -= cost(item);
  return item;
}

void Reassembly::make_room(uint32_t ahead) {
  if (ahead + 2 < slots_.size()) return;
  slots_.assign(std::bit_ceil(std::max<size_t>(64, 2 * (size_t{ahead} + 2))), kNil);
  for (uint32_t i = 0; i < items_.bound(); ++i) {
    const Item& item = items_[i];
    if (item.kind == Item::Kind::Fragment || item.kind == Item::Kind::Partial) slot(item.tsn) = i;
  }
}

Reassembly::Status Reassembly::add(const DataChunk& chunk, const TsnTracker& tracker, BufferPool& pool,
                                   EventQueue& ready) {
  const bool whole = chunk.beginning() && chunk.end();
  if (slots_.empty() && whole) return start(chunk, tracker, pool, ready);  // the table is for fragments only
  make_room(chunk.tsn.distance_from(tracker.cumulative()));
  const uint32_t awaiting = slot(chunk.tsn);
  if (awaiting == kNil) {
    if (chunk.beginning()) return start(chunk, tracker, pool, ready);
    slot(chunk.tsn) = add_item({Item::Kind::Fragment, chunk.flags, chunk.stream, chunk.ssn, chunk.ppid, chunk.tsn, kNil,
                                pool.copy(chunk.payload)});
    return Status::Ok;
  }
  Item& partial = items_[awaiting];
  if (partial.kind != Item::Kind::Partial || !belongs(partial, chunk)) return Status::BrokenFragments;
  slot(chunk.tsn) = kNil;
  partial.flags |= chunk.flags & DataChunk::kEnd;
  ++partial.tsn;
  if (const Status status = append(partial, chunk.payload, pool); status != Status::Ok) return status;
  return extend(awaiting, tracker, pool, ready);
}

Reassembly::Status Reassembly::start(const DataChunk& chunk, const TsnTracker& tracker, BufferPool& pool,
                                     EventQueue& ready) {
  if (chunk.payload.size() > max_message_size_) return Status::MessageTooLarge;
  Item item{Item::Kind::Partial, chunk.flags, chunk.stream, chunk.ssn, chunk.ppid, chunk.tsn + 1, kNil, {}};
  if (chunk.end()) {
    if (is_fragment(chunk.tsn + 1)) return Status::BrokenFragments;
    item.bytes = pool.copy(chunk.payload);
    complete(std::move(item), ready);
    return Status::Ok;
  }
  item.bytes = pool.allocate(std::max(usual_size_, chunk.payload.size()));
  item.bytes.resize(chunk.payload.size());
  std::memcpy(item.bytes.bytes().data(), chunk.payload.data(), chunk.payload.size());
  return extend(add_item(std::move(item)), tracker, pool, ready);
}

bool Reassembly::is_fragment(Tsn tsn) {
  if (slots_.empty()) return false;
  const uint32_t index = slot(tsn);
  return index != kNil && items_[index].kind == Item::Kind::Fragment;
}

bool Reassembly::belongs(const Item& partial, const DataChunk& chunk) {
  return !chunk.beginning() && partial.stream == chunk.stream &&
         (partial.flags & DataChunk::kUnordered) == (chunk.flags & DataChunk::kUnordered) &&
         (chunk.unordered() || partial.ssn == chunk.ssn);
}

// Attaches the fragments that came before their turn; then the message is complete or waits for its next TSN.
Reassembly::Status Reassembly::extend(uint32_t index, const TsnTracker& tracker, BufferPool& pool, EventQueue& ready) {
  while ((items_[index].flags & DataChunk::kEnd) == 0) {
    Item& partial = items_[index];
    uint32_t& next = slot(partial.tsn);
    if (next == kNil) {
      if (tracker.received(partial.tsn)) return Status::BrokenFragments;  // and it was no part of this
      next = index;
      return Status::Ok;
    }
    if (items_[next].kind != Item::Kind::Fragment) return Status::BrokenFragments;
    const Item fragment = take_item(std::exchange(next, kNil));
    const DataChunk chunk{fragment.tsn, fragment.stream, fragment.ssn, fragment.ppid, fragment.flags, {}};
    if (!belongs(partial, chunk)) return Status::BrokenFragments;
    partial.flags |= fragment.flags & DataChunk::kEnd;
    ++partial.tsn;
    if (const Status status = append(partial, fragment.bytes.view(), pool); status != Status::Ok) return status;
  }
  if (is_fragment(items_[index].tsn)) return Status::BrokenFragments;
  usual_size_ = items_[index].bytes.size();
  complete(take_item(index), ready);
  return Status::Ok;
}

Reassembly::Status Reassembly::append(Item& partial, ByteView bytes, BufferPool& pool) {
  const size_t old_size = partial.bytes.size();
  const size_t new_size = old_size + bytes.size();
  if (new_size > max_message_size_) return Status::MessageTooLarge;
  if (new_size > partial.bytes.capacity()) {
    Buffer bigger = pool.allocate(std::min(max_message_size_, 2 * new_size));
    std::memcpy(bigger.bytes().data(), partial.bytes.view().data(), old_size);
    used_ += bigger.capacity() - partial.bytes.capacity();
    partial.bytes = std::move(bigger);
  }
  partial.bytes.resize(new_size);
  std::memcpy(partial.bytes.bytes().data() + old_size, bytes.data(), bytes.size());
  return Status::Ok;
}

void Reassembly::complete(Item message, EventQueue& ready) {
  if ((message.flags & DataChunk::kUnordered) != 0) return deliver(std::move(message), ready);
  Stream& stream = streams_[message.stream];
  // An SSN behind the expected one was skipped by FORWARD-TSN and came after all: nobody waits for it any more.
  if (stream.next_ssn.newer_than(message.ssn)) return;
  if (message.ssn != stream.next_ssn) return wait_for_turn(stream, std::move(message));
  ++stream.next_ssn;
  deliver(std::move(message), ready);
  if (stream.first_waiting != kNil) deliver_in_turn(stream, ready);
}

void Reassembly::wait_for_turn(Stream& stream, Item message) {
  message.kind = Item::Kind::Waiting;
  message.next = kNil;
  const Ssn ssn = message.ssn;
  const uint32_t index = add_item(std::move(message));
  if (stream.last_waiting == kNil) {
    stream.first_waiting = stream.last_waiting = index;
  } else if (ssn.newer_than(items_[stream.last_waiting].ssn)) {
    items_[stream.last_waiting].next = index;
    stream.last_waiting = index;
  } else {
    uint32_t* link = &stream.first_waiting;
    while (ssn.newer_than(items_[*link].ssn)) link = &items_[*link].next;
    items_[index].next = *link;
    *link = index;
  }
}

void Reassembly::deliver(Item message, EventQueue& ready) {
  ready.push(ReadyMessage{message.stream, message.ppid, (message.flags & DataChunk::kUnordered) != 0,
                          std::move(message.bytes)});
}

void Reassembly::deliver_in_turn(Stream& stream, EventQueue& ready) {
  while (stream.first_waiting != kNil && items_[stream.first_waiting].ssn == stream.next_ssn) {
    ++stream.next_ssn;
    Item message = take_item(stream.first_waiting);
    stream.first_waiting = message.next;
    deliver(std::move(message), ready);
  }
  if (stream.first_waiting == kNil) stream.last_waiting = kNil;
}

void Reassembly::deliver_waiting_up_to(Stream& stream, Ssn ssn, EventQueue& ready) {
  while (stream.first_waiting != kNil && !items_[stream.first_waiting].ssn.newer_than(ssn)) {
    Item message = take_item(stream.first_waiting);
    stream.first_waiting = message.next;
    deliver(std::move(message), ready);
  }
  if (stream.first_waiting == kNil) stream.last_waiting = kNil;
}

void Reassembly::skip(const ForwardTsnChunk& chunk, EventQueue& ready) {
  for (uint32_t i = 0; i < items_.bound(); ++i) {
    const Item& item = items_[i];
    // A Partial whose last received TSN is skipped belongs to a message that was given up, though perhaps the rest of
    // it never got a TSN.
    const bool gone = (item.kind == Item::Kind::Fragment && !item.tsn.newer_than(chunk.new_cumulative)) ||
                      (item.kind == Item::Kind::Partial && !(item.tsn - 1).newer_than(chunk.new_cumulative));
    if (!gone) continue;
    slot(item.tsn) = kNil;
    take_item(i);
  }
  for (size_t i = 0; i < chunk.skipped_count(); ++i) {
    const auto [id, ssn] = chunk.skipped(i);
    Stream& stream = streams_[id];
    if (stream.next_ssn.newer_than(ssn)) continue;
    deliver_waiting_up_to(stream, ssn, ready);
    stream.next_ssn = ssn + 1;
    deliver_in_turn(stream, ready);
  }
}

void Reassembly::reset_stream(StreamId id, EventQueue& ready) {
  Stream* stream = streams_.find(id);
  if (stream == nullptr) return;
  while (stream->first_waiting != kNil) {
    Item message = take_item(stream->first_waiting);
    stream->first_waiting = message.next;
    deliver(std::move(message), ready);
  }
  *stream = Stream();
}

void Reassembly::reset_all_streams(EventQueue& ready) {
  streams_.for_each([&](StreamId id, Stream&) { reset_stream(id, ready); });
}

void Reassembly::trim() {
  if (items_.live() != 0) return;
  items_.trim();
  slots_ = {};
}

}  // namespace kaon::sctp
