#include "kaon/sctp/internal/packet.h"

#include <algorithm>
#include <cstring>

#include "kaon/base/assert.h"
#include "kaon/base/crc.h"

namespace kaon::sctp {

CommonHeader CommonHeader::parse(ByteView packet) {
  return {load_be16(&packet[0]), load_be16(&packet[2]), load_be32(&packet[4])};
}

bool crc_fits(Bytes packet) {
  const uint32_t received = load_le32(&packet[8]);
  store_be32(&packet[8], 0);
  return crc32c(packet) == received;
}

namespace {

// Length of the element at the front of `rest`, header included; zero if it is malformed.
size_t element_length(ByteView rest) {
  if (rest.size() < kChunkHeaderSize) return 0;
  const size_t length = load_be16(&rest[2]);
  return length < kChunkHeaderSize || length > rest.size() ? 0 : length;
}

// RFC 9260 §3.2: the sender pads to 4 bytes; a last element without its padding does no harm.
ByteView after(ByteView rest, size_t length) { return rest.subspan(std::min(padded(length), rest.size())); }

}  // namespace

std::optional<Chunk> ChunkReader::next() {
  if (rest_.empty() || malformed_) return std::nullopt;
  const size_t length = element_length(rest_);
  if (length == 0) {
    malformed_ = true;
    return std::nullopt;
  }
  Chunk chunk;
  chunk.type = static_cast<ChunkType>(rest_[0]);
  chunk.flags = rest_[1];
  chunk.whole = rest_.first(length);
  chunk.value = chunk.whole.subspan(kChunkHeaderSize);
  rest_ = after(rest_, length);
  chunk.last = rest_.empty();
  return chunk;
}

std::optional<Parameter> ParameterReader::next() {
  if (rest_.empty() || malformed_) return std::nullopt;
  const size_t length = element_length(rest_);
  if (length == 0) {
    malformed_ = true;
    return std::nullopt;
  }
  Parameter parameter;
  parameter.type = load_be16(rest_.data());
  parameter.whole = rest_.first(length);
  parameter.value = parameter.whole.subspan(kChunkHeaderSize);
  rest_ = after(rest_, length);
  return parameter;
}

PacketWriter::PacketWriter(Bytes out, size_t max_size) : memory_(out), out_(out.first(std::min(out.size(), max_size))) {
  KAON_ASSERT(out_.size() >= kCommonHeaderSize);
}

size_t PacketWriter::space() const {
  const size_t left = (out_.size() - size_) & ~size_t{3};
  return left < kChunkHeaderSize ? 0 : left - kChunkHeaderSize;
}

Bytes PacketWriter::add(ChunkType type, uint8_t flags, size_t size) {
  KAON_ASSERT(size <= space());
  uint8_t* p = &out_[size_];
  p[0] = static_cast<uint8_t>(type);
  p[1] = flags;
  store_be16(p + 2, static_cast<uint16_t>(kChunkHeaderSize + size));
  const size_t padding = padded(size) - size;
  if (padding != 0) std::memset(p + kChunkHeaderSize + size, 0, padding);
  size_ += kChunkHeaderSize + size + padding;
  return {p + kChunkHeaderSize, size};
}

void PacketWriter::add(ChunkType type, uint8_t flags, ByteView value) {
  const Bytes out = add(type, flags, value.size());
  if (!value.empty()) std::memcpy(out.data(), value.data(), value.size());
}

bool PacketWriter::stretch(size_t size) {
  const size_t needed = kCommonHeaderSize + kChunkHeaderSize + padded(size);
  if (!empty() || needed > memory_.size()) return false;
  out_ = memory_.first(std::max(out_.size(), needed));
  return true;
}

size_t PacketWriter::finish(const CommonHeader& header, Checksum checksum) {
  store_be16(&out_[0], header.source_port);
  store_be16(&out_[2], header.destination_port);
  store_be32(&out_[4], header.verification_tag);
  store_be32(&out_[8], 0);
  if (checksum == Checksum::Crc32c) store_le32(&out_[8], crc32c(out_.first(size_)));
  return size_;
}

}  // namespace kaon::sctp
