#include "kaon/sctp/internal/sender.h"

#include <algorithm>

#include "kaon/base/writer.h"

namespace kaon::sctp {

// RFC 8985 §7.2: a peer that delays its SACKs obeys the I bit that the last chunk of a flight has; the rest is for
// timers and schedulers.
constexpr Duration kProbeSlack = std::chrono::milliseconds(10);
constexpr uint32_t kForgetMark = 1u << 30;

Sender::Sender(const Config& config, SendQueue& queue, Tsn initial_tsn, uint32_t peer_a_rwnd, bool partial_reliability)
    : queue_(&queue),
      sent_(queue, initial_tsn),
      congestion_(config.congestion_control(config.max_packet_size, config.initial_window * config.max_packet_size)),
      max_packet_size_(config.max_packet_size),
      peer_window_(peer_a_rwnd),
      round_end_(initial_tsn - 1),
      partial_reliability_(partial_reliability) {
  sent_.set_partial_reliability(partial_reliability);
}

RetransmissionQueue::Verdict Sender::handle_sack(const SackChunk& sack, RetransmissionTimeout& rto, Time now) {
  const size_t in_flight_before = sent_.in_flight();
  const auto outcome = sent_.handle_sack(sack, now);
  if (outcome.verdict != RetransmissionQueue::Verdict::Ok) return outcome.verdict;
  if (outcome.rtt) rto.observe(*outcome.rtt);
  if (outcome.cumulative_advanced) rto.progress();
  progress_ = progress_ || outcome.cumulative_advanced;
  judge_probe(sack, now);
  end_recovery(sack.cumulative);
  const bool losses =
      outcome.newly_acknowledged != 0 && sent_.detect_losses(recovery_end_.has_value(), rto.smoothed(), now);
  peer_window_ = sack.a_rwnd > sent_.in_flight() ? sack.a_rwnd - sent_.in_flight() : 0;

  CongestionControl::Ack ack{now, outcome.newly_acknowledged, in_flight_before};
  // In slow start half a window is enough: what is acknowledged must be able to double.
  const bool slow_start = congestion_->window() < congestion_->slow_start_threshold();
  ack.window_limited = limited_by_window_ || (slow_start && 2 * in_flight_before >= congestion_->window());
  ack.peer_limited = limited_by_peer_;
  ack.cumulative_advanced = outcome.cumulative_advanced;
  ack.in_recovery = recovery_end_.has_value() || losses;
  ack.round_ended = sack.cumulative.newer_or_same(round_end_);
  ack.rtt = outcome.rtt;
  ack.smoothed_rtt = rto.smoothed();
  if (ack.round_ended) round_end_ = last_assigned_tsn() + 1;
  congestion_->on_ack(ack);
  if (losses) on_losses(now);
  pacer_.set_rate(congestion_->window(), congestion_->pacing_gain(), rto.smoothed());
  queue_->fit_to_window(congestion_->window());
  if (sent_.must_forward()) forward_due_ = true;
  return outcome.verdict;
}

Sender::Mark Sender::handle_mark(Tsn tsn, Time now) {
  if (tsn.newer_than(last_assigned_tsn())) return Mark::NeverSent;
  if (recovery_end_ || (marked_until_ && !tsn.newer_than(*marked_until_))) return Mark::Known;
  congestion_->on_loss(now);
  marked_until_ = last_assigned_tsn();
  reduced_by_mark_ = true;
  return Mark::Counted;
}

void Sender::on_losses(Time now) {
  ++fast_retransmits_;
  if (recovery_end_) return;
  // The queue that lost packets is the one whose marks have made the window smaller a moment ago.
  if (!reduced_by_mark_) congestion_->on_loss(now);
  recovery_end_ = last_assigned_tsn();
  free_packet_ = true;
}

void Sender::end_recovery(Tsn cumulative) {
  if (marked_until_ && cumulative.newer_or_same(*marked_until_)) {
    reduced_by_mark_ = false;
    // The peer repeats itself until it has our answer; by then that is long past, and numbers wrap.
    if (cumulative.distance_from(*marked_until_) > kForgetMark) marked_until_.reset();
  }
  if (!recovery_end_ || !cumulative.newer_or_same(*recovery_end_)) return;
  recovery_end_.reset();
  sent_.recovery_ended();
}

// RFC 8985 §7.4.2: a repeated chunk that the peer did not report as double was the repair of a loss, once something
// newer has been acknowledged.
void Sender::judge_probe(const SackChunk& sack, Time now) {
  if (!probe_end_ || !sack.cumulative.newer_or_same(*probe_end_)) return;
  const bool repaired = probe_repeats_ && sack.duplicates == 0;
  if (repaired && sack.cumulative == *probe_end_ && !sent_.empty()) return;  // wait for more to tell
  probe_end_.reset();
  if (repaired && !recovery_end_ && !sent_.empty()) congestion_->on_loss(now);
}

void Sender::handle_timeout(Time now) {
  ++timeouts_;
  congestion_->on_timeout(now);
  recovery_end_.reset();
  probe_end_.reset();
  pacer_.reset();
  sent_.handle_timeout();
  if (sent_.must_forward()) forward_due_ = true;
}

void Sender::handle_reordering_timeout(const RetransmissionTimeout& rto, Time now) {
  if (sent_.detect_losses(recovery_end_.has_value(), rto.smoothed(), now)) on_losses(now);
  if (sent_.must_forward()) forward_due_ = true;
}

// RFC 8985 §7.3: new data if there is some, else the newest once more, so that its SACK tells what is missing.
void Sender::handle_probe_timeout() {
  probe_end_ = last_assigned_tsn();
  const bool fresh = queue_->has_data() && peer_window_ != 0;
  probe_repeats_ = !fresh && sent_.probe_last();
  free_packet_ = fresh || probe_repeats_;
}

Time Sender::probe_deadline(const RetransmissionTimeout& rto) const {
  if (sent_.in_flight() == 0 || sent_.has_lost() || recovery_end_ || probe_end_ || free_packet_) return kNever;
  if (rto.smoothed() == Duration::zero()) return kNever;
  return last_sent_ + 2 * rto.smoothed() + kProbeSlack;
}

Time Sender::pacing_deadline(Time now) const {
  if (pacer_.allows(now) || sent_.in_flight() >= congestion_->window()) return kNever;
  return queue_->has_data() || sent_.has_lost() ? pacer_.resume() : kNever;
}

void Sender::adopt(Sender&& earlier) {
  sent_ = std::move(earlier.sent_);
  sent_.set_partial_reliability(partial_reliability_);
  sent_.handle_timeout();
}

void Sender::message_queued(Time now, Duration rto) {
  if (!sent_.empty() || last_sent_ == Time{}) return;
  congestion_->on_idle(now - last_sent_, rto);
}

void Sender::set_packet_size(size_t size) {
  max_packet_size_ = size;
  congestion_->set_packet_size(size);
}

// RFC 9260 §6.1 A and B: one chunk may be under way though the peer's window is shut, to learn when it opens.
bool Sender::window_open(size_t payload, Time now) {
  const size_t in_flight = sent_.in_flight();
  if (in_flight == 0) return true;
  if (peer_window_ < payload) {
    limited_by_peer_ = true;
    return false;
  }
  const size_t window = congestion_->window();
  if (in_flight < window && pacer_.allows(now)) {
    // What acknowledgements free is gathered into a group. Two packets at a time would always find room where the runs
    // of another sender end in a full queue: beside a TCP that gathers as much we would get more than our share.
    const size_t group = std::min({pacer_.group(), window / 3, queue_->unsent()});
    if (payload == 0 || !gathers_ || window - in_flight >= group) {
      gathers_ = false;
      return true;
    }
  }
  gathers_ = gathers_ || in_flight >= window;
  limited_by_window_ = true;
  return false;
}

// What held data back at the last attempt still counts for the second of two SACKs that come together.
bool Sender::wants_to_send(Time now) {
  limited_by_window_ = false;
  give_up_expired(now);
  const bool lost = find_lost(now).has_value();
  if (!lost && !queue_->has_data()) free_packet_ = false;
  if (forward_due_ && sent_.must_forward()) return true;
  if (lost) return free_packet_ || window_open(0, now);
  return queue_->has_data() && (free_packet_ || window_open(1, now));
}

void Sender::fill(PacketWriter& writer, Time now) {
  give_up_expired(now);
  // Looking for the first lost chunk may give some up, of which the peer is to be told before any data: control chunks
  // come first in a packet (RFC 9260 §6.10). What is given up while the packet fills is told in the next one.
  find_lost(now);
  if (sent_.must_forward() && forward_due_) fill_forward_tsn(writer);
  fill_lost(writer, now);
  if (!sent_.has_lost()) fill_new(writer, now);
  free_packet_ = false;
}

// RFC 3758 §3.5: lifetime is over, though perhaps a part is on its way.
void Sender::give_up_expired(Time now) {
  uint32_t chosen = queue_->choose(now);
  if (!partial_reliability_) return;
  for (; chosen != kNil && queue_->expired(chosen, now); chosen = queue_->choose(now)) {
    sent_.abandon(chosen);
    if (sent_.must_forward()) forward_due_ = true;
  }
}

void Sender::fill_forward_tsn(PacketWriter& writer) {
  const DataFormat format = queue_->format();
  const size_t entry = ForwardTsnChunk::skipped_size(format);
  const size_t space = writer.space();
  if (space < ForwardTsnChunk::kFixedSize + entry) return;
  const Tsn tsn = sent_.forward(skipped_, (space - ForwardTsnChunk::kFixedSize) / entry);
  const size_t size = ForwardTsnChunk::kFixedSize + entry * skipped_.size();
  Writer chunk(writer.add(ForwardTsnChunk::type(format), 0, size));
  chunk.u32(tsn.value());
  for (const auto& skipped : skipped_) ForwardTsnChunk::write_skipped(chunk, format, skipped);
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
    if (!free_packet_ && !window_open(0, now)) return;
    const size_t size = DataChunk::header_size(queue_->format()) + lost->fragment.size;
    if (writer.space() < size && !writer.stretch(size)) break;
    sent_.retransmitted(lost->tsn, now);
    write_chunk(writer, lost->tsn, lost->fragment, true, now);
  }
}

