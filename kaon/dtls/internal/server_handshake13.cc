#include "kaon/base/assert.h"
#include "kaon/dtls/internal/handshake13.h"

namespace kaon::dtls {

namespace {

std::vector<uint8_t> copy_of(const U16List& list) {
  std::vector<uint8_t> bytes(2 * list.size());
  for (size_t i = 0; i < list.size(); ++i) store_be16(&bytes[2 * i], list[i]);
  return bytes;
}

}  // namespace

ServerHandshake13::ServerHandshake13(const AdmittedHello& hello) : state_(State::WaitSecondClientHello) {
  const auto second = ClientHello::parse(hello.body);
  const SuiteInfo* suite = find_suite(static_cast<uint16_t>(hello.suite));
  KAON_ASSERT(second && suite != nullptr);
  // The cookie was made for the same random and suites.
  first_hello_ =
      FirstHello{{second->random.begin(), second->random.end()}, copy_of(second->cipher_suites), hello.group};
  transcript_.start_behind(suite->hash, hello.first_hello.view());
  transcript_.add(HandshakeType::ServerHello, hello.retry);
}

Step ServerHandshake13::on_message(HandshakeContext& context, const HandshakeMessage& message) {
  const bool clear = state_ == State::WaitClientHello || state_ == State::WaitSecondClientHello;
  if (clear) {
    if (message.type != HandshakeType::ClientHello) return refuse("another message came first");
    return on_client_hello(context, message);
  }
  if (message.epoch != kEpochHandshake13) return refuse("message in the clear");
  switch (message.type) {
    case HandshakeType::Certificate:
      if (state_ != State::WaitCertificate) break;
      state_ = State::WaitCertificateVerify;
      return take_certificate(context, message);
    case HandshakeType::CertificateVerify:
      if (state_ != State::WaitCertificateVerify) break;
      state_ = State::WaitFinished;
      return take_certificate_verify(Role::Client, message);
    case HandshakeType::Finished:
      if (state_ == State::WaitFinished) return on_finished(context, message);
      break;
    default: break;
  }
  return out_of_turn(message.type);
}

Step ServerHandshake13::on_client_hello(HandshakeContext& context, const HandshakeMessage& message) {
  const Config& config = context.config;
  const auto hello = ClientHello::parse(message.body);
  // RFC 9147 §5.3: the version field is that of 1.2, whatever else it offers.
  if (!hello || !hello->offers(Version::Dtls13) || hello->legacy_version != kVersionDtls12)
    return refuse("ClientHello refused: malformed");
  if (!hello->legacy_cookie.empty()) return refuse("ClientHello refused: cookie of DTLS 1.2");
  if (hello->compression_methods.size() != 1 || hello->compression_methods[0] != 0)
    return refuse("ClientHello refused: compression");
  if (!hello->supported_groups || !hello->key_shares || !hello->signature_algorithms)
    return refuse("ClientHello refused: an extension is missing");
  const SuiteInfo* suite = choose_suite(config, Version::Dtls13, *hello);
  if (suite == nullptr) return refuse("ClientHello refused: no common cipher suite");
  const auto scheme = choose_scheme(Version::Dtls13, config.certificate.type(), *hello->signature_algorithms);
  if (!scheme) return refuse("ClientHello refused: no common signature scheme");
  const auto alpn = choose_alpn(config, *hello);
  if (!alpn) return refuse(kNoCommonProtocol);
  // RFC 8446 §4.1.2: but for the share the second hello repeats the first.
  if (first_hello_ && (!std::ranges::equal(first_hello_->random, hello->random) ||
                       first_hello_->suites != copy_of(hello->cipher_suites) || !hello->share_of(first_hello_->group)))
    return refuse("ClientHello refused: not what was asked for");
  const auto group = first_hello_ ? first_hello_->group : choose_shared_group(available_groups(config), *hello);
  if (!group) return ask_for_retry(context, *hello, message, *suite);
  auto exchange = crypto::KeyExchange::respond(*group, *hello->share_of(*group), context.env.random);
  if (!exchange) return refuse("ClientHello refused: invalid key share");

  Session& session = context.session;
  session.suite = suite;
  session.group = *group;
  session.srtp_profile = choose_srtp_profile(config, *hello);
  session.alpn = *alpn;
  std::ranges::copy(hello->random, session.keys13.client_random.begin());
  if (!first_hello_) transcript_.start(suite->hash);
  remember(message);
  answer(context, *hello, *std::move(exchange), *scheme);
  first_hello_.reset();
  state_ = State::WaitCertificate;
  return Outcome::Answered;
}

Step ServerHandshake13::ask_for_retry(HandshakeContext& context, const ClientHello& hello,
                                      const HandshakeMessage& message, const SuiteInfo& suite) {
  const auto group = choose_offered_group(available_groups(context.config), hello);
  if (!group) return refuse("ClientHello refused: no common group");
  first_hello_ = FirstHello{{hello.random.begin(), hello.random.end()}, copy_of(hello.cipher_suites), *group};
  transcript_.start(suite.hash);
  remember(message);
  transcript_.replace_by_hash();
  context.flight.begin();
  const ServerHello13 retry{.cipher_suite = suite.suite, .group = *group, .share = {}};
  send(context, HandshakeType::ServerHello, kEpochClear, retry.write());
  state_ = State::WaitSecondClientHello;
  return Outcome::Answered;
}

void ServerHandshake13::answer(HandshakeContext& context, const ClientHello& hello,
                               crypto::KeyExchange::Response exchange, crypto::SignatureScheme scheme) {
  Session& session = context.session;
  ServerHello13 answer{.cipher_suite = session.suite->suite, .group = session.group, .share = exchange.share};
  context.env.random.fill(answer.random);
  answer.connection_id = answer_connection_id(context, hello);
  answer.return_routability = answer_return_routability(context, hello, answer.connection_id.has_value());
  context.flight.begin();
  send(context, HandshakeType::ServerHello, kEpochClear, answer.write());
  install_handshake_keys(context, exchange.secret, Role::Server);
  wipe(exchange.secret);
  EncryptedExtensions extensions{.srtp_profile = session.srtp_profile};
  if (!session.alpn.empty()) extensions.alpn = session.alpn;
  send(context, HandshakeType::EncryptedExtensions, kEpochHandshake13, extensions.write());
  send(context, HandshakeType::CertificateRequest, kEpochHandshake13, CertificateRequest13::write());
  send_authentication(context, Role::Server, scheme, {});
  session.keys13.derive_application(transcript_.hash());
  // RFC 8446 §4.4.4: from here on this is what the client expects of alerts and ACKs.
  install_write_keys(context, Role::Server);
}

Step ServerHandshake13::on_finished(HandshakeContext& context, const HandshakeMessage& message) {
  auto step = check_finished(context, Role::Client, message);
  if (step) install_read_keys(context, Role::Client);
  return step;
}

}  // namespace kaon::dtls
