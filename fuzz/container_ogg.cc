// Ogg Opus files; what was read is written and read again.
#include "fuzz/container.h"
#include "kaon/container/ogg_opus.h"

namespace kaon::container {

KAON_FUZZ_TARGET(container_ogg) {
  OggOpusReader reader;
  const fuzz::ReadFile whole = fuzz::read_file(reader, input, std::max<size_t>(input.size(), 1));
  OggOpusReader slow;
  KAON_ASSERT(fuzz::read_file(slow, input, 7) == whole);
  if (!reader.head() || whole.frames.empty()) return;

  OggOpusWriter writer({.head = *reader.head()});
  std::vector<uint8_t> file;
  size_t written = 0;
  for (const auto& frame : whole.frames) {
    written += writer.write({frame.data, frame.timestamp, frame.keyframe}, file) ? 1 : 0;
  }
  if (written == 0) return;
  writer.finish(file);
  OggOpusReader second;
  const fuzz::ReadFile again = fuzz::read_file(second, file, file.size());
  KAON_ASSERT(again.error.empty());
  KAON_ASSERT(again.frames.size() >= written);  // gaps are filled with empty packets
  KAON_ASSERT(second.head() == reader.head());
}

}  // namespace kaon::container
