// What `kaon turn` tells of itself: log lines and metrics.
#pragma once

#include <string>
#include <string_view>

#include "kaon/io/turn_host.h"

namespace kaon::apps {

/// "udp", "tcp", "tls" or "dtls".
std::string_view protocol_name(net::Protocol protocol);

/// One line of KEY=VALUE pairs behind the event's name, or one JSON object with the same keys.
std::string event_line(const turn::ServerEvent& event, bool json);

/// All counters in Prometheus's text format 0.0.4.
std::string turn_metrics(const io::TurnHost& host);

}  // namespace kaon::apps
