// Encryption of single header extension elements (RFC 6904).
#pragma once

#include <array>
#include <optional>

#include "kaon/crypto/cipher.h"
#include "kaon/srtp/internal/packet_cipher.h"
#include "kaon/srtp/internal/session_keys.h"

namespace kaon::srtp::internal {

/// XORs a key stream of its own onto the values of elements; their ids and lengths stay. Encrypting and decrypting are
/// the same. With AES-GCM it is AES in counter mode all the same (RFC 7714 §8.3); with NULL it does nothing.
class ExtensionCipher {
 public:
  static ExtensionCipher derive(Profile profile, const KeyingMaterial& master);
  /// In place, of a whole RTP header. Elements whose id is not in `ids` stay as they are, and so does all that stands
  /// behind a malformed one.
  void crypt(PacketId id, const ExtensionIds& ids, Bytes header);

 private:
  ExtensionCipher(Profile profile, const SessionKeys& keys);

  std::optional<crypto::AesCtr> cipher_;  // none: NULL profile
  std::array<uint8_t, kMaxSaltSize> salt_;
};

}  // namespace kaon::srtp::internal
