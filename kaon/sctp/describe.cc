#include "kaon/sctp/describe.h"

#include <algorithm>
#include <vector>

#include "kaon/sctp/internal/data_chunk.h"
#include "kaon/sctp/internal/ecn.h"
#include "kaon/sctp/internal/error_cause.h"
#include "kaon/sctp/internal/forward_tsn_chunk.h"
#include "kaon/sctp/internal/init_chunk.h"
#include "kaon/sctp/internal/packet.h"
#include "kaon/sctp/internal/reconfig_chunk.h"
#include "kaon/sctp/internal/sack_chunk.h"

namespace kaon::sctp {
namespace {

struct ChunkName {
  ChunkType type;
  std::string_view name;
};
constexpr ChunkName kNames[] = {
    {ChunkType::Data, "DATA"},
    {ChunkType::Init, "INIT"},
    {ChunkType::InitAck, "INIT-ACK"},
    {ChunkType::Sack, "SACK"},
    {ChunkType::Heartbeat, "HEARTBEAT"},
    {ChunkType::HeartbeatAck, "HEARTBEAT-ACK"},
    {ChunkType::Abort, "ABORT"},
    {ChunkType::Shutdown, "SHUTDOWN"},
    {ChunkType::ShutdownAck, "SHUTDOWN-ACK"},
    {ChunkType::Error, "ERROR"},
    {ChunkType::CookieEcho, "COOKIE-ECHO"},
    {ChunkType::CookieAck, "COOKIE-ACK"},
    {ChunkType::EcnEcho, "ECNE"},
    {ChunkType::WindowReduced, "CWR"},
    {ChunkType::ShutdownComplete, "SHUTDOWN-COMPLETE"},
    {ChunkType::IData, "I-DATA"},
    {ChunkType::ReConfig, "RE-CONFIG"},
    {ChunkType::ForwardTsn, "FORWARD-TSN"},
    {ChunkType::IForwardTsn, "I-FORWARD-TSN"},
    {ChunkType::Pad, "PAD"},
};

std::string name_of(ChunkType type) {
  const auto it = std::ranges::find(kNames, type, &ChunkName::type);
  return it == std::end(kNames) ? cat("chunk type ", static_cast<int>(type)) : std::string(it->name);
}

void describe_data(const Chunk& chunk, const DescribeData& data, Outline& out) {
  const auto format = chunk.type == ChunkType::Data ? DataFormat::Data : DataFormat::IData;
  const auto parsed = DataChunk::parse(chunk);
  if (!parsed)
    return out.problem(chunk.whole.last(0),
                       cat("a ", name_of(chunk.type), " header of ", DataChunk::header_size(format), " bytes"));
  const bool whole = parsed->beginning() && parsed->end();
  const bool interleaved = format == DataFormat::IData;
  // I-DATA says what the message is in its first fragment only.
  const bool has_ppid = !interleaved || parsed->beginning();
  out.line(name_of(chunk.type), " tsn ", parsed->tsn.value(), ", stream ", parsed->stream.value(),
           interleaved ? ", mid " : ", ssn ", parsed->mid.value(),
           has_ppid ? cat(", ppid ", parsed->ppid.value()) : cat(", fsn ", parsed->fsn), ", ", parsed->payload.size(),
           " bytes", parsed->unordered() ? ", unordered" : "",
           whole                 ? ""
           : parsed->beginning() ? ", first part"
           : parsed->end()       ? ", last part"
                                 : ", middle part");
  const auto deeper = out.deeper();
  if (data) data(parsed->ppid, parsed->payload, whole, out);
}

void describe_init(const Chunk& chunk, Outline& out) {
  const auto init = InitChunk::parse(chunk.value);
  out.line(name_of(chunk.type));
  const auto deeper = out.deeper();
  if (!init) return out.problem(chunk.value, "fixed fields of 16 bytes and parameters within the chunk");
  out.line("tag ", init->initiate_tag, ", a_rwnd ", init->a_rwnd, ", streams out ", init->outgoing_streams, ", in ",
           init->incoming_streams, ", initial tsn ", init->initial_tsn.value());
  if (init->capabilities.partial_reliability) out.line("partial reliability");
  if (init->capabilities.stream_reset) out.line("stream reset");
  if (init->capabilities.interleaving) out.line("interleaving");
  if (init->capabilities.zero_checksum) out.line("zero checksum");
  if (init->capabilities.ecn) out.line("ECN");
  if (init->cookie) out.line("cookie ", init->cookie->size(), " bytes");
}

void describe_sack(const Chunk& chunk, Outline& out) {
  const auto sack = SackChunk::parse(chunk.value);
  if (!sack) return out.problem(chunk.value, "a cumulative tsn and gap blocks in order");
  std::string gaps;
  for (size_t i = 0; i < sack->block_count(); ++i)
    gaps += cat(" ", sack->block(i).start.value(), "-", sack->block(i).end.value());
  out.line("SACK cumulative tsn ", sack->cumulative.value(), ", a_rwnd ", sack->a_rwnd,
           gaps.empty() ? "" : ", received beyond", gaps,
           sack->duplicates == 0 ? std::string() : cat(", duplicates ", sack->duplicates));
}

void describe_reconfig(const Chunk& chunk, Outline& out) {
  out.line("RE-CONFIG");
  const auto deeper = out.deeper();
  ParameterReader parameters(chunk.value);
  while (const auto parameter = parameters.next()) {
    const auto type = static_cast<ReConfigParameter>(parameter->type);
    if (const auto reset = OutgoingResetRequest::parse(parameter->value);
        type == ReConfigParameter::OutgoingSsnReset && reset) {
      std::string streams;
      for (const StreamId stream : reset->streams) streams += cat(" ", stream.value());
      out.line("outgoing reset ", reset->request_sequence, ", streams", streams.empty() ? " all" : streams);
    } else if (const auto response = ReConfigResponse::parse(parameter->value);
               type == ReConfigParameter::Response && response) {
      out.line("response to ", response->sequence, ", result ", static_cast<uint32_t>(response->result));
    } else {
      out.line("parameter ", parameter->type, " ", short_hex(parameter->value));
    }
  }
  if (parameters.malformed()) out.problem(chunk.value, "parameters within the chunk");
}

void describe_forward_tsn(const Chunk& chunk, Outline& out) {
  const auto format = chunk.type == ChunkType::ForwardTsn ? DataFormat::Data : DataFormat::IData;
  const auto forward = ForwardTsnChunk::parse(format, chunk.value);
  if (!forward)
    return out.problem(chunk.value, cat("a tsn and streams of ", ForwardTsnChunk::skipped_size(format), " bytes"));
  out.line(name_of(chunk.type), " to ", forward->new_cumulative.value(), ", streams ", forward->skipped_count());
}

void describe_ecn(const Chunk& chunk, Outline& out) {
  const auto tsn = EcnChunk::parse(chunk.value);
  if (!tsn) return out.problem(chunk.value, "a tsn");
  out.line(name_of(chunk.type), " tsn ", tsn->value());
}

void describe_chunk(const Chunk& chunk, const DescribeData& data, Outline& out) {
  switch (chunk.type) {
    case ChunkType::Data:
    case ChunkType::IData: return describe_data(chunk, data, out);
    case ChunkType::Init:
    case ChunkType::InitAck: return describe_init(chunk, out);
    case ChunkType::Sack: return describe_sack(chunk, out);
    case ChunkType::ReConfig: return describe_reconfig(chunk, out);
    case ChunkType::ForwardTsn:
    case ChunkType::IForwardTsn: return describe_forward_tsn(chunk, out);
    case ChunkType::EcnEcho:
    case ChunkType::WindowReduced: return describe_ecn(chunk, out);
    case ChunkType::Abort:
    case ChunkType::Error: return out.line(name_of(chunk.type), " ", describe_causes(chunk.value));
    default:
      return out.line(name_of(chunk.type), chunk.value.empty() ? "" : " ",
                      chunk.value.empty() ? std::string() : short_hex(chunk.value));
  }
}

}  // namespace

void describe(ByteView packet, const DescribeData& data, Outline& out) {
  if (packet.size() < kCommonHeaderSize)
    return out.problem(packet.last(0), cat("an SCTP header of ", kCommonHeaderSize, " bytes"));
  const CommonHeader header = CommonHeader::parse(packet);
  out.line("SCTP port ", header.source_port, " to ", header.destination_port, ", tag ", header.verification_tag);
  const auto deeper = out.deeper();
  std::vector<uint8_t> copy(packet.begin(), packet.end());
  // RFC 9653: under DTLS there may be none.
  if (load_be32(&packet[8]) == 0) {
    out.line("no checksum");
  } else if (!crc_fits(copy)) {
    out.problem(packet.subspan(8), "the CRC-32C of the packet");
  }
  ChunkReader chunks(packet.subspan(kCommonHeaderSize));
  ByteView rest = packet.subspan(kCommonHeaderSize);
  while (const auto chunk = chunks.next()) {
    describe_chunk(*chunk, data, out);
    rest = rest.subspan(std::min(padded(chunk->whole.size()), rest.size()));
  }
  if (!chunks.malformed()) return;
  if (rest.size() < kChunkHeaderSize) return out.problem(rest.last(0), "a chunk header of 4 bytes");
  out.problem(rest.subspan(2), cat("a chunk length of 4 to ", rest.size(), ", found ", load_be16(&rest[2])));
}

}  // namespace kaon::sctp
