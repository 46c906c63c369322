#include "kaon/peer/internal/transport.h"

#include <algorithm>
#include <utility>

namespace kaon::peer::internal {
namespace {

// ICE has consent to send here, so that a lost flight need not wait a minute as RFC 6347 §4.2.4.1 would have it.
constexpr Duration kMaxDtlsTimeout = std::chrono::seconds(3);

ice::Config ice_config(Env env, const Config& config) {
  ice::Config ice = config.ice;
  ice.sped = config.sped;
  if (ice.ufrag.empty()) ice.ufrag = config.ufrag_prefix + ice::random_ice_chars(env.random, 8);
  return ice;
}

}  // namespace

Transport::Transport(Env env, const Config& config) : env_(env), config_(config), ice_(env, ice_config(env, config)) {}

Transport::~Transport() { wipe(exported_); }

bool Transport::apply(const NegotiatedSession& session, Time now) {
  // A lite agent is controlled unless both are lite (RFC 8445 §6.1.1).
  ice_.set_role(session.ice_controlling ? ice::Role::Controlling : ice::Role::Controlled);
  const RemoteTransport& remote = session.remote;
  ice_.set_renomination(std::ranges::find(remote.ice_options, "renomination") != remote.ice_options.end());
  std::vector<crypto::Fingerprint> fingerprints;
  for (const std::string& text : remote.fingerprints) {
    if (auto fingerprint = crypto::Fingerprint::parse(text)) fingerprints.push_back(std::move(*fingerprint));
  }
  const bool begins = !dtls_ || session.new_association || session.dtls_role != dtls_role_;
  if (begins) {
    begin_dtls(session, std::move(fingerprints), now);
  } else {
    dtls_->set_remote_fingerprints(std::move(fingerprints));
  }
  set_cryptex(session.header_encryption);
  // The first checks carry what the handshake begins with.
  if (!ice_.set_remote_credentials({remote.ice_ufrag, remote.ice_pwd}, remote.ice_lite, now)) {
    env_.log.line(LogLevel::Warning, "peer", "remote ICE credentials refused");
  }
  for (const std::string& line : remote.candidates) {
    if (const auto candidate = ice::Candidate::parse(line)) {
      // Of other transports, unresolved or refused by policy: the agent has counted it.
      static_cast<void>(ice_.add_remote_candidate(*candidate, now));
    }
  }
  if (remote.end_of_candidates) ice_.end_of_remote_candidates(now);
  start_dtls_on_path(now);
  return begins;
}

void Transport::begin_dtls(const NegotiatedSession& session, std::vector<crypto::Fingerprint> fingerprints, Time now) {
  dtls::Config dtls{.role = session.dtls_role, .certificate = config_.certificate};
  dtls.max_version = config_.max_dtls_version;
  dtls.srtp_profiles = config_.srtp_profiles;
  dtls.mtu = config_.mtu;
  dtls.key_log = config_.key_log;
  dtls.max_timeout = kMaxDtlsTimeout;
  dtls_.emplace(env_, std::move(dtls));
  dtls_role_ = session.dtls_role;
  dtls_->set_remote_fingerprints(std::move(fingerprints));
  srtp_sender_.reset();
  srtp_receiver_.reset();
  srtp_profile_ = dtls::kNoSrtpProfile;
  flight_begun_ = false;
  dtls_early_ = dtls_started_ = session.sped && !ice_.selected();
  ice_.begin_embedding(dtls_early_);
  if (!dtls_early_) return;
  // With the check around it a packet must fit the path as well.
  const size_t room = config_.mtu - std::min(config_.mtu, ice::Agent::kCheckOverhead);
  dtls_->set_mtu(std::min(room, ice::Agent::kMaxEmbedded));
  dtls_->start(now);
  embed_handshake(now);
}

void Transport::set_cryptex(HeaderEncryption agreed) {
  switch (agreed) {
    case HeaderEncryption::Off: cryptex_ = srtp::Cryptex::Off; break;
    case HeaderEncryption::Negotiate: cryptex_ = srtp::Cryptex::On; break;
    case HeaderEncryption::Require: cryptex_ = srtp::Cryptex::Required; break;
  }
  if (srtp_sender_ != nullptr) srtp_sender_->set_cryptex(cryptex_);
  if (srtp_receiver_ != nullptr) srtp_receiver_->set_cryptex(cryptex_);
}

void Transport::close() {
  if (dtls_) dtls_->close();
}

void Transport::start_dtls_on_path(Time now) {
  if (!dtls_ || !ice_.selected() || (dtls_started_ && !dtls_early_)) return;
  if (const auto rtt = ice_.rtt()) dtls_->set_rtt(*rtt);
  if (std::exchange(dtls_early_, false)) {
    dtls_->path_ready(ice_.embedded_packets() != 0 || !ice_.embedding_confirmed(), now);
  } else {
    dtls_->start(now);
  }
  dtls_started_ = true;
}

// Until there is a path, nothing but checks and their answers may leave, and they carry the handshake.
void Transport::embed_handshake(Time now) {
  if (!dtls_waits_for_path()) return;
  std::array<uint8_t, ice::Agent::kMaxEmbedded> packet;
  bool any = false;
  while (poll_handshake(packet)) any = true;
  if (any) ice_.flight_embedded(now);
}

// A flight's packets are kept to be carried, also by checks of a path that has been found.
std::optional<net::Transmit> Transport::poll_handshake(Bytes out) {
  const auto transmit = dtls_->poll_transmit(out);
  if (!transmit) {
    flight_begun_ = false;
    return std::nullopt;
  }
  const ByteView packet = out.first(transmit->size);
  if (!dtls::Connection::may_be_application_data(packet)) {
    if (!std::exchange(flight_begun_, true)) ice_.begin_flight();
    ice_.embed(packet);
  }
  return transmit;
}

// Like a packet that came by itself over a validated path, which the check that it came in is the proof of.
Transport::Content Transport::handle_embedded(const net::Datagram& packet, Bytes embedded, Time now) {
  net::Datagram inner = packet;
  inner.bytes = embedded;
  trace_packet(trace::Layer::Dtls, inner, now);
  if (!dtls_) {
    hold(inner);
    return Content::None;
  }
  dtls_->handle_packet(embedded, now);
  embed_handshake(now);
  return Content::Data;
}

std::optional<Bytes> Transport::poll_application_data() {
  auto data = dtls_ ? dtls_->poll_application_data() : std::nullopt;
  if (data) ice_.end_embedding();
  return data;
}

Transport::Content Transport::handle_packet(const net::Datagram& packet, Time now) {
  if (packet.bytes.empty()) return Content::None;
  const uint8_t first = packet.bytes[0];
  if (first < 4) {
    trace_packet(trace::Layer::Stun, packet, now);
    ice_.handle_packet(packet, now);
    start_dtls_on_path(now);
    const auto embedded = ice_.poll_embedded();
    return embedded ? handle_embedded(packet, *embedded, now) : Content::None;
  }
  const bool dtls = dtls::Connection::is_dtls(packet.bytes);
  if (!dtls && (first < 128 || first > 191)) {
    drops_.add(DropReason::UnknownProtocol);
    return Content::None;
  }
  if (dtls) trace_packet(trace::Layer::Dtls, packet, now);
  const ice::Source source = ice_.source_of(packet.local, packet.remote, packet.protocol);
  if (dtls && (source == ice::Source::Known || (source == ice::Source::Validated && !dtls_))) {
    hold(packet);
    return Content::None;
  }
  if (source != ice::Source::Validated) {
    drops_.add(DropReason::UnknownAddress);
    if (!dtls) notice_moved(packet, now);
    return Content::None;
  }
  if (dtls) {
    const uint64_t dropped = dtls_->dropped().total();
    if (!dtls::Connection::may_be_application_data(packet.bytes)) ice_.acknowledge_embedded(packet.bytes);
    dtls_->handle_packet(packet.bytes, now);
    embed_handshake(now);
    // A packet nothing of which was dropped is authentic, but for the first handshake's.
    if (dtls_->dropped().total() == dropped)
      ice_.count_received({packet.local, packet.remote, packet.protocol}, 1, packet.bytes.size(), now);
    return Content::Data;
  }
  if (!secured()) {
    drops_.add(DropReason::NoKeys);
    return Content::None;
  }
  return rtp::is_rtcp(packet.bytes) ? Content::Rtcp : Content::Rtp;
}

// Application data is left out: SCTP shows it in the clear.
void Transport::trace_packet(trace::Layer layer, const net::Datagram& packet, Time now) {
  if (env_.trace == nullptr || dtls::Connection::may_be_application_data(packet.bytes)) return;
  env_.trace->packet({layer, trace::Direction::In, now, packet.local, packet.remote, {}, packet.bytes, {}});
}

void Transport::trace_packet(trace::Layer layer, const net::Transmit& transmit, ByteView out, Time now) {
  if (env_.trace == nullptr) return;
  env_.trace->packet(
      {layer, trace::Direction::Out, now, transmit.local, transmit.remote, {}, out.first(transmit.size), {}});
}

// The peer's address may have changed under it: what its media comes from is checked. The packet itself is dropped all
// the same, and whoever only repeats one cannot answer the check.
void Transport::notice_moved(const net::Datagram& packet, Time now) {
  if (!secured() || rtp::is_rtcp(packet.bytes) ||
      !ice_.may_have_moved({packet.local, packet.remote, packet.protocol})) {
    return;
  }
  moved_.resize(packet.bytes.size());
  if (srtp_receiver().is_authentic_rtp(packet.bytes, moved_)) {
    ice_.check_moved({packet.local, packet.remote, packet.protocol}, now);
  }
}

void Transport::hold(const net::Datagram& packet) {
  if (held_.size() == kMaxHeldPackets) {
    drops_.add(DropReason::HeldTooMany);
    return;
  }
  held_.push_back({{packet.local, packet.remote, packet.protocol}, {packet.bytes.begin(), packet.bytes.end()}});
}

bool Transport::replay_held(Time now) {
  if (!dtls_) return false;
  for (auto it = held_.begin(); it != held_.end(); ++it) {
    if (ice_.source_of(it->path.local, it->path.remote, it->path.protocol) != ice::Source::Validated) continue;
    replayed_ = std::move(it->bytes);
    held_.erase(it);
    dtls_->handle_packet(replayed_, now);
    embed_handshake(now);
    if (held_.empty()) std::vector<Held>().swap(held_);
    return true;
  }
  return false;
}

void Transport::handle_timeout(Time now) {
  ice_.handle_timeout(now);
  start_dtls_on_path(now);
  // The checks are repeated instead.
  if (dtls_ && !dtls_waits_for_path()) dtls_->handle_timeout(now);
}

Time Transport::next_timeout() const {
  const Time ice = ice_.next_timeout();
  return dtls_ && !dtls_waits_for_path() ? std::min(ice, dtls_->next_timeout()) : ice;
}

std::optional<net::Transmit> Transport::poll_transmit(Bytes out, Time now) {
  if (auto transmit = ice_.poll_transmit(out)) {
    trace_packet(trace::Layer::Stun, *transmit, out, now);
    return transmit;
  }
  if (!dtls_ || !path()) return std::nullopt;
  const auto transmit = poll_handshake(out);
  if (!transmit) return std::nullopt;
  ice_.count_sent(1, transmit->size, now);
  const net::Transmit addressed = address(transmit->size);
  trace_packet(trace::Layer::Dtls, addressed, out, now);
  return addressed;
}

net::Transmit Transport::address(size_t size) const {
  net::Transmit transmit;
  transmit.local = path()->local;
  transmit.remote = path()->remote;
  transmit.protocol = path()->protocol;
  transmit.size = size;
  return transmit;
}

std::optional<dtls::Event> Transport::poll_dtls_event() {
  if (!dtls_) return std::nullopt;
  auto event = dtls_->poll_event();
  if (event) {
    if (const auto* connected = std::get_if<dtls::Connected>(&*event)) {
      export_keys(connected->srtp_profile);
      // Who sent the last flight does not know whether it has arrived.
      const bool last_is_ours = (connected->version == dtls::Version::Dtls13) == (dtls_role_ == DtlsRole::Client);
      ice_.finish_embedding(!last_is_ours);
      dtls_->set_mtu(config_.mtu);
    }
  }
  return event;
}

void Transport::export_keys(dtls::SrtpProfileId id) {
  const auto profile = srtp::profile_from_id(id);
  if (!profile) return;
  const Bytes block = Bytes(exported_).first(srtp::exported_size(*profile));
  if (!dtls_->export_keying_material(dtls::kSrtpExporterLabel, {}, block)) return;
  srtp_sender_.reset();
  srtp_receiver_.reset();
  srtp_profile_ = id;
}

srtp::DirectionKeys Transport::srtp_keys() const {
  const srtp::Profile profile = *srtp::profile_from_id(srtp_profile_);
  return srtp::split_exported_keys(profile, ByteView(exported_).first(srtp::exported_size(profile)), dtls_role_);
}

srtp::Sender& Transport::srtp_sender() {
  KAON_ASSERT(secured());
  if (srtp_sender_ == nullptr) {
    srtp_sender_ = std::make_unique<srtp::Sender>(*srtp::profile_from_id(srtp_profile_), srtp_keys().local);
    srtp_sender_->set_cryptex(cryptex_);
  }
  return *srtp_sender_;
}

srtp::Receiver& Transport::srtp_receiver() {
  KAON_ASSERT(secured());
  if (srtp_receiver_ == nullptr) {
    srtp_receiver_ = std::make_unique<srtp::Receiver>(*srtp::profile_from_id(srtp_profile_), srtp_keys().remote);
    srtp_receiver_->set_cryptex(cryptex_);
  }
  return *srtp_receiver_;
}

}  // namespace kaon::peer::internal
