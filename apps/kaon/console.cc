#include "apps/kaon/console.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

namespace kaon::apps {
namespace {

constexpr std::pair<std::string_view, LogLevel> kLevels[] = {
    {"trace", LogLevel::Trace},     {"debug", LogLevel::Debug}, {"info", LogLevel::Info},
    {"warning", LogLevel::Warning}, {"error", LogLevel::Error}, {"off", LogLevel::Off},
};
constexpr int kShowEvery = 10;  // progress lines into a file

}  // namespace

LogLevel log_level(std::string_view name) {
  for (const auto& [text, level] : kLevels) {
    if (text == name) return level;
  }
  return LogLevel::Info;
}

ConsoleLogger::ConsoleLogger(LogLevel level) {
  set_level(level);
  static const auto logger = spdlog::stderr_color_mt("kaon");
  logger->set_level(spdlog::level::trace);
  logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
}

void ConsoleLogger::write(LogLevel level, std::string_view module, std::string_view line) {
  const auto spd = static_cast<spdlog::level::level_enum>(level);
  spdlog::get("kaon")->log(spd, "{}: {}", module, line);
}

int fail_with(std::string_view sentence) {
  std::fprintf(stderr, "kaon: %.*s\n", static_cast<int>(sentence.size()), sentence.data());
  return 1;
}

Progress::Progress() : terminal_(isatty(STDOUT_FILENO) == 1) {}

void Progress::show(const std::string& text) {
  if (terminal_) {
    std::printf("\r\x1b[K%s", text.c_str());
    open_ = true;
  } else if (calls_++ % kShowEvery == 0) {
    std::printf("%s\n", text.c_str());
    unshown_.clear();
  } else {
    unshown_ = text;
  }
  std::fflush(stdout);
}

void Progress::end() {
  if (std::exchange(open_, false)) std::printf("\n");
  if (!unshown_.empty()) std::printf("%s\n", std::exchange(unshown_, {}).c_str());
  std::fflush(stdout);
}

}  // namespace kaon::apps
