// C4 for 1.3: dishonest peers that have all keys and send every sequence of handshake messages, with a Finished that
// fits what they sent. Only the one right sequence may complete.
#include <gmock/gmock.h>

#include "kaon/dtls/internal/machine.h"
#include "kaon/dtls/internal/testing.h"

namespace kaon::dtls {
namespace {

using crypto::KeyType;
using testing::certificate;
using testing::Packet;

constexpr CipherSuite kSuite = CipherSuite::Aes128GcmSha256;
const SuiteInfo& suite() { return *find_suite(static_cast<uint16_t>(kSuite)); }

/// A handshake with what it lives on.
struct Victim {
  explicit Victim(Role role)
      : config{.role = role,
               .min_version = Version::Dtls13,
               .certificate = certificate(KeyType::Ed25519, 1),
               .cipher_suites = {kSuite}},
        machine(role) {}
  Step give(const HandshakeMessage& message) {
    HandshakeContext context{env, config, fingerprints, records, flight, session, config.mtu};
    return machine.on_message(context, message);
  }
  void start() {
    HandshakeContext context{env, config, fingerprints, records, flight, session, config.mtu};
    machine.start(context);
  }
  /// The messages in the clear that it has to say.
  std::vector<Packet> clear_messages() {
    std::vector<Packet> bodies;
    Packet out(20'000);
    out.resize(flight.write_datagram(records, out));
    Bytes left = out;
    while (!left.empty()) {
      const auto record = next_record(left);
      if (!record || record->unified) continue;
      Reader reader(record->fragment);
      const auto fragment = Fragment::parse(reader, 0);
      bodies.emplace_back(fragment->bytes.begin(), fragment->bytes.end());
    }
    return bodies;
  }

  SeededRandom random{1};
  NullLogger log;
  Env env{random, log};
  Config config;
  std::vector<crypto::Fingerprint> fingerprints{certificate(KeyType::Ed25519, 2).fingerprint()};
  RecordLayer records;
  Flight flight;
  Session session;
  HandshakeMachine machine;
};

enum Move {
  kCertificate,
  kNoCertificate,
  kVerify,
  kWrongVerify,
  kFinished,
  kClientMoves,
  kExtensions = kClientMoves,
  kRequest,
  kServerMoves
};

/// Speaks for the attacker: own transcript and keys.
class Liar {
 public:
  explicit Liar(Role role) : role_(role) {}

  HandshakeMessage make(HandshakeType type, Packet body, uint64_t epoch = kEpochHandshake13) {
    transcript.add(type, body);
    return {type, sequence_++, epoch, std::move(body)};
  }
  HandshakeMessage make(int move) {
    const crypto::Certificate& own = certificate(KeyType::Ed25519, 2);
    switch (move) {
      case kCertificate: return make(HandshakeType::Certificate, Certificate13{{}, own.der()}.write());
      case kNoCertificate: return make(HandshakeType::Certificate, {0, 0, 0, 0});
      case kExtensions: return make(HandshakeType::EncryptedExtensions, EncryptedExtensions{}.write());
      case kRequest: return make(HandshakeType::CertificateRequest, CertificateRequest13::write());
      case kFinished: {
        const crypto::Digest data = keys.verify_data(role_, transcript.hash());
        return make(HandshakeType::Finished, {data.view().begin(), data.view().end()});
      }
      default: {
        Packet signature =
            *own.sign(crypto::SignatureScheme::Ed25519, certificate_verify_content(role_, transcript.hash()));
        if (move == kWrongVerify) signature[5] ^= 1;
        return make(HandshakeType::CertificateVerify, write_signed({}, crypto::SignatureScheme::Ed25519, signature));
      }
    }
  }

  KeySchedule13 keys;
  Transcript13 transcript;
  SeededRandom random{2};

