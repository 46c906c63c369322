// The handshake of DTLS 1.2 with ECDHE and certificates on both sides (RFC 6347 §4.2.4), or with a pre-shared key,
// without what is in () and with ServerKeyExchange only for ECDHE (RFC 4279, RFC 5489):
//
//   client                                        server
//   ClientHello            flight 1  -------->
//                          <--------  flight 4    ServerHello (Certificate) ServerKeyExchange
//                                                 (CertificateRequest) ServerHelloDone
//   (Certificate) ClientKeyExchange (CertificateVerify)
//   [ChangeCipherSpec] Finished  fl. 5 ------>
//                          <--------  flight 6    [ChangeCipherSpec] Finished
//
// ChangeCipherSpec is sent for the other side's sake and ignored when received: the epoch in the record header says the
// same, and authenticated.
#pragma once

#include <optional>
#include <vector>

#include "kaon/dtls/internal/handshake.h"
#include "kaon/dtls/internal/messages.h"
#include "kaon/dtls/internal/reassembler.h"

namespace kaon::dtls {

/// Whether messages of this type exist, and come in this epoch. A Finished in the clear is nobody's.
bool belongs_to_epoch12(HandshakeType type, uint64_t epoch);

/// What both roles do the same way.
class Handshake12 {
 protected:
  void send(HandshakeContext& context, HandshakeType type, uint64_t epoch, ByteView body);
  void send_finished(HandshakeContext& context, Role self);
  void remember(const HandshakeMessage& message);
  Step take_certificate(HandshakeContext& context, const HandshakeMessage& message);
  /// What the signature in ServerKeyExchange covers (RFC 8422 §5.4).
  static std::vector<uint8_t> signed_params(const KeySchedule12& keys, ByteView params);
  Step check_finished(HandshakeContext& context, Role peer, const HandshakeMessage& message) const;
  /// Master secret and record keys; ClientKeyExchange is the last message remembered.
  void install_keys(HandshakeContext& context, ByteView premaster, Role self);

  /// All messages so far as they are hashed (RFC 6347 §4.2.6): with headers as if unfragmented. Kept whole, because
  /// Ed25519 signs messages and not hashes.
  std::vector<uint8_t> transcript_;
  std::optional<crypto::PublicKey> peer_key_;
};

class ClientHandshake12 : private Handshake12 {
 public:
  /// `hello` is the ClientHello as it counts for the transcript, with its header.
  explicit ClientHandshake12(std::vector<uint8_t> hello) { transcript_ = std::move(hello); }
  Step on_message(HandshakeContext& context, const HandshakeMessage& message);

 private:
  enum class State : uint8_t {
    WaitServerHello,
    WaitCertificate,
    WaitServerKeyExchange,
    WaitCertificateRequest,
    WaitServerHelloDone,
    WaitFinished
  };
  Step on_server_hello(HandshakeContext& context, const HandshakeMessage& message);
  Step on_certificate(HandshakeContext& context, const HandshakeMessage& message);
  Step on_server_key_exchange(HandshakeContext& context, const HandshakeMessage& message);
  Step on_certificate_request(HandshakeContext& context, const HandshakeMessage& message);
  Step on_psk_server_key_exchange(HandshakeContext& context, const HandshakeMessage& message);
  Step on_server_hello_done(HandshakeContext& context, const HandshakeMessage& message);
  Step answer_with_psk(HandshakeContext& context);
  bool may_be_done(const HandshakeContext& context) const;

  State state_ = State::WaitServerHello;
  std::optional<crypto::KeyExchange::Response> key_exchange_;
  std::optional<crypto::SignatureScheme> our_scheme_;
};

class ServerHandshake12 : private Handshake12 {
 public:
  Step on_message(HandshakeContext& context, const HandshakeMessage& message);

 private:
  enum class State : uint8_t {
    WaitClientHello,
    WaitCertificate,
    WaitClientKeyExchange,
    WaitCertificateVerify,
    WaitFinished
  };
  Step on_client_hello(HandshakeContext& context, const HandshakeMessage& message);
  void answer(HandshakeContext& context, const ClientHello& hello, std::optional<crypto::SignatureScheme> scheme);
  void send_key_exchange(HandshakeContext& context, std::optional<crypto::SignatureScheme> scheme);
  Step on_psk_client_key_exchange(HandshakeContext& context, const HandshakeMessage& message);
  Step on_client_key_exchange(HandshakeContext& context, const HandshakeMessage& message);
  Step on_certificate_verify(HandshakeContext& context, const HandshakeMessage& message);
  Step on_finished(HandshakeContext& context, const HandshakeMessage& message);

  State state_ = State::WaitClientHello;
  std::optional<crypto::KeyExchange> key_exchange_;
};

/// Groups that an ECDHE suite of TLS 1.2 can use.
bool usable_in_12(crypto::Group group);

}  // namespace kaon::dtls
