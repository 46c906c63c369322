// How many bytes of a frame each packet takes.
#pragma once

#include <algorithm>

#include "kaon/packetizer/payload.h"

namespace kaon::packetizer::internal {

/// True if packets of these limits, with `overhead` bytes of descriptor in each, have room for media.
inline bool limits_fit(const Limits& limits, size_t overhead = 0) {
  return limits.max_payload >= overhead + kMinPayload &&
         limits.max_payload - overhead - kMinPayload >= limits.first_reduction &&
         limits.max_payload - overhead - kMinPayload - limits.first_reduction >= limits.last_reduction;
}

/// Cuts `size` bytes into the fewest parts of at most `capacity`, the first smaller by `first_reduction`, the last by
/// `last_reduction`; each part plus its reduction is equally large but for the last, which may be smaller. Calls
/// emit(offset, size, first, last). The caller checked that capacity exceeds both reductions together.
template <class Emit>
void split_evenly(size_t size, size_t capacity, size_t first_reduction, size_t last_reduction, Emit&& emit) {
  const size_t total = size + first_reduction + last_reduction;
  const size_t count = (total + capacity - 1) / capacity;
  // Evenly, but no part may be eaten up by its reduction.
  const size_t even =
      count == 1 ? total : std::max({(total + count - 1) / count, first_reduction + 1, last_reduction + 1});
  size_t offset = 0;
  while (offset < size) {
    const bool first = offset == 0;
    const size_t left = size - offset;
    const size_t room = even - (first ? first_reduction : 0);
    const bool last = left + last_reduction <= room;
    // What fits but for the reduction of the last packet still makes two packets: leave a byte for the second.
    const size_t take = last ? left : std::min(room, left - 1);
    emit(offset, take, first, last);
    offset += take;
  }
}

}  // namespace kaon::packetizer::internal
