// Association set-up, RFC 9260 §5.
#include <array>

#include "kaon/sctp/internal/association_impl.h"

namespace kaon::sctp {

Tcb::Tcb(const Config& config, SendQueue& queue, const StateCookie& agreed, uint64_t secret)
    : local_tag(agreed.local_tag),
      peer_tag(agreed.peer_tag),
      local_initial_tsn(agreed.local_initial_tsn),
      peer_initial_tsn(agreed.peer_initial_tsn),
      capabilities(agreed.peer_capabilities),
      outgoing_streams(std::min(config.outgoing_streams, agreed.peer_incoming_streams)),
      // RFC 8260 §2.2.1: both must have it.
      format(config.interleaving && agreed.peer_capabilities.interleaving ? DataFormat::IData : DataFormat::Data),
      sender(config, queue, agreed.local_initial_tsn, agreed.peer_a_rwnd, agreed.peer_capabilities.partial_reliability),
      receiver(config, agreed.peer_initial_tsn, secret),
      reset(agreed.local_initial_tsn, agreed.peer_initial_tsn,
            std::min(config.incoming_streams, agreed.peer_outgoing_streams), config.incoming_streams),
      path_mtu(config.max_packet_size, config.max_probed_packet_size) {
  queue.set_format(format);
  // A receiver may take twice the room of a message for it, and has others that wait to be read.
  queue.set_most_begun(agreed.peer_a_rwnd / 4);
  ecn.set_marks(config.ecn && agreed.peer_capabilities.ecn);
}

std::unique_ptr<Tcb> Association::Impl::make_tcb(const StateCookie& agreed) {
  auto block = std::make_unique<Tcb>(config_, queue_, agreed, env_.random.u64());
  block->sender.share_path(path_shared_);
  return block;
}

uint32_t Association::Impl::random_tag() {
  uint32_t tag = 0;
  while (tag == 0) tag = env_.random.u32();
  return tag;
}

InitChunk Association::Impl::own_init(uint32_t tag, Tsn initial_tsn) const {
  InitChunk init;
  init.initiate_tag = tag;
  init.a_rwnd = static_cast<uint32_t>(Receiver::window_of(config_));
  init.outgoing_streams = config_.outgoing_streams;
  init.incoming_streams = config_.incoming_streams;
  init.initial_tsn = initial_tsn;
  init.capabilities = {true, true, config_.interleaving, config_.zero_checksum, config_.ecn};
  return init;
}

const Association::Impl::Start& Association::Impl::start() {
  if (!start_) {
    const uint32_t tag = random_tag();
    start_ = Start{tag, Tsn(env_.random.u32())};
  }
  return *start_;
}

void Association::Impl::start_handshake(Time now) {
  state_ = CookieWait{start().tag, start().initial_tsn, now, true, false};
  deadline(Timer::Init) = now + rto_.current();
}

std::vector<uint8_t> Association::Impl::init_chunk() {
  const InitChunk init = own_init(start().tag, start().initial_tsn);
  std::vector<uint8_t> chunk(kChunkHeaderSize + init.size());
  chunk[0] = static_cast<uint8_t>(ChunkType::Init);
  store_be16(&chunk[2], static_cast<uint16_t>(chunk.size()));
  init.write(Bytes(chunk).subspan(kChunkHeaderSize));
  return chunk;
}

// draft-hancke-tsvwg-snap, "SCTP considerations": steps A to E of §5.1 are left out.
Result<void, InitError> Association::Impl::connect_with(ByteView peer_init, Time now) {
  tick(now);
  if (!std::holds_alternative<Idle>(state_)) return fail(InitError::NotIdle);
  const auto init = parse_init_chunk(peer_init);
  if (!init) return fail(InitError::Malformed);
  StateCookie agreed;
  agreed.local_tag = start().tag;
  agreed.local_initial_tsn = start().initial_tsn;
  agreed.peer_tag = init->initiate_tag;
  agreed.peer_initial_tsn = init->initial_tsn;
  agreed.peer_a_rwnd = init->a_rwnd;
  agreed.peer_outgoing_streams = init->outgoing_streams;
  agreed.peer_incoming_streams = init->incoming_streams;
  agreed.peer_capabilities = init->capabilities;
  establish(make_tcb(agreed));
  auto& open = std::get<Open>(state_);
  open.cookie_ack_due = false;
  open.unheard = true;
  totals_.snap = true;
  return {};
}

// §5.1 B, §5.2.1 and §5.2.2: an INIT is always answered, and changes nothing here.
void Association::Impl::handle_init(ByteView value) {
  const auto init = InitChunk::parse(value);
  if (!init || init->initiate_tag == 0) return drop(DropReason::MalformedChunk);
  if (init->outgoing_streams == 0 || init->incoming_streams == 0) {
    drop(DropReason::MalformedChunk);
    return reply(init->initiate_tag, ChunkType::Abort, 0, make_cause(ErrorCause::InvalidMandatoryParameter, {}));
  }
  if (init->host_name) {  // §3.3.2: MUST
    drop(DropReason::MalformedChunk);
    return reply(init->initiate_tag, ChunkType::Abort, 0,
                 make_cause(ErrorCause::UnresolvableAddress, *init->host_name));
  }
  if (state() == State::ShutdownAckSent) {  // §9.2: MUST
    std::get<Open>(state_).shutdown_due = true;
    return;
  }
  if (!jar_) jar_.emplace(env_.random);

  StateCookie cookie;
  cookie.created = now_;
  cookie.peer_tag = init->initiate_tag;
  cookie.peer_initial_tsn = init->initial_tsn;
  cookie.peer_a_rwnd = init->a_rwnd;
  cookie.peer_outgoing_streams = init->outgoing_streams;
  cookie.peer_incoming_streams = init->incoming_streams;
  cookie.peer_capabilities = init->capabilities;
  if (const auto* wait = std::get_if<CookieWait>(&state_)) {
    // §5.2.1: both sides began at once; the answer repeats what our own INIT said.
    cookie.local_tag = wait->local_tag;
    cookie.local_initial_tsn = wait->initial_tsn;
  } else if (const Tcb* block = tcb()) {
    cookie.local_tie_tag = block->local_tag;
    cookie.peer_tie_tag = block->peer_tag;
    const bool same = is_setting_up();
    cookie.local_tag = same ? block->local_tag : random_tag();
    cookie.local_initial_tsn = same ? block->local_initial_tsn : Tsn(env_.random.u32());
  } else {
    cookie.local_tag = random_tag();
    cookie.local_initial_tsn = Tsn(env_.random.u32());
  }

  InitChunk ack = own_init(cookie.local_tag, cookie.local_initial_tsn);
  ack.outgoing_streams = std::min(ack.outgoing_streams, init->incoming_streams);
  const auto sealed = jar_->seal(cookie);
  ack.cookie = sealed;
  ack.unrecognized = init->unrecognized;
  const size_t room = config_.max_packet_size - kCommonHeaderSize - kChunkHeaderSize;
  while (ack.size() > room && !ack.unrecognized.empty()) ack.unrecognized.pop_back();
  std::vector<uint8_t> bytes(ack.size());
  ack.write(bytes);
  reply(init->initiate_tag, ChunkType::InitAck, 0, bytes);
}

// §5.1 C and §5.2.3: only CookieWait has a use for it.
void Association::Impl::handle_init_ack(ByteView value) {
  auto* wait = std::get_if<CookieWait>(&state_);
  if (wait == nullptr) return drop(DropReason::UnexpectedChunk);
  const auto ack = InitChunk::parse(value);
  const size_t room = config_.max_packet_size - kCommonHeaderSize - kChunkHeaderSize;
  if (!ack || ack->cookie.value_or(ByteView()).size() > room) return drop(DropReason::MalformedChunk);
  if (ack->initiate_tag == 0) {  // §3.3.3: MUST
    reply(0, ChunkType::Abort, 0, make_cause(ErrorCause::InvalidMandatoryParameter, {}));
    return end(CloseReason::ProtocolViolation, "an initiate tag of zero");
  }
  StateCookie agreed;
  agreed.local_tag = wait->local_tag;
  agreed.peer_tag = ack->initiate_tag;
  agreed.local_initial_tsn = wait->initial_tsn;
  agreed.peer_initial_tsn = ack->initial_tsn;
  agreed.peer_a_rwnd = ack->a_rwnd;
  agreed.peer_outgoing_streams = ack->outgoing_streams;
  agreed.peer_incoming_streams = ack->incoming_streams;
  agreed.peer_capabilities = ack->capabilities;
  if (!wait->resent) rto_.observe(now_ - wait->sent);
  auto block = make_tcb(agreed);
  if (wait->refused) block->sender.adopt(std::move(wait->refused->sender));
  const ByteView cookie = ack->cookie.value_or(ByteView());
  state_ = CookieEchoed{std::move(block), {cookie.begin(), cookie.end()}, true};
  if (!ack->cookie) {
    // §3.3.10.2: one parameter, number 7.
    constexpr std::array<uint8_t, 6> kStateCookie = {0, 0, 0, 1, 0, 7};
    return abort_peer(ErrorCause::MissingMandatoryParameter, kStateCookie, CloseReason::ProtocolViolation);
  }
  if (ack->host_name) {  // §3.3.3: MUST
    return abort_peer(ErrorCause::UnresolvableAddress, *ack->host_name, CloseReason::ProtocolViolation);
  }
  if (ack->outgoing_streams == 0 || ack->incoming_streams == 0) {
    return abort_peer(ErrorCause::InvalidMandatoryParameter, ByteView(), CloseReason::ProtocolViolation);
  }
  for (const ByteView parameter : ack->unrecognized) {
    reply(agreed.peer_tag, ChunkType::Error, 0, make_cause(ErrorCause::UnrecognizedParameters, parameter));
  }
  timeouts_in_row_ = 0;
  deadline(Timer::Init) = now_ + rto_.current();
  announce(*tcb());  // what is queued now goes with the COOKIE ECHO
}

// §5.1 D, §5.1.5 and §5.2.4. False: drop the packet's other chunks too.
bool Association::Impl::handle_cookie_echo(ByteView value, uint32_t verification_tag) {
  const auto cookie = jar_ ? jar_->open(value) : std::nullopt;
  if (!cookie || verification_tag != cookie->local_tag) return drop(DropReason::BadCookie), false;
  const Tcb* block = tcb();
  const bool same = block != nullptr && cookie->local_tag == block->local_tag && cookie->peer_tag == block->peer_tag;
  if (!same && now_ - cookie->created > config_.cookie_lifetime) {
    drop(DropReason::StaleCookie);
    std::array<uint8_t, 4> staleness{};
    const auto late = std::chrono::duration_cast<std::chrono::microseconds>(now_ - cookie->created);
    store_be32(staleness.data(), static_cast<uint32_t>(late.count()));
    reply(cookie->peer_tag, ChunkType::Error, 0, make_cause(ErrorCause::StaleCookie, staleness));
    return false;
  }
  if (block != nullptr) return handle_cookie_with_tcb(*cookie);
  auto* wait = std::get_if<CookieWait>(&state_);
  if (wait != nullptr && wait->local_tag != cookie->local_tag) return drop(DropReason::BadCookie), false;
  auto established = make_tcb(*cookie);
  if (wait != nullptr && wait->refused) established->sender.adopt(std::move(wait->refused->sender));
  establish(std::move(established));
  return true;
}

// A peer that took our INIT out of band and shakes hands all the same has not started anew: until it has been heard,
// its handshake is as if both had begun at once.
bool Association::Impl::is_setting_up() const {
  const auto* open = std::get_if<Open>(&state_);
  return std::holds_alternative<CookieEchoed>(state_) || (open != nullptr && open->unheard);
}

// The table of §5.2.4.
bool Association::Impl::handle_cookie_with_tcb(const StateCookie& cookie) {
  Tcb& block = *tcb();
  auto* echoed = std::get_if<CookieEchoed>(&state_);
  const bool setting_up = is_setting_up();
  const bool local_same = cookie.local_tag == block.local_tag;
  const bool peer_same = cookie.peer_tag == block.peer_tag;
  if (local_same && peer_same) {  // D: both began at once, or our COOKIE ACK was lost
    if (echoed != nullptr) {
      establish(std::move(echoed->tcb));
    } else {
      std::get<Open>(state_).cookie_ack_due = true;
    }
    return true;
  }
  if (local_same) {  // B: both began at once, and the peer answered under another tag
    if (!setting_up) return drop(DropReason::BadCookie), false;
    auto anew = make_tcb(cookie);
    anew->sender.adopt(std::move(block.sender));
    establish(std::move(anew));
    return true;
  }
  const bool ties = cookie.local_tie_tag == block.local_tag && cookie.peer_tie_tag == block.peer_tag;
  if (peer_same || !ties) return drop(DropReason::BadCookie), false;  // C: an old cookie that comes late

  // A: the peer has started anew. §5.2.4.1: not while we are waiting for its SHUTDOWN COMPLETE.
  if (state() == State::ShutdownAckSent) {
    reply(cookie.peer_tag, ChunkType::Error, 0, make_cause(ErrorCause::CookieWhileShuttingDown, {}));
    std::get<Open>(state_).shutdown_due = true;
    return false;
  }
  if (!events_.has_room()) return drop(DropReason::QueueFull), false;
  queue_.clear();
  deadlines_.fill(kNever);
  events_.push(Restarted{});
  announced_ = false;
  establish(make_tcb(cookie));
  return true;
}

void Association::Impl::announce(const Tcb& block) {
  if (std::exchange(announced_, true)) return;
  events_.push(Connected{block.outgoing_streams, block.capabilities.partial_reliability,
                         block.capabilities.stream_reset, block.format == DataFormat::IData});
}

void Association::Impl::establish(std::unique_ptr<Tcb> block) {
  announce(*block);
  state_ =
      Open{std::move(block), shutdown_wanted_ ? Open::Phase::ShutdownPending : Open::Phase::Established, true, false};
  deadline(Timer::Init) = kNever;
  deadline(Timer::Heartbeat) = now_ + config_.heartbeat_interval;
  timeouts_in_row_ = 0;
  totals_.snap = false;
  heartbeat_nonce_.reset();
}

// §5.1 E.
void Association::Impl::handle_cookie_ack() {
  auto* echoed = std::get_if<CookieEchoed>(&state_);
  if (echoed == nullptr) return drop(DropReason::UnexpectedChunk);
  establish(std::move(echoed->tcb));
  std::get<Open>(state_).cookie_ack_due = false;
}

// §5.2.6: begin again; the peer will make a fresh cookie.
void Association::Impl::handle_stale_cookie() {
  if (!std::holds_alternative<CookieEchoed>(state_) || !count_timeout()) return;
  std::unique_ptr<Tcb> refused = std::move(std::get<CookieEchoed>(state_).tcb);
  const uint32_t tag = refused->local_tag;
  const Tsn initial_tsn = refused->local_initial_tsn;
  state_ = CookieWait{tag, initial_tsn, now_, true, true, std::move(refused)};
  deadline(Timer::Init) = now_ + rto_.current();
}

}  // namespace kaon::sctp
