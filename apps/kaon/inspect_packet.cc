// One packet: which protocol, then that protocol's own description.

#include "apps/kaon/inspect.h"
#include "kaon/datachannel/describe.h"
#include "kaon/dtls/describe.h"
#include "kaon/rtcp/describe.h"
#include "kaon/rtp/describe.h"
#include "kaon/rtp/header.h"
#include "kaon/sctp/describe.h"
#include "kaon/stun/describe.h"

namespace kaon::apps {
namespace {

// The port of WebRTC's SCTP by RFC 8831; a packet alone has nothing else to know it by.
constexpr uint16_t kSctpPort = 5000;

bool looks_like_sctp(ByteView packet) {
  return packet.size() >= 16 && load_be16(&packet[0]) == kSctpPort && load_be16(&packet[2]) == kSctpPort;
}

}  // namespace

std::string_view datagram_kind(ByteView packet) {
  if (packet.empty()) return "unknown";
  if (looks_like_sctp(packet)) return "sctp";
  // RFC 7983 §7, RFC 5761 §4.
  const uint8_t first = packet[0];
  if (first < 4) return "stun";
  if (first >= 20 && first < 64) return "dtls";
  if (first >= 64 && first < 80) return "turn-channel";
  if (first >= 128 && first < 192) return rtp::is_rtcp(packet) ? "rtcp" : "rtp";
  return "unknown";
}

void describe_datagram(ByteView packet, Outline& out) {
  const std::string_view kind = datagram_kind(packet);
  if (kind == "stun") return stun::describe(packet, out);
  if (kind == "dtls") return dtls::describe(packet, out);
  if (kind == "rtp") return rtp::describe(packet, out);
  if (kind == "rtcp") return rtcp::describe(packet, out);
  if (kind == "sctp") return sctp::describe(packet, &datachannel::describe, out);
  if (kind != "turn-channel") {
    return out.problem(packet, cat("STUN (0 to 3), DTLS (20 to 63), TURN channel data (64 to 79), RTP or RTCP (128 to "
                                   "191), found ",
                                   packet.empty() ? std::string("nothing") : cat(packet[0])));
  }
  // RFC 8656 §12.4: channel number, length, data.
  if (packet.size() < 4) return out.problem(packet.last(0), "a channel data header of 4 bytes");
  const size_t size = load_be16(&packet[2]);
  out.line("TURN channel ", load_be16(&packet[0]), ", ", size, " bytes");
  const auto deeper = out.deeper();
  if (size > packet.size() - 4)
    return out.problem(packet.subspan(2), cat("a length of at most ", packet.size() - 4, ", found ", size));
  if (datagram_kind(packet.subspan(4, size)) != "turn-channel") describe_datagram(packet.subspan(4, size), out);
}

}  // namespace kaon::apps
