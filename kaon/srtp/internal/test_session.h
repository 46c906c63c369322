// For the tests of this module: keys, packets and a sender with the receiver that fits.
#pragma once

#include <string_view>
#include <vector>

#include "kaon/base/random.h"
#include "kaon/srtp/receiver.h"
#include "kaon/srtp/sender.h"

namespace kaon::srtp::internal {

struct TestSession {
  explicit TestSession(Profile p, uint64_t seed = 1)
      : profile(p), master(random_bytes(seed, key_size(p) + salt_size(p))), sender(p, keys()), receiver(p, keys()) {}

  static std::vector<uint8_t> random_bytes(uint64_t seed, size_t size) {
    SeededRandom random(seed);
    std::vector<uint8_t> bytes(size);
    random.fill(bytes);
    return bytes;
  }
  KeyingMaterial keys() const {
    return {ByteView(master).first(key_size(profile)), ByteView(master).subspan(key_size(profile))};
  }
  void set_cryptex(Cryptex cryptex) {
    sender.set_cryptex(cryptex);
    receiver.set_cryptex(cryptex);
  }
  std::vector<uint8_t> protect(ByteView packet) {
    std::vector<uint8_t> out(packet.size() + rtp_overhead(profile) + 8);
    const auto size = sender.protect_rtp(packet, out);
    out.resize(size.value_or(0));
    return out;
  }
  std::vector<uint8_t> protect_rtcp(ByteView packet) {
    std::vector<uint8_t> out(packet.size() + rtcp_overhead(profile));
    const auto size = sender.protect_rtcp(packet, out);
    out.resize(size.value_or(0));
    return out;
  }
  /// The plain packet; nothing if it was dropped.
  std::vector<uint8_t> unprotect(ByteView packet) {
    std::vector<uint8_t> out(packet.size());
    const auto size = receiver.unprotect_rtp(packet, out);
    out.resize(size.value_or(0));
    return out;
  }
  std::vector<uint8_t> unprotect_rtcp(ByteView packet) {
    std::vector<uint8_t> out(packet.size());
    const auto size = receiver.unprotect_rtcp(packet, out);
    out.resize(size.value_or(0));
    return out;
  }

  Profile profile;
  std::vector<uint8_t> master;
  Sender sender;
  Receiver receiver;
};

inline std::vector<uint8_t> rtp_packet(uint32_t ssrc, uint16_t sequence, size_t payload_size = 100) {
  std::vector<uint8_t> packet(12 + payload_size);
  packet[0] = 0x80;
  packet[1] = 96;
  store_be16(packet.data() + 2, sequence);
  store_be32(packet.data() + 8, ssrc);
  for (size_t i = 12; i < packet.size(); ++i) packet[i] = static_cast<uint8_t>(sequence * 31 + i);
  return packet;
}

inline std::vector<uint8_t> rtcp_packet(uint32_t ssrc, size_t words = 6) {
  std::vector<uint8_t> packet(8 + 4 * words, 0x5a);
  packet[0] = 0x80;
  packet[1] = 201;
  store_be16(packet.data() + 2, static_cast<uint16_t>(1 + words));
  store_be32(packet.data() + 4, ssrc);
  return packet;
}

/// Bytes of hexadecimal digits; anything else in the text does not count.
inline std::vector<uint8_t> from_hex(std::string_view text) {
  std::vector<uint8_t> bytes;
  int digits = 0;
  for (char c : text) {
    const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (value < 0) continue;
    if (digits++ % 2 == 0) bytes.push_back(0);
    bytes.back() = static_cast<uint8_t>(bytes.back() << 4 | value);
  }
  return bytes;
}

}  // namespace kaon::srtp::internal
