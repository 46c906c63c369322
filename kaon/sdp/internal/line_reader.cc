#include "kaon/sdp/internal/line_reader.h"

#include <algorithm>

namespace kaon::sdp::internal {

Result<std::optional<Line>, ParseError> LineReader::next() {
  if (rest_.empty()) return std::nullopt;
  ++number_;
  std::string_view line = take_until(rest_, '\n');
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) {
    const bool only_ends = rest_.find_first_not_of("\r\n") == std::string_view::npos;
    if (only_ends) return std::nullopt;
    return error(ParseError::Code::BadLine, "empty line");
  }
  // A lone CR would be a line end to some readers and not to others.
  if (line.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) {
    return error(ParseError::Code::BadLine, "CR without LF, or NUL");
  }
  if (line.size() < 2 || line[1] != '=' || line[0] < 'a' || line[0] > 'z') {
    return error(ParseError::Code::BadLine, "not of the form x=value");
  }
  return Line{line[0], line.substr(2)};
}

std::string_view take_until(std::string_view& rest, char separator) {
  const size_t end = rest.find(separator);
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return taken;
}

std::string_view take_word(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  return take_until(rest, ' ');
}

Attribute split_attribute(std::string_view line_value) {
  std::string_view rest = line_value;
  const std::string_view name = take_until(rest, ':');
  return {std::string(name), std::string(rest)};
}

bool is_token(std::string_view text) {
  constexpr std::string_view kSeparators = "\"(),/:;<=>?@[\\]";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return c > 0x20 && c < 0x7f && kSeparators.find(c) == std::string_view::npos;
  });
}

}  // namespace kaon::sdp::internal
