#include "kaon/webrtc/stats_report.h"

#include <algorithm>
#include <cmath>

#include "kaon/base/text.h"

namespace kaon::webrtc {
namespace {

void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr std::string_view kHex = "0123456789abcdef";
      out += "\\u00";
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_json(std::string& out, const StatsValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return append_json(out, std::string_view(*text));
  std::visit(
      [&out](const auto& v) {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, double>) {
          // JSON knows neither infinity nor NaN.
          append_to(out, std::isfinite(v) ? v : 0.0);
        } else if constexpr (!std::is_same_v<std::decay_t<decltype(v)>, std::string>) {
          append_to(out, v);
        }
      },
      value);
}

void append_json(std::string& out, const Stats& stats) {
  append_json(out, std::string_view(stats.id));
  out += ":{\"id\":";
  append_json(out, std::string_view(stats.id));
  out += ",\"type\":";
  append_json(out, std::string_view(stats.type));
  out += ",\"timestamp\":";
  append_to(out, stats.timestamp);
  for (const auto& [name, value] : stats.members) {
    out += ',';
    append_json(out, std::string_view(name));
    out += ':';
    append_json(out, value);
  }
  out += '}';
}

}  // namespace

const StatsValue* Stats::find(std::string_view name) const {
  const auto it = std::ranges::find(members, name, [](const auto& member) { return std::string_view(member.first); });
  return it == members.end() ? nullptr : &it->second;
}

double Stats::number(std::string_view name) const {
  const StatsValue* value = find(name);
  if (value == nullptr) return 0;
  return std::visit(
      [](const auto& v) -> double {
        if constexpr (std::is_arithmetic_v<std::decay_t<decltype(v)>>) {
          return static_cast<double>(v);
        } else {
          return 0;
        }
      },
      *value);
}

std::string Stats::text(std::string_view name) const {
  const StatsValue* value = find(name);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return text == nullptr ? std::string() : *text;
}

const Stats* StatsReport::find(std::string_view id) const {
  const auto it = std::ranges::find(stats, id, &Stats::id);
  return it == stats.end() ? nullptr : &*it;
}

const Stats* StatsReport::first_of(std::string_view type) const {
  const auto it = std::ranges::find(stats, type, &Stats::type);
  return it == stats.end() ? nullptr : &*it;
}

std::string StatsReport::to_json() const {
  std::string out = "{";
  for (const Stats& entry : stats) {
    if (out.size() > 1) out += ',';
    append_json(out, entry);
  }
  return out + "}";
}

}  // namespace kaon::webrtc
