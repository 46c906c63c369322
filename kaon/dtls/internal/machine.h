// The handshake of a connection, whatever its role and version.
#pragma once

#include <variant>

#include "kaon/dtls/internal/handshake12.h"
#include "kaon/dtls/internal/handshake13.h"
#include "kaon/dtls/internal/start.h"

namespace kaon::dtls {

class HandshakeMachine {
 public:
  explicit HandshakeMachine(Role role);

  /// A server goes on behind the HelloRetryRequest that a CookieGate sent.
  void go_on_behind(const AdmittedHello& hello) { state_.emplace<ServerHandshake13>(hello); }
  /// A client sends its first flight.
  void start(HandshakeContext& context);
  /// The peer's next message.
  Step on_message(HandshakeContext& context, const HandshakeMessage& message);

 private:
  Step go_on_with(HandshakeContext& context, const HandshakeMessage& message, Version version);

  std::variant<ClientStart, ServerStart, ClientHandshake12, ServerHandshake12, ClientHandshake13, ServerHandshake13>
      state_;
};

/// Whether a handshake message of this type may come in this epoch; without a version, if it may in any.
bool belongs_to_epoch(std::optional<Version> version, HandshakeType type, uint64_t epoch);

}  // namespace kaon::dtls
