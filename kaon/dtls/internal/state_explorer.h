// For the state explorers of 1.2: a handshake without a connection around it, and a peer that has all keys and says
// what it is told to say.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "kaon/dtls/internal/machine.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls::testing {

/// One handshake state machine with what it lives on.
struct Victim {
  Victim(Role role, Version version)
      : config{.role = role,
               .min_version = version,
               .max_version = version,
               .certificate = certificate(crypto::KeyType::Ed25519, 1)},
        machine(role) {}
  HandshakeContext context() { return {env, config, fingerprints, records, flight, session, config.mtu}; }

  /// What it has to say, as messages; also put into the peer's transcript.
  std::vector<HandshakeMessage> take_flight(Packet& transcript) {
    std::vector<HandshakeMessage> messages;
    Packet out(20'000);
    out.resize(flight.write_datagram(records, out));
    Bytes left = out;
    while (!left.empty()) {
      const auto record = next_record(left);
      if (!record || record->type != ContentType::Handshake || record->epoch != 0) continue;
      transcript.insert(transcript.end(), record->fragment.begin(), record->fragment.end());
      Reader reader(record->fragment);
      const auto fragment = Fragment::parse(reader, 0);
      messages.push_back({fragment->type, fragment->sequence, 0, {fragment->bytes.begin(), fragment->bytes.end()}});
    }
    return messages;
  }

  SeededRandom random{1};
  NullLogger log;
  Env env{random, log};
  Config config;
  std::vector<crypto::Fingerprint> fingerprints{certificate(crypto::KeyType::Ed25519, 2).fingerprint()};
  RecordLayer records;
  Flight flight;
  Session session;
  HandshakeMachine machine;
};

/// Speaks for the attacker: own transcript and keys.
class Liar {
 public:
  explicit Liar(Role role) : role_(role) {}

  HandshakeMessage make(HandshakeType type, Packet body, uint16_t epoch = 0) {
    HandshakeMessage message{type, sequence_++, epoch, std::move(body)};
    Flight one;
    for (uint16_t i = 0; i < message.sequence; ++i) one.add(type, 0, {});
    const Packet whole = one.add(type, 0, message.body);
    transcript.insert(transcript.end(), whole.begin(), whole.end());
    return message;
  }
  HandshakeMessage finished() {
    const auto data = keys.verify_data(role_, transcript);
    return make(HandshakeType::Finished, {data.begin(), data.end()}, 1);
  }
  const crypto::Certificate& own() const { return certificate(crypto::KeyType::Ed25519, 2); }
  Packet sign(const Packet& data) const { return *own().sign(crypto::SignatureScheme::Ed25519, data); }

  KeySchedule12 keys;
  Packet transcript;
  SeededRandom random{2};

 private:
  Role role_;
  uint16_t sequence_ = 0;
};

/// All sequences of up to `length` moves.
template <class Visit>
void explore(size_t length, int alternatives, const Visit& visit) {
  std::vector<int> moves;
  const auto step = [&](const auto& self) -> void {
    if (!visit(moves) || moves.size() == length) return;
    for (int move = 0; move < alternatives; ++move) {
      moves.push_back(move);
      self(self);
      moves.pop_back();
    }
  };
  step(step);
}

}  // namespace kaon::dtls::testing
