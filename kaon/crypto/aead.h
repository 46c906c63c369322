// Authenticated encryption with the key set once: DTLS records and SRTP packets.
#pragma once

#include <memory>
#include <span>

#include "kaon/base/bytes.h"
#include "kaon/crypto/cipher.h"

namespace kaon::crypto {

enum class AeadAlgorithm : uint8_t { Aes128Gcm, Aes256Gcm, ChaCha20Poly1305 };

size_t aead_key_size(AeadAlgorithm algorithm);
inline constexpr size_t kAeadNonceSize = 12;
inline constexpr size_t kAeadTagSize = 16;

/// One direction's key. seal() and open() allocate nothing. Not thread-safe.
class Aead {
 public:
  /// `key` has aead_key_size() bytes (asserted).
  Aead(AeadAlgorithm algorithm, ByteView key);
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();

  AeadAlgorithm algorithm() const { return algorithm_; }
  /// Writes ciphertext and tag: `out` has plaintext.size() + kAeadTagSize bytes (asserted). `out` may start exactly at
  /// `plaintext`, or not overlap it. `nonce` has 12 bytes.
  void seal(ByteView nonce, ByteView aad, ByteView plaintext, Bytes out);
  /// Checks the tag at the end of `ciphertext` and writes ciphertext.size() - kAeadTagSize bytes; false, and `out` is
  /// worthless, if it does not fit. Same overlap rule.
  [[nodiscard]] bool open(ByteView nonce, ByteView aad, ByteView ciphertext, Bytes out);
  /// The same of a message in pieces. `tag` has kAeadTagSize bytes (asserted) and stands apart.
  void seal(ByteView nonce, std::span<const ByteView> aad, std::span<const CipherPart> parts, Bytes tag);
  [[nodiscard]] bool open(ByteView nonce, std::span<const ByteView> aad, std::span<const CipherPart> parts,
                          ByteView tag);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
  AeadAlgorithm algorithm_;
};

}  // namespace kaon::crypto
