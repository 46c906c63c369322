// Answers (RFC 9429 §5.3). Nothing of an offer comes back but what we understood and agree to.
#include <algorithm>
#include <array>

#include "kaon/peer/internal/negotiation_build.h"

namespace kaon::peer::internal {
namespace {

using sdp::Direction;
using sdp::MediaDescription;

class AnswerBuilder {
 public:
  AnswerBuilder(const LocalState& state, const sdp::SessionDescription& offer, const BundleView& bundle)
      : state_(state), offer_(offer) {
    cryptex_ = state.config.header_encryption != HeaderEncryption::Off && encrypts_headers(offer, bundle);
    const auto remote = remote_transport(offer, bundle);
    const auto change = remote ? compare_transport(state.session, *remote) : TransportChange{};
    new_association_ = change && change->new_association;
    sped_ = remote && has_sped(remote->ice_options);
    if (!bundle.sections.empty()) setup_ = setup_for(bundle);
  }

  MediaDescription rtp_section(const MediaDescription& offered, const Transceiver& transceiver) const {
    MediaDescription section = transport_section(offered);
    section.media = offered.media;
    section.protocol = offered.protocol;
    section.direction = intersection(transceiver.direction, sdp::reversed(direction_of(offer_, offered)));
    section.rtcp_mux = true;
    section.rtcp_rsize = offered.rtcp_rsize;
    section.extmap_allow_mixed = offered.extmap_allow_mixed;
    section.cryptex = cryptex_;
    accept_codecs(offered, transceiver, section);
    accept_extensions(offered, transceiver.kind, section);
    if (receives(*section.direction)) describe_receive_rids(accepted_rids(offered, section), section);
    if (sends(*section.direction)) {
      describe_sender(state_, transceiver, accepted_encodings(offered, transceiver), section);
    }
    return section;
  }

  MediaDescription data_section(const MediaDescription& offered) const {
    MediaDescription section = transport_section(offered);
    section.media = offered.media;
    section.protocol = offered.protocol;
    section.formats = {"webrtc-datachannel"};
    section.sctp_port = state_.transport.sctp_port;
    section.max_message_size = state_.transport.max_message_size;
    if (accepts_sctp_init(offered)) section.sctp_init = state_.transport.sctp_init;
    return section;
  }

  // RFC 3264 §6: port 0, and a format for the grammar's sake.
  static MediaDescription rejected_section(const MediaDescription& offered) {
    MediaDescription section;
    section.media = offered.media;
    section.port = 0;
    section.protocol = offered.protocol;
    section.connection = "IN IP4 0.0.0.0";
    section.mid = offered.mid;
    if (offered.is_rtp()) section.direction = Direction::Inactive;
    if (!offered.payloads.empty()) {
      section.payloads = {offered.payloads.front()};
      section.payloads.front().feedback.clear();
      section.payloads.front().parameters.clear();
    }
    if (!offered.formats.empty()) section.formats = {offered.formats.front()};
    return section;
  }

 private:
  MediaDescription transport_section(const MediaDescription& offered) const {
    MediaDescription section = describe_section(state_, offered.mid, setup_);
    if (!sped_) {
      std::erase_if(section.transport.ice_options,
                    [](const std::string& option) { return option == kSped || option == kGoogSped; });
    }
    return section;
  }

  // SNAP, for an association that is yet to begin or that began so.
  bool accepts_sctp_init(const MediaDescription& offered) const {
    if (offered.sctp_init.empty()) return false;
    if (state_.session == nullptr || !state_.session->data) return true;
    return !new_association_ && offered.sctp_init == state_.session->data->remote_sctp_init;
  }

  // RFC 8842 §5.3: the role of a running association stays.
  sdp::Setup setup_for(const BundleView& bundle) const {
    switch (transport_of(offer_, offer_.media[bundle.sections.front()]).setup.value_or(sdp::Setup::Active)) {
      case sdp::Setup::Active: return sdp::Setup::Passive;
      case sdp::Setup::Passive: return sdp::Setup::Active;
      default: break;
    }
    if (state_.session == nullptr || state_.session->bundle.empty())
      return state_.config.answer_setup.value_or(best_setup(bundle));
    return state_.session->dtls_role == DtlsRole::Client ? sdp::Setup::Active : sdp::Setup::Passive;
  }

