#include "kaon/sdp/trickle_fragment.h"

#include <algorithm>

#include "kaon/sdp/internal/attribute_parsers.h"
#include "kaon/sdp/internal/line_reader.h"
#include "kaon/sdp/internal/text_writer.h"

namespace kaon::sdp {
namespace {

using internal::Verdict;
using Code = ParseError::Code;

constexpr Verdict kNoMid{"a section without a=mid", Code::BadStructure};

Verdict add_session_attribute(const Attribute& attribute, TrickleFragment& out, TransportAttributes& transport) {
  Verdict verdict;
  if (internal::parse_transport_attribute(attribute, transport, verdict)) return verdict;
  if (attribute.name == "group") return internal::parse_group(attribute.value, out.groups);
  if (attribute.name == "ice-lite") out.ice_lite = true;
  if (attribute.name == "end-of-candidates") out.end_of_candidates = true;
  if (attribute.name == "candidate") return {"a candidate before any section", Code::BadStructure};
  return internal::kFine;
}

Verdict open_section(std::string_view value, TrickleFragment& out) {
  if (out.sections.size() >= kMaxMediaSections) return {"too many m= sections", Code::TooManySections};
  MediaDescription media;
  const Verdict verdict = internal::parse_media_line(value, media);
  out.sections.emplace_back().media = media.media;
  return verdict;
}

// Sections are few and short-lived, so each collects into a MediaDescription and keeps what fragments are about.
Verdict close_section(const MediaDescription& media, TrickleFragment& out) {
  TrickleFragment::Section& section = out.sections.back();
  if (media.mid.empty()) return kNoMid;
  if (std::ranges::count(out.sections, media.mid, &TrickleFragment::Section::mid) != 0) {
    return internal::duplicate("two sections of one mid");
  }
  section.mid = media.mid;
  section.ice_ufrag = media.transport.ice_ufrag;
  section.ice_pwd = media.transport.ice_pwd;
  section.candidates = media.candidates;
  section.end_of_candidates = media.end_of_candidates;
  return internal::kFine;
}

}  // namespace

// RFC 8840 §9.1: attributes of ICE only, in sections that have an m= line for the mid's sake.
Result<TrickleFragment, ParseError> TrickleFragment::parse(std::string_view text) {
  if (text.size() > kMaxFragmentSize) return fail(ParseError{Code::TooLarge, 0, "fragment longer than 64 KiB"});
  internal::LineReader lines(text);
  TrickleFragment out;
  TransportAttributes transport;
  MediaDescription current;
  while (true) {
    KAON_TRY(const std::optional<internal::Line> line, lines.next());
    const bool closes = !line || line->type == 'm';
    Verdict verdict;
    if (closes && !out.sections.empty()) verdict = close_section(current, out);
    if (verdict.ok() && line) {
      if (line->type == 'm') {
        current = {};
        verdict = open_section(line->value, out);
      } else if (line->type == 'a') {
        Attribute attribute = internal::split_attribute(line->value);
        verdict = out.sections.empty() ? add_session_attribute(attribute, out, transport)
                                       : internal::parse_media_attribute(std::move(attribute), current);
      }
    }
    if (!verdict.ok()) return lines.error(verdict.code, verdict.message);
    if (!line) break;
  }
  out.ice_ufrag = std::move(transport.ice_ufrag);
  out.ice_pwd = std::move(transport.ice_pwd);
  out.ice_options = std::move(transport.ice_options);
  return out;
}

std::string TrickleFragment::write() const {
  using internal::put_line;
  std::string out;
  for (const Group& group : groups) internal::put_group(out, group);
  if (ice_lite) put_line(out, "a=ice-lite");
  internal::put_transport(out, {ice_ufrag, ice_pwd, ice_options, {}, {}, {}});
  if (end_of_candidates) put_line(out, "a=end-of-candidates");
  for (const Section& section : sections) {
    const bool data = section.media == "application";
    put_line(out, "m=", section.media, data ? " 9 UDP/DTLS/SCTP webrtc-datachannel" : " 9 UDP/TLS/RTP/SAVPF 0");
    put_line(out, "a=mid:", section.mid);
    internal::put_transport(out, {section.ice_ufrag, section.ice_pwd, {}, {}, {}, {}});
    for (const std::string& candidate : section.candidates) put_line(out, "a=", candidate);
    if (section.end_of_candidates) put_line(out, "a=end-of-candidates");
  }
  return out;
}

}  // namespace kaon::sdp
