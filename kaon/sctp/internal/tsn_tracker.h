// Which TSNs have arrived, RFC 9260 §6.2 and §6.7.
#pragma once

#include <vector>

#include "kaon/sctp/internal/sack_chunk.h"

namespace kaon::sctp {

class TsnTracker {
 public:
  /// TSNs further than this past the cumulative one are not taken: a SACK cannot speak of them (RFC 9260 §3.3.4).
  static constexpr uint32_t kMaxAhead = 65535;
  /// Runs of TSNs received out of order; more holes than this are not opened.
  static constexpr size_t kMaxRanges = 2048;
  static constexpr size_t kMaxDuplicates = 16;

  explicit TsnTracker(Tsn initial) : cumulative_(initial - 1) {}

  enum class Verdict : uint8_t { New, Duplicate, OutOfRange };
  /// Remembers duplicates for the next SACK.
  Verdict judge(Tsn tsn);
  /// `tsn` was judged New.
  void add(Tsn tsn);
  /// RFC 3758 §3.6: everything up to `tsn` counts as received.
  void skip_to(Tsn tsn);

  bool received(Tsn tsn) const;
  Tsn cumulative() const { return cumulative_; }
  Tsn highest() const { return ranges_.empty() ? cumulative_ : ranges_.back().end; }
  bool has_gaps() const { return !ranges_.empty(); }
  const std::vector<TsnRange>& ranges() const { return ranges_; }
  const std::vector<Tsn>& duplicates() const { return duplicates_; }
  void clear_duplicates() { duplicates_.clear(); }

 private:
  uint32_t ahead(Tsn tsn) const { return tsn.distance_from(cumulative_); }
  /// The first range that ends at `tsn` or after it.
  std::vector<TsnRange>::iterator find(Tsn tsn);
  std::vector<TsnRange>::const_iterator find(Tsn tsn) const { return const_cast<TsnTracker*>(this)->find(tsn); }
  void absorb();

  Tsn cumulative_;
  std::vector<TsnRange> ranges_;  // in order, apart from each other and from cumulative_
  std::vector<Tsn> duplicates_;
};

}  // namespace kaon::sctp
