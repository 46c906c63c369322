// Packets as lines that text2pcap turns into a capture: text2pcap -D -t "%H:%M:%S." -i 132 log.txt out.pcap
#pragma once

#include <string>

#include "kaon/base/bytes.h"
#include "kaon/base/time.h"

namespace kaon::sctp {

/// `direction`: 'I' in, 'O' out. The time is that of the loop's clock, within its day.
std::string text2pcap_line(char direction, Time now, ByteView packet);

}  // namespace kaon::sctp
