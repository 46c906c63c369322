// Offers (RFC 9429 §5.2).
#include <algorithm>
#include <bitset>

#include "kaon/base/text.h"
#include "kaon/peer/internal/negotiation_build.h"

namespace kaon::peer::internal {
namespace {

using sdp::MediaDescription;
using sdp::MediaKind;

constexpr int kDynamicRanges[][2] = {{96, 127}, {35, 63}};  // RFC 5761 §4, RFC 8834 §4.3: 64 to 95 would look like RTCP

// Numbers for payload types. A format keeps the number it has on this connection, and no number gets a second meaning
// (RFC 3264 §8.3.2), also where the numbers came from the peer's offer.
class PayloadTypes {
 public:
  explicit PayloadTypes(const NegotiatedSession* session) {
    if (session == nullptr) return;
    for (const NegotiatedMedia& media : session->media) {
      for (const NegotiatedCodec& codec : media.codecs) remember(codec);
    }
  }

  struct Numbers {
    std::optional<uint8_t> payload_type;
    std::optional<uint8_t> rtx;
  };
  Numbers assign(const Codec& codec, const NegotiatedMedia* section) {
    Entry* entry = nullptr;
    if (section != nullptr) entry = find(codec.format, section);
    if (entry == nullptr) entry = find(codec.format, nullptr);
    if (entry == nullptr) {
      const auto number = take(codec.format.payload_type);
      if (!number) return {};
      entry = &entries_.emplace_back(Entry{codec.format, std::nullopt});
      entry->format.payload_type = *number;
    }
    if (codec.rtx_payload_type && !entry->rtx) entry->rtx = take(*codec.rtx_payload_type);
    return {entry->format.payload_type, codec.rtx_payload_type ? entry->rtx : std::nullopt};
  }

 private:
  struct Entry {
    sdp::PayloadFormat format;
    std::optional<uint8_t> rtx;
  };

  void remember(const NegotiatedCodec& codec) {
    if (used_[codec.receive_payload_type & 127]) return;
    used_.set(codec.receive_payload_type & 127);
    if (codec.receive_rtx_payload_type) used_.set(*codec.receive_rtx_payload_type & 127);
    entries_.push_back(
        {{codec.receive_payload_type, codec.name, codec.clock_rate, codec.channels, codec.receive_parameters, {}},
         codec.receive_rtx_payload_type});
  }

  // An entry of the format; with a section, only under the number that section uses.
  Entry* find(const sdp::PayloadFormat& format, const NegotiatedMedia* section) {
    const auto it = std::ranges::find_if(entries_, [&](const Entry& entry) {
      return same_format(entry.format, format) &&
             (section == nullptr || section->find_receive_codec(entry.format.payload_type) != nullptr);
    });
    return it == entries_.end() ? nullptr : &*it;
  }

  std::optional<uint8_t> take(uint8_t wanted) {
    if (!used_[wanted & 127]) {
      used_.set(wanted & 127);
      return wanted;
    }
    for (const auto& [first, last] : kDynamicRanges) {
      for (int i = first; i <= last; ++i) {
        const auto number = static_cast<uint8_t>(i);
        if (used_[number]) continue;
        used_.set(number);
        return number;
      }
    }
    return std::nullopt;
  }

  std::vector<Entry> entries_;
  std::bitset<128> used_;
};

// Ids of header extensions, by the same rule (RFC 8285 §5). One-byte headers have room for 1 to 14.
class ExtensionIds {
 public:
  explicit ExtensionIds(const NegotiatedSession* session) {
    if (session == nullptr) return;
    for (const NegotiatedMedia& media : session->media) {
      for (const NegotiatedExtension& extension : media.extensions) {
        ids_[static_cast<size_t>(extension.kind)] = extension.id;
        used_.set(extension.id);
      }
    }
  }

  uint8_t assign(const SupportedExtension& extension) {
    uint8_t& id = ids_[static_cast<size_t>(extension.kind)];
    if (id != 0) return id;
    id = used_[extension.id] ? first_free() : extension.id;
    used_.set(id);
    return id;
  }

 private:
  uint8_t first_free() const {
    for (uint8_t id = 1; id < 255; ++id) {
      if (id != 15 && !used_[id]) return id;
    }
    return 255;
  }

  std::array<uint8_t, rtp::kExtensionKinds> ids_{};
  std::bitset<256> used_;
};

class OfferBuilder {
 public:
  explicit OfferBuilder(const LocalState& state)
      : state_(state), payload_types_(state.session), extension_ids_(state.session) {}

