// RTCStatsReport.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace kaon::webrtc {

/// What a member of a dictionary can be.
using StatsValue = std::variant<bool, int64_t, uint64_t, double, std::string>;

/// One dictionary of W3C webrtc-stats, members by their names there.
struct Stats {
  /// Unique in its report; other dictionaries refer to it.
  std::string id;
  /// RTCStatsType, for example "candidate-pair".
  std::string type;
  /// Milliseconds since 1970.
  double timestamp = 0;
  /// Beside the three above; those that are not known yet are missing.
  std::vector<std::pair<std::string, StatsValue>> members;

  /// Null if it has no such member.
  const StatsValue* find(std::string_view name) const;
  /// A number of any kind; 0 if there is no such member or it is no number.
  double number(std::string_view name) const;
  /// Empty if there is no such member or it is no text.
  std::string text(std::string_view name) const;
};

/// All dictionaries of one moment. Source: W3C webrtc §8.
struct StatsReport {
  /// In no order that means anything.
  std::vector<Stats> stats;

  /// Null if there is none.
  const Stats* find(std::string_view id) const;
  /// The first of an RTCStatsType; null if there is none.
  const Stats* first_of(std::string_view type) const;
  /// {"ID":{"id":…,"type":…,"timestamp":…,…},…}, as JSON.stringify(Object.fromEntries(report)) gives it.
  std::string to_json() const;
};

}  // namespace kaon::webrtc
