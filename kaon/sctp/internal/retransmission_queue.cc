#include "kaon/sctp/internal/retransmission_queue.h"

#include <algorithm>

#include "kaon/sctp/internal/data_chunk.h"

namespace kaon::sctp {

// RFC 9260 §7.2.4: so many reports that later chunks arrived make a chunk lost.
constexpr uint8_t kMissingThreshold = 3;

// What one SACK has brought so far.
struct RetransmissionQueue::Progress {
  Outcome outcome;
  Tsn highest;  // highest newly acknowledged TSN
  bool any = false;
  Time latest_sent{};
  Time now;

  Outcome failed(Verdict verdict) {
    outcome.verdict = verdict;
    return outcome;
  }
  void note(Tsn tsn, const Sent& sent) {
    outcome.newly_acknowledged += cost(sent);
    if (!any || tsn.newer_than(highest)) highest = tsn;
    any = true;
    // A chunk sent twice tells neither its round trip nor which of the two arrived.
    if (sent.transmissions != 1) return;
    latest_sent = std::max(latest_sent, sent.at);
    outcome.rtt = now - latest_sent;
  }
};

size_t RetransmissionQueue::cost(const Sent& sent) { return DataChunk::kOverhead + padded(sent.fragment.size); }

Tsn RetransmissionQueue::add(const Fragment& fragment, Time now) {
  const OutgoingMessage& message = messages_->message(fragment.message);
  const Tsn tsn = next_tsn();
  Sent sent;
  sent.at = now;
  sent.fragment = fragment;
  sent.stream = message.stream;
  sent.ssn = message.ssn;
  in_flight_ += cost(sent);
  sent_.push_back(sent);
  return tsn;
}

RetransmissionQueue::Outcome RetransmissionQueue::handle_sack(const SackChunk& sack, bool in_recovery, Time now) {
  Progress progress;
  progress.now = now;
  // Nothing is believed before all of it is known to be possible.
  const Tsn newest = sack.block_count() == 0 ? sack.cumulative : sack.block(sack.block_count() - 1).end;
  if (cumulative_.newer_than(sack.cumulative)) return progress.failed(Verdict::Old);
  if (newest.distance_from(cumulative_) > sent_.size()) return progress.failed(Verdict::Bad);

  progress.outcome.cumulative_advanced = sack.cumulative != cumulative_;
  advance(sack.cumulative, progress);
  acknowledge_blocks(sack, progress);
  if (progress.any) count_missing(sack, in_recovery, progress);
  return progress.outcome;
}

void RetransmissionQueue::advance(Tsn cumulative, Progress& progress) {
  while (cumulative_ != cumulative) {
    ++cumulative_;
    Sent& sent = sent_.front();
    if (sent.state == State::InFlight || sent.state == State::Lost) {
      progress.note(cumulative_, sent);
      if (sent.state == State::Lost) {
        --lost_;
      } else {
        in_flight_ -= cost(sent);
      }
    }
    if (sent.state != State::Abandoned) messages_->release(sent.fragment.message);
    sent_.pop_front();
    if (first_lost_ != 0) --first_lost_;
  }
}

void RetransmissionQueue::acknowledge(size_t index, Progress& progress) {
  Sent& sent = sent_[index];
  if (sent.state != State::InFlight && sent.state != State::Lost) return;
  progress.note(cumulative_ + 1 + static_cast<uint32_t>(index), sent);
  if (sent.state == State::Lost) {
    --lost_;
  } else {
    in_flight_ -= cost(sent);
  }
  // Kept until the cumulative TSN passes it: the peer may still change its mind (§6.2.1, "renege").
  sent.state = State::Acked;
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
      acknowledge(index_of(tsn), progress);
      ++tsn;
    }
  }
  reported_.clear();
  for (size_t b = 0; b < sack.block_count(); ++b) reported_.push_back(sack.block(b));
}

// RFC 9260 §7.2.4, "HTNA": only what is older than the highest newly acknowledged TSN is missing; in fast recovery,
// when the cumulative TSN moves, all holes are.
void RetransmissionQueue::count_missing(const SackChunk& sack, bool in_recovery, Progress& progress) {
  size_t limit = progress.highest.newer_than(cumulative_) ? index_of(progress.highest) : 0;
  if (in_recovery && progress.outcome.cumulative_advanced) limit = sent_.size();
  size_t from = 0;
  for (size_t b = 0; b < sack.block_count() && from < limit; ++b) {
    const TsnRange block = sack.block(b);
    count_missing_between(from, std::min<size_t>(index_of(block.start), limit), progress);
    from = index_of(block.end) + 1;
  }
}