  // A client need not wait until the answer has arrived, unless checks carry the handshake anyway; but the server
  // chooses the SRTP profile.
  sdp::Setup best_setup(const BundleView& bundle) const {
    const bool media = std::ranges::any_of(bundle.sections, [&](size_t i) { return offer_.media[i].is_rtp(); });
    const bool in_checks = sped_ && has_sped(state_.transport.ice_options);
    return media || in_checks ? sdp::Setup::Passive : sdp::Setup::Active;
  }

  static void accept_codec(const MediaDescription& offered, const sdp::PayloadFormat& theirs, const Codec& ours,
                           MediaDescription& section) {
    if (section.find_payload(theirs.payload_type) != nullptr) return;
    sdp::PayloadFormat format = ours.format;
    format.payload_type = theirs.payload_type;
    format.name = theirs.name;
    format.parameters = answer_parameters(ours.format, theirs);
    format.feedback = common_feedback(ours.format, theirs);
    auto rtx = ours.rtx_payload_type ? rtx_payload_type(offered, theirs.payload_type) : std::nullopt;
    if (rtx && section.find_payload(*rtx) != nullptr) rtx.reset();
    describe_codec(std::move(format), rtx, section);
  }

  // RFC 9429 §5.3.1: in the offerer's order, unless the application set preferences of its own. The numbers are the
  // offerer's.
  void accept_codecs(const MediaDescription& offered, const Transceiver& transceiver, MediaDescription& section) const {
    const std::vector<Codec>& codecs = state_.codecs_of(transceiver);
    if (transceiver.codec_preferences.empty()) {
      for (const sdp::PayloadFormat& theirs : offered.payloads) {
        const auto ours = std::ranges::find_if(codecs, [&](const Codec& c) { return same_format(c.format, theirs); });
        if (ours != codecs.end()) accept_codec(offered, theirs, *ours, section);
      }
      return;
    }
    for (const Codec& ours : codecs) {
      for (const sdp::PayloadFormat& theirs : offered.payloads) {
        if (same_format(ours.format, theirs)) accept_codec(offered, theirs, ours, section);
      }
    }
  }

  // RFC 8285 §7: ids are the offerer's; a direction is turned round.
  void accept_extensions(const MediaDescription& offered, sdp::MediaKind kind, MediaDescription& section) const {
    std::array<bool, rtp::kExtensionKinds> taken{};
    for (const sdp::Extension& extension : offered.extensions) {
      const auto known = rtp::extension_of(extension.uri);
      if (!known) continue;
      const auto& supported = state_.extensions_of(kind);
      if (std::ranges::find(supported, *known, &SupportedExtension::kind) == supported.end()) continue;
      if (extension.id > 255 || extension.direction == Direction::Inactive) continue;
      if (std::exchange(taken[static_cast<size_t>(*known)], true)) continue;
      sdp::Extension& accepted =
          section.extensions.emplace_back(sdp::Extension{extension.id, extension.uri, std::nullopt, {}});
      if (extension.direction) accepted.direction = sdp::reversed(*extension.direction);
    }
  }

  // RFC 8851 §6.3: a restriction we do not know makes the rid unusable; formats we refused leave its list.
  static std::optional<sdp::Rid> accept_rid(const sdp::Rid& offered, const MediaDescription& section) {
    constexpr std::string_view kKnown[] = {"max-width", "max-height", "max-fps", "max-fs",
                                           "max-br",    "max-pps",    "max-bpp"};
    for (const sdp::Attribute& restriction : offered.restrictions) {
      const bool number = !restriction.value.empty() && restriction.value.size() <= 16 &&
                          restriction.value.find_first_not_of("0123456789.") == std::string::npos;
      if (!number || std::ranges::find(kKnown, restriction.name) == std::end(kKnown)) return std::nullopt;
    }
    sdp::Rid rid = offered;
    std::erase_if(rid.payload_types, [&](uint8_t pt) { return section.find_payload(pt) == nullptr; });
    if (rid.payload_types.empty() && !offered.payload_types.empty()) return std::nullopt;
    return rid;
  }

