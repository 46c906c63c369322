// C4 for the flights of a pre-shared key, with and without ECDHE: a peer that has the key, and so all keys, sends every
// sequence of handshake messages, with a Finished that fits what it sent. Only the right sequence may complete, and
// nobody completes without the key.
#include <gmock/gmock.h>

#include "kaon/dtls/internal/state_explorer.h"

namespace kaon::dtls {
namespace {

using testing::explore;
using testing::Liar;
using testing::Packet;
using testing::Victim;

const PreSharedKey kKey = {{'m', 'e'}, Packet(16, 7)};
const Packet kWrongKey(16, 8);
const Packet kStrangerId = {'y', 'o', 'u'};

class PskExplorer : public ::testing::TestWithParam<CipherSuite> {
 protected:
  static const SuiteInfo& suite() { return *find_suite(static_cast<uint16_t>(GetParam())); }
  static void give_key(Victim& victim) {
    victim.config.cipher_suites = {GetParam()};
    victim.config.psks = {kKey};
  }
  static bool server_completes(const std::vector<int>& moves);
  static bool client_completes(const std::vector<int>& moves, bool& alive);
};
INSTANTIATE_TEST_SUITE_P(Dtls12, PskExplorer,
                         ::testing::Values(CipherSuite::PskAes128GcmSha256, CipherSuite::EcdhePskAes128GcmSha256),
                         [](const auto& test) { return std::string(to_string(test.param)); });

enum ClientMove {
  kKeyExchange,
  kKeyExchangeOfAWrongKey,
  kKeyExchangeOfAStranger,
  kCertificate,
  kVerify,
  kFinished,
  kClientMoves
};

/// The client's second flight as `moves` says; true if the server thinks the handshake is complete.
bool PskExplorer::server_completes(const std::vector<int>& moves) {
  Victim server(Role::Server, Version::Dtls12);
  give_key(server);
  Liar liar(Role::Client);
  const CipherSuite suites[] = {GetParam()};
  const crypto::Group groups[] = {crypto::Group::X25519};
  ClientHelloOffer offer{.cookie = {}, .cipher_suites = suites, .groups = groups, .srtp_profiles = {}};
  offer.random = liar.keys.client_random;
  HandshakeContext context = server.context();
  EXPECT_TRUE(server.machine.on_message(context, liar.make(HandshakeType::ClientHello, offer.write())));
  const auto flight = server.take_flight(liar.transcript);
  const auto hello = ServerHello::parse(flight.at(0).body);
  std::copy(hello->random.begin(), hello->random.end(), liar.keys.server_random.begin());
  std::optional<crypto::KeyExchange::Response> response;
  if (suite().ecdhe) {
    const auto exchange = PskServerKeyExchange::parse(flight.at(1).body, true);
    response = crypto::KeyExchange::respond(exchange->group, exchange->share, liar.random);
  }
  EXPECT_EQ(flight.size(), suite().ecdhe ? 3u : 2u);
  const ByteView share = response ? ByteView(response->share) : ByteView();
  const ByteView secret = response ? ByteView(response->secret) : ByteView();

  const auto key_exchange = [&](const Packet& identity, const Packet& key) {
    auto message = liar.make(HandshakeType::ClientKeyExchange, PskClientKeyExchange{identity, share}.write());
    liar.keys.derive(suite(), psk_premaster(secret, key), liar.transcript);
    return message;
  };
  const auto make = [&](int move) {
    switch (move) {
      case kKeyExchange: return key_exchange(kKey.identity, kKey.key);
      case kKeyExchangeOfAWrongKey: return key_exchange(kKey.identity, kWrongKey);
      case kKeyExchangeOfAStranger: return key_exchange(kStrangerId, kKey.key);
      case kCertificate: return liar.make(HandshakeType::Certificate, write_certificate(liar.own().der()));
      case kVerify: {
        const Packet signature = liar.sign(liar.transcript);
        return liar.make(HandshakeType::CertificateVerify,
                         write_signed({}, crypto::SignatureScheme::Ed25519, signature));
      }
      default: return liar.finished();
    }
  };
  for (const int move : moves) {
    const Step step = server.machine.on_message(context, make(move));
    if (!step) return false;
    if (*step == Outcome::Completed) return true;
  }
  return false;
}

TEST_P(PskExplorer, ServerCompletesOnlyAfterTheWholeFlight) {
  const std::vector<int> right = {kKeyExchange, kFinished};
  int completed = 0;
  explore(4, kClientMoves, [&](const std::vector<int>& moves) {
    const bool done = server_completes(moves);
    const bool begins_right = moves.size() >= 2 && std::equal(right.begin(), right.end(), moves.begin());
    EXPECT_EQ(done, begins_right) << ::testing::PrintToString(moves);
    completed += done;
    return !done;
  });
  EXPECT_EQ(completed, 1);
}

enum ServerMove { kHello, kServerCertificate, kHint, kServerKeyExchange, kRequest, kDone, kServerFinished, kMoves };

/// The server's flights as `moves` says.
bool PskExplorer::client_completes(const std::vector<int>& moves, bool& alive) {
  Victim client(Role::Client, Version::Dtls12);
  give_key(client);
  Liar liar(Role::Server);
  HandshakeContext context = client.context();
  client.machine.start(context);
  const auto first_flight = client.take_flight(liar.transcript);
  const auto hello = ClientHello::parse(first_flight.at(0).body);
  std::copy(hello->random.begin(), hello->random.end(), liar.keys.client_random.begin());
  const auto key = crypto::KeyExchange::generate(crypto::Group::X25519, liar.random);

  const auto make = [&](int move) {
    switch (move) {
      case kHello: {
        ServerHello answer;
        answer.version = kVersionDtls12;
        answer.random = liar.keys.server_random;
        answer.cipher_suite = static_cast<uint16_t>(GetParam());
        return liar.make(HandshakeType::ServerHello, answer.write());
      }
      case kServerCertificate: return liar.make(HandshakeType::Certificate, write_certificate(liar.own().der()));
      case kHint: return liar.make(HandshakeType::ServerKeyExchange, {0, 1, 'h'});
      case kServerKeyExchange:
        return liar.make(HandshakeType::ServerKeyExchange, PskServerKeyExchange{key.group(), key.share()}.write());
      case kRequest: return liar.make(HandshakeType::CertificateRequest, write_certificate_request());
      case kDone: return liar.make(HandshakeType::ServerHelloDone, {});
      default: return liar.finished();
    }
  };
  for (const int move : moves) {
    const Step step = client.machine.on_message(context, make(move));
    alive = step.has_value();
    if (!alive) return false;
    if (*step == Outcome::Completed) return true;
    if (*step != Outcome::Answered) continue;
    // The transcript goes on with the client's messages: keys after its ClientKeyExchange, then all with its Finished.
    const auto flight = client.take_flight(liar.transcript);
    const auto exchange = PskClientKeyExchange::parse(flight.at(0).body, suite().ecdhe);
    EXPECT_TRUE(exchange && std::ranges::equal(exchange->identity, kKey.identity));
    const auto secret = suite().ecdhe ? *key.finish(exchange->share) : crypto::Secret();
    liar.keys.derive(suite(), psk_premaster(secret, kKey.key), liar.transcript);
    const auto verify = liar.keys.verify_data(Role::Client, liar.transcript);
    Flight counter;
    counter.number_from(2);
    const Packet finished = counter.add(HandshakeType::Finished, 0, verify);
    liar.transcript.insert(liar.transcript.end(), finished.begin(), finished.end());
  }
  return false;
}

TEST_P(PskExplorer, ClientCompletesOnlyAfterBothFlights) {
  std::vector<std::vector<int>> right = {{kHello, kServerKeyExchange, kDone, kServerFinished}};
  if (!suite().ecdhe) right = {{kHello, kDone, kServerFinished}, {kHello, kHint, kDone, kServerFinished}};
  size_t completed = 0;
  int dead_ends = 0;
  explore(5, kMoves, [&](const std::vector<int>& moves) {
    bool alive = true;
    const bool done = client_completes(moves, alive);
    EXPECT_EQ(done, std::ranges::find(right, moves) != right.end()) << ::testing::PrintToString(moves);
    completed += done;
    dead_ends += !alive;
    return alive && !done;
  });
  EXPECT_EQ(completed, right.size());
  EXPECT_GE(dead_ends, 4 * 5);
}

}  // namespace
}  // namespace kaon::dtls
