// Parsers of single attribute values into the descriptions' fields.
#pragma once

#include <string_view>
#include <vector>

#include "kaon/sdp/session_description.h"

namespace kaon::sdp::internal {

/// What a parser says of a value: fine, or why not.
struct [[nodiscard]] Verdict {
  const char* message = nullptr;
  ParseError::Code code = ParseError::Code::BadAttribute;
  bool ok() const { return message == nullptr; }
};
constexpr Verdict kFine{};
constexpr Verdict bad(const char* message) { return {message}; }
constexpr Verdict duplicate(const char* message) { return {message, ParseError::Code::Duplicate}; }

/// Most a=rid lines of a section and most a=rtcp-fb values of a format; more rids are an error, more feedback is left
/// out.
inline constexpr size_t kMaxRids = 64;
inline constexpr size_t kMaxFeedback = 32;

/// True if `attribute` is one of ICE's or DTLS's; `verdict` says how it went.
bool parse_transport_attribute(const Attribute& attribute, TransportAttributes& out, Verdict& verdict);
Verdict parse_group(std::string_view value, std::vector<Group>& out);
/// a=mid and members of groups.
bool is_mid(std::string_view text);
/// "sendrecv" and so on.
std::optional<Direction> parse_direction(std::string_view text);

Verdict parse_media_line(std::string_view value, MediaDescription& out);
/// Puts an attribute of a section into the field it belongs to, `other` if it belongs nowhere.
Verdict parse_media_attribute(Attribute attribute, MediaDescription& out);
/// What can only be said at the end of a section.
void finish_media(MediaDescription& media);

}  // namespace kaon::sdp::internal
