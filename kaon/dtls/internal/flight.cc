#include "kaon/dtls/internal/flight.h"

#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/base/writer.h"

namespace kaon::dtls {

namespace {

// A piece smaller than this at the end of a datagram costs more in headers than it saves.
constexpr size_t kMinFragment = 48;

void write_header(Writer& out, HandshakeType type, size_t length, uint16_t sequence, size_t offset, size_t size) {
  out.u8(static_cast<uint8_t>(type));
  out.u24(static_cast<uint32_t>(length));
  out.u16(sequence);
  out.u24(static_cast<uint32_t>(offset));
  out.u24(static_cast<uint32_t>(size));
}

}  // namespace

std::vector<uint8_t> Flight::add(HandshakeType type, uint16_t epoch, ByteView body) {
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

size_t Flight::write_datagram(RecordLayer& records, Bytes out) {
  size_t used = 0;
  while (pending()) {
    const Message& message = messages_[next_];
    const size_t written = write_fragment(records, message, out.subspan(used), used == 0);
    if (written == 0) break;
    used += written;
    if (offset_ == message.body.size()) {
      ++next_;
      offset_ = 0;
    }
  }
  return used;
}

size_t Flight::write_fragment(RecordLayer& records, const Message& message, Bytes out, bool first) {
  const size_t header = message.content == ContentType::Handshake ? kHandshakeHeaderSize : 0;
  const size_t overhead = records.overhead(message.epoch) + header;
  const size_t left = message.body.size() - offset_;
  if (out.size() < overhead) return 0;
  const size_t size = std::min(left, std::min(out.size(), kMaxRecordPlaintext) - overhead);
  if (size < left && (size == 0 || (!first && size < kMinFragment))) return 0;
  Writer payload(out.subspan(records.payload_offset(message.epoch)));
  if (header != 0) write_header(payload, message.type, message.body.size(), message.sequence, offset_, size);
  payload.bytes(ByteView(message.body).subspan(offset_, size));
  const size_t written = records.seal(message.epoch, message.content, payload.written(), out);
  if (written != 0) offset_ += size;
  return written;
}

}  // namespace kaon::dtls
