#include "kaon/dtls/internal/machine.h"

namespace kaon::dtls {

HandshakeMachine::HandshakeMachine(Role role) {
  if (role == Role::Server) state_.emplace<ServerStart>();
}

void HandshakeMachine::start(HandshakeContext& context) {
  if (auto* client = std::get_if<ClientStart>(&state_)) client->start(context);
}

Step HandshakeMachine::on_message(HandshakeContext& context, const HandshakeMessage& message) {
  auto step = std::visit([&](auto& state) { return state.on_message(context, message); }, state_);
  if (step && *step == Outcome::Use12) return go_on_with(context, message, Version::Dtls12);
  if (step && *step == Outcome::Use13) return go_on_with(context, message, Version::Dtls13);
  return step;
}

Step HandshakeMachine::go_on_with(HandshakeContext& context, const HandshakeMessage& message, Version version) {
  const auto adopt = [&](auto next) {
    auto step = next.on_message(context, message);
    // A hello that was refused binds nobody: the next one may be of the other version.
    if (step || step.error().fatal) {
      context.session.version = version;
      state_ = std::move(next);
    }
    return step;
  };
  if (auto* start = std::get_if<ClientStart>(&state_)) {
    if (version == Version::Dtls12) return adopt(ClientHandshake12(start->take_hello12()));
    return adopt(ClientHandshake13(std::move(*start)));
  }
  if (version == Version::Dtls12) return adopt(ServerHandshake12());
  return adopt(ServerHandshake13());
}

bool belongs_to_epoch(std::optional<Version> version, HandshakeType type, uint64_t epoch) {
  const bool may12 = version != Version::Dtls13 && belongs_to_epoch12(type, epoch);
  const bool may13 = version != Version::Dtls12 && belongs_to_epoch13(type, epoch);
  return may12 || may13;
}

}  // namespace kaon::dtls
