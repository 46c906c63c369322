#include "kaon/trace/text2pcap.h"

#include "kaon/base/text.h"

namespace kaon::trace {
namespace {

void append_padded(std::string& out, int64_t value, size_t digits) {
  const std::string text = std::to_string(value);
  out.append(digits > text.size() ? digits - text.size() : 0, '0');
  out += text;
}

void append_hex(std::string& out, ByteView bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const uint8_t byte : bytes) {
    out += ' ';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

std::string_view mark_of(Layer layer) {
  switch (layer) {
    case Layer::Wire: return " # WIRE_PACKET";
    case Layer::Stun: return " # STUN_PACKET";
    case Layer::Dtls: return " # DTLS_PACKET";
    case Layer::Sctp: return " # SCTP_PACKET";
    case Layer::Rtp: return " # RTP_PACKET";
    case Layer::Rtcp: return " # RTCP_PACKET";
  }
  return "";
}

}  // namespace

std::string_view to_string(Layer layer) {
  switch (layer) {
    case Layer::Wire: return "wire";
    case Layer::Stun: return "stun";
    case Layer::Dtls: return "dtls";
    case Layer::Sctp: return "sctp";
    case Layer::Rtp: return "rtp";
    case Layer::Rtcp: return "rtcp";
  }
  return "";
}

std::string text2pcap_line(const Packet& packet) {
  const int64_t us = std::chrono::duration_cast<std::chrono::microseconds>(packet.time.time_since_epoch()).count();
  const int64_t s = us / 1'000'000;
  std::string line(1, packet.direction == Direction::In ? 'I' : 'O');
  line.reserve(3 * (packet.bytes.size() + packet.rest.size()) + 40);
  line += ' ';
  append_padded(line, s / 3600 % 24, 2);
  line += ':';
  append_padded(line, s / 60 % 60, 2);
  line += ':';
  append_padded(line, s % 60, 2);
  line += '.';
  append_padded(line, us % 1'000'000, 6);
  line += " 0000";
  append_hex(line, packet.bytes);
  append_hex(line, packet.rest);
  line += mark_of(packet.layer);
  return line;
}

}  // namespace kaon::trace