void RetransmissionQueue::count_missing_between(size_t from, size_t to, Progress& progress) {
  for (size_t i = from; i < to; ++i) {
    Sent& sent = sent_[i];
    if (sent.state != State::InFlight) continue;
    // One that was sent again is late only if something sent after that has arrived.
    if (sent.transmissions > 1 && progress.latest_sent <= sent.at) continue;
    if (++sent.missing < kMissingThreshold) continue;
    progress.outcome.loss = true;
    lose(i);
  }
}

// Marks for retransmission, or gives up if the limit of retransmissions is reached (RFC 7496 §3.2).
void RetransmissionQueue::lose(size_t index) {
  Sent& sent = sent_[index];
  in_flight_ -= cost(sent);
  sent.state = State::Lost;
  sent.missing = 0;
  first_lost_ = lost_ == 0 ? index : std::min(first_lost_, index);
  ++lost_;
  const OutgoingMessage& message = messages_->message(sent.fragment.message);
  if (partial_reliability_ && sent.transmissions > message.max_retransmits) abandon(sent.fragment.message);
}

void RetransmissionQueue::handle_timeout() {
  size_t report = 0;
  for (size_t i = 0; i < sent_.size(); ++i) {
    if (sent_[i].state == State::InFlight) {
      lose(i);
      continue;
    }
    if (sent_[i].state != State::Acked) continue;
    const Tsn tsn = cumulative_ + 1 + static_cast<uint32_t>(i);
    while (report < reported_.size() && tsn.newer_than(reported_[report].end)) ++report;
    if (report < reported_.size() && tsn.newer_or_same(reported_[report].start)) continue;
    in_flight_ += cost(sent_[i]);  // reneged; lose() takes it away again
    lose(i);
  }
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
  Sent& sent = sent_[index_of(tsn)];
  KAON_ASSERT(sent.state == State::Lost);
  sent.state = State::InFlight;
  sent.at = now;
  if (sent.transmissions != UINT16_MAX) ++sent.transmissions;
  --lost_;
  in_flight_ += cost(sent);
  ++retransmissions_;
}

void RetransmissionQueue::abandon_chunk(size_t index) {
  Sent& sent = sent_[index];
  if (sent.state == State::Lost) --lost_;
  if (sent.state == State::InFlight) in_flight_ -= cost(sent);
  sent.state = State::Abandoned;
}

// RFC 3758 §3.5, A3: all chunks of the message go at once.
void RetransmissionQueue::abandon(uint32_t message_index) {
  const OutgoingMessage& message = messages_->message(message_index);
  messages_->count_abandoned();
  Sent rest;
  rest.stream = message.stream;
  rest.ssn = message.ssn;
  rest.fragment.flags = message.unordered ? DataChunk::kUnordered : uint8_t{0};
  rest.state = State::Abandoned;

  // Its chunks have consecutive TSNs, the newest of them near the end of the queue or before other messages.
  uint32_t chunks = 0;
  for (size_t i = sent_.size(); i-- > 0;) {
    if (sent_[i].fragment.message != message_index || sent_[i].state == State::Abandoned) {
      if (chunks != 0) break;
      continue;
    }
    abandon_chunk(i);
    ++chunks;
  }
  // What has no TSN yet gets one for all of it: otherwise a peer that acknowledged the first part could not be told to
  // skip the message.
  if (messages_->drop_rest(message_index)) {
    sent_.push_back(rest);
    if (chunks == 0) messages_->free_message(message_index);
  }
  for (; chunks != 0; --chunks) messages_->release(message_index);
}

Tsn RetransmissionQueue::forward(std::vector<ForwardTsnChunk::Skipped>& skipped, size_t max_streams) const {
  Tsn tsn = cumulative_;
  skipped.clear();
  for (size_t i = 0; i < sent_.size() && sent_[i].state == State::Abandoned; ++i) {
    const Sent& sent = sent_[i];
    if ((sent.fragment.flags & DataChunk::kUnordered) == 0) {
      const auto known =
          std::find_if(skipped.begin(), skipped.end(), [&](const auto& s) { return s.stream == sent.stream; });
      if (known != skipped.end()) {
        known->ssn = sent.ssn;
      } else if (skipped.size() < max_streams) {
        skipped.push_back({sent.stream, sent.ssn});
      } else {
        break;
      }
    }
    ++tsn;
  }
  return tsn;
}

}  // namespace kaon::sctp
