// Setting descriptions (RFC 9429 §5.5 to §5.11).
#include "kaon/peer/internal/negotiation_state.h"

#include <algorithm>

namespace kaon::peer {

using internal::Created;
using internal::Pending;
using internal::Section;

Negotiator::State::State(Env environment, NegotiatorConfig configuration)
    : env(environment), config(std::move(configuration)) {
  cname = random_text(16);
  session_id = env.random.u64() >> 1;  // RFC 9429 §5.2.1: 63 bits
}

Transceiver* Negotiator::State::find(TransceiverId id) {
  const auto it = std::ranges::find(transceivers, id, &Transceiver::id);
  return it == transceivers.end() ? nullptr : &*it;
}

Result<Transceiver*, NegotiationError> Negotiator::State::find_live(TransceiverId id) {
  if (signaling == SignalingState::Closed) return fail(NegotiationError::Closed);
  Transceiver* transceiver = find(id);
  if (transceiver == nullptr) return fail(NegotiationError::UnknownTransceiver);
  if (transceiver->stopping) return fail(NegotiationError::TransceiverStopped);
  return transceiver;
}

void Negotiator::State::mark_changed(Transceiver& transceiver) {
  transceiver.changed = true;
  if (created) created->outdated = true;
}

bool Negotiator::State::has_transport() const {
  return !transport.ice_ufrag.empty() && !transport.ice_pwd.empty() && !transport.fingerprints.empty();
}

internal::LocalState Negotiator::State::local_state() const {
  return {config, transport, transceivers, session ? &*session : nullptr, cname, session_id, version};
}

uint32_t Negotiator::State::new_ssrc() {
  while (true) {
    const uint32_t ssrc = env.random.u32();
    const bool taken = std::ranges::any_of(transceivers, [&](const Transceiver& t) {
      return std::ranges::any_of(t.encodings,
                                 [&](const SendEncoding& e) { return e.ssrc == ssrc || e.rtx_ssrc == ssrc; });
    });
    if (ssrc != 0 && !taken) return ssrc;
  }
}

std::string Negotiator::State::random_text(size_t size) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string out(size, ' ');
  env.random.fill({reinterpret_cast<uint8_t*>(out.data()), out.size()});
  for (char& c : out) c = kLetters[static_cast<uint8_t>(c) % kLetters.size()];
  return out;
}

std::vector<SendEncoding> Negotiator::State::new_encodings(const std::vector<std::string>& rids) {
  std::vector<SendEncoding> encodings;
  encodings.reserve(rids.size());
  for (const std::string& rid : rids) encodings.push_back({rid, new_ssrc(), new_ssrc(), true});
  if (encodings.empty()) encodings.push_back({{}, new_ssrc(), new_ssrc(), true});
  return encodings;
}

Result<Created, NegotiationError> Negotiator::State::make_offer() {
  if (signaling == SignalingState::Closed) return fail(NegotiationError::Closed);
  if (signaling != SignalingState::Stable && signaling != SignalingState::HaveLocalOffer) {
    return fail(NegotiationError::WrongState);
  }
  if (!has_transport()) return fail(NegotiationError::MissingTransport);
  Created offer{.type = SdpType::Offer, .description = {}, .plan = {}, .next_mid = next_mid};
  offer.plan = internal::plan_offer(pending ? pending->sections : sections, transceivers, wants_data, offer.next_mid);
  if (offer.plan.size() > sdp::kMaxMediaSections) return fail(NegotiationError::TooManySections);
  offer.description = internal::build_offer(local_state(), offer.plan);
  return offer;
}

Result<Created, NegotiationError> Negotiator::State::make_answer() {
  if (signaling == SignalingState::Closed) return fail(NegotiationError::Closed);
  if (signaling != SignalingState::HaveRemoteOffer && signaling != SignalingState::HaveLocalPranswer) {
    return fail(NegotiationError::WrongState);
  }
  if (!has_transport()) return fail(NegotiationError::MissingTransport);
  if (pending->restarts_ice && transport.ice_ufrag == described_ufrag) {
    return fail(NegotiationError::NewCredentialsRequired);
  }
  Created answer{.type = SdpType::Answer, .description = {}, .plan = {}};
  answer.description = internal::build_answer(local_state(), pending->offer, pending->bundle, pending->sections);
  return answer;
}

