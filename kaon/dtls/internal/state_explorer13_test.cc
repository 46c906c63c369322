// C4 for 1.3: dishonest peers that have all keys and send every sequence of handshake messages, with a Finished that
// fits what they sent. Only the one right sequence may complete.
#include <gmock/gmock.h>

#include "kaon/dtls/internal/state_explorer.h"

namespace kaon::dtls {
namespace {

using crypto::KeyType;
using testing::certificate;
using testing::End;
using testing::expect_only;
using testing::Moves;
using testing::Packet;
using testing::Victim;

constexpr CipherSuite kSuite = CipherSuite::Aes128GcmSha256;
const SuiteInfo& suite() { return *find_suite(static_cast<uint16_t>(kSuite)); }

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
    switch (move) {
      case kCertificate:
        return make(HandshakeType::Certificate, Certificate13{{}, testing::liars_certificate().der()}.write());
      case kNoCertificate: return make(HandshakeType::Certificate, {0, 0, 0, 0});
      case kExtensions: return make(HandshakeType::EncryptedExtensions, EncryptedExtensions{}.write());
      case kRequest: return make(HandshakeType::CertificateRequest, CertificateRequest13::write());
      case kFinished: {
        const crypto::Digest data = keys.verify_data(role_, transcript.hash());
        return make(HandshakeType::Finished, {data.view().begin(), data.view().end()});
      }
      default: {
        const auto signature =
            testing::liars_signature(certificate_verify_content(role_, transcript.hash()), move == kVerify);
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

End play(Victim& victim, Liar& liar, const Moves& moves) {
  return testing::play(victim, moves, [&](int move) { return liar.make(move); }, [] {});
}

End play_client(const Moves& moves) {
  Victim server(Role::Server, Version::Dtls13, {kSuite});
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
  const Packet answer = server.take_flight().at(0).body;
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
  return play(server, liar, moves);
}

/// The client's hello, and ours that answers it.
void shake_hands(Victim& client, Liar& liar) {
  client.start();
  const Packet offer = client.take_flight().at(0).body;
  liar.transcript.add(HandshakeType::ClientHello, offer);
  liar.transcript.start(suite().hash);
  const auto response = crypto::KeyExchange::respond(
      crypto::Group::X25519, *ClientHello::parse(offer)->share_of(crypto::Group::X25519), liar.random);
  ServerHello13 answer{.cipher_suite = kSuite, .group = crypto::Group::X25519, .share = response->share};
  EXPECT_TRUE(client.give(liar.make(HandshakeType::ServerHello, answer.write(), kEpochClear)));
  liar.keys.derive_handshake(suite(), response->secret, liar.transcript.hash());
}

End play_server(const Moves& moves) {
  Victim client(Role::Client, Version::Dtls13, {kSuite});
  Liar liar(Role::Server);
  shake_hands(client, liar);
  return play(client, liar, moves);
}

TEST(StateExplorer13, ServerCompletesOnlyAfterTheWholeFlight) {
  expect_only({{kCertificate, kVerify, kFinished}}, 4, kClientMoves, play_client);
}

TEST(StateExplorer13, ClientCompletesOnlyAfterTheWholeFlight) {
  expect_only({{kExtensions, kRequest, kCertificate, kVerify, kFinished}}, 6, kServerMoves, play_server);
}

TEST(StateExplorer13, MessagesInTheClearAreNobodysOnceThereAreKeys) {
  Victim client(Role::Client, Version::Dtls13, {kSuite});
  Liar liar(Role::Server);
  shake_hands(client, liar);
  HandshakeMessage extensions = liar.make(kExtensions);
  extensions.epoch = kEpochClear;
  const Step step = client.give(extensions);
  ASSERT_FALSE(step);
  EXPECT_FALSE(step.error().fatal);
}

// RFC 7301 §3.2, as in alpn_test.cc.
TEST(AlpnOfALiar, IsRefusedIn13) {
  const auto alert_of = [](std::vector<std::string> offered, std::string_view chosen) {
    Victim client(Role::Client, Version::Dtls13, {kSuite});
    client.config.alpn = std::move(offered);
    Liar liar(Role::Server);
    shake_hands(client, liar);
    const EncryptedExtensions extensions{.alpn = chosen};
    const Step step = client.give(liar.make(HandshakeType::EncryptedExtensions, extensions.write()));
    return step ? std::nullopt : std::optional(step.error().alert);
  };
  EXPECT_EQ(alert_of({"a", "b"}, "b"), std::nullopt);
  EXPECT_EQ(alert_of({"a", "b"}, "c"), AlertDescription::IllegalParameter);
  EXPECT_EQ(alert_of({}, "webrtc"), AlertDescription::UnsupportedExtension);
  EXPECT_EQ(alert_of({"a"}, ""), AlertDescription::DecodeError);
}

}  // namespace
}  // namespace kaon::dtls
