#include "kaon/sctp/internal/sack_chunk.h"

#include "kaon/base/reader.h"

namespace kaon::sctp {

std::optional<SackChunk> SackChunk::parse(ByteView value) {
  Reader reader(value);
  SackChunk sack;
  sack.cumulative = Tsn(reader.u32());
  sack.a_rwnd = reader.u32();
  const size_t blocks = reader.u16();
  sack.duplicates = reader.u16();
  sack.blocks = reader.bytes(blocks * 4);
  reader.skip(sack.duplicates * 4);
  if (!reader.ok()) return std::nullopt;
  // Blocks that touch are legal (some stacks send them), overlapping ones are not.
  uint32_t previous_end = 0;
  for (size_t i = 0; i < blocks; ++i) {
    const uint16_t start = load_be16(&sack.blocks[4 * i]);
    const uint16_t end = load_be16(&sack.blocks[4 * i + 2]);
    if (start <= previous_end || end < start) return std::nullopt;
    previous_end = end;
  }
  return sack;
}

}  // namespace kaon::sctp
