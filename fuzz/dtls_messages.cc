// Bodies of handshake messages. The first byte says which.
#include "fuzz/fuzz.h"
#include "kaon/dtls/internal/ack.h"
#include "kaon/dtls/internal/messages13.h"

namespace kaon::dtls {
namespace {

void look_at_client_hello(ByteView body) {
  const auto hello = ClientHello::parse(body);
  if (!hello) return;
  (void)hello->offers(Version::Dtls12);
  (void)hello->offers(Version::Dtls13);
  (void)hello->offers_alpn("webrtc");
  if (hello->signature_algorithms) {
    (void)choose_scheme(Version::Dtls12, crypto::KeyType::EcdsaP256, *hello->signature_algorithms);
    (void)choose_scheme(Version::Dtls13, crypto::KeyType::Rsa2048, *hello->signature_algorithms);
  }
  (void)hello->share_of(crypto::Group::X25519);
  for (size_t i = 0; i < hello->cipher_suites.size(); ++i) (void)hello->cipher_suites[i];
}

void look_at_server_hello(ByteView body) {
  const auto hello = ServerHello::parse(body);
  if (!hello) return;
  (void)has_downgrade_sentinel(hello->random);
  const auto written = hello->write();
  const auto again = ServerHello::parse(written);
  KAON_ASSERT(again.has_value());
  KAON_ASSERT(again->cipher_suite == hello->cipher_suite && again->srtp_profile == hello->srtp_profile);
  KAON_ASSERT(std::ranges::equal(again->random, hello->random));
}

void look_at_certificate(ByteView body) {
  const auto der = parse_certificate(body);
  if (!der || der->empty()) return;  // an empty list has no certificate
  const auto written = write_certificate(*der);
  const auto again = parse_certificate(written);
  KAON_ASSERT(again.has_value() && std::ranges::equal(*again, *der));
  if (const auto key = crypto::PublicKey::from_certificate(*der)) {
    for (const crypto::SignatureScheme scheme : verifiable_schemes()) (void)key->verify(scheme, body, body);
  }
}

void look_at_certificate13(ByteView body) {
  const auto certificate = Certificate13::parse(body);
  if (!certificate || certificate->der.empty()) return;
  const auto written = certificate->write();
  const auto again = Certificate13::parse(written);
  KAON_ASSERT(again.has_value() && std::ranges::equal(again->der, certificate->der));
}

void look_at_client_key_exchange(ByteView body) {
  if (const auto share = parse_client_key_exchange(body)) {
    KAON_ASSERT(std::ranges::equal(write_client_key_exchange(*share), body));
  }
}

void look_at_new_connection_id(ByteView body) {
  const auto message = NewConnectionId::parse(body);
  if (!message) return;
  KAON_ASSERT(message->ids.size() <= NewConnectionId::kMaxIds);
  const auto written = message->write();
  const auto again = NewConnectionId::parse(written);
  KAON_ASSERT(again.has_value() && again->ids.size() == message->ids.size() && again->usage == message->usage);
}

void look_at_psk_exchange(ByteView body, bool ecdhe) {
  (void)PskServerKeyExchange::parse(body, ecdhe);
  const auto message = PskClientKeyExchange::parse(body, ecdhe);
  // An empty share is not written.
  if (message && (!ecdhe || !message->share.empty())) KAON_ASSERT(std::ranges::equal(message->write(), body));
}

void look_at_signed(ByteView body) {
  if (const auto by = SignedBy::parse(body)) {
    KAON_ASSERT(std::ranges::equal(write_signed({}, by->scheme, by->signature), body));
  }
}

}  // namespace

KAON_FUZZ_TARGET(dtls_messages) {
  if (input.empty()) return;
  const std::vector<uint8_t> body = fuzz::copy(input.subspan(1));
  switch (input[0] % 18) {
    case 0: return look_at_client_hello(body);
    case 1: return look_at_server_hello(body);
    case 2: return look_at_certificate(body);
    case 3: return look_at_client_key_exchange(body);
    case 4: return look_at_signed(body);
    case 5: return (void)ServerKeyExchange::parse(body);
    case 6: return (void)parse_hello_verify_request(body);
    case 7: return (void)parse_certificate_request(body);
    case 8: return look_at_certificate13(body);
    case 9: return (void)EncryptedExtensions::parse(body);
    case 10: return (void)CertificateRequest13::parse(body);
    case 11: return (void)parse_key_update(body);
    case 12: return (void)parse_ack(body);
    case 14: return look_at_new_connection_id(body);
    case 15: return (void)parse_request_connection_id(body);
    case 16: return look_at_psk_exchange(body, false);
    case 17: return look_at_psk_exchange(body, true);
    default: return (void)crypto::PublicKey::from_certificate(body);
  }
}

}  // namespace kaon::dtls
