#include "kaon/peer/connection.h"

#include <cstring>
#include <utility>

#include "kaon/base/text.h"
#include "kaon/peer/internal/connection_impl.h"
#include "kaon/peer/internal/drop_names.h"

namespace kaon::peer {

std::string_view to_string(ConnectionState state) {
  switch (state) {
    case ConnectionState::New: return "new";
    case ConnectionState::Connecting: return "connecting";
    case ConnectionState::Connected: return "connected";
    case ConnectionState::Disconnected: return "disconnected";
    case ConnectionState::Failed: return "failed";
    case ConnectionState::Closed: return "closed";
  }
  return "";
}

std::string_view to_string(MediaError error) {
  switch (error) {
    case MediaError::UnknownTransceiver: return "no such transceiver";
    case MediaError::NotNegotiated: return "the peer does not receive this codec";
    case MediaError::NotConnected: return "not connected";
    case MediaError::Malformed: return "the frame is not what its codec says";
    case MediaError::QueueFull: return "the send queue is full";
    case MediaError::NotKeyframe: return "the first frame of another source must be a key frame";
  }
  return "";
}

namespace {

// What the negotiator leaves behind: the lists are large, and only it needs them.
NegotiatorConfig no_codecs() {
  return {.audio_codecs = {}, .video_codecs = {}, .audio_extensions = {}, .video_extensions = {}};
}

}  // namespace

Connection::Impl::Impl(Env environment, BufferPool& pool, Config configuration, Time time)
    : tracer(internal::Tracer::make(environment)),
      env{environment.random, environment.log, tracer.get()},
      config(std::move(configuration)),
      now(time),
      negotiator(env, std::exchange(config.negotiation, no_codecs())),
      transport(env, config),
      media(env, pool, config),
      fingerprint(config.certificate.fingerprint().to_string()) {
  negotiator.set_transport(local_transport());
  if (tracer) tracer->set_connection(transport.ice().local_credentials().ufrag);
}

void Connection::Impl::emit(Event event) {
  if (events.size() == kMaxEvents) events.pop_front();
  events.push_back(std::move(event));
}

void Connection::Impl::set_state(ConnectionState next, std::string detail) {
  if (dtls_failed && next == ConnectionState::Connecting) return;
  if (state == next || state == ConnectionState::Closed || state == ConnectionState::Failed) {
    // Failed is left by an ICE restart only, Closed never.
    if (!(state == ConnectionState::Failed && (next == ConnectionState::Closed || next == ConnectionState::Connecting)))
      return;
  }
  state = next;
  env.log.line(LogLevel::Debug, "peer", to_string(next), detail.empty() ? "" : ": ", detail);
  if (tracer) tracer->state_changed(next, detail, now);
  emit(StateChanged{next, std::move(detail)});
}

// -- input -----------------------------------------------------------------------------------------------------------

void Connection::Impl::handle_packet(const net::Datagram& packet, Time time) {
  if (state == ConnectionState::Closed) return;
  advance(time);
  const internal::Transport::Content content = transport.handle_packet(packet, now);
  if (content == internal::Transport::Content::Data) deliver_data(now, packet.ecn);
  if (content == internal::Transport::Content::Rtp || content == internal::Transport::Content::Rtcp) {
    srtp::Receiver& srtp = transport.srtp_receiver();
    const bool authentic = content == internal::Transport::Content::Rtp ? media.handle_rtp(packet.bytes, srtp, now)
                                                                        : media.handle_rtcp(packet.bytes, srtp, now);
    if (authentic) {
      transport.media_heard();
      transport.ice().count_received({packet.local, packet.remote, packet.protocol}, 1, packet.bytes.size(), now);
    }
    // A sign of life is all that settle() could find out.
    if (state != ConnectionState::Disconnected) return;
  }
  settle(now);
}

void Connection::Impl::deliver_data(Time time, net::Ecn ecn) {
  // With SNAP the peer's data may come in one packet with the end of the handshake: the association first.
  if (!security) {
    while (auto event = transport.poll_dtls_event()) handle_dtls_event(*event, time);
  }
  while (const auto data = transport.poll_application_data()) {
    if (channels) channels->handle_packet(*data, time, ecn);
  }
}

void Connection::Impl::handle_timeout(Time time) {
  if (state == ConnectionState::Closed) return;
  advance(time);
  transport.handle_timeout(now);
  if (channels) channels->handle_timeout(now);
  media.handle_timeout(now);
  settle(now);
}

Time Connection::Impl::next_timeout() const {
  if (state == ConnectionState::Closed) return kNever;
  Time next = transport.next_timeout();
  // What is due waits for a path; without one there is nothing to wake up for.
  if (transport.secured() && transport.path()) next = std::min(next, media.next_timeout());
  if (channels) next = std::min(next, channels->next_timeout());
  return next;
}

// Moves what one engine found out to the others.
void Connection::Impl::settle(Time time) {
  while (auto event = transport.poll_ice_event()) handle_ice_event(*event, time);
  while (transport.replay_held(time)) deliver_data(time, net::Ecn::NotEct);
  while (auto event = transport.poll_dtls_event()) handle_dtls_event(*event, time);
  if (!security) start_channels(time);
  if (tracer) tracer->observe(transport, media, channels ? &*channels : nullptr, time);
}

std::optional<Event> Connection::Impl::poll_event() {
  if (!events.empty()) return events.pop_front();
  return media.poll_event();
}

void Connection::Impl::handle_ice_event(ice::Event& event, Time time) {
  if (auto* candidate = std::get_if<ice::LocalCandidate>(&event)) {
    emit(LocalCandidate{candidate->candidate.to_string()});
  } else if (std::get_if<ice::GatheringDone>(&event) != nullptr) {
    emit(GatheringDone{});
  } else if (const auto* validated = std::get_if<ice::PathValidated>(&event)) {
    emit(PathValidated{validated->path});
  } else if (const auto* selected = std::get_if<ice::SelectedPairChanged>(&event)) {
    if (tracer) tracer->set_path(selected->path);
    if (channels) channels->path_changed();
    if (channels && selected->rtt > Duration::zero()) channels->set_rtt(selected->rtt);
    media.set_round_trip_time(selected->rtt);
  } else if (const auto* changed = std::get_if<ice::StateChanged>(&event)) {
    switch (changed->state) {
      case ice::State::Checking: set_state(ConnectionState::Connecting); break;
      case ice::State::Connected:
      case ice::State::Completed: set_state(security ? ConnectionState::Connected : ConnectionState::Connecting); break;
      case ice::State::Disconnected: set_state(ConnectionState::Disconnected); break;
      case ice::State::Failed:
        set_state(ConnectionState::Failed, changed->reason == ice::FailReason::ConsentExpired
                                               ? "the peer stopped answering"
                                               : "no path to the peer was found");
        break;
      default: break;
    }
  }
  static_cast<void>(time);
}

void Connection::Impl::handle_dtls_event(dtls::Event& event, Time time) {
  if (auto* connected = std::get_if<dtls::Connected>(&event)) {
    const auto profile = srtp::profile_from_id(connected->srtp_profile);
    env.log.line(LogLevel::Info, "peer", "secured by DTLS ",
                 connected->version == dtls::Version::Dtls13 ? "1.3" : "1.2", ", ",
                 dtls::to_string(connected->cipher_suite), ", ", crypto::to_string(connected->group),
                 profile ? ", " : "", profile ? srtp::to_string(*profile) : "");
    if (tracer) tracer->secured(*connected, time);
    emit(Secured{connected->version, connected->cipher_suite, connected->srtp_profile, connected->group});
    if (profile) media.set_srtp_overhead(srtp::rtp_overhead(*profile));
    security = std::move(*connected);
    // Checks may have carried the handshake before one of ours has been answered.
    if (transport.path()) set_state(ConnectionState::Connected);
    start_channels(time);
  } else if (auto* line = std::get_if<dtls::KeyLogLine>(&event)) {
    emit(std::move(*line));
  } else if (auto* closed = std::get_if<dtls::Closed>(&event)) {
    if (closed->reason == dtls::CloseReason::PeerClose) {
      set_state(ConnectionState::Closed, "the peer closed the connection");
    } else if (closed->reason != dtls::CloseReason::LocalClose) {
      dtls_failed = true;
      set_state(ConnectionState::Failed,
                cat("DTLS: ", dtls::to_string(closed->reason), closed->detail.empty() ? "" : ", ", closed->detail));
    }
  }
}

// -- output ----------------------------------------------------------------------------------------------------------

std::optional<net::Transmit> Connection::Impl::poll_transmit(Bytes out) {
  if (auto transmit = transport.poll_transmit(out, now)) return transmit;
  // Our alert may be lost: a peer that hears no answers to its consent checks ends as well.
  if (dtls_failed) transport.ice().close();
  if (!transport.path() || said_goodbye) return std::nullopt;
  if (!security) return says_init_early() ? transmit_data(out) : std::nullopt;
  if (auto transmit = transmit_carried(out)) return transmit;
  if (transport.secured() && media.negotiated()) {
    if (const auto run = media.poll_transmit(out, transport.srtp_sender(), now)) {
      net::Transmit transmit = transport.address(run->size);
      transmit.segment_size = run->segment_size;
      transmit.dscp = run->dscp;
      transport.ice().count_sent(run->packets, run->size, now);
      return transmit;
    }
  }
  if (auto transmit = transmit_data(out)) return transmit;
  if (state != ConnectionState::Closed) return std::nullopt;
  // All that was to be said before the end has been said.
  said_goodbye = true;
  transport.close();
  return transport.poll_transmit(out, now);
}

void Connection::Impl::close(Time time) {
  if (state == ConnectionState::Closed) return;
  advance(time);
  if (channels) channels->abort("closed", now);
  media.close(now);
  set_state(ConnectionState::Closed);
  negotiator.close();
  if (tracer) tracer->observe(transport, media, channels ? &*channels : nullptr, now);
}

// -- the public face -------------------------------------------------------------------------------------------------

Connection::Connection(Env env, BufferPool& pool, Config config, Time now)
    : impl_(std::make_unique<Impl>(env, pool, std::move(config), now)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

void Connection::handle_packet(const net::Datagram& packet, Time now) {
  if (impl_->tracer) impl_->tracer->received(packet, now);
  impl_->handle_packet(packet, now);
}
void Connection::handle_timeout(Time now) { impl_->handle_timeout(now); }
Time Connection::next_timeout() const { return impl_->next_timeout(); }
std::optional<net::Transmit> Connection::poll_transmit(Bytes out) {
  const auto transmit = impl_->poll_transmit(out);
  if (impl_->tracer && transmit) impl_->tracer->sent(*transmit, out, impl_->now);
  return transmit;
}

std::optional<Event> Connection::poll_event() { return impl_->poll_event(); }

Result<void, ice::Error> Connection::add_local_address(const ice::LocalAddress& address, Time now) {
  auto result = impl_->transport.ice().add_local_candidate(address, impl_->advance(now));
  impl_->settle(now);
  return result;
}

void Connection::remove_local_address(const net::Endpoint& base, net::Protocol protocol, Time now) {
  impl_->transport.ice().remove_local_candidate(base, protocol, impl_->advance(now));
  impl_->settle(now);
}

void Connection::handle_unreachable(ByteView quoted, const net::Endpoint& remote, Time now) {
  impl_->transport.ice().handle_unreachable(quoted, remote, impl_->advance(now));
  impl_->settle(now);
}

Result<void, ice::Error> Connection::add_stun_server(const net::Endpoint& server, Time now) {
  return impl_->transport.ice().add_stun_server(server, impl_->advance(now));
}

void Connection::end_of_local_addresses(Time now) {
  impl_->transport.ice().end_of_local_candidates(impl_->advance(now));
  impl_->settle(now);
}

Result<void, ice::Error> Connection::add_remote_candidate(std::string_view line, Time now) {
  impl_->advance(now);
  if (line.empty()) {
    impl_->transport.ice().end_of_remote_candidates(now);
    return {};
  }
  const auto candidate = ice::Candidate::parse(line);
  if (!candidate) return fail(ice::Error::BadAddress);
  return add_remote_candidate(*candidate, now);
}

Result<void, ice::Error> Connection::add_remote_candidate(const ice::Candidate& candidate, Time now) {
  auto result = impl_->transport.ice().add_remote_candidate(candidate, impl_->advance(now));
  impl_->settle(now);
  return result;
}

const ice::Agent& Connection::ice() const { return impl_->transport.ice(); }
ConnectionState Connection::state() const { return impl_->state; }
const Counters<DropReason>& Connection::drops() const { return impl_->transport.drops(); }
const Counters<DropReason>& Connection::media_drops() const { return impl_->media.drops(); }
std::map<std::string_view, uint64_t> Connection::drops_by_name() const {
  std::map<std::string_view, uint64_t> drops;
  internal::visit_drops(impl_->transport, impl_->media, channels(),
                        [&](std::string_view name, uint64_t count) { drops[name] += count; });
  return drops;
}
void Connection::close(Time now) { impl_->close(now); }

}  // namespace kaon::peer
