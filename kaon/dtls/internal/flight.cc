#include "kaon/dtls/internal/flight.h"

#include <algorithm>
#include <optional>

#include "kaon/base/assert.h"

namespace kaon::dtls {

namespace {

// A piece smaller than this in a record of its own, at the end of a datagram, costs more in headers than it saves.
constexpr size_t kMinFragment = 48;

void write_header(Writer& out, HandshakeType type, size_t length, uint16_t sequence, size_t offset, size_t size) {
  out.u8(static_cast<uint8_t>(type));
  out.u24(static_cast<uint32_t>(length));
  out.u16(sequence);
  out.u24(static_cast<uint32_t>(offset));
  out.u24(static_cast<uint32_t>(size));
}

}  // namespace

std::vector<uint8_t> Flight::add(HandshakeType type, uint64_t epoch, ByteView body) {
  KAON_ASSERT(body.size() <= kMaxHandshakeMessage);
  const uint16_t sequence = next_sequence_++;
  std::vector<uint8_t> whole(kHandshakeHeaderSize + body.size());
  Writer writer(whole);
  write_header(writer, type, body.size(), sequence, 0, body.size());
  writer.bytes(body);
  messages_.push_back({ContentType::Handshake, type, epoch, sequence, {body.begin(), body.end()}});
  return whole;
}

void Flight::add_change_cipher_spec() { messages_.push_back({ContentType::ChangeCipherSpec, {}, 0, 0, {1}}); }

void Flight::acknowledge(RecordNumber number) {
  for (const SentFragment& sent : sent_) {
    if (sent.number != number) continue;
    // Who reads what follows the handshake has finished it: that the ACK of our final flight was lost says nothing.
    if (number.epoch >= kEpochApplication13) acknowledge_below(kEpochApplication13);
    Message& message = messages_[sent.message];
    message.acknowledged.resize(message.body.size());
    const auto begin = message.acknowledged.begin() + static_cast<ptrdiff_t>(sent.offset);
    std::fill(begin, begin + static_cast<ptrdiff_t>(sent.size), true);
  }
  skip_acknowledged();
}

void Flight::acknowledge_below(uint64_t epoch) {
  for (Message& message : messages_)
    if (message.epoch < epoch) message.acknowledged.assign(message.body.size(), true);
  skip_acknowledged();
}

bool Flight::acknowledged_below(uint64_t epoch) const {
  return std::ranges::all_of(messages_, [epoch](const Message& message) {
    return message.epoch >= epoch || (message.acknowledged.size() == message.body.size() &&
                                      std::ranges::find(message.acknowledged, false) == message.acknowledged.end());
  });
}

void Flight::skip_acknowledged() {
  for (; pending(); ++next_, offset_ = 0) {
    const std::vector<bool>& acknowledged = messages_[next_].acknowledged;
    if (acknowledged.empty()) return;
    while (offset_ < acknowledged.size() && acknowledged[offset_]) ++offset_;
    if (offset_ < acknowledged.size()) return;
  }
}

size_t Flight::write_datagram(RecordLayer& records, Bytes out) {
  size_t used = 0;
  while (pending()) {
    const size_t written = write_record(records, out.subspan(used), used == 0);
    if (written == 0) break;
    used += written;
  }
  return used;
}

// Of 1.3, those that are protected.
bool Flight::took_several_records() const {
  std::optional<RecordNumber> first;
  for (const SentFragment& sent : sent_) {
    if (sent.number.epoch < kEpochHandshake13) continue;
    if (!first) first = sent.number;
    if (sent.number != *first) return true;
  }
  return false;
}

// RFC 9147 §5.5: a record may hold several messages. In the clear and in 1.2 there are peers that look at the first
// only, and NSS throws away what stands behind a message that it has already: a fragment there would never come
// through. Pion in turn may hang if each message has a record of its own, so that is done now and then only.
size_t Flight::write_record(RecordLayer& records, Bytes out, bool first) {
  const uint64_t epoch = messages_[next_].epoch;
  const ContentType content = messages_[next_].content;
  const size_t overhead = records.overhead(epoch);
  const RecordNumber number{epoch, records.next_sequence(epoch)};
  if (out.size() <= overhead || records.used_up(epoch)) return 0;
  const size_t room = std::min(out.size() - overhead, kMaxRecordPlaintext);
  Writer payload(out.subspan(records.payload_offset(epoch), room));
  while (pending() && messages_[next_].epoch == epoch) {
    if (!write_fragment(number, payload, room - payload.size(), first || payload.size() != 0)) break;
    skip_acknowledged();
    if (apart_ || epoch < kEpochHandshake13) break;
  }
  return payload.size() == 0 ? 0 : records.seal(epoch, content, payload.written(), out);
}

bool Flight::write_fragment(RecordNumber number, Writer& payload, size_t room, bool however_small) {
  const Message& message = messages_[next_];
  const size_t header = message.content == ContentType::Handshake ? kHandshakeHeaderSize : 0;
  const auto& acknowledged = message.acknowledged;
  const auto from = acknowledged.begin() + static_cast<ptrdiff_t>(std::min(offset_, acknowledged.size()));
  const size_t end = acknowledged.empty()
                         ? message.body.size()
                         : static_cast<size_t>(std::find(from, acknowledged.end(), true) - acknowledged.begin());
  const size_t left = end - offset_;
  if (room < header) return false;
  const size_t size = std::min(left, room - header);
  if (size < left && (size == 0 || (!however_small && size < kMinFragment))) return false;
  if (header != 0) write_header(payload, message.type, message.body.size(), message.sequence, offset_, size);
  payload.bytes(ByteView(message.body).subspan(offset_, size));
  if (sent_.size() == kMaxSentFragments) sent_.erase(sent_.begin());
  sent_.push_back({number, next_, offset_, size});
  offset_ += size;
  if (offset_ == message.body.size()) {
    ++next_;
    offset_ = 0;
  }
  return true;
}

}  // namespace kaon::dtls
