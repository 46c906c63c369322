#include "kaon/sctp/internal/init_chunk.h"

#include <algorithm>
#include <array>

#include "kaon/base/reader.h"
#include "kaon/base/writer.h"

namespace kaon::sctp {
namespace {

// RFC 9260 §3.3.2.1, §3.3.3.1; RFC 3758 §3.1; RFC 5061 §4.2.7. The others are known in order to be skipped silently.
constexpr uint16_t kIpv4Address = 5;
constexpr uint16_t kIpv6Address = 6;
constexpr uint16_t kStateCookie = 7;
constexpr uint16_t kUnrecognizedParameter = 8;
constexpr uint16_t kCookiePreservative = 9;
constexpr uint16_t kHostNameAddress = 11;
constexpr uint16_t kSupportedAddressTypes = 12;
constexpr uint16_t kEcnCapable = 0x8000;              // RFC 4960 Appendix A.1
constexpr uint16_t kZeroChecksumAcceptable = 0x8001;  // RFC 9653 §3.1
constexpr uint32_t kProtectedByDtls = 1;              // its Error Detection Method Identifier, §5.1 of RFC 9653
constexpr uint16_t kSupportedExtensions = 0x8008;
constexpr uint16_t kForwardTsnSupported = 0xc000;

constexpr size_t kFixedSize = 16;

bool is_known(uint16_t type) {
  return type == kIpv4Address || type == kIpv6Address || type == kUnrecognizedParameter ||
         type == kCookiePreservative || type == kHostNameAddress || type == kSupportedAddressTypes;
}

void read_extensions(ByteView types, Capabilities& capabilities) {
  for (const uint8_t type : types) {
    if (type == static_cast<uint8_t>(ChunkType::ReConfig)) capabilities.stream_reset = true;
    if (type == static_cast<uint8_t>(ChunkType::ForwardTsn)) capabilities.partial_reliability = true;
    if (type == static_cast<uint8_t>(ChunkType::IData)) capabilities.interleaving = true;
  }
}

// The Supported Extensions of `capabilities`, RFC 5061 §4.2.7; how many were written.
size_t extensions_of(const Capabilities& capabilities, std::array<uint8_t, 4>& out) {
  size_t count = 0;
  const auto add = [&](ChunkType type) { out[count++] = static_cast<uint8_t>(type); };
  if (capabilities.stream_reset) add(ChunkType::ReConfig);
  if (capabilities.partial_reliability) add(ChunkType::ForwardTsn);
  if (capabilities.interleaving) add(ChunkType::IData);
  if (capabilities.interleaving && capabilities.partial_reliability) add(ChunkType::IForwardTsn);
  return count;
}

void write_parameter(Writer& writer, uint16_t type, ByteView value) {
  writer.u16(type);
  writer.u16(static_cast<uint16_t>(kChunkHeaderSize + value.size()));
  writer.bytes(value);
  writer.zeros(padded(value.size()) - value.size());
}

}  // namespace

std::optional<InitChunk> InitChunk::parse(ByteView value) {
  Reader reader(value);
  InitChunk init;
  init.initiate_tag = reader.u32();
  init.a_rwnd = reader.u32();
  init.outgoing_streams = reader.u16();
  init.incoming_streams = reader.u16();
  init.initial_tsn = Tsn(reader.u32());
  if (!reader.ok()) return std::nullopt;

  ParameterReader parameters(reader.rest());
  while (const auto parameter = parameters.next()) {
    switch (parameter->type) {
      case kStateCookie: init.cookie = parameter->value; continue;
      case kHostNameAddress: init.host_name = parameter->whole; continue;
      case kSupportedExtensions: read_extensions(parameter->value, init.capabilities); continue;
      case kForwardTsnSupported: init.capabilities.partial_reliability = true; continue;
      case kEcnCapable: init.capabilities.ecn = true; continue;
      case kZeroChecksumAcceptable:
        init.capabilities.zero_checksum =
            parameter->value.size() == 4 && load_be32(parameter->value.data()) == kProtectedByDtls;
        continue;
      default: break;
    }
    if (is_known(parameter->type)) continue;
    const UnknownAction action = parameter->unknown_action();
    if (reports(action) && init.unrecognized.size() < kMaxReported) init.unrecognized.push_back(parameter->whole);
    if (stops(action)) break;
  }
  if (parameters.malformed()) return std::nullopt;
  return init;
}

std::optional<InitChunk> parse_init_chunk(ByteView bytes) {
  ChunkReader chunks(bytes);
  const auto chunk = chunks.next();
  if (!chunk || chunk->type != ChunkType::Init || !chunk->last) return std::nullopt;
  auto init = InitChunk::parse(chunk->value);
  const bool allowed =
      init && init->initiate_tag != 0 && init->outgoing_streams != 0 && init->incoming_streams != 0 && !init->host_name;
  return allowed ? init : std::nullopt;
}

size_t InitChunk::size() const {
  std::array<uint8_t, 4> extensions{};
  size_t size = kFixedSize + kChunkHeaderSize + padded(extensions_of(capabilities, extensions));
  if (capabilities.partial_reliability) size += kChunkHeaderSize;
  if (capabilities.ecn) size += kChunkHeaderSize;
  if (capabilities.zero_checksum) size += kChunkHeaderSize + sizeof kProtectedByDtls;
  if (cookie) size += kChunkHeaderSize + padded(cookie->size());
  for (const ByteView parameter : unrecognized) size += kChunkHeaderSize + padded(parameter.size());
  return size;
}

void InitChunk::write(Bytes out) const {
  Writer writer(out);
  writer.u32(initiate_tag);
  writer.u32(a_rwnd);
  writer.u16(outgoing_streams);
  writer.u16(incoming_streams);
  writer.u32(initial_tsn.value());
  if (capabilities.partial_reliability) write_parameter(writer, kForwardTsnSupported, {});
  if (capabilities.ecn) write_parameter(writer, kEcnCapable, {});
  std::array<uint8_t, 4> extensions{};
  const size_t count = extensions_of(capabilities, extensions);
  write_parameter(writer, kSupportedExtensions, ByteView(extensions).first(count));
  if (capabilities.zero_checksum) {
    std::array<uint8_t, 4> method{};
    store_be32(method.data(), kProtectedByDtls);
    write_parameter(writer, kZeroChecksumAcceptable, method);
  }
  for (const ByteView parameter : unrecognized) write_parameter(writer, kUnrecognizedParameter, parameter);
  if (cookie) write_parameter(writer, kStateCookie, *cookie);
}

}  // namespace kaon::sctp
