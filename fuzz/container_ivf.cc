// IVF files; what was read is written and read again.
#include "fuzz/container.h"
#include "kaon/container/ivf.h"

namespace kaon::container {

KAON_FUZZ_TARGET(container_ivf) {
  IvfReader reader;
  const fuzz::ReadFile whole = fuzz::read_file(reader, input, std::max<size_t>(input.size(), 1));
  IvfReader slow;
  KAON_ASSERT(fuzz::read_file(slow, input, 7) == whole);
  if (!reader.header() || whole.frames.empty()) return;

  IvfWriter writer(*reader.header());
  std::vector<uint8_t> file;
  for (const auto& frame : whole.frames) writer.write({frame.data, frame.timestamp, frame.keyframe}, file);
  const Patch patch = writer.finish();
  KAON_ASSERT(patch.offset + patch.bytes.size() <= file.size());
  std::ranges::copy(patch.bytes, file.begin() + static_cast<ptrdiff_t>(patch.offset));
  IvfReader second;
  const fuzz::ReadFile again = fuzz::read_file(second, file, file.size());
  KAON_ASSERT(again.error.empty());
  KAON_ASSERT(again.frames.size() == whole.frames.size());
  for (size_t i = 0; i < again.frames.size(); ++i) KAON_ASSERT(again.frames[i].data == whole.frames[i].data);
}

}  // namespace kaon::container
