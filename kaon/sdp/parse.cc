// Parser of session descriptions (RFC 8866 §9).
#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "kaon/base/text.h"
#include "kaon/sdp/internal/attribute_parsers.h"
#include "kaon/sdp/internal/line_reader.h"
#include "kaon/sdp/session_description.h"

namespace kaon::sdp {
namespace {

using internal::Line;
using internal::Verdict;
using Code = ParseError::Code;

// o=username sess-id sess-version IN IP4 address
Verdict parse_origin(std::string_view rest, Origin& out) {
  out.username = internal::take_word(rest);
  const auto id = parse_number<uint64_t>(internal::take_word(rest));
  const auto version = parse_number<uint64_t>(internal::take_word(rest));
  out.address = rest;
  if (out.username.empty() || !id || !version || rest.empty()) return {"malformed o= line", Code::BadStructure};
  out.session_id = *id;
  out.session_version = *version;
  return internal::kFine;
}

Attribute split_bandwidth(std::string_view value) { return internal::split_attribute(value); }

class Parser {
 public:
  explicit Parser(std::string_view text) : lines_(text) {}

  Result<SessionDescription, ParseError> run() {
    KAON_TRY(const bool started, head());
    (void)started;
    while (true) {
      KAON_TRY(const std::optional<Line> line, lines_.next());
      if (!line) break;
      const Verdict verdict = line->type == 'm'    ? open_section(line->value)
                              : out_.media.empty() ? session_line(*line)
                                                   : media_line(*line);
      if (!verdict.ok()) return lines_.error(verdict.code, verdict.message);
    }
    if (!out_.media.empty()) internal::finish_media(out_.media.back());
    return std::move(out_);
  }

 private:
  // v=, o= and s= come first and in this order.
  Result<bool, ParseError> head() {
    for (const char type : {'v', 'o', 's'}) {
      KAON_TRY(const std::optional<Line> line, lines_.next());
      if (!line || line->type != type) return lines_.error(Code::BadStructure, "must begin with v=, o= and s=");
      if (type == 'v' && line->value != "0") return lines_.error(Code::BadStructure, "version must be 0");
      if (type == 'o') {
        const Verdict verdict = parse_origin(line->value, out_.origin);
        if (!verdict.ok()) return lines_.error(verdict.code, verdict.message);
      }
      if (type == 's') out_.session_name = line->value;
    }
    return true;
  }

  Verdict open_section(std::string_view value) {
    if (out_.media.size() >= kMaxMediaSections) return {"too many m= sections", Code::TooManySections};
    if (!out_.media.empty()) internal::finish_media(out_.media.back());
    return internal::parse_media_line(value, out_.media.emplace_back());
  }

  Verdict session_line(const Line& line) {
    switch (line.type) {
      case 'a': return session_attribute(internal::split_attribute(line.value));
      case 'c': out_.connection = line.value; return internal::kFine;
      case 'b': out_.bandwidths.push_back(split_bandwidth(line.value)); return internal::kFine;
      case 'i':
      case 'u':
      case 'e':
      case 'p':
      case 't':
      case 'r':
      case 'z':
      case 'k': return internal::kFine;
      default: return {"line out of place", Code::BadStructure};
    }
  }

  Verdict media_line(const Line& line) {
    MediaDescription& media = out_.media.back();
    switch (line.type) {
      case 'a': return media_attribute(internal::split_attribute(line.value), media);
      case 'c': media.connection = line.value; return internal::kFine;
      case 'b': media.bandwidths.push_back(split_bandwidth(line.value)); return internal::kFine;
      case 'i':
      case 'k': return internal::kFine;
      default: return {"line out of place", Code::BadStructure};
    }
  }

  Verdict media_attribute(Attribute attribute, MediaDescription& media) {
    const bool names_mid = attribute.name == "mid";
    const Verdict verdict = internal::parse_media_attribute(std::move(attribute), media);
    if (verdict.ok() && names_mid && !mids_.insert(media.mid).second)
      return internal::duplicate("two sections of one mid");
    return verdict;
  }

  Verdict session_attribute(Attribute attribute) {
    Verdict verdict;
    if (internal::parse_transport_attribute(attribute, out_.transport, verdict)) return verdict;
    if (attribute.name == "group") return internal::parse_group(attribute.value, out_.groups);
    if (attribute.name == "ice-lite") {
      out_.ice_lite = true;
    } else if (attribute.name == "extmap-allow-mixed") {
      out_.extmap_allow_mixed = true;
    } else if (attribute.name == "cryptex") {
      out_.cryptex = true;
    } else if (const auto direction = internal::parse_direction(attribute.name)) {
      out_.direction = direction;
    } else {
      out_.other.push_back(std::move(attribute));
    }
    return internal::kFine;
  }

  internal::LineReader lines_;
  SessionDescription out_;
  std::unordered_set<std::string> mids_;
};

}  // namespace

Result<SessionDescription, ParseError> SessionDescription::parse(std::string_view text) {
  if (text.size() > kMaxSdpSize) return fail(ParseError{Code::TooLarge, 0, "description longer than 512 KiB"});
  return Parser(text).run();
}

std::string ParseError::to_string() const { return line == 0 ? message : cat("line ", line, ": ", message); }

}  // namespace kaon::sdp
