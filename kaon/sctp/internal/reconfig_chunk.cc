#include "kaon/sctp/internal/reconfig_chunk.h"

#include "kaon/base/reader.h"
#include "kaon/base/writer.h"

namespace kaon::sctp {
namespace {

// The list fills the rest of the parameter; an odd byte makes it malformed.
bool read_streams(Reader& reader, std::vector<StreamId>& streams) {
  if (!reader.ok() || reader.remaining() % 2 != 0) return false;
  streams.reserve(reader.remaining() / 2);
  while (!reader.at_end()) streams.emplace_back(reader.u16());
  return true;
}

}  // namespace

std::optional<OutgoingResetRequest> OutgoingResetRequest::parse(ByteView value) {
  Reader reader(value);
  OutgoingResetRequest request;
  request.request_sequence = reader.u32();
  request.response_sequence = reader.u32();
  request.last_assigned_tsn = Tsn(reader.u32());
  if (!read_streams(reader, request.streams)) return std::nullopt;
  return request;
}

void OutgoingResetRequest::write(Bytes out) const {
  Writer writer(out);
  writer.u32(request_sequence);
  writer.u32(response_sequence);
  writer.u32(last_assigned_tsn.value());
  for (const StreamId stream : streams) writer.u16(stream.value());
}

std::optional<IncomingResetRequest> IncomingResetRequest::parse(ByteView value) {
  Reader reader(value);
  IncomingResetRequest request;
  request.request_sequence = reader.u32();
  if (!read_streams(reader, request.streams)) return std::nullopt;
  return request;
}

std::optional<AddStreamsRequest> AddStreamsRequest::parse(ByteView value) {
  Reader reader(value);
  AddStreamsRequest request;
  request.request_sequence = reader.u32();
  request.streams = reader.u16();
  reader.skip(2);
  if (!reader.ok()) return std::nullopt;
  return request;
}

std::optional<ReConfigResponse> ReConfigResponse::parse(ByteView value) {
  Reader reader(value);
  ReConfigResponse response;
  response.sequence = reader.u32();
  response.result = static_cast<ReConfigResult>(reader.u32());
  if (!reader.ok()) return std::nullopt;
  return response;
}

void ReConfigResponse::write(Bytes out) const {
  Writer writer(out);
  writer.u32(sequence);
  writer.u32(static_cast<uint32_t>(result));
}

}  // namespace kaon::sctp
