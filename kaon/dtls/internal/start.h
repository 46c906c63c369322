// The first messages, until it is settled which version's handshake goes on (RFC 8446 §4.1, RFC 9147 §5.3).
#pragma once

#include <optional>
#include <vector>

#include "kaon/crypto/key_exchange.h"
#include "kaon/dtls/internal/handshake.h"
#include "kaon/dtls/internal/messages.h"

namespace kaon::dtls {

/// Sends ClientHellos, until a ServerHello tells the version. Answers a HelloVerifyRequest (1.2) or a HelloRetryRequest
/// (1.3).
class ClientStart {
 public:
  /// A HelloVerifyRequest may come again when the server changed its secret; more often is a loop.
  static constexpr int kMaxHelloVerifyRequests = 2;

  void start(HandshakeContext& context);
  Step on_message(HandshakeContext& context, const HandshakeMessage& message);

  // For the handshake that goes on:

  /// The ClientHello with its header, as it counts in 1.2.
  std::vector<uint8_t> take_hello12() { return std::move(hello12_); }
  /// ClientHellos and HelloRetryRequest, as they count in 1.3.
  Transcript13 take_transcript13() { return std::move(transcript13_); }
  /// Those whose shares the server has.
  std::vector<crypto::KeyExchange> take_key_exchanges() { return std::move(key_exchanges_); }
  /// The suite that a HelloRetryRequest chose, or null.
  const SuiteInfo* retry_suite() const { return retry_suite_; }

 private:
  void make_key_exchanges(HandshakeContext& context, std::vector<crypto::Group> groups);
  void send_client_hello(HandshakeContext& context, ByteView cookie, ByteView retry_cookie);
  Step on_hello_verify_request(HandshakeContext& context, const HandshakeMessage& message);
  Step on_server_hello(HandshakeContext& context, const HandshakeMessage& message);
  Step on_hello_retry_request(HandshakeContext& context, const ServerHello& retry, const HandshakeMessage& message);

  std::vector<uint8_t> hello12_;
  Transcript13 transcript13_;
  std::vector<crypto::KeyExchange> key_exchanges_;
  const SuiteInfo* retry_suite_ = nullptr;
  int verify_requests_ = 0;
};

/// Looks at a ClientHello only to tell the version.
class ServerStart {
 public:
  static Step on_message(HandshakeContext& context, const HandshakeMessage& message);
};

}  // namespace kaon::dtls
