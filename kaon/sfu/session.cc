#include "kaon/sfu/session.h"

#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"

namespace kaon::sfu {
namespace {

Refusal refusal(peer::NegotiationError error) {
  return {422, cat("The offer cannot be answered: ", peer::to_string(error))};
}

std::optional<packetizer::Codec> media_codec(const sdp::PayloadFormat& format) {
  return packetizer::codec_from_name(format.name);
}

// The first format of the section that Kaon can forward, as the only one to agree on: the publisher then sends nothing
// else.
std::optional<peer::Codec> first_supported(const sdp::MediaDescription& section) {
  const auto supported = peer::default_codecs(section.kind());
  for (const sdp::PayloadFormat& offered : section.payloads) {
    for (const peer::Codec& ours : supported) {
      if (peer::same_format(ours.format, offered) && media_codec(offered)) return ours;
    }
  }
  return std::nullopt;
}

}  // namespace

Session::Session(uint64_t id, SessionRole role, std::shared_ptr<Stream> stream, io::PeerShard& shard,
                 SessionOwner& owner)
    : id_(id), role_(role), stream_(std::move(stream)), shard_(shard), owner_(owner) {
  stream_->fanout(shard_.index()).join(*this);
  if (is_viewer()) stream_->viewers[shard_.index()].fetch_add(1, std::memory_order_relaxed);
}

Session::~Session() {
  if (!is_viewer() && stream_->publisher == this) stream_->publisher = nullptr;
  if (is_viewer()) stream_->viewers[shard_.index()].fetch_sub(1, std::memory_order_relaxed);
  stream_->fanout(shard_.index()).leave(*this);
  if (peer_ != nullptr) peer_->close();
}

// -- connectivity ----------------------------------------------------------------------------------------------------

void Session::add_candidates(const std::vector<std::string>& lines, Time now) {
  // A candidate that cannot be used (of TCP, or unresolved) is no error: others will do.
  for (const std::string& line : lines) static_cast<void>(connection().add_remote_candidate(line, now));
  peer_->touch();
}

std::optional<Session::Restarted> Session::restart(const ice::Credentials& remote,
                                                   const std::vector<std::string>& lines, Time now) {
  if (!connection().restart_ice_with(remote, now)) return std::nullopt;
  add_candidates(lines, now);
  Restarted restarted{connection().ice().local_credentials(), {}};
  for (const ice::Candidate& candidate : connection().ice().local_candidates())
    restarted.candidates.push_back(candidate.to_string());
  return restarted;
}

std::string Session::ufrag() const {
  const auto& remote = connection().ice().remote_credentials();
  return remote ? remote->ufrag : std::string();
}

// -- answering -------------------------------------------------------------------------------------------------------

Result<std::string, Refusal> Session::answer(const sdp::SessionDescription& offer, peer::Config config, Time now) {
  config.delivery = peer::Delivery::Packets;
  peer_ = shard_.create(std::move(config), *this);
  if (peer_ == nullptr) return fail(Refusal{503, "The server has no room for another connection."});
  if (auto set = connection().set_remote_description(peer::SdpType::Offer, offer, now); !set)
    return fail(refusal(set.error()));
  if (auto prepared = is_viewer() ? prepare_viewer(offer) : prepare_publisher(offer); !prepared)
    return fail(prepared.error());
  if (auto set = connection().set_local_description(peer::SdpType::Answer, now); !set)
    return fail(refusal(set.error()));
  if (!is_viewer()) {
    remember_tracks();
  } else if (auto kept = keep_accepted(); !kept) {
    return fail(kept.error());
  }
  peer_->touch();
  return connection().local_description();
}

Result<void, Refusal> Session::prepare_publisher(const sdp::SessionDescription& offer) {
  const std::vector<peer::Transceiver> transceivers(connection().transceivers().begin(),
                                                    connection().transceivers().end());
  size_t audio = 0;
  size_t video = 0;
  for (const peer::Transceiver& transceiver : transceivers) {
    const sdp::MediaDescription* section = offer.find_media(transceiver.mid);
    // RFC 9725 §4.2: a publisher sends, and at most one track of each kind.
    if (section != nullptr && !sdp::sends(sdp::direction_of(offer, *section)))
      return fail(Refusal{422, "A publisher's offer must send every track (a=sendonly)."});
    if (++(transceiver.kind == sdp::MediaKind::Video ? video : audio) > 1)
      return fail(Refusal{422, "A stream has at most one audio and one video track."});
    const auto codec = section == nullptr ? std::nullopt : first_supported(*section);
    if (!codec) return fail(Refusal{422, "The offer has a track without any codec this server forwards."});
    if (auto set = connection().set_direction(transceiver.id, sdp::Direction::RecvOnly); !set)
      return fail(refusal(set.error()));
    if (auto set = connection().set_codec_preferences(transceiver.id, {*codec}); !set)
      return fail(refusal(set.error()));
  }
  return {};
}

void Session::remember_tracks() {
  std::vector<Track> tracks;
  for (const peer::NegotiatedMedia& media : connection().session()->media) {
    if (media.rejected || media.codecs.empty()) continue;
    const peer::NegotiatedCodec& codec = media.codecs.front();
    const auto known = packetizer::codec_from_name(codec.name);
    if (!known) continue;
    peer::Codec format;
    format.format.payload_type = codec.receive_payload_type;
    format.format.name = codec.name;
    format.format.clock_rate = codec.clock_rate;
    format.format.channels = codec.channels;
    format.format.parameters = codec.receive_parameters;
    for (const peer::Codec& ours : peer::default_codecs(media.kind)) {
      if (!peer::same_format(ours.format, format.format)) continue;
      format.format.feedback = ours.format.feedback;
      format.rtx_payload_type = ours.rtx_payload_type;
    }
    tracks.push_back({media.kind, *known, std::move(format)});
    in_.push_back(media.transceiver);
  }
  stream_->gates.assign(tracks.size(), router::KeyframeGate());
  stream_->set_tracks(std::move(tracks));
  stream_->publisher = this;
}

Result<void, Refusal> Session::prepare_viewer(const sdp::SessionDescription& offer) {
  const std::vector<peer::Transceiver> transceivers(connection().transceivers().begin(),
                                                    connection().transceivers().end());
  out_.resize(stream_->tracks().size());
  for (const peer::Transceiver& transceiver : transceivers) {
    const sdp::MediaDescription* section = offer.find_media(transceiver.mid);
    const bool receives = section != nullptr && sdp::receives(sdp::direction_of(offer, *section));
    size_t track = receives ? 0 : out_.size();
    while (track < out_.size() && (out_[track] || stream_->tracks()[track].kind != transceiver.kind)) ++track;
    if (track == out_.size()) {
      if (auto set = connection().set_direction(transceiver.id, sdp::Direction::Inactive); !set)
        return fail(refusal(set.error()));
      continue;
    }
    const Track& source = stream_->tracks()[track];
    auto set = connection().set_track(transceiver.id, {stream_->name()}, cat(stream_->name(), '-', track));
    if (set) set = connection().set_direction(transceiver.id, sdp::Direction::SendOnly);
    if (set) set = connection().set_codec_preferences(transceiver.id, {source.format});
    if (!set) return fail(refusal(set.error()));
    crypto::SystemRandom random;
    const router::Forwarder::Start start{rtp::SequenceNumber(static_cast<uint16_t>(random.u32())),
                                         rtp::Timestamp(random.u32())};
    const bool video = source.kind == sdp::MediaKind::Video;
    out_[track].emplace(Out{transceiver.id, router::Forwarder(video, source.format.format.clock_rate, start)});
  }
  return {};
}

// Negotiation has rejected the sections without the publisher's codec.
Result<void, Refusal> Session::keep_accepted() {
  for (auto& out : out_) {
    const auto accepted = [&](const peer::NegotiatedMedia& media) {
      return out && media.transceiver == out->transceiver && !media.rejected && !media.codecs.empty();
    };
    if (std::ranges::none_of(connection().session()->media, accepted)) out.reset();
  }
  if (std::ranges::any_of(out_, [](const auto& out) { return out.has_value(); })) return {};
  return fail(Refusal{422, "The offer takes no track of this stream, or not with its codec."});
}

}  // namespace kaon::sfu