 private:
  Role role_;
  uint16_t sequence_ = 0;
};

/// Whether the victim completes; `alive` says whether it would look at a further message.
bool completes(Victim& victim, Liar& liar, const std::vector<int>& moves, bool& alive) {
  for (const int move : moves) {
    const Step step = victim.give(liar.make(move));
    alive = step.has_value();
    if (!alive) return false;
    if (*step == Outcome::Completed) return true;
  }
  return false;
}

bool server_completes(const std::vector<int>& moves, bool& alive) {
  Victim server(Role::Server);
  Liar liar(Role::Client);
  std::vector<crypto::KeyExchange> exchanges;
  exchanges.push_back(crypto::KeyExchange::generate(crypto::Group::X25519, liar.random));
  const CipherSuite suites[] = {kSuite};
  const crypto::Group groups[] = {crypto::Group::X25519};
  const ClientHelloOffer offer{.min_version = Version::Dtls13,
                               .max_version = Version::Dtls13,
                               .cookie = {},
                               .cipher_suites = suites,
                               .groups = groups,
                               .srtp_profiles = {},
                               .key_exchanges = exchanges};
  EXPECT_TRUE(server.give(liar.make(HandshakeType::ClientHello, offer.write(), kEpochClear)));
  const Packet answer = server.clear_messages().at(0);
  liar.transcript.start(suite().hash);
  liar.transcript.add(HandshakeType::ServerHello, answer);
  const auto hello = ServerHello::parse(answer);
  liar.keys.derive_handshake(suite(), *exchanges[0].finish(hello->share), liar.transcript.hash());
  // The server's own messages, as it made them: the liar reads them, because it has the keys.
  liar.transcript.add(HandshakeType::EncryptedExtensions, EncryptedExtensions{}.write());
  liar.transcript.add(HandshakeType::CertificateRequest, CertificateRequest13::write());
  const crypto::Certificate& theirs = certificate(KeyType::Ed25519, 1);
  liar.transcript.add(HandshakeType::Certificate, Certificate13{{}, theirs.der()}.write());
  const auto signature =
      *theirs.sign(crypto::SignatureScheme::Ed25519, certificate_verify_content(Role::Server, liar.transcript.hash()));
  liar.transcript.add(HandshakeType::CertificateVerify, write_signed({}, crypto::SignatureScheme::Ed25519, signature));
  const crypto::Digest finished = liar.keys.verify_data(Role::Server, liar.transcript.hash());
  liar.transcript.add(HandshakeType::Finished, finished.view());
  return completes(server, liar, moves, alive);
}

bool client_completes(const std::vector<int>& moves, bool& alive) {
  Victim client(Role::Client);
  Liar liar(Role::Server);
  client.start();
  const Packet offer = client.clear_messages().at(0);
  const auto hello = ClientHello::parse(offer);
  liar.transcript.add(HandshakeType::ClientHello, offer);
  liar.transcript.start(suite().hash);
  const auto response =
      crypto::KeyExchange::respond(crypto::Group::X25519, *hello->share_of(crypto::Group::X25519), liar.random);
  ServerHello13 answer{.cipher_suite = kSuite, .group = crypto::Group::X25519, .share = response->share};
  EXPECT_TRUE(client.give(liar.make(HandshakeType::ServerHello, answer.write(), kEpochClear)));
  liar.keys.derive_handshake(suite(), response->secret, liar.transcript.hash());
  return completes(client, liar, moves, alive);
}

/// Tries all sequences of up to `length` moves, and goes on only where the victim does.
template <class Completes>
int explore(size_t length, int alternatives, const std::vector<int>& right, Completes completes_with) {
  int completed = 0;
  std::vector<int> moves;
  const auto step = [&](const auto& self) -> void {
    bool alive = true;
    const bool done = completes_with(moves, alive);
    EXPECT_EQ(done, moves == right) << ::testing::PrintToString(moves);
    completed += done;
    if (done || !alive || moves.size() == length) return;
    for (int move = 0; move < alternatives; ++move) {
      moves.push_back(move);
      self(self);
      moves.pop_back();
    }
  };
  step(step);
  return completed;
}

TEST(StateExplorer13, ServerCompletesOnlyAfterTheWholeFlight) {
  EXPECT_EQ(explore(4, kClientMoves, {kCertificate, kVerify, kFinished}, server_completes), 1);
}

TEST(StateExplorer13, ClientCompletesOnlyAfterTheWholeFlight) {
  const std::vector<int> right = {kExtensions, kRequest, kCertificate, kVerify, kFinished};
  EXPECT_EQ(explore(6, kServerMoves, right, client_completes), 1);
}

TEST(StateExplorer13, MessagesInTheClearAreNobodysOnceThereAreKeys) {
  Victim client(Role::Client);
  Liar liar(Role::Server);
  client.start();
  const Packet offer = client.clear_messages().at(0);
  liar.transcript.add(HandshakeType::ClientHello, offer);
  liar.transcript.start(suite().hash);
  const auto response = crypto::KeyExchange::respond(
      crypto::Group::X25519, *ClientHello::parse(offer)->share_of(crypto::Group::X25519), liar.random);
  ServerHello13 answer{.cipher_suite = kSuite, .group = crypto::Group::X25519, .share = response->share};
  ASSERT_TRUE(client.give(liar.make(HandshakeType::ServerHello, answer.write(), kEpochClear)));
  HandshakeMessage extensions = liar.make(kExtensions);
  extensions.epoch = kEpochClear;
  const Step step = client.give(extensions);
  ASSERT_FALSE(step);
  EXPECT_FALSE(step.error().fatal);
}

}  // namespace
}  // namespace kaon::dtls
