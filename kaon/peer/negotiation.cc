#include "kaon/peer/negotiation.h"

#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/peer/internal/negotiation_state.h"

namespace kaon::peer {
namespace {

// Track and stream ids stand in a=msid (RFC 8830 §2): no blanks, nothing that could end the line.
bool is_msid_part(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

// RFC 8852 §3: what fits the header extension.
bool is_rid(std::string_view text) {
  return !text.empty() && text.size() <= 16 && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

bool are_rids(const std::vector<std::string>& rids) {
  if (rids.size() > kMaxSimulcastLayers || !std::ranges::all_of(rids, is_rid)) return false;
  return std::ranges::all_of(rids, [&](const std::string& rid) { return std::ranges::count(rids, rid) == 1; });
}

bool are_codecs_of(sdp::MediaKind kind, const std::vector<Codec>& codecs) {
  return codecs.size() <= 32 && std::ranges::all_of(codecs, [&](const Codec& codec) {
           const CodecKind codec_kind = peer::codec_kind(codec.format.name);
           const bool audio = codec_kind <= CodecKind::Pcma;
           const bool known = codec_kind != CodecKind::Rtx && codec_kind != CodecKind::Other;
           return known && audio == (kind == sdp::MediaKind::Audio) && codec.format.payload_type <= 127;
         });
}

bool are_msid_parts(const std::vector<std::string>& stream_ids, const std::string& track_id) {
  return stream_ids.size() <= 16 && std::ranges::all_of(stream_ids, is_msid_part) &&
         (track_id.empty() || is_msid_part(track_id));
}

}  // namespace

Negotiator::Negotiator(Env env, NegotiatorConfig config) : state_(std::make_unique<State>(env, std::move(config))) {}
Negotiator::Negotiator(Negotiator&&) noexcept = default;
Negotiator& Negotiator::operator=(Negotiator&&) noexcept = default;
Negotiator::~Negotiator() = default;

void Negotiator::set_transport(LocalTransport transport) {
  state_->transport = std::move(transport);
  if (state_->created) state_->created->outdated = true;
}

const LocalTransport& Negotiator::transport() const { return state_->transport; }

Result<TransceiverId, NegotiationError> Negotiator::add_transceiver(sdp::MediaKind kind, TransceiverInit init) {
  State& s = *state_;
  if (s.signaling == SignalingState::Closed) return fail(NegotiationError::Closed);
  if (s.transceivers.size() >= kMaxTransceivers) return fail(NegotiationError::TooManySections);
  const bool media = kind == sdp::MediaKind::Audio || kind == sdp::MediaKind::Video;
  if (!media || !are_rids(init.rids) || !are_codecs_of(kind, init.codec_preferences) ||
      !are_msid_parts(init.stream_ids, init.track_id)) {
    return fail(NegotiationError::BadParameter);
  }
  Transceiver transceiver;
  transceiver.id = TransceiverId(s.next_transceiver++);
  transceiver.kind = kind;
  transceiver.direction = init.direction;
  transceiver.for_track = init.for_track;
  transceiver.stream_ids = std::move(init.stream_ids);
  transceiver.track_id = init.track_id.empty() ? s.random_text(16) : std::move(init.track_id);
  transceiver.encodings = s.new_encodings(init.rids);
  transceiver.codec_preferences = std::move(init.codec_preferences);
  s.transceivers.push_back(std::move(transceiver));
  s.mark_changed(s.transceivers.back());
  return s.transceivers.back().id;
}

std::span<const Transceiver> Negotiator::transceivers() const { return state_->transceivers; }

const Transceiver* Negotiator::find(TransceiverId id) const { return state_->find(id); }

const Transceiver* Negotiator::find(std::string_view mid) const {
  const auto it = std::ranges::find(state_->transceivers, mid, &Transceiver::mid);
  return mid.empty() || it == state_->transceivers.end() ? nullptr : &*it;
}

Result<void, NegotiationError> Negotiator::set_direction(TransceiverId id, sdp::Direction direction) {
  KAON_TRY(Transceiver * transceiver, state_->find_live(id));
  if (transceiver->direction == direction) return {};
  transceiver->direction = direction;
  state_->mark_changed(*transceiver);
  return {};
}

Result<void, NegotiationError> Negotiator::set_track(TransceiverId id, std::vector<std::string> stream_ids,
                                                     std::string track_id, std::vector<std::string> rids) {
  KAON_TRY(Transceiver * transceiver, state_->find_live(id));
  if (!are_msid_parts(stream_ids, track_id) || !are_rids(rids)) return fail(NegotiationError::BadParameter);
  if (!rids.empty()) {
    if (transceiver->current_direction) return fail(NegotiationError::WrongState);
    transceiver->encodings = state_->new_encodings(rids);
  }
  transceiver->stream_ids = std::move(stream_ids);
  if (!track_id.empty()) transceiver->track_id = std::move(track_id);
  transceiver->for_track = true;
  transceiver->direction = sdp::make_direction(true, receives(transceiver->direction));
  state_->mark_changed(*transceiver);
  return {};
}

Result<void, NegotiationError> Negotiator::set_codec_preferences(TransceiverId id, std::vector<Codec> preferences) {
  KAON_TRY(Transceiver * transceiver, state_->find_live(id));
  if (!are_codecs_of(transceiver->kind, preferences)) return fail(NegotiationError::BadParameter);
  transceiver->codec_preferences = std::move(preferences);
  state_->mark_changed(*transceiver);
  return {};
}

Result<void, NegotiationError> Negotiator::stop(TransceiverId id) {
  KAON_TRY(Transceiver * transceiver, state_->find_live(id));
  transceiver->stopping = true;
  state_->mark_changed(*transceiver);
  // One that no description has named yet just goes.
  if (transceiver->mid.empty()) {
    state_->created.reset();
    std::erase_if(state_->transceivers, [&](const Transceiver& t) { return t.id == id; });
  }
  return {};
}

void Negotiator::want_data() {
  state_->wants_data = true;
  if (state_->created) state_->created->outdated = true;
}

Result<sdp::SessionDescription, NegotiationError> Negotiator::create_offer() {
  KAON_TRY(state_->created, state_->make_offer());
  return state_->created->description;
}

Result<sdp::SessionDescription, NegotiationError> Negotiator::create_answer() {
  KAON_TRY(state_->created, state_->make_answer());
  return state_->created->description;
}

Result<void, NegotiationError> Negotiator::set_local_description(SdpType type) {
  State& s = *state_;
  if (s.signaling == SignalingState::Closed) return fail(NegotiationError::Closed);
  if (type == SdpType::Rollback) {
    if (s.signaling != SignalingState::HaveLocalOffer && s.signaling != SignalingState::HaveRemoteOffer) {
      return fail(NegotiationError::WrongState);
    }
    s.roll_back();
    return {};
  }
  const SdpType wanted = type == SdpType::Offer ? SdpType::Offer : SdpType::Answer;
  if (s.created && s.created->type == wanted && !s.created->outdated) return s.set_local(type, *s.created);
  if (type == SdpType::Offer) {
    KAON_TRY(internal::Created offer, s.make_offer());
    return s.set_local(type, std::move(offer));
  }
  KAON_TRY(internal::Created answer, s.make_answer());
  return s.set_local(type, std::move(answer));
}

// RFC 9429 §5.4: descriptions are not to be changed between create and set.
Result<void, NegotiationError> Negotiator::set_local_description(SdpType type,
                                                                 const sdp::SessionDescription& description) {
  State& s = *state_;
  if (s.signaling == SignalingState::Closed) return fail(NegotiationError::Closed);
  if (type == SdpType::Rollback) return set_local_description(type);
  const SdpType wanted = type == SdpType::Offer ? SdpType::Offer : SdpType::Answer;
  if (!s.created || s.created->type != wanted || s.created->description != description) {
    return fail(NegotiationError::Modified);
  }
  return s.set_local(type, *s.created);
}

Result<void, NegotiationError> Negotiator::set_remote_description(SdpType type,
                                                                  const sdp::SessionDescription& description) {
  State& s = *state_;
  switch (type) {
    case SdpType::Rollback: return set_local_description(type);
    case SdpType::Offer: {
      if (s.signaling == SignalingState::Closed) return fail(NegotiationError::Closed);
      const bool free = s.signaling == SignalingState::Stable || s.signaling == SignalingState::HaveLocalOffer ||
                        s.signaling == SignalingState::HaveRemoteOffer;
      if (!free) return fail(NegotiationError::WrongState);
      return s.apply_remote_offer(description);
    }
    case SdpType::Pranswer:
    case SdpType::Answer: break;
  }
  if (s.signaling == SignalingState::Closed) return fail(NegotiationError::Closed);
  if (s.signaling != SignalingState::HaveLocalOffer && s.signaling != SignalingState::HaveRemotePranswer) {
    return fail(NegotiationError::WrongState);
  }
  return s.apply_answer(type, description);
}

void Negotiator::close() {
  State& s = *state_;
  s.signaling = SignalingState::Closed;
  s.pending.reset();
  s.created.reset();
  s.session.reset();
  s.transceivers.clear();
}

SignalingState Negotiator::state() const { return state_->signaling; }

const NegotiatedSession* Negotiator::session() const { return state_->session ? &*state_->session : nullptr; }

bool Negotiator::remote_restarts_ice() const {
  return state_->pending && state_->pending->restarts_ice && state_->transport.ice_ufrag == state_->described_ufrag;
}

// W3C webrtc-pc §4.7.3.
bool Negotiator::negotiation_needed() const {
  const State& s = *state_;
  if (s.signaling == SignalingState::Closed) return false;
  if (std::ranges::any_of(s.transceivers, [](const Transceiver& t) { return t.changed; })) return true;
  const bool has_data = std::ranges::any_of(s.sections, [](const internal::Section& section) {
    return section.kind == sdp::MediaKind::Application && !section.rejected;
  });
  const bool restart = s.session && s.transport.ice_ufrag != s.described_ufrag;
  return restart || (s.wants_data && !has_data);
}

std::string Negotiator::local_description(std::span<const std::string> candidates, bool end_of_candidates) const {
  const State& s = *state_;
  sdp::SessionDescription description;
  if (s.pending && s.pending->local) {
    description = s.pending->offer;
  } else {
    const bool provisional = s.pending && !s.pending->provisional_answer.empty();
    const std::string& text = provisional ? s.pending->provisional_answer : s.current_local;
    if (text.empty() || (candidates.empty() && !end_of_candidates)) return text;
    auto parsed = sdp::SessionDescription::parse(text);
    KAON_ASSERT(parsed);
    description = std::move(*parsed);
  }
  const sdp::Group* bundle = description.bundle();
  const std::string_view tagged = bundle == nullptr ? std::string_view{} : bundle->mids.front();
  for (sdp::MediaDescription& section : description.media) {
    if (section.port == 0 || (bundle != nullptr && section.mid != tagged)) continue;
    section.candidates.assign(candidates.begin(), candidates.end());
    section.end_of_candidates = end_of_candidates;
    break;
  }
  return description.write();
}

std::string_view Negotiator::first_mid() const {
  const auto& sections = state_->pending ? state_->pending->sections : state_->sections;
  return sections.empty() ? std::string_view{} : sections.front().mid;
}

std::string Negotiator::remote_description() const {
  const State& s = *state_;
  if (s.pending && !s.pending->local) return s.pending->offer.write();
  if (s.pending && !s.pending->provisional_answer.empty()) return s.pending->provisional_answer;
  return s.current_remote;
}

const RemoteTransport* Negotiator::offered_transport() const {
  return state_->pending && !state_->pending->local ? &state_->pending->remote : nullptr;
}

const std::string& Negotiator::cname() const { return state_->cname; }

Result<void, NegotiationError> check_http_offer(const sdp::SessionDescription& offer) {
  KAON_TRY(const internal::BundleView bundle, internal::check_offer(offer));
  KAON_TRY(const RemoteTransport transport, internal::remote_transport(offer, bundle));
  const bool has_media = std::ranges::any_of(
      bundle.sections, [&](size_t i) { return offer.media[i].kind() != sdp::MediaKind::Application; });
  if (transport.mid.empty() || !has_media) return fail(NegotiationError::NoMedia);
  // RFC 9725 §4.2: everything on one transport.
  for (size_t i = 0; i < offer.media.size(); ++i) {
    if (!offer.media[i].is_rejected() && !bundle.contains(i)) return fail(NegotiationError::BundleRequired);
  }
  return {};
}

}  // namespace kaon::peer
