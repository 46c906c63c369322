#include "kaon/dtls/internal/handshake13.h"

namespace kaon::dtls {

ClientHandshake13::ClientHandshake13(ClientStart start)
    : key_exchanges_(start.take_key_exchanges()), retry_suite_(start.retry_suite()) {
  transcript_ = start.take_transcript13();
}

Step ClientHandshake13::on_message(HandshakeContext& context, const HandshakeMessage& message) {
  // Nobody's word counts in the clear once there are keys.
  if (state_ != State::WaitServerHello && message.epoch != kEpochHandshake13) return refuse("message in the clear");
  switch (message.type) {
    case HandshakeType::ServerHello:
      if (state_ == State::WaitServerHello) return on_server_hello(context, message);
      break;
    case HandshakeType::EncryptedExtensions:
      if (state_ == State::WaitEncryptedExtensions) return on_encrypted_extensions(context, message);
      break;
    case HandshakeType::CertificateRequest:
      if (state_ == State::WaitCertificateRequest) return on_certificate_request(context, message);
      break;
    case HandshakeType::Certificate:
      if (state_ != State::WaitCertificate) break;
      state_ = State::WaitCertificateVerify;
      return take_certificate(context, message);
    case HandshakeType::CertificateVerify:
      if (state_ != State::WaitCertificateVerify) break;
      state_ = State::WaitFinished;
      return take_certificate_verify(Role::Server, message);
    case HandshakeType::Finished:
      if (state_ == State::WaitFinished) return on_finished(context, message);
      break;
    default: break;
  }
  return out_of_turn(message.type);
}

Step ClientHandshake13::on_server_hello(HandshakeContext& context, const HandshakeMessage& message) {
  const auto hello = ServerHello::parse(message.body);
  if (!hello) return fatal(AlertDescription::DecodeError, "malformed ServerHello");
  const SuiteInfo* suite = find_suite(hello->cipher_suite);
  if (suite == nullptr || suite->version != Version::Dtls13 || !contains(context.config.cipher_suites, suite->suite) ||
      hello->compression_method != 0 || (retry_suite_ != nullptr && suite != retry_suite_))
    return fatal(AlertDescription::IllegalParameter, "server chose what was not offered");
  if (hello->unsolicited_extension || !hello->cookie.empty() || hello->extended_master_secret ||
      hello->encrypt_then_mac || hello->renegotiation_info || hello->ec_point_formats ||
      hello->srtp_profile != kNoSrtpProfile || hello->alpn)
    return fatal(AlertDescription::UnsupportedExtension, "ServerHello with an extension that does not belong there");
  if (!hello->group) return fatal(AlertDescription::MissingExtension, "ServerHello without a key share");
  const auto exchange =
      std::ranges::find_if(key_exchanges_, [&](const auto& ours) { return ours.group() == *hello->group; });
  if (exchange == key_exchanges_.end())
    return fatal(AlertDescription::IllegalParameter, "server chose a group without a share");
  auto secret = exchange->finish(hello->share);
  if (!secret) return fatal(AlertDescription::IllegalParameter, "invalid key share of the server");
  if (!take_connection_id(context, *hello))
    return fatal(AlertDescription::UnsupportedExtension, "connection id not asked for, or too long for our datagrams");
  Session& session = context.session;
  session.suite = suite;
  session.group = *hello->group;
  if (retry_suite_ == nullptr) transcript_.start(suite->hash);
  remember(message);
  install_handshake_keys(context, *secret, Role::Client);
  wipe(*secret);
  key_exchanges_.clear();
  state_ = State::WaitEncryptedExtensions;
  return Outcome::Waiting;
}

Step ClientHandshake13::on_encrypted_extensions(HandshakeContext& context, const HandshakeMessage& message) {
  const auto extensions = EncryptedExtensions::parse(message.body);
  if (!extensions) return fatal(AlertDescription::DecodeError, "malformed EncryptedExtensions");
  if (extensions->unsolicited_extension)
    return fatal(AlertDescription::UnsupportedExtension, "server answered an extension that was not offered");
  if (extensions->srtp_profile != kNoSrtpProfile && !contains(context.config.srtp_profiles, extensions->srtp_profile))
    return fatal(AlertDescription::IllegalParameter, "server chose an SRTP profile that was not offered");
  if (auto taken = take_alpn(context, extensions->alpn); !taken) return kaon::fail(std::move(taken).error());
  context.session.srtp_profile = extensions->srtp_profile;
  remember(message);
  state_ = State::WaitCertificateRequest;
  return Outcome::Waiting;
}

Step ClientHandshake13::on_certificate_request(HandshakeContext& context, const HandshakeMessage& message) {
  const auto request = CertificateRequest13::parse(message.body);
  if (!request) return fatal(AlertDescription::DecodeError, "malformed CertificateRequest");
  if (!request->context.empty())
    return fatal(AlertDescription::IllegalParameter, "CertificateRequest with a context in the handshake");
  our_scheme_ = choose_scheme(Version::Dtls13, context.config.certificate.type(), request->signature_algorithms);
  if (!our_scheme_) return fatal(AlertDescription::HandshakeFailure, "server verifies no signature of our certificate");
  remember(message);
  state_ = State::WaitCertificate;
  return Outcome::Waiting;
}

Step ClientHandshake13::on_finished(HandshakeContext& context, const HandshakeMessage& message) {
  auto step = check_finished(context, Role::Server, message);
  if (!step) return step;
  const crypto::Digest finished_hash = transcript_.hash();
  context.flight.begin();
  send_authentication(context, Role::Client, *our_scheme_, {});
  context.session.keys13.derive_application(finished_hash);
  install_write_keys(context, Role::Client);
  install_read_keys(context, Role::Server);
  return step;
}

}  // namespace kaon::dtls
