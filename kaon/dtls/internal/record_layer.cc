#include "kaon/dtls/internal/record_layer.h"

#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/base/reader.h"
#include "kaon/base/writer.h"

namespace kaon::dtls {

namespace {

// RFC 5246 §6.2.3: a protected fragment may be up to 2048 bytes longer than its plaintext.
constexpr size_t kMaxFragment = kMaxRecordPlaintext + 2048;
constexpr uint8_t kUnified = 0x20;
constexpr uint8_t kUnifiedMask = 0xe0;
constexpr uint8_t kHasConnectionId = 0x10;
constexpr uint8_t kLongSequence = 0x08;
constexpr uint8_t kHasLength = 0x04;
constexpr uint8_t kEpochBits = 0x03;

bool is_known(uint8_t type) {
  return type >= static_cast<uint8_t>(ContentType::ChangeCipherSpec) &&
         type <= static_cast<uint8_t>(ContentType::ApplicationData);
}

std::unexpected<DropReason> malformed(Bytes& datagram) {
  datagram = {};
  return fail(DropReason::Malformed);
}

Result<Record, DropReason> next_unified_record(Bytes& datagram) {
  Reader reader(datagram);
  const uint8_t flags = reader.u8();
  if ((flags & kHasConnectionId) != 0) return malformed(datagram);
  reader.skip((flags & kLongSequence) != 0 ? 2 : 1);
  const bool has_length = (flags & kHasLength) != 0;
  const size_t stated = has_length ? reader.u16() : 0;
  const size_t length = has_length ? stated : reader.remaining();
  if (!reader.ok() || length > kMaxFragment || length > reader.remaining()) return malformed(datagram);
  Record record;
  record.unified = true;
  record.version = kVersionDtls12;
  record.epoch = flags & kEpochBits;
  record.header = datagram.first(reader.position());
  record.fragment = datagram.subspan(reader.position(), length);
  datagram = datagram.subspan(reader.position() + length);
  return record;
}

/// RFC 9147 §4.2.2: of all numbers that end in these bits, the one nearest to the next that is expected.
uint64_t nearest_sequence(uint64_t expected, ByteView low) {
  const uint64_t bits = low.size() == 2 ? load_be16(low.data()) : low[0];
  const uint64_t span = uint64_t{1} << (8 * low.size());
  const uint64_t sequence = (expected & ~(span - 1)) | bits;
  if (sequence > expected + span / 2 && sequence >= span) return sequence - span;
  if (sequence + span / 2 < expected) return sequence + span;
  return sequence;
}

}  // namespace

Result<Record, DropReason> next_record(Bytes& datagram) {
  if (!datagram.empty() && (datagram[0] & kUnifiedMask) == kUnified) return next_unified_record(datagram);
  Reader reader(datagram);
  const uint8_t type = reader.u8();
  Record record;
  record.version = reader.u16();
  record.epoch = reader.u16();
  record.sequence = reader.u48();
  const size_t length = reader.u16();
  if (!reader.ok() || length > kMaxFragment || length > reader.remaining()) return malformed(datagram);
  record.header = datagram.first(kRecordHeaderSize);
  record.fragment = datagram.subspan(kRecordHeaderSize, length);
  datagram = datagram.subspan(kRecordHeaderSize + length);
  if (!is_known(type)) return fail(DropReason::UnknownContentType);
  record.type = static_cast<ContentType>(type);
  // RFC 6347 §4.2.1: first ClientHello and HelloVerifyRequest come in records of version 1.0.
  const bool version_ok = record.version == kVersionDtls12 || (record.epoch == 0 && record.version == kVersionDtls10);
  if (!version_ok) return fail(DropReason::UnsupportedVersion);
  return record;
}

void RecordLayer::forget_read_below(uint64_t epoch) {
  std::erase_if(read_, [epoch](const ReadEpoch& read) { return read.epoch < epoch; });
}

void RecordLayer::forget_write_below(uint64_t epoch) {
  std::erase_if(write_, [epoch](const WriteEpoch& write) { return write.epoch != kEpochClear && write.epoch < epoch; });
}

size_t RecordLayer::find_read(const Record& record) const {
  size_t i = 0;
  for (; i < read_.size(); ++i) {
    const bool is13 = std::holds_alternative<RecordCipher13>(read_[i].cipher);
    if (record.unified == is13 && record.epoch == (is13 ? read_[i].epoch & kEpochBits : read_[i].epoch)) break;
  }
  return i;
}

size_t RecordLayer::find_write(uint64_t epoch) const {
  size_t i = write_.size();
  while (i != 0 && write_[i - 1].epoch != epoch) --i;
  KAON_ASSERT(i != 0);
  return i - 1;
}

size_t RecordLayer::overhead(uint64_t epoch) const {
  const Cipher& cipher = write_[find_write(epoch)].cipher;
  if (std::holds_alternative<RecordCipher13>(cipher)) return kUnifiedHeaderSize + RecordCipher13::kOverhead;
  const auto* cipher12 = std::get_if<RecordCipher12>(&cipher);
  return kRecordHeaderSize + (cipher12 != nullptr ? cipher12->overhead() : 0);
}

size_t RecordLayer::payload_offset(uint64_t epoch) const {
  const Cipher& cipher = write_[find_write(epoch)].cipher;
  if (std::holds_alternative<RecordCipher13>(cipher)) return kUnifiedHeaderSize;
  const auto* cipher12 = std::get_if<RecordCipher12>(&cipher);
  return kRecordHeaderSize + (cipher12 != nullptr ? cipher12->explicit_nonce_size() : 0);
}

size_t RecordLayer::seal(uint64_t epoch, ContentType type, ByteView plaintext, Bytes out) {
  WriteEpoch& write = write_[find_write(epoch)];
  const size_t size = plaintext.size() + overhead(epoch);
  KAON_ASSERT(plaintext.size() <= kMaxRecordPlaintext && out.size() >= size);
  if (write.next_sequence > kMaxSequence) return 0;
  const uint64_t sequence = write.next_sequence++;
  const Bytes record = out.first(size);
  if (auto* cipher = std::get_if<RecordCipher12>(&write.cipher)) {
    cipher->seal({type, (epoch << 48) | sequence}, plaintext, record.subspan(kRecordHeaderSize));
    write_record(write, type, sequence, record);
    return size;
  }
  const size_t offset = payload_offset(epoch);
  if (plaintext.data() != record.data() + offset) Writer(record.subspan(offset)).bytes(plaintext);
  if (std::holds_alternative<RecordCipher13>(write.cipher)) {
    write_unified_record(write, type, sequence, plaintext.size(), record);
  } else {
    write_record(write, type, sequence, record);
  }
  return size;
}

void RecordLayer::write_record(const WriteEpoch& epoch, ContentType type, uint64_t sequence, Bytes out) {
  // After the payload: it may have stood where an out-of-place caller's header goes.
  Writer header(out.first(kRecordHeaderSize));
  header.u8(static_cast<uint8_t>(type));
  header.u16(kVersionDtls12);
  header.u16(static_cast<uint16_t>(epoch.epoch));
  header.u48(sequence);
  header.u16(static_cast<uint16_t>(out.size() - kRecordHeaderSize));
}

void RecordLayer::write_unified_record(WriteEpoch& epoch, ContentType type, uint64_t sequence, size_t size, Bytes out) {
  auto& cipher = std::get<RecordCipher13>(epoch.cipher);
  const Bytes body = out.subspan(kUnifiedHeaderSize);
  body[size] = static_cast<uint8_t>(type);
  Writer header(out.first(kUnifiedHeaderSize));
  header.u8(static_cast<uint8_t>(kUnified | kLongSequence | kHasLength | (epoch.epoch & kEpochBits)));
  header.u16(static_cast<uint16_t>(sequence));
  header.u16(static_cast<uint16_t>(body.size()));
  cipher.seal(sequence, header.written(), size + 1, body);
  cipher.mask(body, out.subspan(1, 2));
}

Result<RecordLayer::Opened, DropReason> RecordLayer::open(const Record& record) {
  const size_t index = find_read(record);
  if (index == read_.size()) return fail(DropReason::WrongEpoch);
  ReadEpoch& read = read_[index];
  if (auto* cipher = std::get_if<RecordCipher13>(&read.cipher)) return open13(read, *cipher, record);
  return open12(read, std::get<RecordCipher12>(read.cipher), record);
}

Result<RecordLayer::Opened, DropReason> RecordLayer::open12(ReadEpoch& epoch, RecordCipher12& cipher,
                                                            const Record& record) {
  if (!epoch.window.fresh(record.sequence)) return fail(DropReason::Replayed);
  const std::optional<Bytes> plaintext = cipher.open({record.type, record.number()}, record.fragment);
  if (!plaintext) {
    ++epoch.forgeries;
    return fail(DropReason::BadTag);
  }
  epoch.window.mark(record.sequence);
  return Opened{record.type, {epoch.epoch, record.sequence}, *plaintext};
}

Result<RecordLayer::Opened, DropReason> RecordLayer::open13(ReadEpoch& epoch, RecordCipher13& cipher,
                                                            const Record& record) {
  if (record.fragment.size() < RecordCipher13::kMinCiphertext) return fail(DropReason::Malformed);
  const Bytes low = record.header.subspan(1, (record.header[0] & kLongSequence) != 0 ? 2 : 1);
  cipher.mask(record.fragment, low);
  const uint64_t sequence = nearest_sequence(epoch.window.next(), low);
  if (!epoch.window.fresh(sequence)) return fail(DropReason::Replayed);
  const std::optional<Bytes> inner = cipher.open(sequence, record.header, record.fragment);
  if (!inner) {
    ++epoch.forgeries;
    return fail(DropReason::BadTag);
  }
  epoch.window.mark(sequence);
  // RFC 8446 §5.4: zeros of padding, then from the end the content type.
  size_t size = inner->size();
  while (size != 0 && (*inner)[size - 1] == 0) --size;
  if (size == 0) return Opened{ContentType::None, {epoch.epoch, sequence}, {}};
  return Opened{static_cast<ContentType>((*inner)[size - 1]), {epoch.epoch, sequence}, inner->first(size - 1)};
}

uint64_t RecordLayer::forgeries() const {
  uint64_t all = 0;
  for (const ReadEpoch& read : read_) all += read.forgeries;
  return all;
}

bool RecordLayer::exhausted() const {
  return write_.back().next_sequence > kMaxSequence ||
         std::any_of(read_.begin(), read_.end(), [this](const auto& read) { return read.forgeries >= max_forgeries_; });
}

}  // namespace kaon::dtls
