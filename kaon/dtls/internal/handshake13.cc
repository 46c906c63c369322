#include "kaon/dtls/internal/handshake13.h"

#include "kaon/base/assert.h"

namespace kaon::dtls {

bool belongs_to_epoch13(HandshakeType type, uint64_t epoch) {
  switch (type) {
    case HandshakeType::ClientHello:
    case HandshakeType::ServerHello: return epoch == kEpochClear;
    case HandshakeType::EncryptedExtensions:
    case HandshakeType::CertificateRequest:
    case HandshakeType::Certificate:
    case HandshakeType::CertificateVerify:
    case HandshakeType::Finished: return epoch == kEpochHandshake13;
    default: return false;
  }
}

void Handshake13::send(HandshakeContext& context, HandshakeType type, uint64_t epoch, ByteView body) {
  context.flight.add(type, epoch, body);
  transcript_.add(type, body);
}

void Handshake13::install_handshake_keys(HandshakeContext& context, ByteView shared_secret, Role self) {
  Session& session = context.session;
  const Role peer = self == Role::Client ? Role::Server : Role::Client;
  session.keys13.derive_handshake(*session.suite, shared_secret, transcript_.hash());
  context.records.install_read(kEpochHandshake13, session.keys13.handshake_cipher(peer));
  context.records.install_write(kEpochHandshake13, session.keys13.handshake_cipher(self));
  session.write_epoch = kEpochHandshake13;
}

void Handshake13::install_write_keys(HandshakeContext& context, Role self) {
  context.records.install_write(kEpochApplication13, context.session.keys13.application_cipher(self));
  context.session.write_epoch = kEpochApplication13;
}

void Handshake13::install_read_keys(HandshakeContext& context, Role peer) {
  context.records.install_read(kEpochApplication13, context.session.keys13.application_cipher(peer));
  context.session.keys13.forget_handshake();
}

Step Handshake13::take_certificate(HandshakeContext& context, const HandshakeMessage& message) {
  const auto certificate = Certificate13::parse(message.body);
  if (!certificate) return fatal(AlertDescription::DecodeError, "malformed Certificate");
  // RFC 8446 §4.4.2: the context is for authentication after the handshake, which we never ask for.
  if (!certificate->context.empty()) return fatal(AlertDescription::IllegalParameter, "Certificate with a context");
  if (certificate->der.empty()) return fatal(AlertDescription::CertificateRequired, "peer has no certificate");
  auto key = accept_certificate(context, certificate->der);
  if (!key) return fail(std::move(key).error());
  peer_key_ = *std::move(key);
  remember(message);
  return Outcome::Waiting;
}

Step Handshake13::take_certificate_verify(Role peer, const HandshakeMessage& message) {
  const auto verify = SignedBy::parse(message.body);
  if (!verify) return fatal(AlertDescription::DecodeError, "malformed CertificateVerify");
  if (!contains(verifiable_schemes(), verify->scheme) || !usable_in_13(verify->scheme, peer_key_->type()))
    return fatal(AlertDescription::IllegalParameter, "signature scheme that was not offered");
  const auto content = certificate_verify_content(peer, transcript_.hash());
  if (!peer_key_->verify(verify->scheme, content, verify->signature))
    return fatal(AlertDescription::DecryptError, "wrong signature in CertificateVerify");
  remember(message);
  return Outcome::Waiting;
}

Step Handshake13::check_finished(const HandshakeContext& context, Role peer, const HandshakeMessage& message) {
  const crypto::Digest expected = context.session.keys13.verify_data(peer, transcript_.hash());
  if (!equal_in_constant_time(expected.view(), message.body))
    return fatal(AlertDescription::DecryptError, "wrong Finished");
  remember(message);
  return Outcome::Completed;
}

void Handshake13::send_authentication(HandshakeContext& context, Role self, crypto::SignatureScheme scheme,
                                      ByteView request_context) {
  const crypto::Certificate& own = context.config.certificate;
  send(context, HandshakeType::Certificate, kEpochHandshake13, Certificate13{request_context, own.der()}.write());
  const auto signature = own.sign(scheme, certificate_verify_content(self, transcript_.hash()));
  KAON_ASSERT(signature.has_value());  // choose_scheme() looked at the key
  send(context, HandshakeType::CertificateVerify, kEpochHandshake13, write_signed({}, scheme, *signature));
  const crypto::Digest verify_data = context.session.keys13.verify_data(self, transcript_.hash());
  send(context, HandshakeType::Finished, kEpochHandshake13, verify_data.view());
}

}  // namespace kaon::dtls
