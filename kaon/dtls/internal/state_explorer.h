// For the state explorers: a handshake without a connection around it, a peer that has all keys and says what it is
// told to say, and all the sequences that it may be told.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "kaon/dtls/internal/machine.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls::testing {

/// One handshake state machine with what it lives on.
struct Victim {
  Victim(Role role, Version version, std::vector<CipherSuite> suites, std::vector<PreSharedKey> psks = {})
      : config{.role = role,
               .min_version = version,
               .max_version = version,
               .certificate = certificate(crypto::KeyType::Ed25519, 1),
               .psks = std::move(psks),
               .cipher_suites = std::move(suites)},
        machine(role) {}
  HandshakeContext context() { return {env, config, fingerprints, records, flight, session, config.mtu}; }
  Step give(const HandshakeMessage& message) {
    HandshakeContext with = context();
    return machine.on_message(with, message);
  }
  void start() {
    HandshakeContext with = context();
    machine.start(with);
  }

  /// What it has to say in the clear, as messages.
  std::vector<HandshakeMessage> take_flight() {
    std::vector<HandshakeMessage> messages;
    Packet out(20'000);
    out.resize(flight.write_datagram(records, out));
    Bytes left = out;
    while (!left.empty()) {
      const auto record = next_record(left);
      if (!record || record->unified || record->type != ContentType::Handshake || record->epoch != 0) continue;
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

/// Signs as the attacker, whose certificate fits.
inline const crypto::Certificate& liars_certificate() { return certificate(crypto::KeyType::Ed25519, 2); }
inline Packet liars_signature(const Packet& data, bool right) {
  Packet signature = *liars_certificate().sign(crypto::SignatureScheme::Ed25519, data);
  if (!right) signature[5] ^= 1;
  return signature;
}

/// Speaks 1.2 for the attacker: own transcript and keys.
class Liar12 {
 public:
  Liar12(Role role, CipherSuite suite) : role_(role), suite_(suite) {}

  HandshakeMessage make(HandshakeType type, Packet body, uint16_t epoch = 0) {
    HandshakeMessage message{type, sequence_++, epoch, std::move(body)};
    remember(message);
    return message;
  }
  HandshakeMessage certificate() {
    return make(HandshakeType::Certificate, write_certificate(liars_certificate().der()));
  }
  HandshakeMessage certificate_verify(bool right = true) {
    return make(HandshakeType::CertificateVerify,
                write_signed({}, crypto::SignatureScheme::Ed25519, liars_signature(transcript, right)));
  }
  HandshakeMessage server_hello() {
    ServerHello answer;
    answer.version = kVersionDtls12;
    answer.random = keys.server_random;
    answer.cipher_suite = static_cast<uint16_t>(suite_);
    return make(HandshakeType::ServerHello, answer.write());
  }
  HandshakeMessage finished() {
    const auto data = keys.verify_data(role_, transcript);
    return make(HandshakeType::Finished, {data.begin(), data.end()}, 1);
  }

  /// The server's flight that answers our hello.
  std::vector<HandshakeMessage> greet(Victim& server) {
    const CipherSuite suites[] = {suite_};
    const crypto::Group groups[] = {crypto::Group::X25519};
    ClientHelloOffer offer{.cookie = {}, .cipher_suites = suites, .groups = groups, .srtp_profiles = {}};
    offer.random = keys.client_random;
    EXPECT_TRUE(server.give(make(HandshakeType::ClientHello, offer.write())));
    auto flight = hear(server);
    std::ranges::copy(ServerHello::parse(flight.at(0).body)->random, keys.server_random.begin());
    return flight;
  }
  /// The client's hello.
  void hear_hello(Victim& client) {
    client.start();
    const auto flight = hear(client);
    std::ranges::copy(ClientHello::parse(flight.at(0).body)->random, keys.client_random.begin());
  }
  /// What the victim has to say in the clear, also put into the transcript.
  std::vector<HandshakeMessage> hear(Victim& victim) {
    auto flight = victim.take_flight();
    for (const HandshakeMessage& message : flight) remember(message);
    return flight;
  }
  /// The client's Finished behind its flight, which is protected: we know what stands in it.
  void hear_finished(const std::vector<HandshakeMessage>& flight) {
    const auto data = keys.verify_data(Role::Client, transcript);
    remember(
        {HandshakeType::Finished, static_cast<uint16_t>(flight.back().sequence + 1), 0, {data.begin(), data.end()}});
  }

  KeySchedule12 keys;
  Packet transcript;
  SeededRandom random{2};

 private:
  void remember(const HandshakeMessage& message) {
    Flight one;
    one.number_from(message.sequence);
    const Packet whole = one.add(message.type, 0, message.body);
    transcript.insert(transcript.end(), whole.begin(), whole.end());
  }

  Role role_;
  CipherSuite suite_;
  uint16_t sequence_ = 0;
};

using Moves = std::vector<int>;
enum class End : uint8_t { Waits, Completes, Refuses };

/// What a victim makes of the messages that `say` makes of the moves. `answered` hears when it has sent a flight.
template <class Say, class Answered>
End play(Victim& victim, const Moves& moves, const Say& say, const Answered& answered) {
  for (const int move : moves) {
    const Step step = victim.give(say(move));
    if (!step) return End::Refuses;
    if (*step == Outcome::Completed) return End::Completes;
    if (*step == Outcome::Answered) answered();
  }
  return End::Waits;
}

/// Plays every sequence of up to `length` moves, as long as the victim waits for more: it completes with the `right`
/// ones and no other. How many it refuses.
template <class Play>
size_t expect_only(const std::vector<Moves>& right, size_t length, int alternatives, const Play& play_moves) {
  size_t completed = 0;
  size_t refused = 0;
  Moves moves;
  const auto step = [&](const auto& self) -> void {
    const End end = play_moves(moves);
    EXPECT_EQ(end == End::Completes, std::ranges::find(right, moves) != right.end()) << ::testing::PrintToString(moves);
    completed += end == End::Completes;
    refused += end == End::Refuses;
    if (end != End::Waits || moves.size() == length) return;
    for (int move = 0; move < alternatives; ++move) {
      moves.push_back(move);
      self(self);
      moves.pop_back();
    }
  };
  step(step);
  EXPECT_EQ(completed, right.size());
  return refused;
}

}  // namespace kaon::dtls::testing
