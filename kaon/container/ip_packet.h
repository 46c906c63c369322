// IP packets in captures: UDP and SCTP over IPv4 and IPv6, written and read. RFC 791, 8200, 768.
#pragma once

#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/result.h"
#include "kaon/container/frame.h"
#include "kaon/net/address.h"

namespace kaon::container {

/// IANA "Protocol Numbers"; others are read as well.
enum class IpProtocol : uint8_t { Tcp = 6, Udp = 17, Sctp = 132 };

/// What an IP packet carries. The ports are zero for anything but UDP; SCTP keeps its own in the payload.
struct IpPacket {
  net::Endpoint source;
  net::Endpoint destination;
  IpProtocol protocol = IpProtocol::Udp;
  ByteView payload;
  /// When written: follows `payload`.
  ByteView rest = {};
};

/// IANA-like registry of link types at tcpdump.org; the ones that captures of WebRTC come in.
enum class LinkType : uint16_t {
  Null = 0,  ///< address family in four bytes
  Ethernet = 1,
  RawIp = 101,
  LinuxCooked = 113,
  LinuxCooked2 = 276,
};

/// The packet within a link-layer frame. The error tells at which byte of the frame what was expected.
Result<IpPacket, ReadError> parse_ip(LinkType link, ByteView frame);

/// Appends the packet with its headers and checksums. A payload that IP has no room for is cut. Addresses of two
/// families, or none, become 0.0.0.0.
void append_ip(std::vector<uint8_t>& out, const IpPacket& packet);

}  // namespace kaon::container
