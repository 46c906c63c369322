#include "kaon/sdp/session_description.h"

#include <algorithm>

namespace kaon::sdp {

MediaKind MediaDescription::kind() const {
  if (media == "audio") return MediaKind::Audio;
  if (media == "video") return MediaKind::Video;
  return media == "application" ? MediaKind::Application : MediaKind::Other;
}

bool MediaDescription::is_rtp() const { return protocol.find("RTP/") != std::string::npos; }

const PayloadFormat* MediaDescription::find_payload(uint8_t payload_type) const {
  const auto it = std::ranges::find(payloads, payload_type, &PayloadFormat::payload_type);
  return it == payloads.end() ? nullptr : &*it;
}

const Rid* MediaDescription::find_rid(std::string_view id) const {
  const auto it = std::ranges::find(rids, id, &Rid::id);
  return it == rids.end() ? nullptr : &*it;
}

const MediaDescription* SessionDescription::find_media(std::string_view mid) const {
  const auto it = std::ranges::find(media, mid, &MediaDescription::mid);
  return it == media.end() ? nullptr : &*it;
}

const Group* SessionDescription::bundle() const {
  const auto it = std::ranges::find(groups, "BUNDLE", &Group::semantics);
  return it == groups.end() ? nullptr : &*it;
}

// RFC 8839 §5.4, RFC 8122 §5, RFC 4145 §4: values at session level are defaults for sections that have none.
TransportAttributes transport_of(const SessionDescription& session, const MediaDescription& media) {
  TransportAttributes out = media.transport;
  const TransportAttributes& defaults = session.transport;
  // The pair belongs together: a section's ufrag never goes with the session's password.
  if (out.ice_ufrag.empty() && out.ice_pwd.empty()) {
    out.ice_ufrag = defaults.ice_ufrag;
    out.ice_pwd = defaults.ice_pwd;
  }
  if (out.ice_options.empty()) out.ice_options = defaults.ice_options;
  if (out.fingerprints.empty()) out.fingerprints = defaults.fingerprints;
  if (!out.setup) out.setup = defaults.setup;
  if (out.tls_id.empty()) out.tls_id = defaults.tls_id;
  return out;
}

bool encrypts_headers(const SessionDescription& session, const MediaDescription& media) {
  return session.cryptex || media.cryptex;
}

Direction direction_of(const SessionDescription& session, const MediaDescription& media) {
  return media.direction.value_or(session.direction.value_or(Direction::SendRecv));
}

}  // namespace kaon::sdp
