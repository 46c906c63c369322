// SCTP packets: every chunk and parameter read; those that have a writer are written and read again.
#include "fuzz/fuzz.h"
#include "kaon/sctp/internal/data_chunk.h"
#include "kaon/sctp/internal/error_cause.h"
#include "kaon/sctp/internal/forward_tsn_chunk.h"
#include "kaon/sctp/internal/init_chunk.h"
#include "kaon/sctp/internal/packet.h"
#include "kaon/sctp/internal/reconfig_chunk.h"
#include "kaon/sctp/internal/sack_chunk.h"
#include "kaon/sctp/internal/state_cookie.h"
#include "kaon/sctp/types.h"

namespace kaon::sctp {
namespace {

void look_at_data(const Chunk& chunk) {
  const auto data = DataChunk::parse(chunk);
  if (!data) return;
  std::vector<uint8_t> value(DataChunk::header_size(data->format) + data->payload.size());
  data->write(value);
  // I-DATA has reserved bits, which are not kept.
  if (data->format == DataFormat::Data) KAON_ASSERT(std::ranges::equal(value, chunk.value));
}

void look_at_init(ByteView value) {
  const auto init = InitChunk::parse(value);
  if (!init) return;
  std::vector<uint8_t> memory(init->size());
  init->write(memory);
  const auto again = InitChunk::parse(memory);
  KAON_ASSERT(again.has_value());
  KAON_ASSERT(again->initiate_tag == init->initiate_tag && again->initial_tsn == init->initial_tsn);
  KAON_ASSERT(again->outgoing_streams == init->outgoing_streams && again->incoming_streams == init->incoming_streams);
  KAON_ASSERT(again->cookie.has_value() == init->cookie.has_value());
  KAON_ASSERT(std::ranges::equal(again->cookie.value_or(ByteView()), init->cookie.value_or(ByteView())));
}

void look_at_sack(ByteView value) {
  const auto sack = SackChunk::parse(value);
  if (!sack) return;
  for (size_t i = 0; i < sack->block_count(); ++i) {
    const TsnRange block = sack->block(i);
    KAON_ASSERT(!block.start.newer_than(block.end));
    KAON_ASSERT(block.start.newer_than(sack->cumulative));
  }
}

void look_at_reconfig(ByteView value) {
  ParameterReader parameters(value);
  while (const auto parameter = parameters.next()) {
    switch (static_cast<ReConfigParameter>(parameter->type)) {
      case ReConfigParameter::OutgoingSsnReset:
        if (const auto request = OutgoingResetRequest::parse(parameter->value)) {
          std::vector<uint8_t> memory(request->size());
          request->write(memory);
          KAON_ASSERT(OutgoingResetRequest::parse(memory)->streams == request->streams);
        }
        break;
      case ReConfigParameter::IncomingSsnReset: (void)IncomingResetRequest::parse(parameter->value); break;
      case ReConfigParameter::Response: (void)ReConfigResponse::parse(parameter->value); break;
      default: break;
    }
  }
}

void look_at_forward_tsn(DataFormat format, ByteView value) {
  const auto forward = ForwardTsnChunk::parse(format, value);
  if (!forward) return;
  for (size_t i = 0; i < forward->skipped_count(); ++i) (void)forward->skipped(i);
}

void look_at(const Chunk& chunk) {
  KAON_ASSERT(chunk.whole.size() == kChunkHeaderSize + chunk.value.size());
  switch (chunk.type) {
    case ChunkType::Data:
    case ChunkType::IData: return look_at_data(chunk);
    case ChunkType::Init:
    case ChunkType::InitAck: return look_at_init(chunk.value);
    case ChunkType::Sack: return look_at_sack(chunk.value);
    case ChunkType::Abort:
    case ChunkType::Error:
      (void)describe_causes(chunk.value);
      (void)has_cause(chunk.value, ErrorCause::StaleCookie);
      return;
    case ChunkType::ReConfig: return look_at_reconfig(chunk.value);
    case ChunkType::ForwardTsn: return look_at_forward_tsn(DataFormat::Data, chunk.value);
    case ChunkType::IForwardTsn: return look_at_forward_tsn(DataFormat::IData, chunk.value);
    default: return;
  }
}

}  // namespace

KAON_FUZZ_TARGET(sctp_packet) {
  std::vector<uint8_t> packet = fuzz::copy(input);
  if (packet.size() < kCommonHeaderSize) return;
  const CommonHeader header = CommonHeader::parse(packet);
  (void)crc_fits(packet);
  ChunkReader chunks(ByteView(packet).subspan(kCommonHeaderSize));
  std::vector<uint8_t> memory(packet.size() + 4);
  PacketWriter writer(memory, memory.size());
  size_t count = 0;
  while (const auto chunk = chunks.next()) {
    look_at(*chunk);
    if (chunk->value.size() <= writer.space()) writer.add(chunk->type, chunk->flags, chunk->value), ++count;
  }
  memory.resize(writer.finish(header));
  KAON_ASSERT(crc_fits(memory));
  ChunkReader again(ByteView(memory).subspan(kCommonHeaderSize));
  while (again.next()) --count;
  KAON_ASSERT(count == 0 && !again.malformed());

  SeededRandom random(1);
  const CookieJar jar(random);
  if (const auto cookie = jar.open(packet)) KAON_ASSERT(std::ranges::equal(jar.seal(*cookie), packet));
}

}  // namespace kaon::sctp
