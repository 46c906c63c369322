#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/dtls/internal/handshake12.h"

namespace kaon::dtls {

Step ClientHandshake12::on_message(HandshakeContext& context, const HandshakeMessage& message) {
  switch (message.type) {
    case HandshakeType::ServerHello:
      if (state_ == State::WaitServerHello) return on_server_hello(context, message);
      break;
    case HandshakeType::Certificate:
      if (state_ == State::WaitCertificate) return on_certificate(context, message);
      break;
    case HandshakeType::ServerKeyExchange:
      if (state_ != State::WaitServerKeyExchange) break;
      if (uses_psk(*context.session.suite)) return on_psk_server_key_exchange(context, message);
      return on_server_key_exchange(context, message);
    case HandshakeType::CertificateRequest:
      if (state_ == State::WaitCertificateRequest) return on_certificate_request(context, message);
      break;
    case HandshakeType::ServerHelloDone:
      if (may_be_done(context)) return on_server_hello_done(context, message);
      break;
    case HandshakeType::Finished:
      if (state_ == State::WaitFinished) return check_finished(context, Role::Server, message);
      break;
    default: break;
  }
  return out_of_turn(message.type);
}

Step ClientHandshake12::on_server_hello(HandshakeContext& context, const HandshakeMessage& message) {
  const auto hello = ServerHello::parse(message.body);
  if (!hello) return fatal(AlertDescription::DecodeError, "malformed ServerHello");
  if (hello->version != kVersionDtls12) return fatal(AlertDescription::ProtocolVersion, "server chose another version");
  // RFC 8446 §4.1.3: who can do 1.3 chooses 1.2 only if somebody took our offer of 1.3 out.
  if (context.config.max_version == Version::Dtls13 && has_downgrade_sentinel(hello->random))
    return fatal(AlertDescription::IllegalParameter, "downgraded to DTLS 1.2");
  const Config& config = context.config;
  const SuiteInfo* suite = find_suite(hello->cipher_suite);
  if (suite == nullptr || suite->version != Version::Dtls12 || !contains(config.cipher_suites, suite->suite) ||
      (uses_psk(*suite) && config.psks.empty()) || hello->compression_method != 0)
    return fatal(AlertDescription::IllegalParameter, "server chose what was not offered");
  if (!hello->extended_master_secret)
    return fatal(AlertDescription::HandshakeFailure, "server has no extended master secret");
  if (hello->renegotiation_info && !hello->renegotiation_info->empty())
    return fatal(AlertDescription::HandshakeFailure, "renegotiation_info of a first handshake is not empty");
  const bool srtp_ok = hello->srtp_profile == kNoSrtpProfile || contains(config.srtp_profiles, hello->srtp_profile);
  if (!srtp_ok) return fatal(AlertDescription::IllegalParameter, "server chose an SRTP profile that was not offered");
  // RFC 7366 §3: the answer goes with CBC alone.
  if (hello->unsolicited_extension || (hello->encrypt_then_mac && !is_cbc(suite->algorithm)))
    return fatal(AlertDescription::UnsupportedExtension, "server answered an extension that was not offered");
  if (auto taken = take_alpn(context, hello->alpn); !taken) return kaon::fail(std::move(taken).error());
  if (!take_connection_id(context, *hello))
    return fatal(AlertDescription::UnsupportedExtension, "connection id not asked for, or too long for our datagrams");
  Session& session = context.session;
  session.suite = suite;
  session.srtp_profile = hello->srtp_profile;
  session.encrypt_then_mac = hello->encrypt_then_mac;
  std::copy(hello->random.begin(), hello->random.end(), session.keys.server_random.begin());
  remember(message);
  state_ = uses_psk(*suite) ? State::WaitServerKeyExchange : State::WaitCertificate;
  return Outcome::Waiting;
}

Step ClientHandshake12::on_certificate(HandshakeContext& context, const HandshakeMessage& message) {
  if (auto step = take_certificate(context, message); !step) return step;
  if (authentication_of(peer_key_->type()) != context.session.suite->authentication)
    return fatal(AlertDescription::UnsupportedCertificate, "certificate does not go with the cipher suite");
  remember(message);
  state_ = State::WaitServerKeyExchange;
  return Outcome::Waiting;
}

Step ClientHandshake12::on_server_key_exchange(HandshakeContext& context, const HandshakeMessage& message) {
  const auto exchange = ServerKeyExchange::parse(message.body);
  if (!exchange) return fatal(AlertDescription::DecodeError, "malformed ServerKeyExchange");
  if (!usable_in_12(exchange->group) || !contains(context.config.groups, exchange->group) ||
      !contains(verifiable_schemes(), exchange->scheme))
    return fatal(AlertDescription::IllegalParameter, "server used a group or a signature scheme that was not offered");
  if (!peer_key_->verify(exchange->scheme, signed_params(context.session.keys, exchange->params), exchange->signature))
    return fatal(AlertDescription::DecryptError, "wrong signature in ServerKeyExchange");
  key_exchange_ = crypto::KeyExchange::respond(exchange->group, exchange->share, context.env.random);
  if (!key_exchange_) return fatal(AlertDescription::IllegalParameter, "invalid key share of the server");
  context.session.group = exchange->group;
  remember(message);
  state_ = State::WaitCertificateRequest;
  return Outcome::Waiting;
}

Step ClientHandshake12::on_psk_server_key_exchange(HandshakeContext& context, const HandshakeMessage& message) {
  const bool ecdhe = context.session.suite->ecdhe;
  const auto exchange = PskServerKeyExchange::parse(message.body, ecdhe);
  if (!exchange) return fatal(AlertDescription::DecodeError, "malformed ServerKeyExchange");
  if (ecdhe) {
    if (!usable_in_12(exchange->group) || !contains(context.config.groups, exchange->group))
      return fatal(AlertDescription::IllegalParameter, "server used a group that was not offered");
    key_exchange_ = crypto::KeyExchange::respond(exchange->group, exchange->share, context.env.random);
    if (!key_exchange_) return fatal(AlertDescription::IllegalParameter, "invalid key share of the server");
    context.session.group = exchange->group;
  }
  remember(message);
  state_ = State::WaitServerHelloDone;
  return Outcome::Waiting;
}

bool ClientHandshake12::may_be_done(const HandshakeContext& context) const {
  // RFC 4279 §2: without a hint there is no ServerKeyExchange.
  const bool optional = state_ == State::WaitServerKeyExchange && uses_psk(*context.session.suite);
  return state_ == State::WaitServerHelloDone || (optional && !context.session.suite->ecdhe);
}

Step ClientHandshake12::answer_with_psk(HandshakeContext& context) {
  const PreSharedKey& psk = context.config.psks.front();
  const ByteView share = key_exchange_ ? ByteView(key_exchange_->share) : ByteView();
  context.flight.begin();
  send(context, HandshakeType::ClientKeyExchange, 0, PskClientKeyExchange{psk.identity, share}.write());
  auto premaster = psk_premaster(key_exchange_ ? ByteView(key_exchange_->secret) : ByteView(), psk.key);
  install_keys(context, premaster, Role::Client);
  wipe(premaster);
  if (key_exchange_) wipe(key_exchange_->secret);
  context.session.psk_identity = psk.identity;
  send_finished(context, Role::Client);
  state_ = State::WaitFinished;
  return Outcome::Answered;
}

Step ClientHandshake12::on_certificate_request(HandshakeContext& context, const HandshakeMessage& message) {
  const auto schemes = parse_certificate_request(message.body);
  if (!schemes) return fatal(AlertDescription::DecodeError, "malformed CertificateRequest");
  our_scheme_ = choose_scheme(Version::Dtls12, context.config.certificate.type(), *schemes);
  if (!our_scheme_) return fatal(AlertDescription::HandshakeFailure, "server verifies no signature of our certificate");
  remember(message);
  state_ = State::WaitServerHelloDone;
  return Outcome::Waiting;
}

Step ClientHandshake12::on_server_hello_done(HandshakeContext& context, const HandshakeMessage& message) {
  if (!message.body.empty()) return fatal(AlertDescription::DecodeError, "malformed ServerHelloDone");
  remember(message);
  if (uses_psk(*context.session.suite)) return answer_with_psk(context);
  context.flight.begin();
  send(context, HandshakeType::Certificate, 0, write_certificate(context.config.certificate.der()));
  send(context, HandshakeType::ClientKeyExchange, 0, write_client_key_exchange(key_exchange_->share));
  install_keys(context, key_exchange_->secret, Role::Client);
  wipe(key_exchange_->secret);
  const auto signature = context.config.certificate.sign(*our_scheme_, transcript_);
  if (!signature) return fatal(AlertDescription::InternalError, "cannot sign");
  send(context, HandshakeType::CertificateVerify, 0, write_signed({}, *our_scheme_, *signature));
  send_finished(context, Role::Client);
  state_ = State::WaitFinished;
  return Outcome::Answered;
}

}  // namespace kaon::dtls
