#include "kaon/io/internal/turn_outbox.h"

#include <algorithm>

namespace kaon::io {

bool TurnOutbox::extend(Run& run, const Sender& sender, const net::Transmit& next) {
  net::Transmit& first = run.outgoing.transmit;
  if (run.sender != &sender || first.remote != next.remote || first.local != next.local || first.dont_fragment ||
      next.dont_fragment || next.size == 0) {
    return false;
  }
  const size_t total = run.outgoing.bytes.size();
  const size_t segment = first.segment_size == 0 ? total : first.segment_size;
  // Only the last one of a run may be shorter.
  if (next.size > segment || total % segment != 0 || total / segment >= kMaxSegments || total + next.size > kMaxRun) {
    return false;
  }
  first.segment_size = segment;
  first.size = total + next.size;
  run.outgoing.bytes = {run.outgoing.bytes.data(), first.size};
  return true;
}

size_t TurnOutbox::flush() {
  size_t lost = 0;
  for (size_t i = 0; i < runs_.size();) {
    Sender& sender = *runs_[i].sender;
    batch_.clear();
    for (; i < runs_.size() && runs_[i].sender == &sender; ++i) batch_.push_back(runs_[i].outgoing);
    const size_t sent = sender.send(batch_);
    for (const Outgoing& left : std::span(batch_).subspan(sent)) {
      const size_t segment = std::max<size_t>(1, left.transmit.segment_size);
      lost += left.transmit.segment_size == 0 ? 1 : (left.bytes.size() + segment - 1) / segment;
    }
  }
  runs_.clear();
  used_ = 0;
  return lost;
}

}  // namespace kaon::io
