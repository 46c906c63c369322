#include "apps/kaon/transfer_progress.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace kaon::apps {
namespace {

std::string amount(double bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  for (; bytes >= 1000 && unit + 1 < kUnits.size(); ++unit) bytes /= 1000;
  char text[32];
  const int decimals = unit == 0 || bytes >= 100 ? 0 : bytes >= 10 ? 1 : 2;
  std::snprintf(text, sizeof text, "%.*f %s", decimals, bytes, kUnits[unit]);
  return text;
}

// Before that a rate means nothing.
constexpr auto kFirstGuess = std::chrono::milliseconds(250);

double rate(const TransferState& state, std::chrono::duration<double> elapsed) {
  return static_cast<double>(state.position - state.begin) / std::max(elapsed.count(), 0.001);
}

}  // namespace

std::string progress_text(const TransferState& state, std::chrono::duration<double> elapsed) {
  const auto size = static_cast<double>(state.size), position = static_cast<double>(state.position);
  const double speed = rate(state, elapsed);
  char text[160];
  std::snprintf(text, sizeof text, "%s of %s  %3.0f %%", amount(position).c_str(), amount(size).c_str(),
                size > 0 ? 100 * position / size : 100);
  std::string line = text;
  if (elapsed > kFirstGuess) line += "  " + amount(speed) + "/s";
  if (speed > 0 && position < size && elapsed > kFirstGuess) {
    std::snprintf(text, sizeof text, "  %.0f s left", (size - position) / speed);
    line += text;
  }
  return line;
}

std::string summary_text(const TransferState& state, std::chrono::duration<double> elapsed) {
  char text[160];
  std::snprintf(text, sizeof text, "%s in %.1f s, %s/s",
                amount(static_cast<double>(state.position - state.begin)).c_str(), elapsed.count(),
                amount(rate(state, elapsed)).c_str());
  return text;
}

}  // namespace kaon::apps
