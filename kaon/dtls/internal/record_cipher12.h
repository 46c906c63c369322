// Protection of records in one direction of one DTLS 1.2 epoch.
#pragma once

#include <array>
#include <optional>

#include "kaon/base/bytes.h"
#include "kaon/crypto/aead.h"
#include "kaon/dtls/internal/protocol.h"

namespace kaon::dtls {

/// What the additional data of a record is made of; `number` is epoch (16 bits) and sequence number (48 bits). With a
/// connection id it is made as in RFC 9146 §5.3.
struct RecordId {
  ContentType type{};
  uint64_t number = 0;
  ByteView connection_id = {};
};

/// AEAD with the nonces of RFC 5288 and RFC 6655 (AES-GCM and AES-CCM: 4 secret bytes and 8 explicit ones, which are
/// the record's number) or RFC 7905 (ChaCha20-Poly1305: number XOR 12 secret bytes, nothing explicit). As the number is
/// never used twice, no nonce is.
class RecordCipher12 {
 public:
  /// Size of `iv` in the key block: 4 or 12.
  static size_t iv_size(crypto::AeadAlgorithm algorithm);
  RecordCipher12(crypto::AeadAlgorithm algorithm, ByteView key, ByteView iv);

  size_t explicit_nonce_size() const { return explicit_nonce_size_; }
  size_t overhead() const { return explicit_nonce_size_ + aead_.tag_size(); }

  /// Writes explicit nonce, ciphertext and tag: `out` has plaintext.size() + overhead() bytes. `plaintext` stands at
  /// out + explicit_nonce_size() or apart.
  void seal(RecordId id, ByteView plaintext, Bytes out);
  /// Decrypts a record's fragment in place; nothing if it is forged.
  std::optional<Bytes> open(RecordId id, Bytes fragment);

 private:
  using Nonce = std::array<uint8_t, crypto::kAeadNonceSize>;
  Nonce nonce_for(uint64_t number) const;

  crypto::Aead aead_;
  Nonce iv_{};
  uint8_t explicit_nonce_size_;
};

}  // namespace kaon::dtls
