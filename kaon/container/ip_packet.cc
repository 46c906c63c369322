#include "kaon/container/ip_packet.h"

#include <algorithm>
#include <array>

namespace kaon::container {
namespace {

constexpr size_t kIpv4Header = 20;
constexpr size_t kIpv6Header = 40;
constexpr size_t kUdpHeader = 8;
constexpr size_t kMaxIpPayload = 65535 - kIpv4Header;
constexpr uint16_t kEtherIpv4 = 0x0800;
constexpr uint16_t kEtherIpv6 = 0x86dd;
constexpr uint16_t kEtherVlan = 0x8100;

/// The sum of RFC 1071, not yet folded; `odd` bytes at the end count as the upper half of a word.
uint32_t add_words(uint32_t sum, ByteView bytes) {
  for (size_t i = 0; i + 1 < bytes.size(); i += 2) sum += load_be16(&bytes[i]);
  if (bytes.size() % 2 != 0) sum += static_cast<uint32_t>(bytes.back()) << 8;
  return sum;
}

uint16_t fold(uint32_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

/// Where the IP packet begins in a frame of this link type.
Result<size_t, ReadError> link_header(LinkType link, ByteView frame) {
  const auto too_short = [&](size_t need) -> Result<size_t, ReadError> {
    return fail(ReadError{frame.size(), cat("expected a link-layer header of ", need, " bytes")});
  };
  size_t type_at = 0;
  size_t size = 0;
  switch (link) {
    case LinkType::RawIp: return size_t{0};
    case LinkType::Null:
      if (frame.size() < 4) return too_short(4);
      return size_t{4};
    case LinkType::Ethernet: type_at = 12, size = 14; break;
    case LinkType::LinuxCooked: type_at = 14, size = 16; break;
    case LinkType::LinuxCooked2: type_at = 0, size = 20; break;
    default: return fail(ReadError{0, cat("link type ", static_cast<int>(link), " is not known")});
  }
  if (frame.size() < size) return too_short(size);
  while (link == LinkType::Ethernet && load_be16(&frame[type_at]) == kEtherVlan) {
    type_at += 4;
    size += 4;
    if (frame.size() < size) return too_short(size);
  }
  const uint16_t type = load_be16(&frame[type_at]);
  if (type != kEtherIpv4 && type != kEtherIpv6)
    return fail(ReadError{type_at, cat("expected IPv4 or IPv6, found EtherType ", type)});
  return size;
}

//   0       1       2               4       8       10              20
//   | 4,IHL | TOS   | total length  | …     | TTL   | protocol, sum | source, destination
Result<IpPacket, ReadError> parse_ipv4(ByteView bytes, size_t at) {
  if (bytes.size() < kIpv4Header) return fail(ReadError{at + bytes.size(), "expected an IPv4 header of 20 bytes"});
  const size_t header = size_t{4} * (bytes[0] & 15);
  const size_t total = load_be16(&bytes[2]);
  if (header < kIpv4Header || header > bytes.size())
    return fail(ReadError{at, "expected an IPv4 header of 20 to 60 bytes"});
  if ((load_be16(&bytes[6]) & 0x1fff) != 0) return fail(ReadError{at + 6, "a later fragment of an IPv4 packet"});
  IpPacket packet;
  packet.source.ip = net::IpAddress::from_bytes(bytes.subspan(12, 4));
  packet.destination.ip = net::IpAddress::from_bytes(bytes.subspan(16, 4));
  packet.protocol = static_cast<IpProtocol>(bytes[9]);
  // Zero: segmentation offload filled it in later. What is longer than the frame was cut by the capture.
  const size_t end = total < header ? bytes.size() : std::min(total, bytes.size());
  packet.payload = bytes.subspan(header, end - header);
  return packet;
}

Result<IpPacket, ReadError> parse_ipv6(ByteView bytes, size_t at) {
  if (bytes.size() < kIpv6Header) return fail(ReadError{at + bytes.size(), "expected an IPv6 header of 40 bytes"});
  IpPacket packet;
  packet.source.ip = net::IpAddress::from_bytes(bytes.subspan(8, 16));
  packet.destination.ip = net::IpAddress::from_bytes(bytes.subspan(24, 16));
  packet.protocol = static_cast<IpProtocol>(bytes[6]);
  packet.payload = bytes.subspan(kIpv6Header);
  packet.payload = packet.payload.first(std::min<size_t>(load_be16(&bytes[4]), packet.payload.size()));
  return packet;
}

/// RFC 768 and 8200 §8.1: over a pseudo header, the UDP header and the payload.
uint16_t udp_checksum(const IpPacket& packet, ByteView header, ByteView payload, ByteView rest) {
  uint32_t sum = add_words(0, packet.source.ip.bytes());
  sum = add_words(sum, packet.destination.ip.bytes());
  sum += static_cast<uint32_t>(IpProtocol::Udp) + load_be16(&header[4]);
  sum = add_words(sum, header);
  sum = add_words(sum, payload);
  if (payload.size() % 2 != 0 && !rest.empty()) {
    sum += rest.front();
    rest = rest.subspan(1);
  }
  const uint16_t folded = fold(add_words(sum, rest));
  return folded == 0 ? 0xffff : folded;
}

void append(std::vector<uint8_t>& out, ByteView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

void append_ip_header(std::vector<uint8_t>& out, const IpPacket& packet, size_t size) {
  constexpr uint8_t kHopLimit = 64;
  if (packet.source.ip.is_v6()) {
    std::array<uint8_t, 8> header{0x60, 0, 0, 0, 0, 0, static_cast<uint8_t>(packet.protocol), kHopLimit};
    store_be16(&header[4], static_cast<uint16_t>(size));
    append(out, header);
    append(out, packet.source.ip.bytes());
    append(out, packet.destination.ip.bytes());
    return;
  }
  std::array<uint8_t, kIpv4Header> header{0x45};
  store_be16(&header[2], static_cast<uint16_t>(kIpv4Header + size));
  header[6] = 0x40;  // do not fragment
  header[8] = kHopLimit;
  header[9] = static_cast<uint8_t>(packet.protocol);
  std::ranges::copy(packet.source.ip.bytes(), &header[12]);
  std::ranges::copy(packet.destination.ip.bytes(), &header[16]);
  store_be16(&header[10], fold(add_words(0, header)));
  append(out, header);
}

}  // namespace

Result<IpPacket, ReadError> parse_ip(LinkType link, ByteView frame) {
  KAON_TRY(const size_t at, link_header(link, frame));
  const ByteView bytes = frame.subspan(at);
  if (bytes.empty()) return fail(ReadError{at, "expected an IP packet"});
  const uint8_t version = bytes[0] >> 4;
  if (version != 4 && version != 6) return fail(ReadError{at, cat("expected IP version 4 or 6, found ", version)});
  KAON_TRY(IpPacket packet, version == 4 ? parse_ipv4(bytes, at) : parse_ipv6(bytes, at));
  if (packet.protocol != IpProtocol::Udp) return packet;
  const auto begin = static_cast<size_t>(packet.payload.data() - frame.data());
  if (packet.payload.size() < kUdpHeader)
    return fail(ReadError{begin + packet.payload.size(), "expected a UDP header of 8 bytes"});
  packet.source.port = load_be16(&packet.payload[0]);
  packet.destination.port = load_be16(&packet.payload[2]);
  packet.payload = packet.payload.subspan(kUdpHeader);
  return packet;
}

void append_ip(std::vector<uint8_t>& out, const IpPacket& given) {
  IpPacket packet = given;
  if (packet.source.ip.family() != packet.destination.ip.family() || packet.source.ip.is_none()) {
    packet.source.ip = packet.destination.ip = net::IpAddress::any(net::Family::V4);
  }
  const size_t udp = packet.protocol == IpProtocol::Udp ? kUdpHeader : 0;
  const ByteView payload = packet.payload.first(std::min(packet.payload.size(), kMaxIpPayload - udp));
  const ByteView rest = packet.rest.first(std::min(packet.rest.size(), kMaxIpPayload - udp - payload.size()));
  const size_t size = udp + payload.size() + rest.size();
  append_ip_header(out, packet, size);
  if (udp != 0) {
    std::array<uint8_t, kUdpHeader> header{};
    store_be16(&header[0], packet.source.port);
    store_be16(&header[2], packet.destination.port);
    store_be16(&header[4], static_cast<uint16_t>(size));
    store_be16(&header[6], udp_checksum(packet, header, payload, rest));
    append(out, header);
  }
  append(out, payload);
  append(out, rest);
}

}  // namespace kaon::container
