// Text out of parts: std::format is missing in GCC 12.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kaon/base/time.h"

namespace kaon {

inline void append_to(std::string& out, std::string_view text) { out += text; }
inline void append_to(std::string& out, const char* text) { out += text; }
inline void append_to(std::string& out, char c) { out += c; }
inline void append_to(std::string& out, bool v) { out += v ? "true" : "false"; }
template <std::integral T>
void append_to(std::string& out, T value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}
void append_to(std::string& out, double value);
/// Durations as milliseconds with three decimals: "12.345ms".
void append_to(std::string& out, Duration value);
/// Every type of ours with a to_string() member.
template <class T>
  requires requires(const T& t) {
    { t.to_string() } -> std::convertible_to<std::string>;
  }
void append_to(std::string& out, const T& value) {
  out += value.to_string();
}

/// cat("port ", 8080, " in use"): one string of all the parts.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::string out;
  (append_to(out, parts), ...);
  return out;
}

/// The whole text as a number; nothing if anything else is in it or it does not fit.
template <std::integral T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace kaon
