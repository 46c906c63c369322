// Writer of session descriptions.
#include "kaon/sdp/internal/text_writer.h"
#include "kaon/sdp/session_description.h"

namespace kaon::sdp {
namespace internal {

void put_attribute(std::string& out, const Attribute& attribute) {
  if (attribute.value.empty()) return put_line(out, "a=", attribute.name);
  put_line(out, "a=", attribute.name, ":", attribute.value);
}

void put_group(std::string& out, const Group& group) {
  out += "a=group:";
  out += group.semantics;
  for (const std::string& mid : group.mids) {
    out += ' ';
    out += mid;
  }
  put_line(out);
}

void put_transport(std::string& out, const TransportAttributes& transport) {
  if (!transport.ice_ufrag.empty()) put_line(out, "a=ice-ufrag:", transport.ice_ufrag);
  if (!transport.ice_pwd.empty()) put_line(out, "a=ice-pwd:", transport.ice_pwd);
  if (!transport.ice_options.empty()) {
    out += "a=ice-options:";
    for (size_t i = 0; i < transport.ice_options.size(); ++i) {
      if (i != 0) out += ' ';
      out += transport.ice_options[i];
    }
    put_line(out);
  }
  for (const std::string& fingerprint : transport.fingerprints) put_line(out, "a=fingerprint:", fingerprint);
  if (!transport.tls_id.empty()) put_line(out, "a=tls-id:", transport.tls_id);
  if (transport.setup) put_line(out, "a=setup:", to_string(*transport.setup));
}

namespace {

void put_extension(std::string& out, const Extension& extension) {
  append_to(out, cat("a=extmap:", extension.id));
  if (extension.direction) append_to(out, cat("/", to_string(*extension.direction)));
  append_to(out, cat(" ", extension.uri));
  if (!extension.attributes.empty()) append_to(out, cat(" ", extension.attributes));
  put_line(out);
}

void put_payload(std::string& out, const PayloadFormat& payload) {
  if (!payload.name.empty()) {
    append_to(out, cat("a=rtpmap:", payload.payload_type, " ", payload.name, "/", payload.clock_rate));
    if (payload.channels != 1) append_to(out, cat("/", payload.channels));
    put_line(out);
  }
  for (const std::string& value : payload.feedback) put_line(out, "a=rtcp-fb:", payload.payload_type, " ", value);
  if (!payload.parameters.empty()) put_line(out, "a=fmtp:", payload.payload_type, " ", payload.parameters);
}

void put_rid(std::string& out, const Rid& rid) {
  append_to(out, cat("a=rid:", rid.id, rid.send ? " send" : " recv"));
  char separator = ' ';
  for (size_t i = 0; i < rid.payload_types.size(); ++i) {
    append_to(out, i == 0 ? " pt=" : ",");
    append_to(out, rid.payload_types[i]);
    separator = ';';
  }
  for (const Attribute& restriction : rid.restrictions) {
    append_to(out, cat(separator, restriction.name));
    if (!restriction.value.empty()) append_to(out, cat("=", restriction.value));
    separator = ';';
  }
  put_line(out);
}

void put_simulcast_streams(std::string& out, std::string_view direction, const std::vector<SimulcastStream>& streams) {
  if (streams.empty()) return;
  if (!out.ends_with(':')) out += ' ';
  append_to(out, cat(direction, " "));
  for (size_t i = 0; i < streams.size(); ++i) {
    if (i != 0) out += ';';
    for (size_t j = 0; j < streams[i].alternatives.size(); ++j) {
      const auto& alternative = streams[i].alternatives[j];
      if (j != 0) out += ',';
      if (alternative.paused) out += '~';
      out += alternative.rid;
    }
  }
}

void put_simulcast(std::string& out, const Simulcast& simulcast) {
  out += "a=simulcast:";
  put_simulcast_streams(out, "send", simulcast.send);
  put_simulcast_streams(out, "recv", simulcast.recv);
  put_line(out);
}

void put_media_line(std::string& out, const MediaDescription& media) {
  append_to(out, cat("m=", media.media, " ", media.port, " ", media.protocol));
  for (const PayloadFormat& payload : media.payloads) append_to(out, cat(" ", payload.payload_type));
  for (const std::string& format : media.formats) append_to(out, cat(" ", format));
  put_line(out);
  if (!media.connection.empty()) put_line(out, "c=", media.connection);
  for (const Attribute& bandwidth : media.bandwidths) put_line(out, "b=", bandwidth.name, ":", bandwidth.value);
}

void put_sources(std::string& out, const MediaDescription& media) {
  for (const SsrcGroup& group : media.ssrc_groups) {
    append_to(out, cat("a=ssrc-group:", group.semantics));
    for (const uint32_t ssrc : group.ssrcs) append_to(out, cat(" ", ssrc));
    put_line(out);
  }
  for (const SsrcAttribute& source : media.ssrcs) {
    append_to(out, cat("a=ssrc:", source.ssrc));
    if (!source.name.empty()) append_to(out, cat(" ", source.name));
    if (!source.value.empty()) append_to(out, cat(":", source.value));
    put_line(out);
  }
}

void put_sctp(std::string& out, const MediaDescription& media) {
  if (media.sctp_port) put_line(out, "a=sctp-port:", *media.sctp_port);
  if (media.max_message_size) put_line(out, "a=max-message-size:", *media.max_message_size);
  if (!media.sctp_init.empty()) put_line(out, "a=sctp-init:", media.sctp_init);
}

}  // namespace

void put_media(std::string& out, const MediaDescription& media) {
  put_media_line(out, media);
  for (const std::string& candidate : media.candidates) put_line(out, "a=", candidate);
  if (media.end_of_candidates) put_line(out, "a=end-of-candidates");
  put_transport(out, media.transport);
  if (!media.mid.empty()) put_line(out, "a=mid:", media.mid);
  if (media.bundle_only) put_line(out, "a=bundle-only");
  if (media.extmap_allow_mixed) put_line(out, "a=extmap-allow-mixed");
  if (media.cryptex) put_line(out, "a=cryptex");
  for (const Extension& extension : media.extensions) put_extension(out, extension);
  if (media.direction) put_line(out, "a=", to_string(*media.direction));
  for (const Msid& msid : media.msids) {
    put_line(out, "a=msid:", msid.stream, msid.track.empty() ? "" : " ", msid.track);
  }
  if (media.rtcp_mux) put_line(out, "a=rtcp-mux");
  if (media.rtcp_mux_only) put_line(out, "a=rtcp-mux-only");
  if (media.rtcp_rsize) put_line(out, "a=rtcp-rsize");
  for (const PayloadFormat& payload : media.payloads) put_payload(out, payload);
  for (const Rid& rid : media.rids) put_rid(out, rid);
  if (media.simulcast) put_simulcast(out, *media.simulcast);
  put_sources(out, media);
  put_sctp(out, media);
  for (const Attribute& attribute : media.other) put_attribute(out, attribute);
}

}  // namespace internal

std::string SessionDescription::write() const {
  using internal::put_line;
  std::string out;
  out.reserve(512 + media.size() * 2048);
  put_line(out, "v=0");
  put_line(out, "o=", origin.username, " ", origin.session_id, " ", origin.session_version, " ", origin.address);
  put_line(out, "s=", session_name);
  if (!connection.empty()) put_line(out, "c=", connection);
  for (const Attribute& bandwidth : bandwidths) put_line(out, "b=", bandwidth.name, ":", bandwidth.value);
  put_line(out, "t=0 0");
  for (const Group& group : groups) internal::put_group(out, group);
  if (ice_lite) put_line(out, "a=ice-lite");
  if (extmap_allow_mixed) put_line(out, "a=extmap-allow-mixed");
  if (cryptex) put_line(out, "a=cryptex");
  if (direction) put_line(out, "a=", to_string(*direction));
  internal::put_transport(out, transport);
  for (const Attribute& attribute : other) internal::put_attribute(out, attribute);
  for (const MediaDescription& section : media) internal::put_media(out, section);
  // As large as it is: it is kept as long as the connection. Without exceptions, shrink_to_fit() does nothing.
  return std::string(std::string_view(out));
}

}  // namespace kaon::sdp
