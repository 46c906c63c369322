#include "kaon/base/base64.h"
#include "kaon/peer/internal/connection_impl.h"

namespace kaon::peer {
namespace {

bool offers_data(const sdp::SessionDescription& description) {
  return std::ranges::any_of(description.media, [](const sdp::MediaDescription& media) {
    return media.kind() == sdp::MediaKind::Application && !media.is_rejected();
  });
}

}  // namespace

LocalTransport Connection::Impl::local_transport() {
  const ice::Credentials& credentials = transport.ice().local_credentials();
  LocalTransport local;
  local.ice_ufrag = credentials.ufrag;
  local.ice_pwd = credentials.password;
  local.ice_lite = config.ice.lite;
  local.fingerprints = {fingerprint};
  local.sctp_port = config.data.sctp.local_port;
  local.max_message_size = config.data.sctp.max_message_size;
  if (config.sped) local.ice_options.insert(local.ice_options.end(), {std::string(kSped), std::string(kGoogSped)});
  if (config.snap && channels && !snap_over) local.sctp_init = to_base64(channels->init_chunk());
  return local;
}

void Connection::Impl::restart_ice(Time time) {
  const std::string ufrag = config.ufrag_prefix + ice::random_ice_chars(env.random, 8);
  if (!transport.ice().restart(time, ufrag)) return;
  negotiator.set_transport(local_transport());
  if (state == ConnectionState::Failed) set_state(ConnectionState::Connecting);
  emit(UfragChanged{ufrag});
  settle(time);
}

// Brings all engines to what was agreed.
void Connection::Impl::apply_session(Time time) {
  const NegotiatedSession* session = negotiator.session();
  if (session == nullptr) return;
  if (transport.apply(*session, time)) {
    security.reset();
    if (state != ConnectionState::New) set_state(ConnectionState::Connecting);
  }
  media.apply(*session, negotiator.transceivers(), negotiator.cname(), [this](Event event) { emit(std::move(event)); });
  if (session->data) {
    need_channels().set_remote_max_message_size(session->data->remote_max_message_size);
    start_channels(time);
  } else if (channels && channels->started() && !snap_over) {
    // The association lives on without a section; if there is one again, its peer may be another.
    snap_over = true;
    negotiator.set_transport(local_transport());
  }
  settle(time);
}

Result<void, NegotiationError> Connection::Impl::set_local(SdpType type, Time time) {
  advance(time);
  if (auto result = negotiator.set_local_description(type); !result) return result;
  if (type == SdpType::Offer && negotiator.session() == nullptr) transport.ice().set_role(ice::Role::Controlling);
  if (type == SdpType::Answer || type == SdpType::Pranswer) apply_session(now);
  return {};
}

Result<void, NegotiationError> Connection::Impl::set_remote(SdpType type, const sdp::SessionDescription& remote,
                                                            Time time) {
  advance(time);
  // Their INIT goes into the answer.
  if (type == SdpType::Offer && config.snap && offers_data(remote)) need_channels();
  if (auto result = negotiator.set_remote_description(type, remote); !result) return result;
  if (type == SdpType::Answer || type == SdpType::Pranswer) apply_session(now);
  return {};
}

std::string Connection::Impl::local_description() const {
  std::vector<std::string> lines;
  for (const ice::Candidate& candidate : transport.ice().local_candidates()) lines.push_back(candidate.to_string());
  return negotiator.local_description(lines, transport.ice().gathering_done());
}

// -- the public face -------------------------------------------------------------------------------------------------

Result<TransceiverId, NegotiationError> Connection::add_transceiver(sdp::MediaKind kind, TransceiverInit init) {
  return impl_->negotiator.add_transceiver(kind, std::move(init));
}

Result<void, NegotiationError> Connection::set_direction(TransceiverId id, sdp::Direction direction) {
  return impl_->negotiator.set_direction(id, direction);
}

Result<void, NegotiationError> Connection::set_track(TransceiverId id, std::vector<std::string> stream_ids,
                                                     std::string track_id) {
  return impl_->negotiator.set_track(id, std::move(stream_ids), std::move(track_id));
}

Result<void, NegotiationError> Connection::set_codec_preferences(TransceiverId id, std::vector<Codec> codecs) {
  return impl_->negotiator.set_codec_preferences(id, std::move(codecs));
}

Result<void, NegotiationError> Connection::stop_transceiver(TransceiverId id) { return impl_->negotiator.stop(id); }

std::span<const Transceiver> Connection::transceivers() const { return impl_->negotiator.transceivers(); }

Result<sdp::SessionDescription, NegotiationError> Connection::create_offer(Time now) {
  impl_->advance(now);
  return impl_->negotiator.create_offer();
}

Result<sdp::SessionDescription, NegotiationError> Connection::create_answer(Time now) {
  impl_->advance(now);
  // The peer restarts ICE: so do we (RFC 8839 §4.4.1.1.1).
  if (impl_->negotiator.remote_restarts_ice()) impl_->restart_ice(impl_->now);
  return impl_->negotiator.create_answer();
}

Result<void, NegotiationError> Connection::set_local_description(SdpType type, Time now) {
  if (type == SdpType::Answer && impl_->negotiator.remote_restarts_ice()) impl_->restart_ice(impl_->advance(now));
  return impl_->set_local(type, now);
}

Result<void, NegotiationError> Connection::set_remote_description(SdpType type, const sdp::SessionDescription& remote,
                                                                  Time now) {
  return impl_->set_remote(type, remote, now);
}

std::string Connection::local_description() const { return impl_->local_description(); }
std::string_view Connection::first_mid() const { return impl_->negotiator.first_mid(); }
SignalingState Connection::signaling_state() const { return impl_->negotiator.state(); }
bool Connection::negotiation_needed() const { return impl_->negotiator.negotiation_needed(); }
const NegotiatedSession* Connection::session() const { return impl_->negotiator.session(); }

void Connection::restart_ice(Time now) { impl_->restart_ice(impl_->advance(now)); }

Result<void, ice::Error> Connection::restart_ice_with(const ice::Credentials& remote, Time now) {
  if (!remote.valid()) return fail(ice::Error::BadCredentials);
  impl_->restart_ice(impl_->advance(now));
  return impl_->transport.ice().set_remote_credentials(remote, impl_->transport.ice().remote_is_lite(), now);
}

}  // namespace kaon::peer
