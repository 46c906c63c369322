#include "kaon/peer/internal/negotiation_build.h"

#include <algorithm>

#include "kaon/base/text.h"

namespace kaon::peer::internal {

using sdp::MediaDescription;

const Transceiver* LocalState::find(std::optional<TransceiverId> id) const {
  if (!id) return nullptr;
  const auto it = std::ranges::find(transceivers, *id, &Transceiver::id);
  return it == transceivers.end() ? nullptr : &*it;
}

const std::vector<Codec>& LocalState::codecs_of(const Transceiver& transceiver) const {
  if (!transceiver.codec_preferences.empty()) return transceiver.codec_preferences;
  return transceiver.kind == sdp::MediaKind::Audio ? config.audio_codecs : config.video_codecs;
}

const std::vector<SupportedExtension>& LocalState::extensions_of(sdp::MediaKind kind) const {
  return kind == sdp::MediaKind::Audio ? config.audio_extensions : config.video_extensions;
}

// RFC 9429 §5.2.1: the address tells nothing about this machine.
sdp::SessionDescription describe_session(const LocalState& state) {
  sdp::SessionDescription description;
  description.origin.session_id = state.session_id;
  description.origin.session_version = state.session_version;
  description.ice_lite = state.transport.ice_lite;
  return description;
}

MediaDescription describe_section(const LocalState& state, std::string_view mid, sdp::Setup setup) {
  MediaDescription section;
  section.connection = "IN IP4 0.0.0.0";
  section.mid = mid;
  section.transport.ice_ufrag = state.transport.ice_ufrag;
  section.transport.ice_pwd = state.transport.ice_pwd;
  section.transport.ice_options = state.transport.ice_options;
  section.transport.fingerprints = state.transport.fingerprints;
  section.transport.setup = setup;
  return section;
}

void describe_codec(sdp::PayloadFormat format, std::optional<uint8_t> rtx_payload_type, MediaDescription& section) {
  const uint8_t payload_type = format.payload_type;
  const uint32_t clock_rate = format.clock_rate;
  section.payloads.push_back(std::move(format));
  // RFC 4588 §8.1.
  if (rtx_payload_type) {
    section.payloads.push_back({*rtx_payload_type, "rtx", clock_rate, 1, cat("apt=", payload_type), {}});
  }
}

void describe_sender(const LocalState& state, const Transceiver& transceiver, std::span<const SendEncoding> encodings,
                     MediaDescription& section) {
  for (const std::string& stream : transceiver.stream_ids) section.msids.push_back({stream, transceiver.track_id});
  if (section.msids.empty()) section.msids.push_back({"-", transceiver.track_id});
  if (encodings.empty()) return;
  if (!encodings.front().rid.empty()) {
    section.simulcast.emplace(section.simulcast.value_or(sdp::Simulcast{}));
    for (const SendEncoding& encoding : encodings) {
      section.rids.push_back({encoding.rid, true, {}, {}});
      section.simulcast->send.push_back({{{encoding.rid, !encoding.active}}});
    }
    return;
  }
  const SendEncoding& only = encodings.front();
  const bool rtx = std::ranges::any_of(
      section.payloads, [](const sdp::PayloadFormat& f) { return codec_kind(f.name) == CodecKind::Rtx; });
  section.ssrcs.push_back({only.ssrc, "cname", std::string(state.cname)});
  if (rtx) {
    section.ssrc_groups.push_back({"FID", {only.ssrc, only.rtx_ssrc}});
    section.ssrcs.push_back({only.rtx_ssrc, "cname", std::string(state.cname)});
  }
}

void describe_receive_rids(std::vector<sdp::Rid> rids, MediaDescription& section) {
  if (rids.empty()) return;
  section.simulcast.emplace(section.simulcast.value_or(sdp::Simulcast{}));
  for (sdp::Rid& rid : rids) {
    rid.send = false;
    section.simulcast->recv.push_back({{{rid.id, false}}});
    section.rids.push_back(std::move(rid));
  }
}

}  // namespace kaon::peer::internal
