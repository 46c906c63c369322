// What a side is told on its command line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace kaon::bench {

struct Options {
  bool offers = false;
  bool video = false;  // one video track per connection instead of data channels
  bool watch = false;  // offers to receive video instead of sending it
  bool keep = true;    // connections stay open
  bool new_certificate = true;
  bool ordered = true;
  size_t channels = 1;
  size_t message_size = 65536;
  size_t frame_size = 10300;  // of a 720p stream of 2.5 Mbit/s at 30 frames a second
};

/// Nothing, with a line on stderr, if an option is unknown.
std::optional<Options> parse_options(int count, char** words);

}  // namespace kaon::bench
