#include "kaon/sctp/internal/reassembly.h"

#include <algorithm>
#include <cstring>

namespace kaon::sctp {
namespace {

// Key::message of all DATA chunks: no I-DATA chunk has it.
constexpr uint64_t kByTsn = UINT64_MAX;

// A stream sequence number has 16 bits: the one nearest to `expected`.
Mid extend_ssn(Mid expected, Mid ssn) {
  const auto step = static_cast<int16_t>(static_cast<uint16_t>(ssn.value() - expected.value()));
  return Mid(expected.value() + static_cast<uint32_t>(static_cast<int32_t>(step)));
}

DataFormat format_of(const FragmentTable::Key& key) {
  return key.message == kByTsn ? DataFormat::Data : DataFormat::IData;
}

// For heaps whose first is the lowest number.
constexpr auto kLater = [](const auto& a, const auto& b) { return a.mid.newer_than(b.mid); };

}  // namespace

Reassembly::Key Reassembly::key_of(const DataChunk& chunk) {
  if (chunk.format == DataFormat::Data) return {kByTsn, chunk.tsn.value()};
  const uint64_t stream = chunk.stream.value();
  return {stream << 33 | uint64_t{chunk.unordered()} << 32 | chunk.mid.value(), chunk.fsn};
}

uint32_t Reassembly::add_item(Item item) {
  used_ += cost(item);
  return items_.add(std::move(item));
}

Reassembly::Item Reassembly::take_item(uint32_t index) {
  Item item = items_.take(index);
  used_ -= cost(item);
  return item;
}

Reassembly::Status Reassembly::add(const DataChunk& chunk, const TsnTracker& tracker, BufferPool& pool,
                                   EventQueue& ready) {
  paid_ += kItemsPerChunk;
  if (given_up_) drop_given_up();
  if (chunk.format == DataFormat::IData && is_given_up(chunk.stream, chunk.unordered(), chunk.mid)) return Status::Ok;
  const Key key = key_of(chunk);
  const uint32_t awaiting = table_.find(key);
  if (awaiting == kNil && chunk.format == DataFormat::Data && is_orphan(chunk, tracker)) {
    drop_orphans_from(chunk.tsn + 1);
    return Status::Ok;
  }
  if (awaiting == kNil && chunk.beginning()) return start(chunk, tracker, pool, ready);
  Item fragment{Item::Kind::Fragment, chunk.flags, chunk.stream, chunk.mid, chunk.ppid, key, {}};
  if (awaiting == kNil) {
    fragment.bytes = pool.copy(chunk.payload);
    table_.put(key, add_item(std::move(fragment)));
    return Status::Ok;
  }
  Item& partial = items_[awaiting];
  if (partial.kind != Item::Kind::Partial || !belongs(partial, chunk.format, fragment)) return Status::BrokenFragments;
  table_.erase(key);
  partial.flags |= chunk.flags & DataChunk::kEnd;
  partial.key = next_key(key);
  if (const Status status = append(partial, chunk.payload, pool); status != Status::Ok) return status;
  return extend(awaiting, tracker, pool, ready);
}

Reassembly::Status Reassembly::start(const DataChunk& chunk, const TsnTracker& tracker, BufferPool& pool,
                                     EventQueue& ready) {
  if (chunk.payload.size() > max_message_size_) return Status::MessageTooLarge;
  const Key next = next_key(key_of(chunk));
  Item item{Item::Kind::Partial, chunk.flags, chunk.stream, chunk.mid, chunk.ppid, next, {}};
  if (chunk.end()) {
    if (is_fragment(next)) return Status::BrokenFragments;
    item.bytes = pool.copy(chunk.payload);
    complete(std::move(item), chunk.format, ready);
    return Status::Ok;
  }
  // Only as long as the guesses together are no more than one message may be: they take room that others need.
  const size_t guess = used_ + usual_size_ <= max_message_size_ ? usual_size_ : 0;
  item.bytes = pool.allocate(std::max(guess, chunk.payload.size()));
  item.bytes.resize(chunk.payload.size());
  std::memcpy(item.bytes.bytes().data(), chunk.payload.data(), chunk.payload.size());
  return extend(add_item(std::move(item)), tracker, pool, ready);
}

bool Reassembly::is_fragment(const Key& key) const {
  const uint32_t index = table_.find(key);
  return index != kNil && items_[index].kind == Item::Kind::Fragment;
}

// Part of a message that the peer has given up: it was on its way when the peer said so, and would wait for ever. With
// DATA it follows a TSN that is neither missing nor waiting for it, with I-DATA its number tells.
bool Reassembly::is_orphan(const DataChunk& chunk, const TsnTracker& tracker) const {
  return !chunk.beginning() && tracker.received(chunk.tsn - 1) && !is_fragment({kByTsn, (chunk.tsn - 1).value()});
}

bool Reassembly::is_given_up(StreamId id, bool unordered, Mid mid) const {
  const Stream* stream = streams_.find(id);
  return stream != nullptr && (unordered ? stream->first_unordered : stream->next_mid).newer_than(mid);
}

// With DATA: what came early and follows a part of a message given up.
void Reassembly::drop_orphans_from(Tsn tsn) {
  for (Key key{kByTsn, tsn.value()}; is_fragment(key); key = next_key(key)) {
    const Item orphan = take_item(table_.find(key));
    table_.erase(key);
    if ((orphan.flags & DataChunk::kEnd) != 0) return;
  }
}

// With I-DATA the key has said it all.
bool Reassembly::belongs(const Item& partial, DataFormat format, const Item& fragment) {
  if ((fragment.flags & DataChunk::kBeginning) != 0) return false;
  if (format == DataFormat::IData) return true;
  const bool unordered = (partial.flags & DataChunk::kUnordered) != 0;
  return partial.stream == fragment.stream && unordered == ((fragment.flags & DataChunk::kUnordered) != 0) &&
         (unordered || partial.mid == fragment.mid);
}

// Attaches the fragments that came before their turn; then the message is complete or waits for its next one.
Reassembly::Status Reassembly::extend(uint32_t index, const TsnTracker& tracker, BufferPool& pool, EventQueue& ready) {
  const DataFormat format = format_of(items_[index].key);
  while ((items_[index].flags & DataChunk::kEnd) == 0) {
    Item& partial = items_[index];
    const uint32_t next = table_.find(partial.key);
    if (next == kNil) {
      // With DATA it has arrived, then, and was no part of this.
      if (format == DataFormat::Data && tracker.received(Tsn(partial.key.number))) return Status::BrokenFragments;
      table_.put(partial.key, index);
      return Status::Ok;
    }
    if (items_[next].kind != Item::Kind::Fragment) return Status::BrokenFragments;
    table_.erase(partial.key);
    const Item fragment = take_item(next);
    if (!belongs(partial, format, fragment)) return Status::BrokenFragments;
    partial.flags |= fragment.flags & DataChunk::kEnd;
    partial.key = next_key(partial.key);
    if (const Status status = append(partial, fragment.bytes.view(), pool); status != Status::Ok) return status;
  }
  if (is_fragment(items_[index].key)) return Status::BrokenFragments;
  usual_size_ = items_[index].bytes.size();
  complete(take_item(index), format, ready);
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

void Reassembly::complete(Item message, DataFormat format, EventQueue& ready) {
  if ((message.flags & DataChunk::kUnordered) != 0) return deliver(std::move(message), ready);
  Stream& stream = streams_[message.stream];
  if (format == DataFormat::Data) message.mid = extend_ssn(stream.next_mid, message.mid);
  // One behind the expected was skipped by FORWARD-TSN and came after all: nobody waits for it any more.
  if (stream.next_mid.newer_than(message.mid)) return;
  if (message.mid != stream.next_mid) return wait_for_turn(stream, std::move(message));
  ++stream.next_mid;
  deliver(std::move(message), ready);
  if (stream.waiting) deliver_in_turn(stream, ready);
}

void Reassembly::wait_for_turn(Stream& stream, Item message) {
  message.kind = Item::Kind::Waiting;
  if (!stream.waiting) stream.waiting = std::make_unique<std::vector<Turn>>();
  stream.waiting->push_back({message.mid, add_item(std::move(message))});
  std::ranges::push_heap(*stream.waiting, kLater);
}

void Reassembly::deliver(Item message, EventQueue& ready) {
  ready.push(ReadyMessage{message.stream, message.ppid, (message.flags & DataChunk::kUnordered) != 0,
                          std::move(message.bytes)});
}

void Reassembly::deliver_first_waiting(Stream& stream, EventQueue& ready) {
  std::ranges::pop_heap(*stream.waiting, kLater);
  Item message = take_item(stream.waiting->back().item);
  stream.waiting->pop_back();
  if (stream.waiting->empty()) stream.waiting.reset();
  deliver(std::move(message), ready);
}

void Reassembly::deliver_in_turn(Stream& stream, EventQueue& ready) {
  for (; stream.waiting && stream.waiting->front().mid == stream.next_mid; ++stream.next_mid) {
    deliver_first_waiting(stream, ready);
  }
}

void Reassembly::deliver_waiting_up_to(Stream& stream, Mid mid, EventQueue& ready) {
  while (stream.waiting && !stream.waiting->front().mid.newer_than(mid)) deliver_first_waiting(stream, ready);
}

void Reassembly::drop(const Key& key) {
  const uint32_t index = table_.find(key);
  if (index == kNil) return;
  table_.erase(key);
  take_item(index);
}

// With DATA: fragments that are skipped, and messages in the making whose last received TSN is, though perhaps the rest
// of them never got a TSN. The latter wait for a TSN that is missing. Each TSN that has arrived is passed once.
void Reassembly::drop_skipped(Tsn new_cumulative, const TsnTracker& tracker) {
  drop({kByTsn, (tracker.cumulative() + 1).value()});
  for (const TsnRange& range : tracker.ranges()) {
    if (range.start.newer_than(new_cumulative)) break;
    const bool whole = !range.end.newer_than(new_cumulative);
    const Tsn last = whole ? range.end + 1 : new_cumulative;
    for (Tsn tsn = range.start; !tsn.newer_than(last); ++tsn) drop({kByTsn, tsn.value()});
  }
  drop_orphans_from(new_cumulative + 1);
}

// With I-DATA.
void Reassembly::drop_given_up() {
  if (paid_ < items_.bound()) return;
  paid_ = 0;
  given_up_ = false;
  for (uint32_t i = 0; i < items_.bound(); ++i) {
    const Item& item = items_[i];
    if (item.kind != Item::Kind::Fragment && item.kind != Item::Kind::Partial) continue;
    if (!is_given_up(item.stream, (item.flags & DataChunk::kUnordered) != 0, item.mid)) continue;
    table_.erase(item.key);
    take_item(i);
  }
}

void Reassembly::skip(const ForwardTsnChunk& chunk, const TsnTracker& tracker, EventQueue& ready) {
  if (chunk.format == DataFormat::Data) drop_skipped(chunk.new_cumulative, tracker);
  for (size_t i = 0; i < chunk.skipped_count(); ++i) {
    const auto [id, number, unordered] = chunk.skipped(i);
    Stream& stream = streams_[id];
    if (unordered) {
      if (number.newer_or_same(stream.first_unordered)) stream.first_unordered = number + 1;
      continue;
    }
    const Mid mid = chunk.format == DataFormat::Data ? extend_ssn(stream.next_mid, number) : number;
    if (stream.next_mid.newer_than(mid)) continue;
    deliver_waiting_up_to(stream, mid, ready);
    stream.next_mid = mid + 1;
    deliver_in_turn(stream, ready);
  }
  paid_ += kItemsPerChunk;
  given_up_ = given_up_ || (chunk.format == DataFormat::IData && chunk.skipped_count() != 0);
  if (given_up_) drop_given_up();
}

void Reassembly::reset_stream(StreamId id, EventQueue& ready) {
  Stream* stream = streams_.find(id);
  if (stream == nullptr) return;
  while (stream->waiting) deliver_first_waiting(*stream, ready);
  *stream = Stream();
}

void Reassembly::reset_all_streams(EventQueue& ready) {
  streams_.for_each([&](StreamId id, Stream&) { reset_stream(id, ready); });
  streams_.clear();  // or each such request would cost as many steps as there have ever been streams
}

void Reassembly::trim() {
  if (items_.live() != 0) return;
  items_.trim();
  table_.trim();
}

}  // namespace kaon::sctp
