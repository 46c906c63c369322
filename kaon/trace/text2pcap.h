// Packets as log lines that text2pcap turns into a capture; docs/guide/debugging.md shows how.
#pragma once

#include <string>

#include "kaon/trace/sink.h"

namespace kaon::trace {

/// "I 01:02:03.000004 0000 80 60 … # RTP_PACKET": I for in, O for out. The time is that of the loop's clock, within its
/// day.
std::string text2pcap_line(const Packet& packet);

}  // namespace kaon::trace
