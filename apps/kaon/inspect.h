// kaon inspect: what a packet, a capture or a session description says.
#pragma once

#include <optional>
#include <string>

#include "kaon/base/bytes.h"
#include "kaon/base/outline.h"

namespace kaon::apps {

/// The decode as text, and what is wrong with the input as a whole ("byte 12: expected …"), if anything is.
struct Inspection {
  std::string text;
  std::optional<std::string> problem;
};

/// A pcap or pcapng file, a session description, a hex dump of one packet or more, or one packet as it is.
Inspection inspect(ByteView input);

/// One packet of a port that WebRTC shares (RFC 7983): STUN, DTLS, RTP, RTCP, or SCTP in the clear.
void describe_datagram(ByteView packet, Outline& out);
/// "stun", "dtls", "rtp", "rtcp", "turn-channel", "sctp" or "unknown", by the first bytes.
std::string_view datagram_kind(ByteView packet);

Inspection inspect_capture(ByteView file);
Inspection inspect_description(std::string_view text);
/// Packets of a hex dump; nothing if it is none. See parse_hex_dump() for the forms.
std::optional<Inspection> inspect_hex(std::string_view text);

}  // namespace kaon::apps
