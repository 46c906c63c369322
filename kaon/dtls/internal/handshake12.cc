#include "kaon/dtls/internal/handshake12.h"

#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/base/writer.h"

namespace kaon::dtls {

bool belongs_to_epoch12(HandshakeType type, uint64_t epoch) {
  switch (type) {
    case HandshakeType::ClientHello:
    case HandshakeType::ServerHello:
    case HandshakeType::HelloVerifyRequest:
    case HandshakeType::Certificate:
    case HandshakeType::ServerKeyExchange:
    case HandshakeType::CertificateRequest:
    case HandshakeType::ServerHelloDone:
    case HandshakeType::CertificateVerify:
    case HandshakeType::ClientKeyExchange: return epoch == 0;
    case HandshakeType::Finished: return epoch == kEpochProtected12;
    default: return false;  // no tickets, no renegotiation
  }
}

bool usable_in_12(crypto::Group group) {
  return group == crypto::Group::X25519 || group == crypto::Group::Secp256r1 || group == crypto::Group::Secp384r1;
}

void Handshake12::send(HandshakeContext& context, HandshakeType type, uint64_t epoch, ByteView body) {
  const std::vector<uint8_t> whole = context.flight.add(type, epoch, body);
  transcript_.insert(transcript_.end(), whole.begin(), whole.end());
}

void Handshake12::send_finished(HandshakeContext& context, Role self) {
  context.flight.add_change_cipher_spec();
  send(context, HandshakeType::Finished, kEpochProtected12, context.session.keys.verify_data(self, transcript_));
  context.session.write_epoch = kEpochProtected12;
}

void Handshake12::remember(const HandshakeMessage& message) {
  const size_t start = transcript_.size();
  transcript_.resize(start + kHandshakeHeaderSize + message.body.size());
  Writer writer(Bytes(transcript_).subspan(start));
  writer.u8(static_cast<uint8_t>(message.type));
  writer.u24(static_cast<uint32_t>(message.body.size()));
  writer.u16(message.sequence);
  writer.u24(0);
  writer.u24(static_cast<uint32_t>(message.body.size()));
  writer.bytes(message.body);
}

Step Handshake12::take_certificate(HandshakeContext& context, const HandshakeMessage& message) {
  const auto der = parse_certificate(message.body);
  if (!der) return fail(Failure{AlertDescription::DecodeError, "malformed Certificate"});
  if (der->empty()) return fail(Failure{AlertDescription::HandshakeFailure, "peer has no certificate"});
  auto key = accept_certificate(context, *der);
  if (!key) return fail(std::move(key).error());
  peer_key_ = *std::move(key);
  return Outcome::Waiting;
}

std::vector<uint8_t> Handshake12::signed_params(const KeySchedule12& keys, ByteView params) {
  std::vector<uint8_t> data(keys.client_random.begin(), keys.client_random.end());
  data.insert(data.end(), keys.server_random.begin(), keys.server_random.end());
  data.insert(data.end(), params.begin(), params.end());
  return data;
}

Step Handshake12::check_finished(HandshakeContext& context, Role peer, const HandshakeMessage& message) const {
  const auto expected = context.session.keys.verify_data(peer, transcript_);
  if (!equal_in_constant_time(expected, message.body))
    return fail(Failure{AlertDescription::DecryptError, "wrong Finished"});
  return Outcome::Completed;
}

void Handshake12::install_keys(HandshakeContext& context, ByteView premaster, Role self) {
  Session& session = context.session;
  session.keys.derive(*session.suite, premaster, transcript_);
  auto ciphers = session.keys.record_ciphers(*session.suite, session.encrypt_then_mac);
  if (self == Role::Client) std::swap(ciphers.client, ciphers.server);
  context.records.install(std::move(ciphers.client), std::move(ciphers.server));
}

}  // namespace kaon::dtls
