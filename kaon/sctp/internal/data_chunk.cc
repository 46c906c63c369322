#include "kaon/sctp/internal/data_chunk.h"

#include "kaon/base/reader.h"
#include "kaon/base/writer.h"

namespace kaon::sctp {

std::optional<DataChunk> DataChunk::parse(const Chunk& chunk) {
  Reader reader(chunk.value);
  DataChunk data;
  data.tsn = Tsn(reader.u32());
  data.stream = StreamId(reader.u16());
  data.ssn = Ssn(reader.u16());
  data.ppid = Ppid(reader.u32());
  data.flags = chunk.flags;
  data.payload = reader.rest();
  if (!reader.ok()) return std::nullopt;
  return data;
}

void DataChunk::write(Bytes out) const {
  Writer writer(out);
  writer.u32(tsn.value());
  writer.u16(stream.value());
  writer.u16(ssn.value());
  writer.u32(ppid.value());
  writer.bytes(payload);
}

}  // namespace kaon::sctp
