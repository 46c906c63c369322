// The state cookie, RFC 9260 §5.1.3: everything that is needed to build the association, signed, so that nothing is
// kept before it comes back.
#pragma once

#include <array>
#include <optional>

#include "kaon/base/random.h"
#include "kaon/base/time.h"
#include "kaon/sctp/internal/init_chunk.h"

namespace kaon::sctp {

struct StateCookie {
  Time created;
  uint32_t local_tag = 0;
  uint32_t peer_tag = 0;
  Tsn local_initial_tsn;
  Tsn peer_initial_tsn;
  uint32_t peer_a_rwnd = 0;
  /// Of the association that existed when the cookie was made; zero if none did (§5.2.2).
  uint32_t local_tie_tag = 0;
  uint32_t peer_tie_tag = 0;
  /// As in the peer's INIT.
  uint16_t peer_outgoing_streams = 0;
  uint16_t peer_incoming_streams = 0;
  Capabilities peer_capabilities;

  static constexpr size_t kMacSize = 32;
  static constexpr size_t kSize = kMacSize + 8 + 7 * 4 + 2 * 2 + 1;
};

/// Signs and checks cookies with a secret of its own (HMAC-SHA-256).
class CookieJar {
 public:
  explicit CookieJar(Random& random) { random.fill(secret_); }
  std::array<uint8_t, StateCookie::kSize> seal(const StateCookie& cookie) const;
  /// Nothing if it was not sealed here.
  std::optional<StateCookie> open(ByteView bytes) const;

 private:
  std::array<uint8_t, 32> secret_{};
};

}  // namespace kaon::sctp
