// C4: dishonest peers that have all keys and send every sequence of handshake messages, with a Finished that fits what
// they sent. Only the one right sequence may complete.
#include <gmock/gmock.h>

#include "kaon/dtls/internal/state_explorer.h"

namespace kaon::dtls {
namespace {

using testing::explore;
using testing::Liar;
using testing::Packet;
using testing::Victim;

const SuiteInfo& suite() { return *find_suite(0xc02b); }

enum Move { kCertificate, kNoCertificate, kKeyExchange, kVerify, kWrongVerify, kFinished, kClientMoves };

/// The client's second flight as `moves` says; true if the server thinks the handshake is complete.
bool server_completes(const std::vector<Move>& moves) {
  Victim server(Role::Server, Version::Dtls12);
  Liar liar(Role::Client);
  const CipherSuite suites[] = {suite().suite};
  const crypto::Group groups[] = {crypto::Group::X25519};
  ClientHelloOffer offer{.cookie = {}, .cipher_suites = suites, .groups = groups, .srtp_profiles = {}};
  offer.random = liar.keys.client_random;
  HandshakeContext context = server.context();
  EXPECT_TRUE(server.machine.on_message(context, liar.make(HandshakeType::ClientHello, offer.write())));
  const auto flight = server.take_flight(liar.transcript);
  const auto hello = ServerHello::parse(flight.at(0).body);
  const auto exchange = ServerKeyExchange::parse(flight.at(2).body);
  std::copy(hello->random.begin(), hello->random.end(), liar.keys.server_random.begin());
  const auto response = crypto::KeyExchange::respond(exchange->group, exchange->share, liar.random);

  const auto make = [&](Move move) {
    switch (move) {
      case kCertificate: return liar.make(HandshakeType::Certificate, write_certificate(liar.own().der()));
      case kNoCertificate: return liar.make(HandshakeType::Certificate, {0, 0, 0});
      case kKeyExchange: {
        auto message = liar.make(HandshakeType::ClientKeyExchange, write_client_key_exchange(response->share));
        liar.keys.derive(suite(), response->secret, liar.transcript);
        return message;
      }
      case kVerify:
      case kWrongVerify: {
        Packet signature = liar.sign(liar.transcript);
        if (move == kWrongVerify) signature[5] ^= 1;
        return liar.make(HandshakeType::CertificateVerify,
                         write_signed({}, crypto::SignatureScheme::Ed25519, signature));
      }
      default: return liar.finished();
    }
  };
  for (const Move move : moves) {
    const Step step = server.machine.on_message(context, make(move));
    if (!step) return false;
    if (*step == Outcome::Completed) return true;
  }
  return false;
}

TEST(StateExplorer, ServerCompletesOnlyAfterTheWholeFlight) {
  const std::vector<int> right = {kCertificate, kKeyExchange, kVerify, kFinished};
  int completed = 0;
  int tried = 0;
  explore(4, kClientMoves, [&](const std::vector<int>& numbers) {
    std::vector<Move> moves;
    for (const int n : numbers) moves.push_back(static_cast<Move>(n));
    ++tried;
    const bool done = server_completes(moves);
    EXPECT_EQ(done, numbers == right) << ::testing::PrintToString(numbers);
    completed += done;
    return true;
  });
  EXPECT_EQ(completed, 1);
  EXPECT_EQ(tried, 1 + 6 + 36 + 216 + 1296);
}

enum ServerMove {
  kHello,
  kServerCertificate,
  kServerKeyExchange,
  kWrongKeyExchange,
  kRequest,
  kDone,
  kServerFinished,
  kServerMoves
};

/// The server's flights as `moves` says.
bool client_completes(const std::vector<int>& moves, bool& alive) {
  Victim client(Role::Client, Version::Dtls12);
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
        answer.cipher_suite = 0xc02b;
        return liar.make(HandshakeType::ServerHello, answer.write());
      }
      case kServerCertificate: return liar.make(HandshakeType::Certificate, write_certificate(liar.own().der()));
      case kServerKeyExchange:
      case kWrongKeyExchange: {
        const Packet params = ServerKeyExchange::write_params(key.group(), key.share());
        Packet to_sign(liar.keys.client_random.begin(), liar.keys.client_random.end());
        to_sign.insert(to_sign.end(), liar.keys.server_random.begin(), liar.keys.server_random.end());
        to_sign.insert(to_sign.end(), params.begin(), params.end());
        Packet signature = liar.sign(to_sign);
        if (move == kWrongKeyExchange) signature[5] ^= 1;
        return liar.make(HandshakeType::ServerKeyExchange,
                         write_signed(params, crypto::SignatureScheme::Ed25519, signature));
      }
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
    const auto secret = key.finish(*parse_client_key_exchange(flight.at(1).body));
    Packet up_to_exchange = liar.transcript;
    up_to_exchange.resize(up_to_exchange.size() - kHandshakeHeaderSize - flight.at(2).body.size());
    liar.keys.derive(suite(), *secret, up_to_exchange);
    const auto verify = liar.keys.verify_data(Role::Client, liar.transcript);
    Flight counter;
    for (int i = 0; i < 4; ++i) counter.add(HandshakeType::Finished, 0, {});
    const Packet finished = counter.add(HandshakeType::Finished, 0, verify);
    liar.transcript.insert(liar.transcript.end(), finished.begin(), finished.end());
  }
  return false;
}

TEST(StateExplorer, ClientCompletesOnlyAfterBothFlights) {
  const std::vector<int> right = {kHello, kServerCertificate, kServerKeyExchange, kRequest, kDone, kServerFinished};
  int completed = 0;
  int dead_ends = 0;
  explore(6, kServerMoves, [&](const std::vector<int>& moves) {
    bool alive = true;
    const bool done = client_completes(moves, alive);
    EXPECT_EQ(done, moves == right) << ::testing::PrintToString(moves);
    completed += done;
    dead_ends += !alive;
    return alive && !done;  // after a failure nothing more is accepted
  });
  EXPECT_EQ(completed, 1);
  EXPECT_GE(dead_ends, 6 * 5);
}

}  // namespace
}  // namespace kaon::dtls
