// Lines from a descriptor, on a loop.
#pragma once

#include <memory>
#include <string_view>

#include "kaon/base/function.h"

namespace kaon::io {
class Loop;
}

namespace kaon::bench {

/// Calls `on_line` on the loop for each line, without its end, and `on_end` when no more will come.
class LineReader {
 public:
  LineReader(io::Loop& loop, int descriptor, Function<void(std::string_view)> on_line, Function<void()> on_end);
  ~LineReader();
  /// Writes a line to the same descriptor, in order, later.
  void write(std::string_view line);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kaon::bench
