#include "kaon/sctp/internal/text2pcap.h"

namespace kaon::sctp {
namespace {

void append_padded(std::string& out, int64_t value, size_t digits) {
  const std::string text = std::to_string(value);
  out.append(digits > text.size() ? digits - text.size() : 0, '0');
  out += text;
}

}  // namespace

std::string text2pcap_line(char direction, Time now, ByteView packet) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const int64_t us = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  const int64_t s = us / 1'000'000;
  std::string line(1, direction);
  line += ' ';
  append_padded(line, s / 3600 % 24, 2);
  line += ':';
  append_padded(line, s / 60 % 60, 2);
  line += ':';
  append_padded(line, s % 60, 2);
  line += '.';
  append_padded(line, us % 1'000'000, 6);
  line += " 0000";
  line.reserve(line.size() + 3 * packet.size() + 16);
  for (const uint8_t byte : packet) {
    line += ' ';
    line += kHex[byte >> 4];
    line += kHex[byte & 15];
  }
  return line + " # SCTP_PACKET";
}

}  // namespace kaon::sctp
