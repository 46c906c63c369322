// Scripts in the language of packetdrill, as far as they speak SCTP. For tests.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kaon/base/time.h"

namespace kaon::sctp::test {

/// `key=atom[item, item]`, every part optional: `DATA[flgs=BE, tsn=1]`, `gaps=[2:3]`, `...`.
struct Term {
  std::string key;
  std::string atom;
  bool bracket = false;
  std::vector<Term> items;

  bool any() const { return atom == "..." && !bracket; }
  const Term* find(std::string_view name) const {
    for (const Term& item : items) {
      if (item.key == name) return &item;
    }
    return nullptr;
  }
  /// Nothing if it is absent or "...".
  std::optional<uint64_t> number(std::string_view name) const {
    const Term* item = find(name);
    if (item == nullptr || item->any()) return std::nullopt;
    return std::strtoull(item->atom.c_str(), nullptr, 0);
  }
  /// Ends in "...".
  bool open() const { return !items.empty() && items.back().any() && items.back().key.empty(); }
};

class TermParser {
 public:
  explicit TermParser(std::string_view text) : text_(text) {}
  /// Terms with `separator` between them up to the end or a closing bracket.
  std::vector<Term> list(char separator) {
    std::vector<Term> all;
    for (skip(); !text_.empty() && !closes(text_[0]); skip()) {
      if (text_[0] == separator) {
        text_.remove_prefix(1);
        continue;
      }
      const size_t before = text_.size();
      all.push_back(term());
      if (text_.size() == before) break;
    }
    return all;
  }

 private:
  static bool closes(char c) { return c == ']' || c == '}'; }
  void skip() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n"), text_.size())); }
  std::string word() {
    skip();
    if (!text_.empty() && text_[0] == '"') {
      const size_t end = text_.find('"', 1);
      std::string inside(text_.substr(1, end - 1));
      text_.remove_prefix(std::min(end + 1, text_.size()));
      return inside;
    }
    const size_t end = std::min(text_.find_first_of(",;=[]{} \t\n"), text_.size());
    std::string found(text_.substr(0, end));
    text_.remove_prefix(end);
    skip();
    return found;
  }
  Term term() {
    Term term;
    term.atom = word();
    if (!text_.empty() && text_[0] == '=') {
      text_.remove_prefix(1);
      term.key = std::exchange(term.atom, word());
    }
    if (!text_.empty() && (text_[0] == '[' || text_[0] == '{')) {
      text_.remove_prefix(1);
      term.bracket = true;
      term.items = list(',');
      if (!text_.empty()) text_.remove_prefix(1);
    }
    return term;
  }

  std::string_view text_;
};

struct Step {
  enum class Kind : uint8_t { Call, In, Out };
  Kind kind = Kind::Call;
  size_t line = 0;
  /// After the step before; nothing: at any time ("*").
  std::optional<Duration> after;
  std::string text;
  /// In and Out: what stands between the parentheses of "sctp(...)".
  std::string options;
  std::vector<Term> chunks;
};

struct Script {
  Duration tolerance = std::chrono::milliseconds(4);
  std::vector<Step> steps;
};

inline std::string without_comments(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "//") == 0) {
      i = std::min(text.find('\n', i), text.size());
      out += '\n';
    } else if (text.compare(i, 2, "/*") == 0) {
      const size_t end = std::min(text.find("*/", i), text.size());
      for (; i < end; ++i) {
        if (text[i] == '\n') out += '\n';
      }
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

inline Step parse_step(std::string text, size_t line) {
  Step step;
  step.line = line;
  if (text[0] == '*') {
    text.erase(0, 1);
  } else {
    char* end = nullptr;
    const double seconds = std::strtod(text.c_str() + (text[0] == '+' ? 1 : 0), &end);
    step.after = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
    text.erase(0, static_cast<size_t>(end - text.c_str()));
  }
  text.erase(0, text.find_first_not_of(" \t"));
  step.text = text;
  if (text[0] != '<' && text[0] != '>') return step;
  step.kind = text[0] == '<' ? Step::Kind::In : Step::Kind::Out;
  const size_t name = std::min(text.find("sctp"), text.size() - 4);
  const size_t colon = std::min(text.find(':', name), text.size() - 1);
  if (text[name + 4] == '(') step.options = text.substr(name + 5, colon - name - 6);
  step.chunks = TermParser(std::string_view(text).substr(colon + 1)).list(';');
  return step;
}

/// What stands under `#ifdef FreeBSD` counts, what stands under another name does not; shell commands do not either.
inline Script parse_script(const std::string& text) {
  Script script;
  std::istringstream in(without_comments(text));
  std::string line;
  std::string pending;
  size_t number = 0;
  size_t started = 0;
  bool skipping = false;
  const auto finish = [&] {
    if (!pending.empty() && pending.find('`') == std::string::npos) {
      script.steps.push_back(parse_step(pending, started));
    }
    pending.clear();
  };
  while (std::getline(in, line)) {
    ++number;
    line.erase(0, std::min(line.find_first_not_of(" \t\r"), line.size()));
    if (line.rfind("#if", 0) == 0) skipping = line.find("FreeBSD") == std::string::npos;
    if (line.rfind("#endif", 0) == 0) skipping = false;
    if (line.empty() || line[0] == '#' || skipping) continue;
    if (line.rfind("--tolerance_usecs=", 0) == 0) {
      script.tolerance = std::chrono::microseconds(std::strtoll(line.c_str() + 18, nullptr, 10));
      continue;
    }
    const bool starts =
        line[0] == '+' || line[0] == '*' || (line[0] >= '0' && line[0] <= '9' && line.find("0.0 ") == 0);
    if (starts) {
      finish();
      started = number;
    }
    pending += line + " ";
  }
  finish();
  return script;
}

}  // namespace kaon::sctp::test
