// For tests: a peer of DTLS 1.3 that has the keys and does not keep to the protocol.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <string>

#include "kaon/base/writer.h"
#include "kaon/crypto/kdf.h"
#include "kaon/dtls/internal/record_cipher13.h"
#include "kaon/dtls/internal/record_layer.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls::testing {

inline constexpr uint8_t kApplicationData = static_cast<uint8_t>(ContentType::ApplicationData);
inline constexpr uint8_t kHandshake = static_cast<uint8_t>(ContentType::Handshake);
inline constexpr uint8_t kAlert = static_cast<uint8_t>(ContentType::Alert);
inline constexpr uint8_t kAck = static_cast<uint8_t>(ContentType::Ack);

inline Config with_key_log(Config config) {
  config.key_log = true;
  config.cipher_suites = {CipherSuite::Aes128GcmSha256};
  return config;
}
inline Pair pair_with_key_log() {
  return Pair(with_key_log(config13_of(Role::Client)), with_key_log(config13_of(Role::Server)));
}
/// The client is connected and its final flight on the way.
inline Pair half_connected() {
  Pair pair = pair_with_key_log();
  pair.client.connection.start(kStart);
  pair.server.give(pair.client.take_packets().at(0), kStart);
  for (const Packet& packet : pair.server.take_packets()) pair.client.give(packet, kStart);
  return pair;
}

inline Packet from_hex(std::string_view hex) {
  Packet bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoul(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

/// What the peer of `victim` writes with, from the victim's key log.
class PeerKeys {
 public:
  PeerKeys(const Side& victim, Role peer, uint64_t epoch) : epoch_(epoch) {
    const std::string name = std::string(peer == Role::Client ? "CLIENT_" : "SERVER_") +
                             (epoch == kEpochHandshake13 ? "HANDSHAKE_TRAFFIC_SECRET " : "TRAFFIC_SECRET_0 ");
    const auto line = std::ranges::find_if(victim.key_log, [&](const auto& l) { return l.starts_with(name); });
    secret_ = from_hex(line->substr(line->rfind(' ') + 1));
  }

  RecordCipher13 cipher() const { return {crypto::AeadAlgorithm::Aes128Gcm, crypto::HashAlgorithm::Sha256, secret_}; }
  Packet record(uint8_t type, ByteView plaintext, uint16_t sequence) const {
    RecordCipher13 sealing = cipher();
    Packet packet(kUnifiedHeaderSize + plaintext.size() + RecordCipher13::kOverhead);
    Writer out(packet);
    out.u8(static_cast<uint8_t>(0x2c | (epoch_ & 3)));
    out.u16(sequence);
    out.u16(static_cast<uint16_t>(packet.size() - kUnifiedHeaderSize));
    out.bytes(plaintext);
    out.u8(type);
    const Bytes body = Bytes(packet).subspan(kUnifiedHeaderSize);
    sealing.seal(sequence, ByteView(packet).first(kUnifiedHeaderSize), plaintext.size() + 1, body);
    sealing.mask(body, Bytes(packet).subspan(1, 2));
    return packet;
  }
  /// As after a KeyUpdate (RFC 8446 §7.2 with the prefix of RFC 9147 §5.9).
  void update() {
    Packet next(secret_.size());
    crypto::hkdf_expand_label(crypto::HashAlgorithm::Sha256, secret_, kLabelPrefix, "traffic upd", {}, next);
    secret_ = next;
    ++epoch_;
  }

 private:
  uint64_t epoch_;
  Packet secret_;
};

/// A record as the peer of `victim` would write it, with a number that nothing else has.
inline Packet record_from_peer(const Side& victim, Role peer, uint64_t epoch, uint8_t type, ByteView plaintext) {
  static uint16_t last = 0;
  const auto sequence = static_cast<uint16_t>(20 + ++last % 40);  // inside of the window for what is honest
  return PeerKeys(victim, peer, epoch).record(type, plaintext, sequence);
}

/// A fragment of a message of `size` bytes: its first `sent`, all zero.
inline Packet message(uint8_t type, uint16_t sequence, size_t size, size_t sent) {
  Packet fragment(kHandshakeHeaderSize + sent);
  Writer out(fragment);
  out.u8(type);
  out.u24(static_cast<uint32_t>(size));
  out.u16(sequence);
  out.u24(0);
  out.u24(static_cast<uint32_t>(sent));
  return fragment;
}

/// An ACK of these records (RFC 9147 §7).
inline Packet ack_of(const std::vector<RecordNumber>& numbers) {
  Packet body(2 + 16 * numbers.size());
  Writer out(body);
  out.u16(static_cast<uint16_t>(16 * numbers.size()));
  for (const RecordNumber& number : numbers) {
    out.u64(number.epoch);
    out.u64(number.sequence);
  }
  return body;
}

inline void expect_closed_with(Side& side, std::string_view detail) {
  ASSERT_TRUE(side.closed) << detail;
  EXPECT_EQ(side.closed->reason, CloseReason::HandshakeFailure);
  EXPECT_THAT(side.closed->detail, ::testing::HasSubstr(std::string(detail)));
  EXPECT_THAT(side.take_packets(), ::testing::SizeIs(1));  // the alert
}

}  // namespace kaon::dtls::testing