Result<void, NegotiationError> Negotiator::State::set_local(SdpType type, Created description) {
  if (type == SdpType::Offer) {
    if (signaling != SignalingState::Stable && signaling != SignalingState::HaveLocalOffer) {
      return fail(NegotiationError::WrongState);
    }
    apply_local_offer(std::move(description));
  } else {
    if (signaling != SignalingState::HaveRemoteOffer && signaling != SignalingState::HaveLocalPranswer) {
      return fail(NegotiationError::WrongState);
    }
    if (const auto applied = apply_answer(type, description.description); !applied) return applied;
    // What changed after the answer was made is not in it.
    if (!description.outdated) describe_transceivers();
  }
  described_ufrag = transport.ice_ufrag;
  ++version;
  created.reset();
  return {};
}

void Negotiator::State::describe_transceivers() {
  for (Transceiver& transceiver : transceivers) {
    if (transceiver.changed && pending) pending->described.push_back(transceiver.id);
    transceiver.changed = false;
  }
}

void Negotiator::State::apply_local_offer(Created offer) {
  Pending next;
  if (pending) {  // an offer in place of the one before
    next.associated = std::move(pending->associated);
    next.described = std::move(pending->described);
  }
  next.local = true;
  next.offer = std::move(offer.description);
  next.sections = std::move(offer.plan);
  for (const Section& section : next.sections) {
    Transceiver* transceiver = section.transceiver ? find(*section.transceiver) : nullptr;
    if (transceiver == nullptr || transceiver->mid == section.mid) continue;
    transceiver->mid = section.mid;
    next.associated.push_back(transceiver->id);
  }
  next_mid = offer.next_mid;
  pending = std::move(next);
  if (!offer.outdated) describe_transceivers();
  signaling = SignalingState::HaveLocalOffer;
}

Result<void, NegotiationError> Negotiator::State::apply_remote_offer(const sdp::SessionDescription& offer) {
  Pending next;
  KAON_TRY(next.bundle, internal::check_next_offer(offer, sections));
  if (const auto checked = internal::check_header_encryption(config.header_encryption, offer, next.bundle); !checked) {
    return fail(checked.error());
  }
  if (const auto checked = check_sctp_init(offer); !checked) return checked;
  KAON_TRY(next.remote, internal::remote_transport(offer, next.bundle));
  KAON_TRY(const internal::TransportChange change,
           internal::compare_transport(session ? &*session : nullptr, next.remote));
  if (pending) roll_back();
  next.restarts_ice = change.ice_restarted;
  next.offer = offer;
  pending = std::move(next);
  associate(offer);
  created.reset();
  signaling = SignalingState::HaveRemoteOffer;
  return {};
}

// draft-hancke-tsvwg-snap: an error, where we would have used it.
Result<void, NegotiationError> Negotiator::State::check_sctp_init(const sdp::SessionDescription& offer) const {
  if (transport.sctp_init.empty()) return {};
  const bool bad = std::ranges::any_of(offer.media, [](const sdp::MediaDescription& media) {
    return !media.sctp_init.empty() && !sctp_init_bytes(media.sctp_init);
  });
  if (bad) return fail(NegotiationError::BadSctpInit);
  return {};
}

// RFC 9429 §5.10: each section finds its transceiver by mid, takes one made for a track, or gets a new one.
void Negotiator::State::associate(const sdp::SessionDescription& offer) {
  for (size_t i = 0; i < offer.media.size(); ++i) {
    const sdp::MediaDescription& media = offer.media[i];
    Section section{media.mid, media.kind(), media.is_rejected(), std::nullopt};
    const bool known = i < sections.size() && !sections[i].rejected;
    if (known) {
      section.mid = sections[i].mid;
      section.transceiver = sections[i].transceiver;
    } else if (pending->bundle.contains(i) && section.kind != sdp::MediaKind::Application) {
      section.transceiver = transceiver_for(offer, media);
    }
    pending->sections.push_back(std::move(section));
  }
}

