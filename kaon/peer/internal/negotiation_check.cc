// What offers and answers must be like: BUNDLE (RFC 9143), rtcp-mux (RFC 5761), JSEP (RFC 9429 §5.8 to §5.11).
#include <algorithm>
#include <array>

#include "kaon/peer/internal/negotiation_rules.h"

namespace kaon::peer::internal {
namespace {

using sdp::MediaDescription;
using sdp::MediaKind;
using sdp::SessionDescription;

// RFC 9429 §5.1.2: these profiles all mean RTP over DTLS-SRTP here; plain RTP/AVP does not.
bool is_secure_rtp(std::string_view protocol) {
  constexpr std::string_view kProfiles[] = {
      "UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF",
      "TCP/DTLS/RTP/SAVP", "RTP/SAVPF",        "RTP/SAVP"};
  return std::ranges::find(kProfiles, protocol) != std::end(kProfiles);
}

// RFC 8841 §4; DTLS/SCTP with a=sctpmap is the drafts' form and refused.
bool is_data_channel(const MediaDescription& section) {
  return (section.protocol == "UDP/DTLS/SCTP" || section.protocol == "TCP/DTLS/SCTP") &&
         std::ranges::find(section.formats, "webrtc-datachannel") != section.formats.end();
}

bool is_live(const MediaDescription& section) { return !section.is_rejected() && is_supported(section); }

// Unified Plan puts one track into a section; Plan B told several apart by a=ssrc … msid.
bool is_plan_b(const MediaDescription& section) {
  const std::string* first = nullptr;
  for (const sdp::SsrcAttribute& source : section.ssrcs) {
    if (source.name != "msid") continue;
    if (first != nullptr && *first != source.value) return true;
    first = &source.value;
  }
  return false;
}

// RFC 9143 §9.1 and §10: on one transport a payload type and an extension id mean one thing only.
class BundleNames {
 public:
  bool add(const MediaDescription& section) {
    for (const sdp::PayloadFormat& format : section.payloads) {
      const sdp::PayloadFormat*& seen = formats_[format.payload_type & 127];
      if (seen == nullptr) seen = &format;
      if (seen->clock_rate != format.clock_rate || !sdp::equal_ignoring_case(seen->name, format.name)) return false;
    }
    for (const sdp::Extension& extension : section.extensions) {
      if (extension.id > 255) continue;
      const sdp::Extension*& seen = extensions_[extension.id];
      if (seen == nullptr) seen = &extension;
      if (seen->uri != extension.uri) return false;
    }
    return true;
  }

