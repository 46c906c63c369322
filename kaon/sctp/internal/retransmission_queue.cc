#include "kaon/sctp/internal/retransmission_queue.h"

#include <algorithm>

namespace kaon::sctp {

// What one SACK has brought so far.
struct RetransmissionQueue::Progress {
  Outcome outcome;
  Time latest_sent = Time::min();  // of chunks sent once
  Time now;

  Outcome failed(Verdict verdict) {
    outcome.verdict = verdict;
    return outcome;
  }
};

size_t RetransmissionQueue::cost(const Sent& sent) const {
  return DataChunk::overhead(messages_->format()) + padded(sent.fragment.size);
}

void RetransmissionQueue::put_in_flight(Sent& sent, Tsn tsn, Time now) {
  sent.state = State::InFlight;
  sent.at = now;
  sent.earlier = sent.later = tsn;
  if (chunks_in_flight_++ == 0) {
    earliest_ = tsn;
  } else {
    at(latest_).later = tsn;
    sent.earlier = latest_;
  }
  latest_ = tsn;
  in_flight_ += cost(sent);
}

void RetransmissionQueue::take_from_flight(Sent& sent, Tsn tsn) {
  in_flight_ -= cost(sent);
  if (--chunks_in_flight_ == 0) return;
  if (tsn == earliest_) {
    earliest_ = sent.later;
    at(earliest_).earlier = earliest_;
  } else if (tsn == latest_) {
    latest_ = sent.earlier;
    at(latest_).later = latest_;
  } else {
    at(sent.earlier).later = sent.later;
    at(sent.later).earlier = sent.earlier;
  }
}

Tsn RetransmissionQueue::add(const Fragment& fragment, Time now) {
  const OutgoingMessage& message = messages_->message(fragment.message);
  const Tsn tsn = next_tsn();
  Sent sent;
  sent.fragment = fragment;
  sent.stream = message.stream;
  sent.mid = message.mid;
  sent_.push_back(sent);
  put_in_flight(sent_.back(), tsn, now);
  messages_->set_tsn(fragment.message, tsn);
  return tsn;
}

RetransmissionQueue::Outcome RetransmissionQueue::handle_sack(const SackChunk& sack, Time now) {
  Progress progress;
  progress.now = now;
  // Nothing is believed before all of it is known to be possible.
  const Tsn newest = sack.block_count() == 0 ? sack.cumulative : sack.block(sack.block_count() - 1).end;
  if (cumulative_.newer_than(sack.cumulative)) return progress.failed(Verdict::Old);
  if (newest.distance_from(cumulative_) > sent_.size()) return progress.failed(Verdict::Bad);

  progress.outcome.cumulative_advanced = sack.cumulative != cumulative_;
  if (sack.duplicates != 0) rack_.duplicate_reported(next_tsn());
  advance(sack.cumulative, progress);
  acknowledge_blocks(sack, progress);
  if (progress.latest_sent != Time::min()) progress.outcome.rtt = now - progress.latest_sent;
  return progress.outcome;
}

void RetransmissionQueue::advance(Tsn cumulative, Progress& progress) {
  while (cumulative_ != cumulative) {
    const Tsn tsn = cumulative_ + 1;
    Sent& sent = sent_.front();
    acknowledge(tsn, progress);
    if (sent.state == State::Acked) --beyond_;
    if (sent.state != State::Abandoned) messages_->release(sent.fragment.message);
    sent_.pop_front();
    cumulative_ = tsn;
    if (first_lost_ != 0) --first_lost_;
  }
}

void RetransmissionQueue::acknowledge(Tsn tsn, Progress& progress) {
  Sent& sent = at(tsn);
  if (sent.state != State::InFlight && sent.state != State::Lost) return;
  progress.outcome.newly_acknowledged += cost(sent);
  // A chunk sent twice tells neither its round trip nor which of the two arrived.
  if (sent.transmissions == 1) progress.latest_sent = std::max(progress.latest_sent, sent.at);
  rack_.delivered(tsn, sent.at, sent.transmissions != 1, progress.now);
  if (sent.state == State::Lost) {
    --lost_;
  } else {
    take_from_flight(sent, tsn);
  }
  // Kept until the cumulative TSN passes it: the peer may still change its mind (§6.2.1, "renege").
  sent.state = State::Acked;
  ++beyond_;
}

// What the last SACK reported already is skipped over, so that the cost is that of the news and not of the window.
void RetransmissionQueue::acknowledge_blocks(const SackChunk& sack, Progress& progress) {
  size_t old = 0;
  for (size_t b = 0; b < sack.block_count(); ++b) {
    const TsnRange block = sack.block(b);
    Tsn tsn = block.start;
    while (!tsn.newer_than(block.end)) {
      while (old < reported_.size() && tsn.newer_than(reported_[old].end)) ++old;
      if (old < reported_.size() && tsn.newer_or_same(reported_[old].start)) {
        tsn = reported_[old].end + 1;
        continue;
      }
      acknowledge(tsn, progress);
      ++tsn;
    }
  }
  reported_.clear();
  for (size_t b = 0; b < sack.block_count(); ++b) reported_.push_back(sack.block(b));
}

// RFC 8985 §6.2, step 5. Oldest transmissions first, so that the cost is that of the losses.
bool RetransmissionQueue::detect_losses(bool in_recovery, Duration smoothed_rtt, Time now) {
  reordering_deadline_ = kNever;
  const Duration window = rack_.reordering_window(in_recovery, beyond_, smoothed_rtt);
  bool found = false;
  while (chunks_in_flight_ != 0) {
    const Tsn tsn = earliest_;
    const auto lost_at = rack_.lost_at(tsn, at(tsn).at, window);
    if (!lost_at) break;
    if (*lost_at > now) {
      reordering_deadline_ = *lost_at;
      break;
    }
    found = true;
    lose(tsn);
  }
  return found;
}

void RetransmissionQueue::mark_lost(Sent& sent, Tsn tsn) {
  const size_t index = index_of(tsn);
  sent.state = State::Lost;
  first_lost_ = lost_ == 0 ? index : std::min(first_lost_, index);
  ++lost_;
}

// Marks for retransmission, or gives up if the limit of retransmissions is reached (RFC 7496 §3.2).
void RetransmissionQueue::lose(Tsn tsn) {
  Sent& sent = at(tsn);
  take_from_flight(sent, tsn);
  mark_lost(sent, tsn);
  const OutgoingMessage& message = messages_->message(sent.fragment.message);
  if (partial_reliability_ && sent.transmissions > message.max_retransmits) abandon(sent.fragment.message);
}

void RetransmissionQueue::handle_timeout() {
  reordering_deadline_ = kNever;
  while (chunks_in_flight_ != 0) lose(earliest_);
  size_t report = 0;
  for (size_t i = 0; i < sent_.size(); ++i) {
    if (sent_[i].state != State::Acked) continue;
    const Tsn tsn = cumulative_ + 1 + static_cast<uint32_t>(i);
    while (report < reported_.size() && tsn.newer_than(reported_[report].end)) ++report;
    if (report < reported_.size() && tsn.newer_or_same(reported_[report].start)) continue;
    --beyond_;
    mark_lost(sent_[i], tsn);  // reneged
  }
}

bool RetransmissionQueue::probe_last() {
  if (chunks_in_flight_ == 0 || lost_ != 0) return false;
  for (size_t i = sent_.size(); i-- > 0;) {
    Sent& sent = sent_[i];
    if (sent.state != State::InFlight) continue;
    const OutgoingMessage& message = messages_->message(sent.fragment.message);
    if (partial_reliability_ && sent.transmissions > message.max_retransmits) return false;
    const Tsn tsn = cumulative_ + 1 + static_cast<uint32_t>(i);
    take_from_flight(sent, tsn);
    mark_lost(sent, tsn);
    return true;
  }
  return false;
}

std::optional<RetransmissionQueue::Chunk> RetransmissionQueue::next_lost(Time now) {
  while (lost_ != 0) {
    while (sent_[first_lost_].state != State::Lost) ++first_lost_;
    const Sent& sent = sent_[first_lost_];
    if (partial_reliability_ && messages_->expired(sent.fragment.message, now)) {
      abandon(sent.fragment.message);
      continue;
    }
    return Chunk{cumulative_ + 1 + static_cast<uint32_t>(first_lost_), sent.fragment};
  }
  return std::nullopt;
}

void RetransmissionQueue::retransmitted(Tsn tsn, Time now) {
  Sent& sent = at(tsn);
  KAON_ASSERT(sent.state == State::Lost);
  if (sent.transmissions != UINT16_MAX) ++sent.transmissions;
  --lost_;
  put_in_flight(sent, tsn, now);
  ++retransmissions_;
}

// All that are not acknowledged for good; how many there were.
size_t RetransmissionQueue::abandon_chunks(uint32_t message_index) {
  const OutgoingMessage& message = messages_->message(message_index);
  if (message.references == 0) return 0;
  size_t chunks = 0;
  const size_t first = message.first_tsn.newer_than(cumulative_) ? index_of(message.first_tsn) : 0;
  const size_t last = index_of(message.last_tsn);
  for (size_t i = first; i <= last; ++i) {
    Sent& sent = sent_[i];
    if (sent.fragment.message != message_index || sent.state == State::Abandoned) continue;
    if (sent.state == State::Lost) --lost_;
    if (sent.state == State::Acked) --beyond_;
    if (sent.state == State::InFlight) take_from_flight(sent, cumulative_ + 1 + static_cast<uint32_t>(i));
    sent.state = State::Abandoned;
    ++chunks;
  }
  return chunks;
}

// RFC 3758 §3.5, A3: all chunks of the message go at once.
void RetransmissionQueue::abandon(uint32_t message_index) {
  const OutgoingMessage& message = messages_->message(message_index);
  messages_->count_abandoned();
  Sent rest;
  rest.stream = message.stream;
  rest.mid = message.mid;
  rest.fragment.flags = message.unordered ? DataChunk::kUnordered : uint8_t{0};
  rest.state = State::Abandoned;

  size_t chunks = abandon_chunks(message_index);
  // What has no TSN yet gets one for all of it: otherwise a peer that acknowledged the first part could not be told to
  // skip the message.
  if (messages_->drop_rest(message_index)) {
    sent_.push_back(rest);
    if (chunks == 0) messages_->free_message(message_index);
  }
  for (; chunks != 0; --chunks) messages_->release(message_index);
}

Tsn RetransmissionQueue::forward(std::vector<ForwardTsnChunk::Skipped>& skipped, size_t max_entries) const {
  Tsn tsn = cumulative_;
  skipped.clear();
  for (size_t i = 0; i < sent_.size() && sent_[i].state == State::Abandoned; ++i, ++tsn) {
    const Sent& sent = sent_[i];
    const bool unordered = (sent.fragment.flags & DataChunk::kUnordered) != 0;
    if (unordered && messages_->format() == DataFormat::Data) continue;
    const auto known = std::find_if(skipped.begin(), skipped.end(),
                                    [&](const auto& s) { return s.stream == sent.stream && s.unordered == unordered; });
    if (known != skipped.end()) {
      known->mid = sent.mid;
    } else if (skipped.size() < max_entries) {
      skipped.push_back({sent.stream, sent.mid, unordered});
    } else {
      break;
    }
  }
  return tsn;
}

}  // namespace kaon::sctp
