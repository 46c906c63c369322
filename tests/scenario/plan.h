// What a seed stands for: two places in a network and everything that goes wrong between them.
#pragma once

#include <optional>
#include <string>

#include "kaon/sim/link.h"
#include "kaon/sim/nat.h"

namespace kaon::scenario {

/// Where a peer is.
struct Place {
  sim::LinkConfig link;               ///< both directions
  std::optional<sim::NatConfig> nat;  ///< none: on the Internet
};

struct Plan {
  Place a, b;
  /// Largest UDP payload that both peers send: fits through both links.
  size_t payload = 1200;
  /// Whether the answerer speaks first in DTLS.
  bool active_answer = false;

  /// True if ICE with server reflexive candidates must find a path, by what RFC 4787 says of the translators.
  bool has_path() const;
  /// True if so little is lost that nothing excuses a failure.
  bool is_mild() const;
  std::string to_string() const;
};

Plan make_plan(uint64_t seed);

}  // namespace kaon::scenario
