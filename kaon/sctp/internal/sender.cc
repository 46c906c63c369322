#include "kaon/sctp/internal/sender.h"

#include <algorithm>

#include "kaon/base/writer.h"
#include "kaon/sctp/internal/data_chunk.h"

namespace kaon::sctp {

Sender::Sender(const Config& config, SendQueue& queue, Tsn initial_tsn, uint32_t peer_a_rwnd, bool partial_reliability)
    : queue_(&queue),
      sent_(queue, initial_tsn),
      congestion_(std::make_unique<NewReno>(config)),
      max_packet_size_(config.max_packet_size),
      burst_(config.max_burst * config.max_packet_size),
      budget_(burst_),
      peer_window_(peer_a_rwnd),
      partial_reliability_(partial_reliability) {
  sent_.set_partial_reliability(partial_reliability);
}

RetransmissionQueue::Verdict Sender::handle_sack(const SackChunk& sack, RetransmissionTimeout& rto, Time now) {
  const size_t in_flight_before = sent_.in_flight();
  const auto outcome = sent_.handle_sack(sack, recovery_end_.has_value(), now);
  if (outcome.verdict != RetransmissionQueue::Verdict::Ok) return outcome.verdict;
  if (outcome.rtt) rto.observe(*outcome.rtt);
  progress_ = progress_ || outcome.cumulative_advanced;
  peer_window_ = sack.a_rwnd > sent_.in_flight() ? sack.a_rwnd - sent_.in_flight() : 0;
  budget_ = burst_ + 2 * outcome.newly_acknowledged;

  if (recovery_end_ && sack.cumulative.newer_or_same(*recovery_end_)) recovery_end_.reset();
  congestion_->on_ack({now, outcome.newly_acknowledged, in_flight_before, outcome.cumulative_advanced,
                       recovery_end_.has_value(), rto.smoothed()});
  if (outcome.loss) {
    ++fast_retransmits_;
    if (!recovery_end_) {
      congestion_->on_loss(now);
      recovery_end_ = last_assigned_tsn();
      free_packet_ = true;
    }
  }
  if (sent_.must_forward()) forward_due_ = true;
  return outcome.verdict;
}

void Sender::handle_timeout(Time now) {
  ++timeouts_;
  congestion_->on_timeout(now);
  recovery_end_.reset();
  budget_ = burst_;
  sent_.handle_timeout();
  if (sent_.must_forward()) forward_due_ = true;
}

void Sender::adopt(Sender&& earlier) {
  sent_ = std::move(earlier.sent_);
  sent_.set_partial_reliability(partial_reliability_);
  sent_.handle_timeout();
}

void Sender::message_queued(Time now, Duration rto) {
  if (!sent_.empty() || last_sent_ == Time{}) return;
  congestion_->on_idle(now - last_sent_, rto);
  budget_ = burst_;
}

// RFC 9260 §6.1 A and B: one chunk may be under way though the peer's window is shut, to learn when it opens.
bool Sender::window_open(size_t payload) const {
  const size_t in_flight = sent_.in_flight();
  if (in_flight == 0) return true;
  return in_flight < congestion_->window() && budget_ != 0 && peer_window_ >= payload;
}

bool Sender::wants_to_send(Time now) {
  give_up_expired(now);
  const bool lost = find_lost(now).has_value();
  if (forward_due_ && sent_.must_forward()) return true;
  if (lost) return free_packet_ || window_open(0);
  return queue_->has_data() && window_open(1);
}

void Sender::fill(PacketWriter& writer, Time now) {
  give_up_expired(now);
  // Looking for the first lost chunk may give some up, of which the peer is to be told before any data: control chunks
  // come first in a packet (RFC 9260 §6.10). What is given up while the packet fills is told in the next one.
  find_lost(now);
  if (sent_.must_forward() && forward_due_) fill_forward_tsn(writer);
  fill_lost(writer, now);
  if (!sent_.has_lost()) fill_new(writer, now);
}

// RFC 3758 §3.5: lifetime is over, though perhaps a part is on its way.
void Sender::give_up_expired(Time now) {
  if (!partial_reliability_) return;
  const uint32_t started = queue_->started();
  if (started == kNil || !queue_->expired(started, now)) return;
  sent_.abandon(started);
  if (sent_.must_forward()) forward_due_ = true;
}

void Sender::fill_forward_tsn(PacketWriter& writer) {
  const size_t space = writer.space();
  if (space < ForwardTsnChunk::kFixedSize + ForwardTsnChunk::kSkippedSize) return;
  const size_t room = (space - ForwardTsnChunk::kFixedSize) / ForwardTsnChunk::kSkippedSize;
  const Tsn tsn = sent_.forward(skipped_, room);
  Writer chunk(writer.add(ChunkType::ForwardTsn, 0,
                          ForwardTsnChunk::kFixedSize + ForwardTsnChunk::kSkippedSize * skipped_.size()));
  chunk.u32(tsn.value());
  for (const auto& [stream, ssn] : skipped_) {
    chunk.u16(stream.value());
    chunk.u16(ssn.value());
  }
  forward_due_ = false;
}

std::optional<RetransmissionQueue::Chunk> Sender::find_lost(Time now) {
  const uint64_t abandoned = queue_->abandoned();
  const auto lost = sent_.next_lost(now);
  if (queue_->abandoned() != abandoned) forward_due_ = true;
  return lost;
}

void Sender::fill_lost(PacketWriter& writer, Time now) {
  while (const auto lost = find_lost(now)) {
    if (!free_packet_ && !window_open(0)) break;
    if (writer.space() < DataChunk::kHeaderSize + lost->fragment.size) break;
    sent_.retransmitted(lost->tsn, now);
    write_chunk(writer, lost->tsn, lost->fragment, true);
  }
  free_packet_ = false;
}

void Sender::fill_new(PacketWriter& writer, Time now) {
  const size_t full = (max_packet_size_ & ~size_t{3}) - kCommonHeaderSize - DataChunk::kOverhead;
  while (queue_->has_data()) {
    if (writer.space() <= DataChunk::kHeaderSize || !window_open(1)) return;
    const size_t space = writer.space() - DataChunk::kHeaderSize;
    const auto fragment = queue_->next(space, full, now);
    if (!fragment) return;
    const Tsn tsn = sent_.add(*fragment, now);
    // RFC 7053 §4: whoever must wait for the SACK now asks for it at once.
    const bool immediate = !queue_->has_data() || !window_open(1) || congestion_->window() < 10 * max_packet_size_;
    write_chunk(writer, tsn, *fragment, immediate);
    last_sent_ = now;
  }
}

void Sender::write_chunk(PacketWriter& writer, Tsn tsn, const Fragment& fragment, bool immediate) {
  const OutgoingMessage& message = queue_->message(fragment.message);
  DataChunk chunk{tsn,          message.stream, message.ssn,
                  message.ppid, fragment.flags, message.bytes.view().subspan(fragment.offset, fragment.size)};
  const uint8_t flags = fragment.flags | (immediate ? DataChunk::kImmediate : uint8_t{0});
  chunk.write(writer.add(ChunkType::Data, flags, DataChunk::kHeaderSize + fragment.size));
  const size_t cost = DataChunk::kOverhead + padded(fragment.size);
  peer_window_ -= std::min(peer_window_, cost);
  budget_ -= std::min(budget_, cost);
}

void Sender::add_stats(Stats& stats) const {
  stats.chunks_retransmitted += sent_.retransmissions();
  stats.fast_retransmits += fast_retransmits_;
  stats.timeouts += timeouts_;
  stats.congestion_window = congestion_->window();
  stats.slow_start_threshold = congestion_->slow_start_threshold();
  stats.bytes_in_flight = sent_.in_flight();
  stats.peer_receive_window = peer_window_;
}

}  // namespace kaon::sctp
