// What arrives: checks of packets and the chunks of a running association.
#include "kaon/base/reader.h"
#include "kaon/sctp/internal/association_impl.h"
#include "kaon/sctp/internal/heartbeat.h"

namespace kaon::sctp {

void Association::Impl::trace_packet(trace::Direction direction, ByteView packet) {
  if (env_.trace != nullptr)
    env_.trace->packet({.layer = trace::Layer::Sctp, .direction = direction, .time = now_, .bytes = packet});
}

// RFC 9653 §5.3: a packet may come without a checksum if we have said so, but not what sets an association up.
bool Association::Impl::checksum_fits(Bytes packet) const {
  const auto first = static_cast<ChunkType>(packet[kCommonHeaderSize]);
  const bool sets_up = first == ChunkType::Init || first == ChunkType::InitAck || first == ChunkType::CookieEcho;
  if (load_be32(&packet[8]) == 0 && config_.zero_checksum && !sets_up) return true;
  return crc_fits(packet);
}

void Association::Impl::handle_packet(Bytes packet, Time now, net::Ecn ecn) {
  tick(now);
  first_tsn_.reset();
  if (packet.size() < kCommonHeaderSize + kChunkHeaderSize) return drop(DropReason::TooShort);
  trace_packet(trace::Direction::In, packet);
  if (!checksum_fits(packet)) return drop(DropReason::BadChecksum);
  const CommonHeader header = CommonHeader::parse(packet);
  if (header.source_port != config_.remote_port || header.destination_port != config_.local_port) {
    return drop(DropReason::BadPorts);
  }
  ChunkReader chunks(packet.subspan(kCommonHeaderSize));
  bool first = true;
  while (const auto chunk = chunks.next()) {
    if (std::exchange(first, false)) {
      if (is_out_of_the_blue(*chunk)) return handle_out_of_the_blue(packet, header.verification_tag);
      // §3: INIT, INIT ACK and SHUTDOWN COMPLETE travel alone.
      const bool alone = chunk->type == ChunkType::Init || chunk->type == ChunkType::InitAck ||
                         chunk->type == ChunkType::ShutdownComplete;
      if (alone && !chunk->last) return drop(DropReason::BadBundling);
      if (!tag_fits(*chunk, header.verification_tag)) return drop(DropReason::BadVerificationTag);
      if (chunk->type != ChunkType::Init && chunk->type != ChunkType::CookieEcho) mark_heard();
      ++totals_.packets_received;
      totals_.bytes_received += packet.size();
    } else if (chunk->type == ChunkType::Init || chunk->type == ChunkType::InitAck) {
      drop(DropReason::BadBundling);
      break;
    }
    if (!handle_chunk(*chunk, header.verification_tag) || ended()) break;
  }
  if (chunks.malformed()) drop(DropReason::MalformedChunk);
  if (auto* open = std::get_if<Open>(&state_)) {
    if (ecn == net::Ecn::Ce && first_tsn_ && config_.ecn && open->tcb->capabilities.ecn) {
      ++totals_.marks_received;
      open->tcb->ecn.marked(*first_tsn_);
      open->tcb->receiver.want_sack();
    }
    open->tcb->receiver.packet_ended(rto_.smoothed(), events_, now_);
    advance_shutdown(*open);
  }
  update_timers();
}

// §8.5 and §8.5.1.
bool Association::Impl::tag_fits(const Chunk& first, uint32_t tag) {
  if (first.type == ChunkType::Init) return tag == 0;
  if (first.type == ChunkType::CookieEcho) return true;  // the cookie knows
  const Tcb* block = tcb();
  const auto* wait = std::get_if<CookieWait>(&state_);
  const uint32_t local = block != nullptr ? block->local_tag : wait != nullptr ? wait->local_tag : 0;
  const bool reflected = (first.type == ChunkType::Abort || first.type == ChunkType::ShutdownComplete) &&
                         (first.flags & kTagReflected) != 0;
  if (reflected) return block != nullptr && tag == block->peer_tag;
  return local != 0 && tag == local;
}

// Only who has our INIT knows the tag of such a packet.
void Association::Impl::mark_heard() {
  if (auto* open = std::get_if<Open>(&state_)) open->unheard = false;
}

// §8.4 and §8.5.1 E: of no association, because there is none yet or none any more.
bool Association::Impl::is_out_of_the_blue(const Chunk& first) const {
  if (ended()) return true;
  if (tcb() != nullptr) return false;
  if (std::holds_alternative<CookieWait>(state_)) return first.type == ChunkType::ShutdownAck;
  return first.type != ChunkType::Init && first.type != ChunkType::CookieEcho;
}

void Association::Impl::handle_out_of_the_blue(ByteView packet, uint32_t tag) {
  drop(DropReason::UnexpectedChunk);
  // A peer that has our INIT by SNAP may be ahead of us: it repeats what we cannot take yet.
  if (std::holds_alternative<Idle>(state_) && start_) return;
  ChunkReader chunks(packet.subspan(kCommonHeaderSize));
  bool answers = true;
  std::optional<ChunkType> first;
  while (const auto chunk = chunks.next()) {
    if (!first) first = chunk->type;
    // What would be answered without end, and what only says that the peer has forgotten, too.
    answers = answers && chunk->type != ChunkType::Abort && chunk->type != ChunkType::ShutdownComplete &&
              chunk->type != ChunkType::Error && chunk->type != ChunkType::CookieAck;
  }
  // Once ended there is no new association; an INIT gets no answer then.
  if (!answers || first == ChunkType::Init || first == ChunkType::CookieEcho) return;
  reply(tag, first == ChunkType::ShutdownAck ? ChunkType::ShutdownComplete : ChunkType::Abort, kTagReflected, {});
}

// False: the rest of the packet is not to be looked at.
bool Association::Impl::handle_chunk(const Chunk& chunk, uint32_t tag) {
  switch (chunk.type) {
    case ChunkType::Init: handle_init(chunk.value); return true;
    case ChunkType::InitAck: handle_init_ack(chunk.value); return true;
    case ChunkType::CookieEcho: return handle_cookie_echo(chunk.value, tag);
    case ChunkType::CookieAck: handle_cookie_ack(); return true;
    case ChunkType::Abort: end(CloseReason::AbortedByPeer, describe_causes(chunk.value)); return false;
    case ChunkType::Error: handle_error(chunk.value); return true;
    case ChunkType::Heartbeat: handle_heartbeat(chunk); return true;
    case ChunkType::HeartbeatAck: handle_heartbeat_ack(chunk.value); return true;
    case ChunkType::Data:
    case ChunkType::Sack:
    case ChunkType::EcnEcho:
    case ChunkType::WindowReduced:
    case ChunkType::Shutdown:
    case ChunkType::ShutdownAck:
    case ChunkType::ShutdownComplete:
    case ChunkType::ReConfig:
    case ChunkType::ForwardTsn:
    case ChunkType::IData:
    case ChunkType::IForwardTsn: return handle_chunk_of_open(chunk);
    case ChunkType::Pad: return true;  // RFC 4820 §3
  }
  return handle_unknown(chunk);
}

bool Association::Impl::handle_chunk_of_open(const Chunk& chunk) {
  if (auto* echoed = std::get_if<CookieEchoed>(&state_); echoed != nullptr && chunk.type == ChunkType::Sack) {
    handle_sack(chunk.value);
    return true;
  }
  if (!std::holds_alternative<Open>(state_)) return drop(DropReason::UnexpectedChunk), true;
  switch (chunk.type) {
    case ChunkType::Data:
    case ChunkType::IData: handle_data(chunk); break;
    case ChunkType::Sack: handle_sack(chunk.value); break;
    case ChunkType::EcnEcho: handle_ecn_echo(chunk.value); break;
    case ChunkType::WindowReduced: handle_window_reduced(chunk.value); break;
    case ChunkType::Shutdown: handle_shutdown(chunk.value); break;
    case ChunkType::ShutdownAck: handle_shutdown_ack(); break;
    case ChunkType::ShutdownComplete:
      if (state() != State::ShutdownAckSent) return drop(DropReason::UnexpectedChunk), true;
      end(CloseReason::Shutdown, {});
      break;
    case ChunkType::ReConfig: handle_reconfig(chunk.value); break;
    default: handle_forward_tsn(chunk); break;
  }
  return !ended();
}

// §3.2, the two highest bits.
bool Association::Impl::handle_unknown(const Chunk& chunk) {
  drop(DropReason::UnknownChunk);
  const Tcb* block = tcb();
  if (reports(chunk.unknown_action()) && block != nullptr) {
    reply(block->peer_tag, ChunkType::Error, 0, make_cause(ErrorCause::UnrecognizedChunkType, chunk.whole));
  }
  return !stops(chunk.unknown_action());
}

void Association::Impl::handle_data(const Chunk& chunk) {
  auto& open = std::get<Open>(state_);
  // RFC 8260 §2.2.1: what was agreed is the only format there is.
  if (chunk.type != DataChunk::type(open.tcb->format)) {
    return abort_peer(ErrorCause::ProtocolViolation, "DATA and I-DATA mixed up", CloseReason::ProtocolViolation);
  }
  const auto data = DataChunk::parse(chunk);
  if (!data) return drop(DropReason::MalformedChunk);
  if (data->payload.empty()) {
    // §3.3.10.9: the TSN of the chunk.
    return abort_peer(ErrorCause::NoUserData, chunk.value.first(4), CloseReason::ProtocolViolation, "no user data");
  }
  if (open.phase == Open::Phase::ShutdownReceived || open.phase == Open::Phase::ShutdownAckSent) {
    return drop(DropReason::UnexpectedChunk);
  }
  if (data->stream.value() >= open.tcb->reset.incoming_streams()) {
    std::array<uint8_t, 4> info{};
    store_be16(info.data(), data->stream.value());
    drop(DropReason::MalformedChunk);
    open.tcb->receiver.discard_data(*data, events_);
    return reply(open.tcb->peer_tag, ChunkType::Error, 0, make_cause(ErrorCause::InvalidStreamIdentifier, info));
  }
  if (!pool_) pool_.emplace();
  switch (open.tcb->receiver.handle_data(*data, *pool_, events_)) {
    case Receiver::Outcome::Taken:
      if (!first_tsn_) first_tsn_ = data->tsn;
      break;
    case Receiver::Outcome::Duplicate: drop(DropReason::DuplicateData); break;
    case Receiver::Outcome::OutOfRange: drop(DropReason::TsnOutOfRange); break;
    case Receiver::Outcome::WindowFull: drop(DropReason::WindowFull); break;
    case Receiver::Outcome::LockedUp:
      return abort_peer(ErrorCause::OutOfResource, "no room to put messages together", CloseReason::ProtocolViolation);
    case Receiver::Outcome::BrokenFragments:
      return abort_peer(ErrorCause::ProtocolViolation, "fragments that do not fit", CloseReason::ProtocolViolation);
    case Receiver::Outcome::MessageTooLarge:
      return abort_peer(ErrorCause::ProtocolViolation, "message too large", CloseReason::ProtocolViolation);
  }
  // §9.2: in ShutdownSent every packet with data is answered by SHUTDOWN, and by a SACK if that does not say
  // everything.
  if (open.phase == Open::Phase::ShutdownSent) {
    open.shutdown_due = true;
    open.tcb->receiver.want_sack();
  }
}

void Association::Impl::handle_sack(ByteView value) {
  const auto sack = SackChunk::parse(value);
  if (!sack) return drop(DropReason::BadSack);
  switch (tcb()->sender.handle_sack(*sack, rto_, now_)) {
    case RetransmissionQueue::Verdict::Ok: timeouts_in_row_ = 0; break;
    case RetransmissionQueue::Verdict::Old: drop(DropReason::OldSack); break;
    case RetransmissionQueue::Verdict::Bad: drop(DropReason::BadSack); break;
  }
}

// RFC 4960 Appendix A.2.
void Association::Impl::handle_ecn_echo(ByteView value) {
  Tcb& block = *tcb();
  const auto tsn = EcnChunk::parse(value);
  if (!tsn || !config_.ecn || !block.capabilities.ecn) return drop(DropReason::BadEcn);
  switch (block.sender.handle_mark(*tsn, now_)) {
    case Sender::Mark::NeverSent: return drop(DropReason::BadEcn);
    case Sender::Mark::Counted: ++totals_.marks_reported; break;
    case Sender::Mark::Known: break;
  }
  block.ecn.answer(*tsn);
}

void Association::Impl::handle_window_reduced(ByteView value) {
  const auto tsn = EcnChunk::parse(value);
  if (!tsn) return drop(DropReason::BadEcn);
  tcb()->ecn.handle_reduced(*tsn);
}

// §8.3: what the peer put in goes back as it is, if it fits a packet.
void Association::Impl::handle_heartbeat(const Chunk& chunk) {
  Tcb* block = tcb();
  if (block == nullptr) return drop(DropReason::UnexpectedChunk);
  if (HeartbeatInfo::parse(chunk.value)) block->receiver.coalesce_sacks();
  if (padded(chunk.whole.size()) + kCommonHeaderSize > config_.max_packet_size) return drop(DropReason::BadHeartbeat);
  reply(block->peer_tag, ChunkType::HeartbeatAck, 0, chunk.value);
}

void Association::Impl::handle_heartbeat_ack(ByteView value) {
  const auto info = HeartbeatInfo::parse(value);
  Tcb* block = tcb();
  if (info && block != nullptr && block->path_mtu.acknowledged(info->nonce)) return use_path_mtu();
  if (!info || heartbeat_nonce_ != info->nonce) return drop(DropReason::BadHeartbeat);
  heartbeat_nonce_.reset();
  timeouts_in_row_ = 0;
  rto_.observe(now_ - heartbeat_sent_);
}

void Association::Impl::handle_forward_tsn(const Chunk& chunk) {
  Tcb& block = *tcb();
  if (chunk.type != ForwardTsnChunk::type(block.format)) {
    return abort_peer(ErrorCause::ProtocolViolation, "FORWARD-TSN of the wrong kind", CloseReason::ProtocolViolation);
  }
  const auto forward = ForwardTsnChunk::parse(block.format, chunk.value);
  if (!forward || !block.capabilities.partial_reliability) return drop(DropReason::BadForwardTsn);
  if (!block.receiver.handle_forward_tsn(*forward, events_)) drop(DropReason::BadForwardTsn);
}

void Association::Impl::handle_reconfig(ByteView value) {
  Tcb& block = *tcb();
  bool answered = false;
  if (!block.reset.handle(value, block.receiver, queue_, events_, answered)) drop(DropReason::BadReconfig);
  if (answered) {
    timeouts_in_row_ = 0;
    // After "in progress" the same is asked again when the timer fires.
    deadline(Timer::ReConfig) = block.reset.waiting() ? now_ + rto_.current() : kNever;
  }
}

void Association::Impl::handle_error(ByteView value) {
  env_.log.line(LogLevel::Debug, "sctp", "peer reports: ", describe_causes(value));
  if (has_cause(value, ErrorCause::StaleCookie)) handle_stale_cookie();
}

// §9.2, the side that is told.
void Association::Impl::handle_shutdown(ByteView value) {
  auto& open = std::get<Open>(state_);
  if (value.size() != 4) return drop(DropReason::MalformedChunk);
  SackChunk sack;
  sack.cumulative = Tsn(load_be32(value.data()));
  sack.a_rwnd = static_cast<uint32_t>(std::min<size_t>(open.tcb->sender.peer_window_estimate(), UINT32_MAX));
  if (open.tcb->sender.handle_sack(sack, rto_, now_) == RetransmissionQueue::Verdict::Bad)
    return drop(DropReason::BadSack);
  switch (open.phase) {
    case Open::Phase::Established:
    case Open::Phase::ShutdownPending: open.phase = Open::Phase::ShutdownReceived; break;
    case Open::Phase::ShutdownSent:  // both at once
      open.phase = Open::Phase::ShutdownAckSent;
      open.shutdown_due = true;
      deadline(Timer::Shutdown) = now_ + rto_.current();
      break;
    case Open::Phase::ShutdownReceived: break;
    case Open::Phase::ShutdownAckSent: open.shutdown_due = true; break;
  }
}

void Association::Impl::handle_shutdown_ack() {
  const State now = state();
  if (now != State::ShutdownSent && now != State::ShutdownAckSent) return drop(DropReason::UnexpectedChunk);
  reply(tcb()->peer_tag, ChunkType::ShutdownComplete, 0, {});
  end(CloseReason::Shutdown, {});
}

}  // namespace kaon::sctp
