// What `kaon turn` tells of itself: log lines and metrics.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kaon/base/counters.h"
#include "kaon/io/turn_host.h"

namespace kaon::apps {

/// "udp", "tcp", "tls" or "dtls".
std::string_view protocol_name(net::Protocol protocol);

/// One line of KEY=VALUE pairs behind the event's name, or one JSON object with the same keys.
std::string event_line(const turn::ServerEvent& event, bool json);

/// What a server counts, of one loop or of several together.
struct TurnFigures {
  std::vector<size_t> allocations;  ///< of each loop
  size_t connections = 0;
  size_t peer_connections = 0;
  turn::ServerStats engine;
  io::TurnHostStats edge;
  Counters<turn::ServerDrop> drops;

  /// One more loop's; called on that.
  void add(const io::TurnHost& host);
  size_t all_allocations() const;
};

/// All counters in Prometheus's text format 0.0.4.
std::string turn_metrics(const TurnFigures& figures);

}  // namespace kaon::apps
