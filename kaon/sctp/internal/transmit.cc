// What leaves: one packet per call, built in the caller's memory.
#include <algorithm>

#include "kaon/sctp/internal/association_impl.h"
#include "kaon/sctp/internal/heartbeat.h"

namespace kaon::sctp {

std::optional<net::Transmit> Association::Impl::transmit(PacketWriter& writer, uint32_t tag, Bytes out,
                                                         PacketWriter::Checksum checksum) {
  net::Transmit result;
  result.size = writer.finish({config_.local_port, config_.remote_port, tag}, checksum);
  ++totals_.packets_sent;
  totals_.bytes_sent += result.size;
  trace_packet(trace::Direction::Out, out.first(result.size));
  return result;
}

PacketWriter::Checksum Association::Impl::checksum_for(const Tcb& block) const {
  return config_.zero_checksum && block.capabilities.zero_checksum ? PacketWriter::Checksum::Zero
                                                                   : PacketWriter::Checksum::Crc32c;
}

void Association::Impl::write_sack(PacketWriter& writer, Tcb& block) {
  // First what was marked, then that it has arrived: usrsctp answers only while it still keeps the chunk.
  if (block.ecn.has_echo() && writer.space() >= EcnChunk::kEchoSize) {
    block.ecn.write_echo(writer.add(ChunkType::EcnEcho, 0, EcnChunk::kEchoSize));
  }
  const size_t size = block.receiver.sack_size(writer.space());
  if (size == 0) return;
  block.receiver.write_sack(writer.add(ChunkType::Sack, 0, size), events_);
}

std::optional<net::Transmit> Association::Impl::poll_transmit(Bytes out) {
  KAON_ASSERT(out.size() >= config_.max_packet_size);
  PacketWriter writer(out, config_.max_packet_size);
  // §5.1: COOKIE ECHO comes first; errors of the INIT ACK and data may ride along.
  if (auto* echoed = std::get_if<CookieEchoed>(&state_); echoed != nullptr && std::exchange(echoed->due, false)) {
    return transmit_cookie_echo(writer, *echoed, out);
  }
  const bool open_now = std::holds_alternative<Open>(state_);
  if (!replies_.empty() && !(open_now && rides_along(replies_.front()))) {
    const Reply answer = replies_.pop_front();
    writer.add(answer.type, answer.flags, answer.value);
    return transmit(writer, answer.verification_tag, out);
  }
  if (auto* wait = std::get_if<CookieWait>(&state_)) {
    if (!std::exchange(wait->due, false)) return std::nullopt;
    const InitChunk init = own_init(wait->local_tag, wait->initial_tsn);
    init.write(writer.add(ChunkType::Init, 0, init.size()));
    return transmit(writer, 0, out);
  }
  Tcb* block = tcb();
  if (block == nullptr) return std::nullopt;

  if (std::holds_alternative<CookieEchoed>(state_)) return std::nullopt;  // nothing else before the COOKIE ACK
  auto& open = std::get<Open>(state_);
  if (auto probe = transmit_probe(*block, out)) return probe;
  PacketWriter packet(out, block->path_mtu.size());
  return transmit_open(packet, open, out);
}

std::optional<net::Transmit> Association::Impl::transmit_cookie_echo(PacketWriter& writer, CookieEchoed& echoed,
                                                                     Bytes out) {
  Tcb& block = *echoed.tcb;
  writer.add(ChunkType::CookieEcho, 0, echoed.cookie);
  write_errors(writer);
  block.sender.fill(writer, now_);
  update_timers();
  return transmit(writer, block.peer_tag, out);
}

// §6.10: one packet is better than two.
bool Association::Impl::rides_along(const Reply& reply) const {
  return reply.type == ChunkType::Error && reply.verification_tag == tcb()->peer_tag;
}

void Association::Impl::write_errors(PacketWriter& writer) {
  while (!replies_.empty() && rides_along(replies_.front()) && writer.space() >= replies_.front().value.size()) {
    const Reply error = replies_.pop_front();
    writer.add(error.type, error.flags, error.value);
  }
}

std::optional<net::Transmit> Association::Impl::transmit_open(PacketWriter& writer, Open& open, Bytes out) {
  Tcb& block = *open.tcb;
  if (std::exchange(open.cookie_ack_due, false)) writer.add(ChunkType::CookieAck, 0, ByteView());
  block.reset.prepare(queue_, block.sender.last_assigned_tsn(), config_.max_packet_size);
  const bool sends_data = block.sender.wants_to_send(now_);
  write_errors(writer);
  // §9.2: without gaps and duplicates, SHUTDOWN acknowledges everything.
  const bool shutdown_acknowledges = open.phase == Open::Phase::ShutdownSent && open.shutdown_due;
  if (shutdown_acknowledges) block.receiver.acknowledged_otherwise();
  if (block.receiver.sack_now() || (block.receiver.sack_later() && sends_data)) write_sack(writer, block);
  if (block.ecn.has_answer() && writer.space() >= EcnChunk::kSize) {
    store_be32(writer.add(ChunkType::WindowReduced, 0, EcnChunk::kSize).data(), block.ecn.take_answer().value());
  }
  if (block.reset.has_output() && block.reset.write(writer)) deadline(Timer::ReConfig) = now_ + rto_.current();
  if (open.shutdown_due && writer.space() >= 4) {
    open.shutdown_due = false;
    if (open.phase == Open::Phase::ShutdownSent) {
      store_be32(writer.add(ChunkType::Shutdown, 0, 4).data(), block.receiver.cumulative().value());
    } else {
      writer.add(ChunkType::ShutdownAck, 0, ByteView());
    }
  }
  const size_t control = writer.space();
  if (sends_data) block.sender.fill(writer, now_);  // last: §6.10
  const bool has_data = writer.space() != control;
  update_timers();
  if (writer.empty()) return std::nullopt;
  auto packet = transmit(writer, block.peer_tag, out, checksum_for(block));
  if (has_data && block.ecn.marks()) packet->ecn = net::Ecn::Ect0;
  return packet;
}

// RFC 8899 §6.2.1: a HEARTBEAT, and a PAD chunk (RFC 4820) that makes the packet as large as it is to be.
std::optional<net::Transmit> Association::Impl::transmit_probe(Tcb& block, Bytes out) {
  if (queue_.unsent() < kBulk) return std::nullopt;
  const auto size = block.path_mtu.due(now_);
  if (!size || *size > out.size()) return std::nullopt;
  const HeartbeatInfo info{env_.random.u64()};
  PacketWriter writer(out, *size);
  info.write(writer.add(ChunkType::Heartbeat, 0, HeartbeatInfo::kSize));
  const Bytes padding = writer.add(ChunkType::Pad, 0, writer.space());
  std::fill(padding.begin(), padding.end(), uint8_t{0});
  block.path_mtu.sent(*size, info.nonce, now_, rto_.current());
  update_timers();
  auto probe = transmit(writer, block.peer_tag, out, checksum_for(block));
  probe->dont_fragment = true;
  return probe;
}

// A new size of packets, in either direction.
void Association::Impl::use_path_mtu() {
  tcb()->sender.set_packet_size(tcb()->path_mtu.size());
  update_timers();
}

// §9.2: the next step once everything that was queued has been acknowledged.
void Association::Impl::advance_shutdown(Open& open) {
  if (queue_.has_data() || open.tcb->sender.outstanding()) return;
  if (open.phase == Open::Phase::ShutdownPending) {
    open.phase = Open::Phase::ShutdownSent;
  } else if (open.phase == Open::Phase::ShutdownReceived) {
    open.phase = Open::Phase::ShutdownAckSent;
  } else {
    return;
  }
  open.shutdown_due = true;
  deadline(Timer::Shutdown) = now_ + rto_.current();
}

}  // namespace kaon::sctp
