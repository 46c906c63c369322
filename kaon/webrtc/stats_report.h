// RTCStatsReport.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace kaon::webrtc {

using StatsValue = std::variant<bool, int64_t, uint64_t, double, std::string>;

/// One dictionary of W3C webrtc-stats, members by their names there.
struct Stats {
  std::string id;
  /// RTCStatsType, for example "candidate-pair".
  std::string type;
  /// Milliseconds since 1970.
  double timestamp = 0;
  std::vector<std::pair<std::string, StatsValue>> members;

  /// Null if it has no such member.
  const StatsValue* find(std::string_view name) const;
  /// A number of any kind; 0 if there is no such member or it is no number.
  double number(std::string_view name) const;
  /// Empty if there is no such member or it is no text.
  std::string text(std::string_view name) const;
};

struct StatsReport {
  std::vector<Stats> stats;

  /// Null if there is none.
  const Stats* find(std::string_view id) const;
  const Stats* first_of(std::string_view type) const;
  /// {"ID":{"id":…,"type":…,"timestamp":…,…},…}, as JSON.stringify(Object.fromEntries(report)) gives it.
  std::string to_json() const;
};

}  // namespace kaon::webrtc
