// Protection of records in one direction of one DTLS 1.3 epoch.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <variant>

#include "kaon/base/bytes.h"
#include "kaon/crypto/aead.h"
#include "kaon/crypto/cipher.h"
#include "kaon/crypto/hash.h"

namespace kaon::dtls {

/// RFC 9147 §4.2.2 and §4.2.3: the nonce is the sequence number XOR the IV, the additional data is the header before
/// its sequence number is encrypted, and the sequence number is encrypted by a mask made of the ciphertext.
class RecordCipher13 {
 public:
  /// Content type behind the plaintext, and the tag.
  static constexpr size_t kOverhead = 1 + crypto::kAeadTagSize;
  /// Ciphertexts shorter than the sample for the mask are discarded.
  static constexpr size_t kMinCiphertext = 16;

  /// Keys of the traffic secret `secret` (RFC 8446 §7.3 with "sn" of RFC 9147 §4.2.3).
  RecordCipher13(crypto::AeadAlgorithm algorithm, crypto::HashAlgorithm hash, ByteView secret);

  /// `inner` (plaintext with its content type) stands at the start of `out`, which has kAeadTagSize more bytes.
  void seal(uint64_t sequence, ByteView header, size_t inner_size, Bytes out);
  /// Decrypts in place; nothing if it is forged.
  std::optional<Bytes> open(uint64_t sequence, ByteView header, Bytes ciphertext);
  /// XORs the mask that `ciphertext` (at least kMinCiphertext bytes) gives onto 1 or 2 bytes of a sequence number.
  void mask(ByteView ciphertext, Bytes sequence);

 private:
  std::array<uint8_t, crypto::kAeadNonceSize> nonce_for(uint64_t sequence) const;

  crypto::Aead aead_;
  std::variant<crypto::AesBlock, crypto::ChaCha20Block> sequence_cipher_;
  std::array<uint8_t, crypto::kAeadNonceSize> iv_{};
};

/// RFC 9147 §5.9: this prefix, without a space behind it, instead of TLS's.
inline constexpr std::string_view kLabelPrefix = "dtls13";

}  // namespace kaon::dtls
