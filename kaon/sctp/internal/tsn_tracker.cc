#include "kaon/sctp/internal/tsn_tracker.h"

#include <algorithm>

namespace kaon::sctp {

std::vector<TsnRange>::iterator TsnTracker::find(Tsn tsn) {
  // Nearly always past the last range or at its end.
  if (ranges_.empty() || ahead(ranges_.back().end) < ahead(tsn)) return ranges_.end();
  return std::lower_bound(ranges_.begin(), ranges_.end(), tsn,
                          [this](const TsnRange& range, Tsn t) { return ahead(range.end) < ahead(t); });
}

bool TsnTracker::received(Tsn tsn) const {
  if (!tsn.newer_than(cumulative_)) return true;
  const auto range = find(tsn);
  return range != ranges_.end() && ahead(range->start) <= ahead(tsn);
}

TsnTracker::Verdict TsnTracker::judge(Tsn tsn) {
  const auto note_duplicate = [&] {
    if (duplicates_.size() < kMaxDuplicates) duplicates_.push_back(tsn);
    return Verdict::Duplicate;
  };
  if (!tsn.newer_than(cumulative_)) return note_duplicate();
  if (ahead(tsn) > kMaxAhead) return Verdict::OutOfRange;
  const auto range = find(tsn);
  if (range != ranges_.end() && ahead(range->start) <= ahead(tsn)) return note_duplicate();
  const bool touches = tsn == cumulative_ + 1 || (range != ranges_.end() && range->start == tsn + 1) ||
                       (range != ranges_.begin() && std::prev(range)->end + 1 == tsn);
  return touches || ranges_.size() < kMaxRanges ? Verdict::New : Verdict::OutOfRange;
}

void TsnTracker::add(Tsn tsn) {
  if (tsn == cumulative_ + 1) {
    ++cumulative_;
    absorb();
    return;
  }
  const auto next = find(tsn);
  const bool joins_next = next != ranges_.end() && next->start == tsn + 1;
  const bool joins_previous = next != ranges_.begin() && std::prev(next)->end + 1 == tsn;
  if (joins_previous && joins_next) {
    std::prev(next)->end = next->end;
    ranges_.erase(next);
  } else if (joins_previous) {
    std::prev(next)->end = tsn;
  } else if (joins_next) {
    next->start = tsn;
  } else {
    ranges_.insert(next, {tsn, tsn});
  }
}

void TsnTracker::skip_to(Tsn tsn) {
  if (!tsn.newer_than(cumulative_)) return;
  const auto keep =
      std::find_if(ranges_.begin(), ranges_.end(), [&](const TsnRange& range) { return range.end.newer_than(tsn); });
  ranges_.erase(ranges_.begin(), keep);
  cumulative_ = tsn;
  if (!ranges_.empty() && !ranges_.front().start.newer_than(tsn)) ranges_.front().start = tsn + 1;
  absorb();
}

void TsnTracker::absorb() {
  if (ranges_.empty() || ranges_.front().start != cumulative_ + 1) return;
  cumulative_ = ranges_.front().end;
  ranges_.erase(ranges_.begin());
}

}  // namespace kaon::sctp
