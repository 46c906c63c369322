// What the commands print: log lines, errors for people, and a progress line.
#pragma once

#include <string>
#include <string_view>

#include "kaon/base/log.h"

namespace kaon::apps {

/// Log lines to standard error by spdlog. Any thread.
class ConsoleLogger final : public Logger {
 public:
  explicit ConsoleLogger(LogLevel level);
  void write(LogLevel level, std::string_view module, std::string_view line) override;
};

/// "trace", "debug", "info", "warning", "error" or "off"; Info for anything else (the command line checks the names).
LogLevel log_level(std::string_view name);

/// "kaon: SENTENCE" on standard error; returns the exit status 1.
int fail_with(std::string_view sentence);

/// One line that is written over again and again on a terminal, and now and then elsewhere.
class Progress {
 public:
  Progress();
  void show(const std::string& text);
  /// Leaves the last text standing.
  void end();

 private:
  bool terminal_;
  int calls_ = 0;
  bool open_ = false;
  std::string unshown_;
};

}  // namespace kaon::apps