TransceiverId Negotiator::State::transceiver_for(const sdp::SessionDescription& offer,
                                                 const sdp::MediaDescription& section) {
  Transceiver* chosen = nullptr;
  if (receives(direction_of(offer, section))) {
    const auto it = std::ranges::find_if(transceivers, [&](const Transceiver& t) {
      return t.for_track && t.mid.empty() && !t.stopping && t.kind == section.kind();
    });
    if (it != transceivers.end()) chosen = &*it;
  }
  if (chosen == nullptr) {
    auto encodings = new_encodings({});
    chosen = &transceivers.emplace_back();
    chosen->id = TransceiverId(next_transceiver++);
    chosen->kind = section.kind();
    chosen->direction = sdp::Direction::RecvOnly;
    chosen->created_by_remote = true;
    chosen->track_id = random_text(16);
    chosen->encodings = std::move(encodings);
  }
  chosen->mid = section.mid;
  pending->associated.push_back(chosen->id);
  return chosen->id;
}

// RFC 9429 §4.1.10.2: transceivers lose what the offer gave them, and vanish if it made them and nobody put a track on
// them.
void Negotiator::State::roll_back() {
  for (const TransceiverId id : pending->associated) {
    Transceiver* transceiver = find(id);
    if (transceiver == nullptr) continue;
    transceiver->mid.clear();
    if (transceiver->created_by_remote && !transceiver->for_track) {
      std::erase_if(transceivers, [&](const Transceiver& t) { return t.id == id; });
    }
  }
  for (const TransceiverId id : pending->described) {
    if (Transceiver* transceiver = find(id)) transceiver->changed = true;
  }
  pending.reset();
  created.reset();
  signaling = SignalingState::Stable;
}

Result<void, NegotiationError> Negotiator::State::apply_answer(SdpType type, const sdp::SessionDescription& answer) {
  const internal::Exchange exchange{pending->offer,
                                    answer,
                                    pending->local,
                                    pending->sections,
                                    transceivers,
                                    transport.ice_lite,
                                    session ? &*session : nullptr,
                                    config.header_encryption};
  KAON_TRY(NegotiatedSession agreed, internal::negotiate(exchange));
  session = std::move(agreed);
  if (type == SdpType::Answer) {
    conclude(answer);
    return {};
  }
  pending->provisional_answer = answer.write();
  signaling = pending->local ? SignalingState::HaveRemotePranswer : SignalingState::HaveLocalPranswer;
  return {};
}

void Negotiator::State::conclude(const sdp::SessionDescription& answer) {
  (pending->local ? current_local : current_remote) = pending->offer.write();
  (pending->local ? current_remote : current_local) = answer.write();
  sections = std::move(pending->sections);
  for (size_t i = 0; i < sections.size(); ++i) sections[i].rejected = answer.media[i].port == 0;
  for (const NegotiatedMedia& media : session->media) settle_transceiver(media);
  for (Section& section : sections) {
    if (section.rejected) section.transceiver.reset();
  }
  pending.reset();
  created.reset();
  signaling = SignalingState::Stable;
}

void Negotiator::State::settle_transceiver(const NegotiatedMedia& media) {
  Transceiver* transceiver = find(media.transceiver);
  if (transceiver == nullptr) return;
  if (media.rejected) {
    std::erase_if(transceivers, [&](const Transceiver& t) { return t.id == media.transceiver; });
    return;
  }
  transceiver->current_direction = media.direction;
  if (media.send_encodings.empty()) return;
  // Layers the peer refused do not come back (W3C webrtc-pc §4.4.1.5).
  std::erase_if(transceiver->encodings, [&](const SendEncoding& ours) {
    return std::ranges::find(media.send_encodings, ours.ssrc, &SendEncoding::ssrc) == media.send_encodings.end();
  });
  if (media.send_encodings.front().rid.empty()) transceiver->encodings.front().rid.clear();
}

}  // namespace kaon::peer
