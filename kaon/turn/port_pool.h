// Ports for relays, drawn at random.
#pragma once

#include <optional>
#include <vector>

#include "kaon/base/random.h"
#include "kaon/turn/peer_policy.h"

namespace kaon::turn {

/// The ports of one address that are not taken. Drawn at random, so that nobody can guess the next one. One loop only.
class PortPool {
 public:
  explicit PortPool(PortRange range);

  /// A free port, even if asked for, with the next one free too if `pair`; taken from now on, the next one as well.
  /// Nothing if there is none.
  std::optional<uint16_t> take(Random& random, bool even, bool pair);
  /// A port that take() gave, or the one behind it, is free again.
  void give_back(uint16_t port);
  size_t free() const { return free_; }

 private:
  bool fits(size_t index, bool even, bool pair) const;
  void mark(size_t index);

  PortRange range_;
  std::vector<bool> taken_;
  size_t free_;
};

}  // namespace kaon::turn