 private:
  std::array<const sdp::PayloadFormat*, 128> formats_{};
  std::array<const sdp::Extension*, 256> extensions_{};
};

Result<BundleView, NegotiationError> bundle_view(const SessionDescription& description) {
  BundleView view;
  std::vector<size_t> live;
  for (size_t i = 0; i < description.media.size(); ++i) {
    if (is_live(description.media[i])) live.push_back(i);
  }
  if (live.empty()) return view;
  const sdp::Group* group = description.bundle();
  if (group == nullptr) {
    if (live.size() > 1) return fail(NegotiationError::BundleRequired);
    view.sections = live;  // one section needs no group to be on one transport
    return view;
  }
  for (const std::string& mid : group->mids) {
    const auto it = std::ranges::find_if(live, [&](size_t i) { return description.media[i].mid == mid; });
    if (it != live.end()) view.sections.push_back(*it);
  }
  if (view.sections.empty()) return fail(NegotiationError::BundleRequired);
  return view;
}

Result<void, NegotiationError> check_bundled(const SessionDescription& description, const BundleView& bundle) {
  BundleNames names;
  for (const size_t i : bundle.sections) {
    const MediaDescription& section = description.media[i];
    if (section.mid.empty()) return fail(NegotiationError::MissingMid);
    if (section.is_rtp() && !section.rtcp_mux) return fail(NegotiationError::RtcpMuxRequired);
    if (is_plan_b(section)) return fail(NegotiationError::PlanB);
    if (!names.add(section)) return fail(NegotiationError::BundleConflict);
  }
  return {};
}

Result<void, NegotiationError> check_answer_section(const SessionDescription& offer, const SessionDescription& answer,
                                                    size_t index, const BundleView& bundle) {
  const MediaDescription& offered = offer.media[index];
  const MediaDescription& answered = answer.media[index];
  if (offered.media != answered.media) return fail(NegotiationError::SectionMismatch);
  if (answered.port == 0) {
    // RFC 9143 §7.3: bundle-only is for offers.
    if (answered.bundle_only) return fail(NegotiationError::SectionMismatch);
    return {};
  }
  if (offered.is_rejected() || offered.mid != answered.mid || offered.is_rtp() != answered.is_rtp()) {
    return fail(NegotiationError::SectionMismatch);
  }
  if (!bundle.contains(index)) return fail(NegotiationError::BundleRequired);
  if (!answered.is_rtp()) return {};
  const sdp::Direction direction = direction_of(answer, answered);
  const sdp::Direction allowed = sdp::reversed(direction_of(offer, offered));
  if (sdp::intersection(direction, allowed) != direction) return fail(NegotiationError::BadDirection);
  return {};
}

}  // namespace

bool BundleView::contains(size_t index) const { return std::ranges::find(sections, index) != sections.end(); }

bool is_supported(const MediaDescription& section) {
  switch (section.kind()) {
    case MediaKind::Audio:
    case MediaKind::Video: return is_secure_rtp(section.protocol);
    case MediaKind::Application: return is_data_channel(section);
    case MediaKind::Other: return false;
  }
  return false;
}

bool encrypts_headers(const SessionDescription& description, const BundleView& bundle) {
  bool any = false;
  for (const size_t i : bundle.sections) {
    const MediaDescription& section = description.media[i];
    if (!section.is_rtp()) continue;
    if (!sdp::encrypts_headers(description, section)) return false;
    any = true;
  }
  return any;
}

Result<void, NegotiationError> check_header_encryption(HeaderEncryption policy, const SessionDescription& description,
                                                       const BundleView& bundle) {
  const bool rtp = std::ranges::any_of(bundle.sections, [&](size_t i) { return description.media[i].is_rtp(); });
  if (policy == HeaderEncryption::Require && rtp && !encrypts_headers(description, bundle)) {
    return fail(NegotiationError::HeaderEncryptionRequired);
  }
  return {};
}

Result<BundleView, NegotiationError> check_offer(const SessionDescription& offer) {
  if (offer.media.size() > sdp::kMaxMediaSections) return fail(NegotiationError::TooManySections);
  KAON_TRY(BundleView bundle, bundle_view(offer));
  if (const auto checked = check_bundled(offer, bundle); !checked) return fail(checked.error());
  return bundle;
}

// RFC 9429 §5.2.2: sections keep their place; only a rejected one may come back as another.
Result<BundleView, NegotiationError> check_next_offer(const SessionDescription& offer,
                                                      const std::vector<Section>& sections) {
  if (offer.media.size() < sections.size()) return fail(NegotiationError::SectionMismatch);
  for (size_t i = 0; i < sections.size(); ++i) {
    if (sections[i].rejected) continue;
    const MediaDescription& section = offer.media[i];
    if (section.kind() != sections[i].kind) return fail(NegotiationError::SectionMismatch);
    if (section.mid != sections[i].mid && !(section.is_rejected() && section.mid.empty())) {
      return fail(NegotiationError::SectionMismatch);
    }
  }
  return check_offer(offer);
}

Result<BundleView, NegotiationError> check_answer(const SessionDescription& offer, const SessionDescription& answer) {
  if (offer.media.size() != answer.media.size()) return fail(NegotiationError::SectionMismatch);
  KAON_TRY(BundleView bundle, bundle_view(answer));
  for (size_t i = 0; i < answer.media.size(); ++i) {
    if (const auto checked = check_answer_section(offer, answer, i, bundle); !checked) return fail(checked.error());
  }
  if (const auto checked = check_bundled(answer, bundle); !checked) return fail(checked.error());
  return bundle;
}

Result<RemoteTransport, NegotiationError> remote_transport(const SessionDescription& remote, const BundleView& bundle) {
  RemoteTransport out;
  out.ice_lite = remote.ice_lite;
  if (bundle.sections.empty()) return out;
  const MediaDescription& section = remote.media[bundle.sections.front()];
  sdp::TransportAttributes transport = transport_of(remote, section);
  if (transport.ice_ufrag.empty() || transport.ice_pwd.empty() || transport.fingerprints.empty()) {
    return fail(NegotiationError::MissingTransport);
  }
  out.mid = section.mid;
  out.ice_ufrag = std::move(transport.ice_ufrag);
  out.ice_pwd = std::move(transport.ice_pwd);
  out.ice_options = std::move(transport.ice_options);
  out.fingerprints = std::move(transport.fingerprints);
  out.candidates = section.candidates;
  out.end_of_candidates = section.end_of_candidates;
  return out;
}

// RFC 8842 §4 and §5: a new certificate comes only with an ICE restart; otherwise somebody else is at the other end.
Result<TransportChange, NegotiationError> compare_transport(const NegotiatedSession* before,
                                                            const RemoteTransport& next) {
  TransportChange change;
  if (before == nullptr || before->remote.ice_ufrag.empty() || next.ice_ufrag.empty()) return change;
  change.ice_restarted = before->remote.ice_ufrag != next.ice_ufrag || before->remote.ice_pwd != next.ice_pwd;
  change.new_association = before->remote.fingerprints != next.fingerprints;
  if (change.new_association && !change.ice_restarted) return fail(NegotiationError::FingerprintChanged);
  return change;
}

}  // namespace kaon::peer::internal
