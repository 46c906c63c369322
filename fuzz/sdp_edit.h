// Changes to session descriptions, line by line: most of what is left still means something.
#pragma once

#include "fuzz/fuzz.h"

namespace kaon::fuzz {

inline std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find("\r\n"), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 2, text.size()));
  }
  return lines;
}

/// Removes, doubles, moves, changes or replaces one line.
inline void edit_line(std::vector<std::string>& lines, Choices& choices) {
  if (lines.empty()) return;
  const size_t at = choices.below(lines.size());
  const auto place = lines.begin() + static_cast<ptrdiff_t>(at);
  switch (choices.below(8)) {
    case 0: lines.erase(place); break;
    case 1: lines.insert(place, lines[at]); break;
    case 2: std::swap(lines[at], lines[choices.below(lines.size())]); break;
    case 3: {  // a digit becomes another one: payload types, ids, ports
      const size_t digit = lines[at].find_first_of("0123456789", choices.below(64));
      if (digit != std::string::npos) lines[at][digit] = static_cast<char>('0' + choices.below(10));
      break;
    }
    case 4: {
      constexpr std::array<std::string_view, 18> kLines = {
          "a=sendrecv",       "a=sendonly",         "a=recvonly",
          "a=inactive",       "a=setup:active",     "a=setup:passive",
          "a=setup:actpass",  "a=rid:a send",       "a=rid:b recv",
          "a=bundle-only",    "a=simulcast:send a", "a=simulcast:recv b;a",
          "a=mid:0",          "a=group:BUNDLE 0",   "a=ice-options:trickle",
          "a=ssrc:1 cname:x", "a=cryptex",          "a=sctp-init:AQAAHols3R0AUAAA/////+B5ZR3AAAAEgAgABoLA"};
      lines[at] = kLines[choices.below(kLines.size())];
      break;
    }
    case 5: lines[at] = std::string(choices.text(80)); break;
    case 6: {
      const size_t from = choices.below(std::max<size_t>(lines[at].size(), 1));
      lines[at].insert(std::min(from, lines[at].size()), choices.text(16));
      break;
    }
    default: lines[at].resize(choices.below(lines[at].size() + 1));
  }
}

/// `text` after a number of such changes.
inline std::string edited(std::string_view text, Choices& choices) {
  std::vector<std::string> lines = lines_of(text);
  for (size_t i = choices.below(6); i > 0; --i) edit_line(lines, choices);
  std::string all;
  for (const std::string& line : lines) all += line + "\r\n";
  return all;
}

}  // namespace kaon::fuzz
