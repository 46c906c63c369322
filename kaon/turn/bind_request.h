// How a client makes a connection of its own to the server that of a peer (RFC 6062 §4.3).
#pragma once

#include <optional>

#include "kaon/base/random.h"
#include "kaon/turn/internal/client_credential.h"
#include "kaon/turn/wire.h"

namespace kaon::turn {

/// ConnectionBind on a new connection: write() first, then handle() for the first message that comes, and again as long
/// as it says so. What comes behind the answer is the peer's.
class BindRequest {
 public:
  enum class Step : uint8_t {
    Bound,
    Again,  ///< the server wants another nonce: write() once more
    Failed,
  };
  /// Largest request written.
  static constexpr size_t kMaxPacket = 2560;

  BindRequest(ConnectionId id, std::optional<internal::ClientCredential> credential)
      : id_(id), credential_(std::move(credential)) {}

  /// Writes the request; `out` must hold kMaxPacket bytes. Returns its size.
  size_t write(Bytes out, Random& random);
  Step handle(ByteView answer);
  /// Why it has failed: the number of the server's error, 0 if it said none.
  uint16_t number() const { return number_; }

 private:
  static constexpr int kMaxNonces = 3;

  ConnectionId id_;
  std::optional<internal::ClientCredential> credential_;
  stun::TransactionId transaction_;
  int nonces_ = 0;
  uint16_t number_ = 0;
};

}  // namespace kaon::turn
