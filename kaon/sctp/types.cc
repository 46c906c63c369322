#include "kaon/sctp/types.h"

namespace kaon::sctp {

std::string_view to_string(SendError error) {
  switch (error) {
    case SendError::Empty: return "empty";
    case SendError::MessageTooLarge: return "message too large";
    case SendError::BufferFull: return "send buffer full";
    case SendError::InvalidStream: return "invalid stream";
    case SendError::StreamResetting: return "stream is being reset";
    case SendError::Closed: return "closed";
  }
  return "unknown";
}

std::string_view to_string(State state) {
  switch (state) {
    case State::Idle: return "idle";
    case State::CookieWait: return "cookie-wait";
    case State::CookieEchoed: return "cookie-echoed";
    case State::Established: return "established";
    case State::ShutdownPending: return "shutdown-pending";
    case State::ShutdownSent: return "shutdown-sent";
    case State::ShutdownReceived: return "shutdown-received";
    case State::ShutdownAckSent: return "shutdown-ack-sent";
    case State::Closed: return "closed";
  }
  return "unknown";
}

std::string_view to_string(CloseReason reason) {
  switch (reason) {
    case CloseReason::Shutdown: return "shutdown";
    case CloseReason::AbortedLocally: return "aborted locally";
    case CloseReason::AbortedByPeer: return "aborted by peer";
    case CloseReason::ProtocolViolation: return "protocol violation";
    case CloseReason::TooManyTimeouts: return "too many time-outs";
  }
  return "unknown";
}

}  // namespace kaon::sctp
