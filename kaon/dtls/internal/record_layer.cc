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

Result<Record, DropReason> next_unified_record(Bytes& datagram, size_t id_size) {
  Reader reader(datagram);
  const uint8_t flags = reader.u8();
  const bool has_id = (flags & kHasConnectionId) != 0;
  if (has_id && id_size == 0) return malformed(datagram);
  const ByteView id = reader.bytes(has_id ? id_size : 0);
  reader.skip((flags & kLongSequence) != 0 ? 2 : 1);
  const bool has_length = (flags & kHasLength) != 0;
  const size_t stated = has_length ? reader.u16() : 0;
  const size_t length = has_length ? stated : reader.remaining();
  if (!reader.ok() || length > kMaxFragment || length > reader.remaining()) return malformed(datagram);
  Record record;
  record.unified = true;
  record.version = kVersionDtls12;
  record.epoch = flags & kEpochBits;
  record.connection_id = id;
  record.header = datagram.first(reader.position());
  record.fragment = datagram.subspan(reader.position(), length);
  datagram = datagram.subspan(reader.position() + length);
  return record;
}

/// RFC 8446 §5.4, RFC 9146 §4: zeros of padding, then from the end the content type, if there is one.
RecordLayer::Opened strip(Bytes inner, RecordNumber number) {
  size_t size = inner.size();
  while (size != 0 && inner[size - 1] == 0) --size;
  if (size == 0) return {ContentType::None, number, {}};
  return {static_cast<ContentType>(inner[size - 1]), number, inner.first(size - 1)};
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

Result<Record, DropReason> next_record(Bytes& datagram, size_t id_size) {
  if (!datagram.empty() && (datagram[0] & kUnifiedMask) == kUnified) return next_unified_record(datagram, id_size);
  Reader reader(datagram);
  const uint8_t type = reader.u8();
  Record record;
  record.version = reader.u16();
  record.epoch = reader.u16();
  record.sequence = reader.u48();
  const bool has_id = type == static_cast<uint8_t>(ContentType::Tls12Cid) && id_size != 0;
  record.connection_id = reader.bytes(has_id ? id_size : 0);
  const size_t length = reader.u16();
  if (!reader.ok() || length > kMaxFragment || length > reader.remaining()) return malformed(datagram);
  record.header = datagram.first(reader.position());
  record.fragment = datagram.subspan(reader.position(), length);
  datagram = datagram.subspan(reader.position() + length);
  // RFC 9146 §3: nothing in the clear is of this type.
  const bool only_protected = has_id || type == static_cast<uint8_t>(ContentType::ReturnRoutability);
  if (!is_known(type) && !(only_protected && record.epoch != 0)) return fail(DropReason::UnknownContentType);
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

void RecordLayer::forget_all_but_writing(uint64_t epoch) {
  read_.clear();
  std::erase_if(write_,
                [epoch](const WriteEpoch& write) { return write.epoch != kEpochClear && write.epoch != epoch; });
}

void RecordLayer::use_connection_ids(std::vector<uint8_t> ours, std::vector<uint8_t> peers) {
  our_ids_.clear();
  if (!ours.empty()) our_ids_.push_back(std::move(ours));
  peer_id_ = std::move(peers);
}

void RecordLayer::forget_connection_id(ByteView ours) {
  // Without any, records without an id would be right.
  if (our_ids_.size() <= 1) return;
  std::erase_if(our_ids_, [ours](const auto& id) { return std::ranges::equal(id, ours); });
}

bool RecordLayer::carries_our_id(const Record& record) const {
  // RFC 9146 §3: each record has it. RFC 9147 §4: each datagram has it, so one record is enough.
  if (record.connection_id.empty()) return our_ids_.empty() || (record.unified && record.follows_connection_id);
  return std::ranges::any_of(our_ids_, [&](const auto& id) { return std::ranges::equal(id, record.connection_id); });
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
  if (std::holds_alternative<RecordCipher13>(cipher))
    return kUnifiedHeaderSize + peer_id_.size() + RecordCipher13::kOverhead;
  const auto* cipher12 = std::get_if<RecordCipher12>(&cipher);
  if (cipher12 == nullptr) return kRecordHeaderSize;
  const size_t for_id = peer_id_.empty() ? 0 : peer_id_.size() + 1;  // with the real type
  return kRecordHeaderSize + cipher12->overhead() + for_id;
}

size_t RecordLayer::payload_offset(uint64_t epoch) const {
  const Cipher& cipher = write_[find_write(epoch)].cipher;
  if (std::holds_alternative<RecordCipher13>(cipher)) return kUnifiedHeaderSize + peer_id_.size();
  const auto* cipher12 = std::get_if<RecordCipher12>(&cipher);
  if (cipher12 == nullptr) return kRecordHeaderSize;
  return kRecordHeaderSize + peer_id_.size() + cipher12->explicit_nonce_size();
}

uint64_t RecordLayer::last_sequence(const WriteEpoch& write) {
  return std::holds_alternative<RecordCipher13>(write.cipher) ? kMaxRecordsPerKey13 - 1 : kMaxSequence;
}

bool RecordLayer::used_up(uint64_t epoch) const {
  const WriteEpoch& write = write_[find_write(epoch)];
  return write.next_sequence > last_sequence(write);
}

size_t RecordLayer::seal(uint64_t epoch, ContentType type, ByteView plaintext, Bytes out) {
  WriteEpoch& write = write_[find_write(epoch)];
  const size_t size = plaintext.size() + overhead(epoch);
  KAON_ASSERT(plaintext.size() <= kMaxRecordPlaintext && out.size() >= size);
  if (write.next_sequence > last_sequence(write)) return 0;
  const uint64_t sequence = write.next_sequence++;
  const Bytes record = out.first(size);
  if (auto* cipher = std::get_if<RecordCipher12>(&write.cipher)) {
    return seal12(write, *cipher, type, sequence, plaintext, record);
  }
  const size_t offset = payload_offset(epoch);
  if (plaintext.data() != record.data() + offset) Writer(record.subspan(offset)).bytes(plaintext);
  if (std::holds_alternative<RecordCipher13>(write.cipher)) {
    write_unified_record(write, type, sequence, plaintext.size(), record);
  } else {
    write_record(write, type, sequence, {}, record);
  }
  return size;
}

size_t RecordLayer::seal12(WriteEpoch& write, RecordCipher12& cipher, ContentType type, uint64_t sequence,
                           ByteView plaintext, Bytes out) {
  const uint64_t number = (write.epoch << 48) | sequence;
  const size_t inner_size = plaintext.size() + (peer_id_.empty() ? 0 : 1);
  out = out.first(kRecordHeaderSize + peer_id_.size() + cipher.sealed_size(inner_size));
  if (peer_id_.empty()) {
    cipher.seal({type, number}, plaintext, out.subspan(kRecordHeaderSize));
    write_record(write, type, sequence, {}, out);
    return out.size();
  }
  // RFC 9146 §4: the real type stands behind the plaintext; we add no padding.
  const Bytes body = out.subspan(kRecordHeaderSize + peer_id_.size());
  const Bytes inner = body.subspan(cipher.explicit_nonce_size(), inner_size);
  if (plaintext.data() != inner.data()) Writer(inner).bytes(plaintext);
  inner.back() = static_cast<uint8_t>(type);
  cipher.seal({ContentType::Tls12Cid, number, peer_id_}, inner, body);
  write_record(write, ContentType::Tls12Cid, sequence, peer_id_, out);
  return out.size();
}

void RecordLayer::write_record(const WriteEpoch& epoch, ContentType type, uint64_t sequence, ByteView id, Bytes out) {
  // After the payload: it may have stood where an out-of-place caller's header goes.
  const size_t size = kRecordHeaderSize + id.size();
  Writer header(out.first(size));
  header.u8(static_cast<uint8_t>(type));
  header.u16(kVersionDtls12);
  header.u16(static_cast<uint16_t>(epoch.epoch));
  header.u48(sequence);
  header.bytes(id);
  header.u16(static_cast<uint16_t>(out.size() - size));
}

void RecordLayer::write_unified_record(WriteEpoch& epoch, ContentType type, uint64_t sequence, size_t size,
                                       Bytes out) const {
  auto& cipher = std::get<RecordCipher13>(epoch.cipher);
  const size_t header_size = kUnifiedHeaderSize + peer_id_.size();
  const Bytes body = out.subspan(header_size);
  body[size] = static_cast<uint8_t>(type);
  const uint8_t id_flag = peer_id_.empty() ? 0 : kHasConnectionId;
  Writer header(out.first(header_size));
  header.u8(static_cast<uint8_t>(kUnified | id_flag | kLongSequence | kHasLength | (epoch.epoch & kEpochBits)));
  header.bytes(peer_id_);
  header.u16(static_cast<uint16_t>(sequence));
  header.u16(static_cast<uint16_t>(body.size()));
  cipher.seal(sequence, header.written(), size + 1, body);
  cipher.mask(body, out.subspan(1 + peer_id_.size(), 2));
}

Result<RecordLayer::Opened, DropReason> RecordLayer::open(const Record& record) {
  const size_t index = find_read(record);
  if (index == read_.size()) return fail(DropReason::WrongEpoch);
  if (!carries_our_id(record)) return fail(DropReason::WrongConnectionId);
  ReadEpoch& read = read_[index];
  auto* cipher = std::get_if<RecordCipher13>(&read.cipher);
  auto opened =
      cipher != nullptr ? open13(read, *cipher, record) : open12(read, std::get<RecordCipher12>(read.cipher), record);
  if (!opened) return opened;
  const RecordNumber& number = opened->number;
  opened->newest =
      number.epoch > newest_.epoch || (number.epoch == newest_.epoch && number.sequence >= newest_.sequence);
  if (opened->newest) newest_ = {number.epoch, number.sequence + 1};
  return opened;
}

Result<RecordLayer::Opened, DropReason> RecordLayer::open12(ReadEpoch& epoch, RecordCipher12& cipher,
                                                            const Record& record) {
  if (!epoch.window.fresh(record.sequence)) return fail(DropReason::Replayed);
  const std::optional<Bytes> plaintext =
      cipher.open({record.type, record.number(), record.connection_id}, record.fragment);
  if (!plaintext) {
    ++epoch.forgeries;
    return fail(DropReason::BadTag);
  }
  epoch.window.mark(record.sequence);
  const RecordNumber number{epoch.epoch, record.sequence};
  if (record.connection_id.empty()) return Opened{record.type, number, *plaintext};
  return strip(*plaintext, number);
}

Result<RecordLayer::Opened, DropReason> RecordLayer::open13(ReadEpoch& epoch, RecordCipher13& cipher,
                                                            const Record& record) {
  if (record.fragment.size() < RecordCipher13::kMinCiphertext) return fail(DropReason::Malformed);
  const size_t low_size = (record.header[0] & kLongSequence) != 0 ? 2 : 1;
  const Bytes low = record.header.subspan(1 + record.connection_id.size(), low_size);
  cipher.mask(record.fragment, low);
  const uint64_t sequence = nearest_sequence(epoch.window.next(), low);
  if (!epoch.window.fresh(sequence)) return fail(DropReason::Replayed);
  const std::optional<Bytes> inner = cipher.open(sequence, record.header, record.fragment);
  if (!inner) {
    ++epoch.forgeries;
    return fail(DropReason::BadTag);
  }
  epoch.window.mark(sequence);
  return strip(*inner, {epoch.epoch, sequence});
}

uint64_t RecordLayer::forgeries() const {
  uint64_t all = 0;
  for (const ReadEpoch& read : read_) all += read.forgeries;
  return all;
}

bool RecordLayer::exhausted() const {
  return write_.back().next_sequence > last_sequence(write_.back()) ||
         std::any_of(read_.begin(), read_.end(), [this](const auto& read) { return read.forgeries >= max_forgeries_; });
}

}  // namespace kaon::dtls
