// The handshake of DTLS 1.3 with certificates on both sides (RFC 9147 §5, RFC 8446 §2); {} is protected with handshake
// keys, [] with application keys:
//
//   client                                        server
//   ClientHello                      -------->
//                                    <--------    HelloRetryRequest      only if there is no usable share
//   ClientHello                      -------->
//                                    <--------    ServerHello {EncryptedExtensions CertificateRequest
//                                                 Certificate CertificateVerify Finished}
//   {Certificate CertificateVerify Finished} -->
//                                    <--------    [ACK]
#pragma once

#include <optional>
#include <vector>

#include "kaon/dtls/cookie_gate.h"
#include "kaon/dtls/internal/handshake.h"
#include "kaon/dtls/internal/messages13.h"
#include "kaon/dtls/internal/start.h"

namespace kaon::dtls {

/// Whether messages of this type exist in a handshake of 1.3, and come in this epoch.
bool belongs_to_epoch13(HandshakeType type, uint64_t epoch);

/// What both roles do the same way.
class Handshake13 {
 protected:
  void send(HandshakeContext& context, HandshakeType type, uint64_t epoch, ByteView body);
  void remember(const HandshakeMessage& message) { transcript_.add(message.type, message.body); }
  /// Secrets and epoch 2 in both directions; ServerHello is the last message remembered.
  void install_handshake_keys(HandshakeContext& context, ByteView shared_secret, Role self);
  Step take_certificate(HandshakeContext& context, const HandshakeMessage& message);
  Step take_certificate_verify(Role peer, const HandshakeMessage& message);
  Step check_finished(const HandshakeContext& context, Role peer, const HandshakeMessage& message);
  /// Certificate, CertificateVerify and Finished, which both sides end with.
  void send_authentication(HandshakeContext& context, Role self, crypto::SignatureScheme scheme,
                           ByteView request_context);
  /// Keys of the application: ours as soon as our Finished is sent, the peer's with its Finished.
  static void install_write_keys(HandshakeContext& context, Role self);
  static void install_read_keys(HandshakeContext& context, Role peer);

  Transcript13 transcript_;
  std::optional<crypto::PublicKey> peer_key_;
};

class ClientHandshake13 : private Handshake13 {
 public:
  explicit ClientHandshake13(ClientStart start);
  Step on_message(HandshakeContext& context, const HandshakeMessage& message);

 private:
  enum class State : uint8_t {
    WaitServerHello,
    WaitEncryptedExtensions,
    WaitCertificateRequest,
    WaitCertificate,
    WaitCertificateVerify,
    WaitFinished
  };
  Step on_server_hello(HandshakeContext& context, const HandshakeMessage& message);
  Step on_encrypted_extensions(HandshakeContext& context, const HandshakeMessage& message);
  Step on_certificate_request(HandshakeContext& context, const HandshakeMessage& message);
  Step on_finished(HandshakeContext& context, const HandshakeMessage& message);

  State state_ = State::WaitServerHello;
  std::vector<crypto::KeyExchange> key_exchanges_;
  const SuiteInfo* retry_suite_;
  std::vector<uint8_t> request_context_;
  std::optional<crypto::SignatureScheme> our_scheme_;
};

class ServerHandshake13 : private Handshake13 {
 public:
  ServerHandshake13() = default;
  /// Goes on behind the HelloRetryRequest of a CookieGate.
  explicit ServerHandshake13(const AdmittedHello& hello);
  Step on_message(HandshakeContext& context, const HandshakeMessage& message);

 private:
  enum class State : uint8_t {
    WaitClientHello,
    WaitSecondClientHello,
    WaitCertificate,
    WaitCertificateVerify,
    WaitFinished
  };
  /// What of the first ClientHello the second must repeat, as bytes.
  struct FirstHello {
    std::vector<uint8_t> random;
    std::vector<uint8_t> suites;
    crypto::Group group{};
  };
  Step on_client_hello(HandshakeContext& context, const HandshakeMessage& message);
  Step ask_for_retry(HandshakeContext& context, const ClientHello& hello, const HandshakeMessage& message,
                     const SuiteInfo& suite);
  void answer(HandshakeContext& context, const ClientHello& hello, crypto::KeyExchange::Response exchange,
              crypto::SignatureScheme scheme);
  Step on_finished(HandshakeContext& context, const HandshakeMessage& message);

  State state_ = State::WaitClientHello;
  std::optional<FirstHello> first_hello_;
};

}  // namespace kaon::dtls
