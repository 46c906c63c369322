#include "benchmarks/peer/options.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace kaon::bench {

std::optional<Options> parse_options(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    const bool has_value = i + 1 < count;
    if (word == "offer") {
      options.offers = true;
    } else if (word == "answer") {
      options.offers = false;
    } else if (word == "--video") {
      options.video = true;
    } else if (word == "--watch") {
      options.video = options.watch = true;
    } else if (word == "--close") {
      options.keep = false;
    } else if (word == "--cached-certificate") {
      options.new_certificate = false;
    } else if (word == "--unordered") {
      options.ordered = false;
    } else if (word == "--channels" && has_value) {
      options.channels = std::strtoul(words[++i], nullptr, 10);
    } else if (word == "--message-size" && has_value) {
      options.message_size = std::strtoul(words[++i], nullptr, 10);
    } else if (word == "--frame-size" && has_value) {
      options.frame_size = std::strtoul(words[++i], nullptr, 10);
    } else {
      std::fprintf(stderr, "unknown option %s\n", words[i]);
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace kaon::bench
