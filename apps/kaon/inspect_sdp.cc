// Session descriptions: what was understood, section by section.

#include "apps/kaon/inspect.h"
#include "kaon/sdp/session_description.h"

namespace kaon::apps {
namespace {

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += cat(out.empty() ? "" : " ", part);
  return out;
}

void describe_payloads(const sdp::MediaDescription& media, Outline& out) {
  for (const sdp::PayloadFormat& payload : media.payloads) {
    std::string feedback;
    for (const std::string& one : payload.feedback) feedback += cat(feedback.empty() ? ", feedback " : ", ", one);
    out.line("payload ", static_cast<int>(payload.payload_type), " ", payload.name, "/", payload.clock_rate,
             payload.channels > 1 ? cat("/", payload.channels) : std::string(), payload.parameters.empty() ? "" : " ",
             payload.parameters, feedback);
  }
}

void describe_streams(const sdp::MediaDescription& media, Outline& out) {
  for (const sdp::Extension& extension : media.extensions)
    out.line("extension ", static_cast<int>(extension.id), " ", extension.uri);
  for (const sdp::Msid& msid : media.msids) out.line("msid ", msid.stream, " ", msid.track);
  for (const sdp::SsrcGroup& group : media.ssrc_groups) {
    std::string ssrcs;
    for (const uint32_t ssrc : group.ssrcs) ssrcs += cat(" ", ssrc);
    out.line("ssrc group ", group.semantics, ssrcs);
  }
  for (const sdp::Rid& rid : media.rids) out.line("rid ", rid.id);
}

void describe_media(const sdp::SessionDescription& session, const sdp::MediaDescription& media, Outline& out) {
  out.line(media.media, " mid ", media.mid.empty() ? "(none)" : media.mid, ", ", media.protocol, ", ",
           media.is_rejected() ? "rejected" : std::string(sdp::to_string(sdp::direction_of(session, media))));
  const auto deeper = out.deeper();
  const sdp::TransportAttributes transport = sdp::transport_of(session, media);
  out.line("ICE ufrag ", transport.ice_ufrag,
           transport.ice_options.empty() ? std::string() : cat(", options ", join(transport.ice_options)));
  for (const std::string& fingerprint : transport.fingerprints) out.line("fingerprint ", fingerprint);
  if (transport.setup) out.line("setup ", sdp::to_string(*transport.setup));
  for (const std::string& candidate : media.candidates) out.line(candidate);
  if (media.end_of_candidates) out.line("end of candidates");
  describe_payloads(media, out);
  describe_streams(media, out);
  if (media.sctp_port) out.line("sctp port ", *media.sctp_port);
  if (media.max_message_size) out.line("max message size ", *media.max_message_size);
  for (const sdp::Attribute& attribute : media.other)
    out.line("not used: ", attribute.name, attribute.value.empty() ? "" : ":", attribute.value);
}

/// Where line `number`, counted from 1, begins.
size_t line_offset(std::string_view text, uint32_t number) {
  size_t offset = 0;
  for (uint32_t line = 1; line < number; ++line) {
    const size_t end = text.find('\n', offset);
    if (end == std::string_view::npos) return text.size();
    offset = end + 1;
  }
  return offset;
}

}  // namespace

Inspection inspect_description(std::string_view text) {
  const auto description = sdp::SessionDescription::parse(text);
  if (!description) {
    const sdp::ParseError& error = description.error();
    return {{}, cat("byte ", line_offset(text, error.line), ", ", error)};
  }
  Outline out(as_bytes(text));
  out.line("session ", description->origin.session_id, " version ", description->origin.session_version);
  {
    const auto deeper = out.deeper();
    if (description->ice_lite) out.line("ICE lite");
    for (const sdp::Group& group : description->groups) out.line("group ", group.semantics, " ", join(group.mids));
    for (const sdp::Attribute& attribute : description->other)
      out.line("not used: ", attribute.name, attribute.value.empty() ? "" : ":", attribute.value);
  }
  for (const sdp::MediaDescription& media : description->media) describe_media(*description, media, out);
  return {out.text(), std::nullopt};
}

}  // namespace kaon::apps
