// Ephemeral key exchange, both sides of it.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "kaon/base/bytes.h"
#include "kaon/base/random.h"

namespace kaon::crypto {

/// Values are those of the TLS registry "supported groups".
enum class Group : uint16_t { Secp256r1 = 0x0017, Secp384r1 = 0x0018, X25519 = 0x001d, X25519MlKem768 = 0x11ec };

/// As the TLS registry names it, "x25519" for example.
std::string_view to_string(Group group);
/// Whether libcrypto has it: X25519MlKem768 needs 3.5 or newer, found out at run time.
bool group_available(Group group);

using Secret = std::vector<uint8_t>;

/// The private half of one exchange. Works for (EC)DH groups and, with the same calls, for KEMs.
class KeyExchange {
 public:
  /// A new private key from `random`: same random bytes, same key.
  static KeyExchange generate(Group group, Random& random);
  KeyExchange(KeyExchange&&) noexcept;
  KeyExchange& operator=(KeyExchange&&) noexcept;
  ~KeyExchange();

  Group group() const { return group_; }
  /// The initiator's share as it goes onto the wire (uncompressed point, or 32 bytes for X25519).
  ByteView share() const;
  /// The shared secret with the responder's share; nothing if the share is no valid one (wrong size, point off the
  /// curve, all-zero result).
  std::optional<Secret> finish(ByteView responder_share) const;

  struct Response {
    std::vector<uint8_t> share;
    Secret secret;
  };
  /// The responder's side in one step; nothing if the initiator's share is no valid one.
  static std::optional<Response> respond(Group group, ByteView initiator_share, Random& random);

 private:
  struct Key;
  KeyExchange(Group group, std::unique_ptr<Key> key);
  std::unique_ptr<Key> key_;
  Group group_;
};

}  // namespace kaon::crypto
