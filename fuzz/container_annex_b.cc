// H.264 and H.265 byte streams: no byte of a stream gets lost between its access units.
#include "fuzz/container.h"
#include "kaon/container/annex_b.h"

namespace kaon::container {

KAON_FUZZ_TARGET(container_annex_b) {
  if (input.empty()) return;
  const Codec codec = (input[0] & 1) != 0 ? Codec::H265 : Codec::H264;
  const ByteView file = input.subspan(1);
  AnnexBReader reader(codec, {});
  const fuzz::ReadFile whole = fuzz::read_file(reader, file, std::max<size_t>(file.size(), 1));
  AnnexBReader slow(codec, {});
  KAON_ASSERT(fuzz::read_file(slow, file, 7) == whole);
  size_t size = 0;
  for (const auto& frame : whole.frames) {
    KAON_ASSERT(!frame.data.empty());
    size += frame.data.size();
  }
  KAON_ASSERT(size <= file.size());
}

}  // namespace kaon::container
