#include "kaon/sctp/internal/receiver.h"

#include <algorithm>

#include "kaon/base/writer.h"

namespace kaon::sctp {

// So that twice a window fits 32 bits.
constexpr size_t kMaxWindow = 0x40000000;

size_t Receiver::window_of(const Config& config) {
  // A message that does not fit could never be completed.
  return std::min<size_t>(std::max(config.receive_window, 2 * config.max_message_size), kMaxWindow);
}

Receiver::Receiver(const Config& config, Tsn peer_initial_tsn, uint64_t secret)
    : usual_window_(window_of(config)),
      most_window_(std::clamp<size_t>(config.max_receive_window, usual_window_, kMaxWindow)),
      window_(usual_window_),
      tracker_(peer_initial_tsn),
      reassembly_(config.max_message_size, secret),
      last_advertised_(static_cast<uint32_t>(window_)) {}

// Beyond the window only what fills a hole is taken, and that only to twice the window: otherwise early data could
// keep out for ever the very chunk that all of it waits for.
bool Receiver::has_room(Tsn tsn, size_t used) const {
  if (used < window_) return true;
  return used < 2 * window_ && tracker_.highest().newer_than(tsn);
}

std::optional<Receiver::Outcome> Receiver::refuse(const DataChunk& chunk, const EventQueue& events) {
  packet_had_data_ = true;
  bytes_in_round_ += chunk.payload.size();
  if (chunk.immediate()) sack_now_ = true;
  switch (tracker_.judge(chunk.tsn)) {
    case TsnTracker::Verdict::New: break;
    case TsnTracker::Verdict::Duplicate: sack_now_ = true; return Outcome::Duplicate;
    case TsnTracker::Verdict::OutOfRange: sack_now_ = true; return Outcome::OutOfRange;
  }
  if (!has_room(chunk.tsn, used(events))) {
    sack_now_ = true;
    return events.message_bytes() == 0 && !tracker_.has_gaps() ? Outcome::LockedUp : Outcome::WindowFull;
  }
  return std::nullopt;
}

void Receiver::acknowledge(Tsn tsn) {
  const bool had_gaps = tracker_.has_gaps();
  tracker_.add(tsn);
  // The peer's first measurement of the round trip should not have our delay in it.
  if (!std::exchange(heard_, true)) sack_now_ = true;
  if (had_gaps || tracker_.has_gaps()) sack_now_ = true;
}

Receiver::Outcome Receiver::handle_data(const DataChunk& chunk, BufferPool& pool, EventQueue& events) {
  if (const auto refused = refuse(chunk, events)) return *refused;
  switch (reassembly_.add(chunk, tracker_, pool, events)) {
    case Reassembly::Status::Ok: break;
    case Reassembly::Status::BrokenFragments: return Outcome::BrokenFragments;
    case Reassembly::Status::MessageTooLarge: return Outcome::MessageTooLarge;
  }
  acknowledge(chunk.tsn);
  return Outcome::Taken;
}

void Receiver::discard_data(const DataChunk& chunk, const EventQueue& events) {
  if (!refuse(chunk, events)) acknowledge(chunk.tsn);
}

bool Receiver::handle_forward_tsn(const ForwardTsnChunk& chunk, EventQueue& events) {
  // RFC 3758 §3.6: an old one shows that our SACK was lost.
  sack_now_ = true;
  if (!chunk.new_cumulative.newer_than(tracker_.cumulative())) return false;
  reassembly_.skip(chunk, tracker_, events);
  tracker_.skip_to(chunk.new_cumulative);
  return true;
}

void Receiver::packet_ended(Duration round_trip, const EventQueue& events, Time now) {
  if (!std::exchange(packet_had_data_, false)) return;
  grow_window(round_trip, events, now);
  if (unacknowledged_packets_ < 2) ++unacknowledged_packets_;
  if (unacknowledged_packets_ < 2) return;
  sack_now_ = true;
  if (coalesces_) return;
  unacknowledged_packets_ = 0;
  if (owed_.size() < kMaxOwed) {
    owed_.push_back(tracker_.cumulative());
  } else {
    owed_.back() = tracker_.cumulative();
  }
}

// Twice what arrives in a round trip: as much as a peer's slow start can use. More would only stand in the queue before
// the bottleneck. Not while the application does not read; the memory is taken by what arrives, not by what is
// advertised.
void Receiver::grow_window(Duration round_trip, const EventQueue& events, Time now) {
  most_in_round_ = std::max(most_in_round_, bytes_in_round_);
  if (now - round_start_ < round_trip) {
    const size_t wanted = std::min(2 * bytes_in_round_, most_window_);
    if (wanted > window_ && events.message_bytes() <= window_ / 2) window_ = wanted;
    return;
  }
  round_start_ = now;
  bytes_in_round_ = 0;
}

// To twice of what would let it grow again, so that what the peer has under way by the old one fits.
void Receiver::shrink_window() {
  while (window_ > usual_window_ && most_in_round_ < window_ / 4) window_ = std::max(window_ / 2, usual_window_);
  most_in_round_ = 0;
}

uint32_t Receiver::advertised(const EventQueue& events) const {
  const size_t in_use = used(events);
  return in_use >= window_ ? 0 : static_cast<uint32_t>(window_ - in_use);
}

void Receiver::messages_polled(const EventQueue& events) {
  if (last_advertised_ < window_ / 2 && advertised(events) >= window_ / 2 + window_ / 4) sack_now_ = true;
}

size_t Receiver::sack_size(size_t space) const {
  const size_t wanted = SackChunk::kFixedSize + 4 * (tracker_.ranges().size() + tracker_.duplicates().size());
  return space < SackChunk::kFixedSize ? 0 : std::min(wanted, space & ~size_t{3});
}

void Receiver::write_sack(Bytes out, const EventQueue& events) {
  if (tracker_.has_gaps()) owed_.clear();
  const Tsn cumulative = owed_.size() > 1 ? owed_.front() : tracker_.cumulative();
  if (!owed_.empty()) owed_.pop_front();
  const size_t entries = (out.size() - SackChunk::kFixedSize) / 4;
  const size_t blocks = std::min(entries, tracker_.ranges().size());
  const size_t duplicates = std::min(entries - blocks, tracker_.duplicates().size());
  last_advertised_ = advertised(events);
  Writer writer(out);
  writer.u32(cumulative.value());
  writer.u32(last_advertised_);
  writer.u16(static_cast<uint16_t>(blocks));
  writer.u16(static_cast<uint16_t>(duplicates));
  for (size_t i = 0; i < blocks; ++i) {
    writer.u16(static_cast<uint16_t>(tracker_.ranges()[i].start.distance_from(tracker_.cumulative())));
    writer.u16(static_cast<uint16_t>(tracker_.ranges()[i].end.distance_from(tracker_.cumulative())));
  }
  for (size_t i = 0; i < duplicates; ++i) writer.u32(tracker_.duplicates()[i].value());
  tracker_.clear_duplicates();
  sack_now_ = !owed_.empty();
  if (!sack_now_) unacknowledged_packets_ = 0;
}

void Receiver::acknowledged_otherwise() {
  if (tracker_.has_gaps() || !tracker_.duplicates().empty()) return;
  owed_.clear();
  sack_now_ = false;
  unacknowledged_packets_ = 0;
}

}  // namespace kaon::sctp
