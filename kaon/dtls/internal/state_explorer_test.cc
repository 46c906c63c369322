// C4: dishonest peers that have all keys and send every sequence of handshake messages, with a Finished that fits what
// they sent. Only the one right sequence may complete.
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

constexpr CipherSuite kSuite = CipherSuite::EcdheEcdsaAes128GcmSha256;
const SuiteInfo& suite() { return *find_suite(static_cast<uint16_t>(kSuite)); }

enum ClientMove { kCertificate, kNoCertificate, kKeyExchange, kVerify, kWrongVerify, kFinished, kClientMoves };

/// The client's second flight as `moves` says.
End play_client(const Moves& moves) {
  Victim server(Role::Server, Version::Dtls12, {kSuite});
  Liar12 liar(Role::Client, kSuite);
  const auto flight = liar.greet(server);
  const auto exchange = ServerKeyExchange::parse(flight.at(2).body);
  const auto response = crypto::KeyExchange::respond(exchange->group, exchange->share, liar.random);
  const auto say = [&](int move) {
    switch (move) {
      case kCertificate: return liar.certificate();
      case kNoCertificate: return liar.make(HandshakeType::Certificate, {0, 0, 0});
      case kKeyExchange: {
        auto message = liar.make(HandshakeType::ClientKeyExchange, write_client_key_exchange(response->share));
        liar.keys.derive(suite(), response->secret, liar.transcript);
        return message;
      }
      case kVerify: return liar.certificate_verify();
      case kWrongVerify: return liar.certificate_verify(false);
      default: return liar.finished();
    }
  };
  return testing::play(server, moves, say, [] {});
}

TEST(StateExplorer, ServerCompletesOnlyAfterTheWholeFlight) {
  EXPECT_GE(expect_only({{kCertificate, kKeyExchange, kVerify, kFinished}}, 4, kClientMoves, play_client), 4u * 4);
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
End play_server(const Moves& moves) {
  Victim client(Role::Client, Version::Dtls12, {kSuite});
  Liar12 liar(Role::Server, kSuite);
  liar.hear_hello(client);
  const auto key = crypto::KeyExchange::generate(crypto::Group::X25519, liar.random);
  const auto key_exchange = [&](bool right) {
    const Packet params = ServerKeyExchange::write_params(key.group(), key.share());
    Packet to_sign(liar.keys.client_random.begin(), liar.keys.client_random.end());
    to_sign.insert(to_sign.end(), liar.keys.server_random.begin(), liar.keys.server_random.end());
    to_sign.insert(to_sign.end(), params.begin(), params.end());
    return liar.make(HandshakeType::ServerKeyExchange,
                     write_signed(params, crypto::SignatureScheme::Ed25519, testing::liars_signature(to_sign, right)));
  };
  const auto say = [&](int move) {
    switch (move) {
      case kHello: return liar.server_hello();
      case kServerCertificate: return liar.certificate();
      case kServerKeyExchange: return key_exchange(true);
      case kWrongKeyExchange: return key_exchange(false);
      case kRequest: return liar.make(HandshakeType::CertificateRequest, write_certificate_request());
      case kDone: return liar.make(HandshakeType::ServerHelloDone, {});
      default: return liar.finished();
    }
  };
  // The transcript goes on with the client's messages: keys after its ClientKeyExchange, then all with its Finished.
  const auto answered = [&] {
    const auto flight = liar.hear(client);
    const auto secret = key.finish(*parse_client_key_exchange(flight.at(1).body));
    Packet up_to_exchange = liar.transcript;
    up_to_exchange.resize(up_to_exchange.size() - kHandshakeHeaderSize - flight.at(2).body.size());
    liar.keys.derive(suite(), *secret, up_to_exchange);
    liar.hear_finished(flight);
  };
  return testing::play(client, moves, say, answered);
}

TEST(StateExplorer, ClientCompletesOnlyAfterBothFlights) {
  const Moves right = {kHello, kServerCertificate, kServerKeyExchange, kRequest, kDone, kServerFinished};
  EXPECT_GE(expect_only({right}, 6, kServerMoves, play_server), 6u * 5);
}

}  // namespace
}  // namespace kaon::dtls