  MediaDescription rtp_section(const Section& planned, const Transceiver& transceiver) {
    const NegotiatedMedia* before = state_.session == nullptr ? nullptr : state_.session->find(planned.mid);
    MediaDescription section = describe_section(state_, planned.mid, sdp::Setup::ActPass);
    section.media = planned.kind == MediaKind::Audio ? "audio" : "video";
    section.protocol = "UDP/TLS/RTP/SAVPF";
    section.direction = transceiver.direction;
    section.rtcp_mux = true;
    section.rtcp_mux_only = true;  // RFC 8858
    section.rtcp_rsize = true;
    section.cryptex = state_.config.header_encryption != HeaderEncryption::Off;
    for (const Codec& codec : state_.codecs_of(transceiver)) {
      const PayloadTypes::Numbers numbers = payload_types_.assign(codec, before);
      if (!numbers.payload_type) continue;
      sdp::PayloadFormat format = codec.format;
      format.payload_type = *numbers.payload_type;
      describe_codec(std::move(format), numbers.rtx, section);
    }
    for (const SupportedExtension& extension : state_.extensions_of(planned.kind)) {
      section.extensions.push_back(
          {extension_ids_.assign(extension), std::string(rtp::uri_of(extension.kind)), std::nullopt, {}});
    }
    if (sends(transceiver.direction)) describe_sender(state_, transceiver, transceiver.encodings, section);
    // Layers the peer sends stay only as long as each of our offers names them (RFC 8853 §5.3).
    if (before != nullptr && receives(transceiver.direction)) {
      std::vector<sdp::Rid> rids;
      for (const std::string& rid : before->receive_rids) rids.push_back({rid, false, {}, {}});
      describe_receive_rids(std::move(rids), section);
    }
    return section;
  }

  // RFC 8841 §10.
  MediaDescription data_section(const Section& planned) const {
    MediaDescription section = describe_section(state_, planned.mid, sdp::Setup::ActPass);
    section.media = "application";
    section.protocol = "UDP/DTLS/SCTP";
    section.formats = {"webrtc-datachannel"};
    section.sctp_port = state_.transport.sctp_port;
    section.max_message_size = state_.transport.max_message_size;
    // An association that began without SNAP gets none.
    const bool running = state_.session != nullptr && state_.session->data;
    if (!running || !state_.session->data->remote_sctp_init.empty()) section.sctp_init = state_.transport.sctp_init;
    return section;
  }

  static MediaDescription rejected_section(const Section& planned) {
    MediaDescription section;
    section.port = 0;
    section.connection = "IN IP4 0.0.0.0";
    section.mid = planned.mid;
    section.direction = sdp::Direction::Inactive;
    if (planned.kind == MediaKind::Audio || planned.kind == MediaKind::Video) {
      section.media = planned.kind == MediaKind::Audio ? "audio" : "video";
      section.protocol = "UDP/TLS/RTP/SAVPF";
      section.payloads = {{.payload_type = 127, .name = {}, .parameters = {}, .feedback = {}}};
    } else {
      section.media = "application";
      section.protocol = "UDP/DTLS/SCTP";
      section.formats = {"webrtc-datachannel"};
    }
    return section;
  }

 private:
  const LocalState& state_;
  PayloadTypes payload_types_;
  ExtensionIds extension_ids_;
};

}  // namespace

// RFC 9429 §5.2.1 and §5.2.2.
std::vector<Section> plan_offer(const std::vector<Section>& sections, const std::vector<Transceiver>& transceivers,
                                bool wants_data, uint32_t& next_mid) {
  std::vector<Section> plan = sections;
  const auto fresh_mid = [&] {
    while (true) {
      std::string mid = cat(next_mid++);
      if (std::ranges::find(plan, mid, &Section::mid) == plan.end()) return mid;
    }
  };
  const auto place = [&](Section section) {
    const auto free = std::ranges::find_if(plan, [](const Section& s) { return s.rejected && !s.transceiver; });
    section.mid = fresh_mid();
    if (free != plan.end()) {
      *free = std::move(section);
    } else {
      plan.push_back(std::move(section));
    }
  };
  for (const Transceiver& transceiver : transceivers) {
    if (transceiver.mid.empty() && !transceiver.stopping) place({{}, transceiver.kind, false, transceiver.id});
  }
  const bool has_data =
      std::ranges::any_of(plan, [](const Section& s) { return s.kind == MediaKind::Application && !s.rejected; });
  if (wants_data && !has_data) place({{}, MediaKind::Application, false, std::nullopt});
  for (Section& section : plan) {
    const auto it =
        std::ranges::find_if(transceivers, [&](const Transceiver& t) { return section.transceiver == t.id; });
    if (it != transceivers.end() && it->stopping) section.rejected = true;
  }
  return plan;
}

sdp::SessionDescription build_offer(const LocalState& state, const std::vector<Section>& plan) {
  sdp::SessionDescription offer = describe_session(state);
  offer.extmap_allow_mixed = true;
  OfferBuilder builder(state);
  sdp::Group bundle{"BUNDLE", {}};
  for (const Section& section : plan) {
    const Transceiver* transceiver = state.find(section.transceiver);
    const bool data = section.kind == MediaKind::Application;
    if (section.rejected || (transceiver == nullptr && !data)) {
      offer.media.push_back(OfferBuilder::rejected_section(section));
      continue;
    }
    offer.media.push_back(data ? builder.data_section(section) : builder.rtp_section(section, *transceiver));
    bundle.mids.push_back(section.mid);
  }
  if (!bundle.mids.empty()) offer.groups.push_back(std::move(bundle));
  return offer;
}

}  // namespace kaon::peer::internal
