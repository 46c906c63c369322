// C4 for the flights of a pre-shared key, with and without ECDHE: a peer that has the key, and so all keys, sends every
// sequence of handshake messages, with a Finished that fits what it sent. Only the right sequence may complete, and
// nobody completes without the key.
#include <gmock/gmock.h>

#include "kaon/dtls/internal/state_explorer.h"

namespace kaon::dtls {
namespace {

using testing::End;
using testing::expect_only;
using testing::Liar12;
using testing::Moves;
using testing::Packet;
using testing::Victim;

const PreSharedKey kKey = {{'m', 'e'}, Packet(16, 7)};
const Packet kWrongKey(16, 8);
const Packet kStrangerId = {'y', 'o', 'u'};

struct PskExplorer : ::testing::TestWithParam<CipherSuite> {};
INSTANTIATE_TEST_SUITE_P(Dtls12, PskExplorer,
                         ::testing::Values(CipherSuite::PskAes128GcmSha256, CipherSuite::EcdhePskAes128GcmSha256,
                                           CipherSuite::EcdhePskAes128CbcSha256),
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

/// The client's second flight as `moves` says.
End play_client(const SuiteInfo& suite, const Moves& moves) {
  Victim server(Role::Server, Version::Dtls12, {suite.suite}, {kKey});
  Liar12 liar(Role::Client, suite.suite);
  const auto flight = liar.greet(server);
  EXPECT_EQ(flight.size(), suite.ecdhe ? 3u : 2u);
  std::optional<crypto::KeyExchange::Response> response;
  if (suite.ecdhe) {
    const auto exchange = PskServerKeyExchange::parse(flight.at(1).body, true);
    response = crypto::KeyExchange::respond(exchange->group, exchange->share, liar.random);
  }
  const auto key_exchange = [&](const Packet& identity, const Packet& key) {
    const ByteView share = response ? ByteView(response->share) : ByteView();
    const ByteView secret = response ? ByteView(response->secret) : ByteView();
    auto message = liar.make(HandshakeType::ClientKeyExchange, PskClientKeyExchange{identity, share}.write());
    liar.keys.derive(suite, psk_premaster(secret, key), liar.transcript);
    return message;
  };
  const auto say = [&](int move) {
    switch (move) {
      case kKeyExchange: return key_exchange(kKey.identity, kKey.key);
      case kKeyExchangeOfAWrongKey: return key_exchange(kKey.identity, kWrongKey);
      case kKeyExchangeOfAStranger: return key_exchange(kStrangerId, kKey.key);
      case kCertificate: return liar.certificate();
      case kVerify: return liar.certificate_verify();
      default: return liar.finished();
    }
  };
  return testing::play(server, moves, say, [] {});
}

TEST_P(PskExplorer, ServerCompletesOnlyAfterTheWholeFlight) {
  const SuiteInfo& suite = *find_suite(static_cast<uint16_t>(GetParam()));
  const auto play = [&](const Moves& moves) { return play_client(suite, moves); };
  EXPECT_GE(expect_only({{kKeyExchange, kFinished}}, 4, kClientMoves, play), 2u * 4);
}

enum ServerMove { kHello, kServerCertificate, kHint, kServerKeyExchange, kRequest, kDone, kServerFinished, kMoves };

/// The server's flights as `moves` says.
End play_server(const SuiteInfo& suite, const Moves& moves) {
  Victim client(Role::Client, Version::Dtls12, {suite.suite}, {kKey});
  Liar12 liar(Role::Server, suite.suite);
  liar.hear_hello(client);
  const auto key = crypto::KeyExchange::generate(crypto::Group::X25519, liar.random);
  const auto say = [&](int move) {
    switch (move) {
      case kHello: return liar.server_hello();
      case kServerCertificate: return liar.certificate();
      case kHint: return liar.make(HandshakeType::ServerKeyExchange, {0, 1, 'h'});
      case kServerKeyExchange:
        return liar.make(HandshakeType::ServerKeyExchange, PskServerKeyExchange{key.group(), key.share()}.write());
      case kRequest: return liar.make(HandshakeType::CertificateRequest, write_certificate_request());
      case kDone: return liar.make(HandshakeType::ServerHelloDone, {});
      default: return liar.finished();
    }
  };
  // The transcript goes on with the client's messages: keys after its ClientKeyExchange, then all with its Finished.
  const auto answered = [&] {
    const auto flight = liar.hear(client);
    const auto exchange = PskClientKeyExchange::parse(flight.at(0).body, suite.ecdhe);
    EXPECT_TRUE(exchange && std::ranges::equal(exchange->identity, kKey.identity));
    const auto secret = suite.ecdhe ? *key.finish(exchange->share) : crypto::Secret();
    liar.keys.derive(suite, psk_premaster(secret, kKey.key), liar.transcript);
    liar.hear_finished(flight);
  };
  return testing::play(client, moves, say, answered);
}

TEST_P(PskExplorer, ClientCompletesOnlyAfterBothFlights) {
  const SuiteInfo& suite = *find_suite(static_cast<uint16_t>(GetParam()));
  std::vector<Moves> right = {{kHello, kServerKeyExchange, kDone, kServerFinished}};
  if (!suite.ecdhe) right = {{kHello, kDone, kServerFinished}, {kHello, kHint, kDone, kServerFinished}};
  const auto play = [&](const Moves& moves) { return play_server(suite, moves); };
  EXPECT_GE(expect_only(right, 5, kMoves, play), 4u * 5);
}

}  // namespace
}  // namespace kaon::dtls
