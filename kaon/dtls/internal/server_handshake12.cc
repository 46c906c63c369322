#include <algorithm>

#include "kaon/base/assert.h"
#include "kaon/base/text.h"
#include "kaon/dtls/internal/handshake12.h"

namespace kaon::dtls {

namespace {

// RFC 5746 §3.3: a suite that stands for an empty renegotiation_info.
constexpr uint16_t kEmptyRenegotiationInfoScsv = 0x00ff;

std::optional<crypto::Group> choose_group(const Config& config, const ClientHello& hello) {
  for (const crypto::Group group : config.groups) {
    if (!usable_in_12(group)) continue;
    // RFC 8422 §4: no list, no restriction; P-256 is what everybody has.
    const bool offered = hello.supported_groups ? hello.supported_groups->contains(static_cast<uint16_t>(group))
                                                : group == crypto::Group::Secp256r1;
    if (offered) return group;
  }
  return std::nullopt;
}

bool has_byte(ByteView bytes, uint8_t value) { return std::find(bytes.begin(), bytes.end(), value) != bytes.end(); }

}  // namespace

Step ServerHandshake12::on_message(HandshakeContext& context, const HandshakeMessage& message) {
  // In the clear, with a number that anybody guesses: a stranger's must not end the handshake of our peer, which has
  // said its own.
  if (state_ != State::WaitClientHello && message.type == HandshakeType::ClientHello)
    return refuse("ClientHello in the middle of a handshake");
  switch (state_) {
    case State::WaitClientHello:
      if (message.type != HandshakeType::ClientHello) return refuse("ClientHello refused: another message came first");
      return on_client_hello(context, message);
    case State::WaitCertificate:
      if (message.type != HandshakeType::Certificate) break;
      if (auto step = take_certificate(context, message); !step) return step;
      remember(message);
      state_ = State::WaitClientKeyExchange;
      return Outcome::Waiting;
    case State::WaitClientKeyExchange:
      if (message.type != HandshakeType::ClientKeyExchange) break;
      if (uses_psk(*context.session.suite)) return on_psk_client_key_exchange(context, message);
      return on_client_key_exchange(context, message);
    case State::WaitCertificateVerify:
      if (message.type == HandshakeType::CertificateVerify) return on_certificate_verify(context, message);
      break;
    case State::WaitFinished:
      if (message.type == HandshakeType::Finished) return on_finished(context, message);
      break;
  }
  return out_of_turn(message.type);
}

Step ServerHandshake12::on_client_hello(HandshakeContext& context, const HandshakeMessage& message) {
  const auto hello = ClientHello::parse(message.body);
  if (!hello) return refuse("ClientHello refused: malformed");
  if (!hello->offers(Version::Dtls12)) return refuse("ClientHello refused: no DTLS 1.2");
  if (!has_byte(hello->compression_methods, 0)) return refuse("ClientHello refused: no null compression");
  if (!hello->extended_master_secret) return refuse("ClientHello refused: no extended master secret");
  if (hello->renegotiation_info && !hello->renegotiation_info->empty())
    return refuse("ClientHello refused: not a first handshake");
  if (hello->ec_point_formats && !has_byte(*hello->ec_point_formats, 0))
    return refuse("ClientHello refused: no uncompressed points");
  const Config& config = context.config;
  const SuiteInfo* suite = choose_suite(config, Version::Dtls12, *hello);
  if (suite == nullptr) return refuse("ClientHello refused: no common cipher suite");
  const auto group = suite->ecdhe ? choose_group(config, *hello) : crypto::Group{};
  if (!group) return refuse("ClientHello refused: no common group");
  const auto scheme =
      choose_scheme(Version::Dtls12, config.certificate.type(), hello->signature_algorithms.value_or(U16List()));
  if (!scheme && !uses_psk(*suite)) return refuse("ClientHello refused: no common signature scheme");
  const auto alpn = choose_alpn(config, *hello);
  if (!alpn) return refuse(kNoCommonProtocol);

  Session& session = context.session;
  session.suite = suite;
  session.group = *group;
  session.srtp_profile = choose_srtp_profile(config, *hello);
  session.alpn = *alpn;
  session.encrypt_then_mac = hello->encrypt_then_mac && is_cbc(suite->algorithm);
  std::copy(hello->random.begin(), hello->random.end(), session.keys.client_random.begin());
  remember(message);
  answer(context, *hello, scheme);
  state_ = uses_psk(*suite) ? State::WaitClientKeyExchange : State::WaitCertificate;
  return Outcome::Answered;
}

void ServerHandshake12::answer(HandshakeContext& context, const ClientHello& hello,
                               std::optional<crypto::SignatureScheme> scheme) {
  Session& session = context.session;
  context.env.random.fill(session.keys.server_random);
  if (context.config.max_version == Version::Dtls13) set_downgrade_sentinel(session.keys.server_random);
  if (session.suite->ecdhe) key_exchange_ = crypto::KeyExchange::generate(session.group, context.env.random);

  ServerHello answer;
  answer.version = kVersionDtls12;
  answer.random = session.keys.server_random;
  answer.cipher_suite = static_cast<uint16_t>(session.suite->suite);
  answer.srtp_profile = session.srtp_profile;
  answer.encrypt_then_mac = session.encrypt_then_mac;
  if (session.suite->ecdhe) answer.ec_point_formats = hello.ec_point_formats;
  if (hello.renegotiation_info || hello.cipher_suites.contains(kEmptyRenegotiationInfoScsv))
    answer.renegotiation_info = ByteView{};
  if (!session.alpn.empty()) answer.alpn = session.alpn;
  answer.connection_id = answer_connection_id(context, hello);
  answer.return_routability = answer_return_routability(context, hello, answer.connection_id.has_value());

  context.flight.begin();
  send(context, HandshakeType::ServerHello, 0, answer.write());
  send_key_exchange(context, scheme);
  send(context, HandshakeType::ServerHelloDone, 0, {});
}

void ServerHandshake12::send_key_exchange(HandshakeContext& context, std::optional<crypto::SignatureScheme> scheme) {
  const Session& session = context.session;
  if (uses_psk(*session.suite)) {
    if (!session.suite->ecdhe) return;
    const PskServerKeyExchange exchange{session.group, key_exchange_->share()};
    return send(context, HandshakeType::ServerKeyExchange, 0, exchange.write());
  }
  const crypto::Certificate& certificate = context.config.certificate;
  const std::vector<uint8_t> params = ServerKeyExchange::write_params(session.group, key_exchange_->share());
  const auto signature = certificate.sign(*scheme, signed_params(session.keys, params));
  KAON_ASSERT(signature.has_value());  // choose_scheme() looked at the key
  send(context, HandshakeType::Certificate, 0, write_certificate(certificate.der()));
  send(context, HandshakeType::ServerKeyExchange, 0, write_signed(params, *scheme, *signature));
  send(context, HandshakeType::CertificateRequest, 0, write_certificate_request());
}

Step ServerHandshake12::on_client_key_exchange(HandshakeContext& context, const HandshakeMessage& message) {
  const auto share = parse_client_key_exchange(message.body);
  if (!share) return fatal(AlertDescription::DecodeError, "malformed ClientKeyExchange");
  auto premaster = key_exchange_->finish(*share);
  if (!premaster) return fatal(AlertDescription::IllegalParameter, "invalid key share of the client");
  remember(message);
  install_keys(context, *premaster, Role::Server);
  wipe(*premaster);
  state_ = State::WaitCertificateVerify;
  return Outcome::Waiting;
}

Step ServerHandshake12::on_psk_client_key_exchange(HandshakeContext& context, const HandshakeMessage& message) {
  const bool ecdhe = context.session.suite->ecdhe;
  const auto exchange = PskClientKeyExchange::parse(message.body, ecdhe);
  if (!exchange) return fatal(AlertDescription::DecodeError, "malformed ClientKeyExchange");
  const auto& psks = context.config.psks;
  const auto psk = std::ranges::find_if(
      psks, [&](const PreSharedKey& one) { return std::ranges::equal(one.identity, exchange->identity); });
  if (psk == psks.end()) return fatal(AlertDescription::UnknownPskIdentity, "unknown identity of a pre-shared key");
  std::optional<std::vector<uint8_t>> secret;
  if (ecdhe) {
    secret = key_exchange_->finish(exchange->share);
    if (!secret) return fatal(AlertDescription::IllegalParameter, "invalid key share of the client");
  }
  remember(message);
  auto premaster = psk_premaster(secret ? ByteView(*secret) : ByteView(), psk->key);
  install_keys(context, premaster, Role::Server);
  wipe(premaster);
  if (secret) wipe(*secret);
  context.session.psk_identity = psk->identity;
  state_ = State::WaitFinished;
  return Outcome::Waiting;
}

Step ServerHandshake12::on_certificate_verify(HandshakeContext&, const HandshakeMessage& message) {
  const auto verify = SignedBy::parse(message.body);
  if (!verify) return fatal(AlertDescription::DecodeError, "malformed CertificateVerify");
  const auto schemes = verifiable_schemes();
  if (std::find(schemes.begin(), schemes.end(), verify->scheme) == schemes.end())
    return fatal(AlertDescription::IllegalParameter, "signature scheme that was not offered");
  // RFC 5246 §7.4.8: over everything before this message.
  if (!peer_key_->verify(verify->scheme, transcript_, verify->signature))
    return fatal(AlertDescription::DecryptError, "wrong signature in CertificateVerify");
  remember(message);
  state_ = State::WaitFinished;
  return Outcome::Waiting;
}

Step ServerHandshake12::on_finished(HandshakeContext& context, const HandshakeMessage& message) {
  const auto step = check_finished(context, Role::Client, message);
  if (!step) return step;
  remember(message);
  context.flight.begin();
  send_finished(context, Role::Server);
  return step;
}

}  // namespace kaon::dtls
