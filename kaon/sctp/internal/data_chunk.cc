#include "kaon/sctp/internal/data_chunk.h"

#include "kaon/base/reader.h"
#include "kaon/base/writer.h"

namespace kaon::sctp {

std::optional<DataChunk> DataChunk::parse(const Chunk& chunk) {
  Reader reader(chunk.value);
  DataChunk data;
  data.format = chunk.type == ChunkType::IData ? DataFormat::IData : DataFormat::Data;
  data.flags = chunk.flags;
  data.tsn = Tsn(reader.u32());
  data.stream = StreamId(reader.u16());
  if (data.format == DataFormat::Data) {
    data.mid = Mid(reader.u16());
    data.ppid = Ppid(reader.u32());
  } else {
    reader.skip(2);
    data.mid = Mid(reader.u32());
    if (data.beginning()) {
      data.ppid = Ppid(reader.u32());
    } else {
      data.fsn = reader.u32();
    }
  }
  data.payload = reader.rest();
  if (!reader.ok()) return std::nullopt;
  return data;
}

void DataChunk::write(Bytes out) const {
  Writer writer(out);
  writer.u32(tsn.value());
  writer.u16(stream.value());
  if (format == DataFormat::Data) {
    writer.u16(static_cast<uint16_t>(mid.value()));
    writer.u32(ppid.value());
  } else {
    writer.u16(0);
    writer.u32(mid.value());
    writer.u32(beginning() ? ppid.value() : fsn);
  }
  writer.bytes(payload);
}

}  // namespace kaon::sctp
