#include "kaon/trace/json.h"

#include <concepts>
#include <utility>

#include "kaon/base/text.h"

namespace kaon::trace {
namespace {

// RFC 8259 §7. What is no UTF-8 cannot come here but from a peer's alert or candidate, and is replaced.
void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  out += '"';
}

void append_milliseconds(std::string& out, Duration value) {
  const int64_t us = std::chrono::duration_cast<std::chrono::microseconds>(value).count();
  const int64_t magnitude = us < 0 ? -us : us;
  if (us < 0) out += '-';
  append_to(out, magnitude / 1000);
  const std::string fraction = std::to_string(1000 + magnitude % 1000);
  out += '.';
  out += std::string_view(fraction).substr(1);
}

void append_value(std::string& out, std::string_view value) { append_string(out, value); }
void append_value(std::string& out, Duration value) { append_milliseconds(out, value); }
template <std::integral T>
void append_value(std::string& out, T value) {
  append_to(out, value);
}

}  // namespace

std::string json_header(std::string_view program, std::chrono::nanoseconds unix_time) {
  std::string out = "{\"schema\":";
  append_string(out, kSchema);
  out += ",\"program\":";
  append_string(out, program);
  out += ",\"unix_time_ms\":";
  append_milliseconds(out, unix_time);
  out += "}\n";
  return out;
}

void append_json(std::string& out, const Record& record, Time start) {
  out += "{\"time\":";
  append_milliseconds(out, record.time - start);
  out += ",\"connection\":";
  append_string(out, record.connection);
  std::visit(
      [&](const auto& event) {
        out += ",\"name\":";
        append_string(out, event.kName);
        out += ",\"data\":{";
        bool first = true;
        event.fields([&](std::string_view name, const auto& value) {
          if (!std::exchange(first, false)) out += ',';
          append_string(out, name);
          out += ':';
          append_value(out, value);
        });
      },
      record.event);
  out += "}}\n";
}

}  // namespace kaon::trace
