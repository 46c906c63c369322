// Lines of a description and the words in them.
#pragma once

#include <optional>
#include <string_view>

#include "kaon/base/result.h"
#include "kaon/sdp/session_description.h"

namespace kaon::sdp::internal {

struct Line {
  char type = 0;  ///< 'v', 'o', 'm', 'a' …
  std::string_view value;
};

/// Cuts text into "x=value" lines. The end may be CRLF or LF; empty lines may only stand at the end.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) {}

  /// The next line; nothing at the end.
  Result<std::optional<Line>, ParseError> next();
  /// Of the line that next() gave last, from 1.
  uint32_t number() const { return number_; }
  /// An error at that line.
  std::unexpected<ParseError> error(ParseError::Code code, const char* message) const {
    return std::unexpected(ParseError{code, number_, message});
  }

 private:
  std::string_view rest_;
  uint32_t number_ = 0;
};

/// Removes and gives the text up to `separator` (or all), and the separator.
std::string_view take_until(std::string_view& rest, char separator);
/// The next word of text whose words are separated by spaces; empty at the end.
std::string_view take_word(std::string_view& rest);
/// "name:value" or "name".
Attribute split_attribute(std::string_view line_value);

/// token of RFC 8866 §9: visible ASCII without separators.
bool is_token(std::string_view text);

}  // namespace kaon::sdp::internal
