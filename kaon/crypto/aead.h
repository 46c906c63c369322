// Authenticated encryption with the key set once: DTLS records and SRTP packets.
#pragma once

#include <memory>
#include <span>

#include "kaon/base/bytes.h"
#include "kaon/crypto/cipher.h"

namespace kaon::crypto {

/// Those of CCM are RFC 5116's AEAD_AES_128_CCM and RFC 6655's AEAD_AES_128_CCM_8, whose tag is short.
enum class AeadAlgorithm : uint8_t { Aes128Gcm, Aes256Gcm, ChaCha20Poly1305, Aes128Ccm, Aes128Ccm8 };

size_t aead_key_size(AeadAlgorithm algorithm);
inline constexpr size_t kAeadNonceSize = 12;
/// Of all but Aes128Ccm8, which has 8 bytes.
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
  size_t tag_size() const { return algorithm_ == AeadAlgorithm::Aes128Ccm8 ? 8 : kAeadTagSize; }
  /// Writes ciphertext and tag: `out` has plaintext.size() + tag_size() bytes (asserted). `out` may start exactly at
  /// `plaintext`, or not overlap it. `nonce` has 12 bytes.
  void seal(ByteView nonce, ByteView aad, ByteView plaintext, Bytes out);
  /// Checks the tag at the end of `ciphertext` and writes ciphertext.size() - tag_size() bytes; false, and `out` is
  /// worthless, if it does not fit. Same overlap rule.
  [[nodiscard]] bool open(ByteView nonce, ByteView aad, ByteView ciphertext, Bytes out);
  /// The same of a message in pieces, but not by CCM. `tag` has kAeadTagSize bytes (asserted) and stands apart.
  void seal(ByteView nonce, std::span<const ByteView> aad, std::span<const CipherPart> parts, Bytes tag);
  [[nodiscard]] bool open(ByteView nonce, std::span<const ByteView> aad, std::span<const CipherPart> parts,
                          ByteView tag);

 private:
  bool is_ccm() const { return algorithm_ == AeadAlgorithm::Aes128Ccm || algorithm_ == AeadAlgorithm::Aes128Ccm8; }

  struct Context;
  std::unique_ptr<Context> context_;
  AeadAlgorithm algorithm_;
};

}  // namespace kaon::crypto