  // RFC 8853 §5.3.2: of each stream the first alternative we can take.
  static std::vector<sdp::Rid> accepted_rids(const MediaDescription& offered, const MediaDescription& section) {
    std::vector<sdp::Rid> rids;
    if (!offered.simulcast) return rids;
    for (const sdp::SimulcastStream& stream : offered.simulcast->send) {
      for (const auto& alternative : stream.alternatives) {
        const sdp::Rid* rid = offered.find_rid(alternative.rid);
        if (rid == nullptr || !rid->send || std::ranges::find(rids, rid->id, &sdp::Rid::id) != rids.end()) continue;
        auto accepted = accept_rid(*rid, section);
        if (!accepted) continue;
        rids.push_back(std::move(*accepted));
        break;
      }
      if (rids.size() == kMaxSimulcastLayers) break;
    }
    return rids;
  }

  // Of our layers those the offer would receive, or the first alone, without a rid.
  static std::vector<SendEncoding> accepted_encodings(const MediaDescription& offered, const Transceiver& transceiver) {
    std::vector<SendEncoding> encodings;
    for (const SendEncoding& encoding : transceiver.encodings) {
      const sdp::Rid* rid = offered.find_rid(encoding.rid);
      if (encoding.rid.empty() || !offered.simulcast || rid == nullptr || rid->send) continue;
      const bool wanted = std::ranges::any_of(offered.simulcast->recv, [&](const sdp::SimulcastStream& stream) {
        return std::ranges::any_of(stream.alternatives, [&](const auto& a) { return a.rid == encoding.rid; });
      });
      if (wanted) encodings.push_back(encoding);
    }
    if (encodings.empty() && !transceiver.encodings.empty()) {
      encodings.push_back(transceiver.encodings.front());
      encodings.front().rid.clear();
    }
    return encodings;
  }

  const LocalState& state_;
  const sdp::SessionDescription& offer_;
  sdp::Setup setup_ = sdp::Setup::Passive;  // one for the one transport
  bool cryptex_ = false;                    // so too (RFC 9335 §4: TRANSPORT)
  bool new_association_ = false;            // of DTLS
  bool sped_ = false;                       // the offer has the option
};

}  // namespace

sdp::SessionDescription build_answer(const LocalState& state, const sdp::SessionDescription& offer,
                                     const BundleView& bundle, const std::vector<Section>& sections) {
  sdp::SessionDescription answer = describe_session(state);
  answer.extmap_allow_mixed = offer.extmap_allow_mixed;
  const AnswerBuilder builder(state, offer, bundle);
  bool has_data = false;
  for (size_t i = 0; i < offer.media.size(); ++i) {
    const MediaDescription& offered = offer.media[i];
    const Transceiver* transceiver = state.find(sections[i].transceiver);
    std::optional<MediaDescription> section;
    if (bundle.contains(i) && offered.kind() == sdp::MediaKind::Application && !has_data) {
      section = builder.data_section(offered);
      has_data = true;
    } else if (bundle.contains(i) && transceiver != nullptr && !transceiver->stopping) {
      section = builder.rtp_section(offered, *transceiver);
      if (section->payloads.empty()) section.reset();
    }
    answer.media.push_back(section ? std::move(*section) : AnswerBuilder::rejected_section(offered));
  }
  // RFC 9143 §7.3: in the offer's order, so that its first section stands for the transport here too.
  if (offer.bundle() != nullptr) {
    sdp::Group group{"BUNDLE", {}};
    for (const size_t i : bundle.sections) {
      if (answer.media[i].port != 0) group.mids.push_back(answer.media[i].mid);
    }
    if (!group.mids.empty()) answer.groups.push_back(std::move(group));
  }
  return answer;
}

}  // namespace kaon::peer::internal
