// Ctrl-C and SIGTERM as something one can wait for.
#pragma once

#include <cstdint>

namespace kaon::apps {

/// Blocks SIGINT and SIGTERM for this thread and those it starts; make it before any other thread.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  /// True once a signal came; waits up to `milliseconds` (-1: for ever).
  bool wait(int milliseconds);
  /// Forgets the signals that came, to wait for another one.
  void reset();

 private:
  int descriptor_;
  bool stopped_ = false;
};

}  // namespace kaon::apps