void Sender::fill_new(PacketWriter& writer, Time now) {
  const size_t header = DataChunk::header_size(queue_->format());
  const size_t packet = std::min(max_packet_size_, writer.capacity()) & ~size_t{3};
  const size_t full = packet - kCommonHeaderSize - kChunkHeaderSize - header;
  while (true) {
    give_up_expired(now);
    if (!queue_->has_data() || writer.space() <= header || (!free_packet_ && !window_open(1, now))) return;
    const auto fragment = queue_->next(writer.space() - header, full);
    if (!fragment) return;
    const Tsn tsn = sent_.add(*fragment, now);
    // RFC 7053 §4: whoever must wait for the SACK now asks for it at once.
    const bool immediate = !queue_->has_data() || !window_open(1, now) || congestion_->window() < 10 * max_packet_size_;
    write_chunk(writer, tsn, *fragment, immediate, now);
  }
}

void Sender::write_chunk(PacketWriter& writer, Tsn tsn, const Fragment& fragment, bool immediate, Time now) {
  const OutgoingMessage& message = queue_->message(fragment.message);
  DataChunk chunk;
  chunk.format = queue_->format();
  chunk.tsn = tsn;
  chunk.stream = message.stream;
  // RFC 9260 §3.3.1: what an unordered chunk has for a stream sequence number means nothing.
  if (chunk.format == DataFormat::IData || !message.unordered) chunk.mid = message.mid;
  chunk.fsn = fragment.fsn;
  chunk.ppid = message.ppid;
  chunk.flags = fragment.flags;
  chunk.payload = message.bytes.view().subspan(fragment.offset, fragment.size);
  const uint8_t flags = fragment.flags | (immediate ? DataChunk::kImmediate : uint8_t{0});
  chunk.write(writer.add(DataChunk::type(chunk.format), flags, DataChunk::header_size(chunk.format) + fragment.size));
  const size_t cost = DataChunk::overhead(chunk.format) + padded(fragment.size);
  peer_window_ -= std::min(peer_window_, cost);
  limited_by_peer_ = false;
  pacer_.sent(cost, now);
  last_sent_ = now;
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
