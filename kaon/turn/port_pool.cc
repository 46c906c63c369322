#include "kaon/turn/port_pool.h"

#include "kaon/base/assert.h"

namespace kaon::turn {

PortPool::PortPool(PortRange range)
    : range_(range), taken_(static_cast<size_t>(range.last - range.first) + 1), free_(taken_.size()) {
  KAON_ASSERT(range.first != 0 && range.first <= range.last);
}

bool PortPool::fits(size_t index, bool even, bool pair) const {
  if (taken_[index] || (even && (range_.first + index) % 2 != 0)) return false;
  return !pair || (index + 1 < taken_.size() && !taken_[index + 1]);
}

void PortPool::mark(size_t index) {
  taken_[index] = true;
  --free_;
}

std::optional<uint16_t> PortPool::take(Random& random, bool even, bool pair) {
  const size_t start = random.below(taken_.size());
  for (size_t i = 0; i < taken_.size(); ++i) {
    const size_t index = (start + i) % taken_.size();
    if (!fits(index, even, pair)) continue;
    mark(index);
    if (pair) mark(index + 1);
    return static_cast<uint16_t>(range_.first + index);
  }
  return std::nullopt;
}

void PortPool::give_back(uint16_t port) {
  KAON_ASSERT(range_.contains(port) && taken_[port - range_.first]);
  taken_[port - range_.first] = false;
  ++free_;
}

}  // namespace kaon::turn
