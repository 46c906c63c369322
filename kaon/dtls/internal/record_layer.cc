#include "kaon/dtls/internal/record_layer.h"

#include "kaon/base/assert.h"
#include "kaon/base/reader.h"
#include "kaon/base/writer.h"

namespace kaon::dtls {

namespace {

// RFC 5246 §6.2.3: a protected fragment may be up to 2048 bytes longer than its plaintext.
constexpr size_t kMaxFragment = kMaxRecordPlaintext + 2048;

bool is_known(uint8_t type) {
  return type >= static_cast<uint8_t>(ContentType::ChangeCipherSpec) &&
         type <= static_cast<uint8_t>(ContentType::ApplicationData);
}

}  // namespace

Result<Record, DropReason> next_record(Bytes& datagram) {
  Reader reader(datagram);
  const uint8_t type = reader.u8();
  Record record;
  record.version = reader.u16();
  record.epoch = reader.u16();
  record.sequence = reader.u48();
  const size_t length = reader.u16();
  // A first byte above 31 is DTLS 1.3's unified header, which has no length we could skip by.
  if (!reader.ok() || type > 31 || length > kMaxFragment || length > reader.remaining()) {
    datagram = {};
    return fail(DropReason::Malformed);
  }
  record.fragment = datagram.subspan(kRecordHeaderSize, length);
  datagram = datagram.subspan(kRecordHeaderSize + length);
  if (!is_known(type)) return fail(DropReason::UnknownContentType);
  record.type = static_cast<ContentType>(type);
  // RFC 6347 §4.2.1: first ClientHello and HelloVerifyRequest come in records of version 1.0.
  const bool version_ok = record.version == kVersionDtls12 || (record.epoch == 0 && record.version == kVersionDtls10);
  if (!version_ok) return fail(DropReason::UnsupportedVersion);
  return record;
}

size_t RecordLayer::seal(uint16_t epoch, ContentType type, ByteView plaintext, Bytes out) {
  KAON_ASSERT(epoch == 0 || (epoch == kProtectedEpoch && write_.has_value()));
  const size_t size = plaintext.size() + overhead(epoch);
  KAON_ASSERT(plaintext.size() <= kMaxRecordPlaintext && out.size() >= size);
  uint64_t& next = next_sequence_[epoch];
  if (next > kMaxSequence) return 0;
  const uint64_t sequence = next++;
  const Bytes fragment = out.subspan(kRecordHeaderSize, size - kRecordHeaderSize);
  if (epoch == 0) {
    Writer(fragment).bytes(plaintext);
  } else {
    write_->seal({type, (uint64_t{epoch} << 48) | sequence}, plaintext, fragment);
  }
  // After the payload: it may have stood where an out-of-place caller's header goes.
  Writer header(out.first(kRecordHeaderSize));
  header.u8(static_cast<uint8_t>(type));
  header.u16(kVersionDtls12);
  header.u16(epoch);
  header.u48(sequence);
  header.u16(static_cast<uint16_t>(fragment.size()));
  return size;
}

Result<Bytes, DropReason> RecordLayer::open(const Record& record) {
  if (record.epoch == 0) return record.fragment;
  if (record.epoch != kProtectedEpoch || !read_) return fail(DropReason::WrongEpoch);
  if (!window_.fresh(record.sequence)) return fail(DropReason::Replayed);
  const std::optional<Bytes> plaintext = read_->open({record.type, record.number()}, record.fragment);
  if (!plaintext) {
    ++forgeries_;
    return fail(DropReason::BadTag);
  }
  window_.mark(record.sequence);
  return *plaintext;
}

}  // namespace kaon::dtls
