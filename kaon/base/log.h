// The log interface. The library writes no log of its own: the program decides where the lines go.
#pragma once

#include <cstdint>
#include <string_view>

#include "kaon/base/text.h"

namespace kaon {

enum class LogLevel : uint8_t { Trace, Debug, Info, Warning, Error, Off };

/// Receives log lines. Implementations above io/ must be callable from every loop's thread.
class Logger {
 public:
  virtual ~Logger() = default;
  virtual void write(LogLevel level, std::string_view module, std::string_view line) = 0;

  /// Lines below this level are not even formatted.
  LogLevel level() const { return level_; }
  void set_level(LogLevel level) { level_ = level; }
  bool enabled(LogLevel level) const { return level >= level_; }

  /// log.line(LogLevel::Info, "ice", "selected ", pair): formats only if the level is enabled.
  template <class... Parts>
  void line(LogLevel level, std::string_view module, const Parts&... parts) {
    if (enabled(level)) write(level, module, cat(parts...));
  }

 private:
  LogLevel level_ = LogLevel::Info;
};

/// Drops every line.
class NullLogger final : public Logger {
 public:
  NullLogger() { set_level(LogLevel::Off); }
  void write(LogLevel, std::string_view, std::string_view) override {}
};

}  // namespace kaon
