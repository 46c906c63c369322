// Protection of records in one direction of one DTLS 1.2 epoch.
#pragma once

#include <array>
#include <optional>
#include <variant>

#include "kaon/base/bytes.h"
#include "kaon/crypto/aead.h"
#include "kaon/crypto/cbc_hmac.h"
#include "kaon/dtls/internal/cipher_suites.h"
#include "kaon/dtls/internal/protocol.h"

namespace kaon::dtls {

/// What the additional data of a record, or the beginning of what its MAC covers, is made of; `number` is epoch (16
/// bits) and sequence number (48 bits). With a connection id it is made as in RFC 9146 §5.
struct RecordId {
  ContentType type{};
  uint64_t number = 0;
  ByteView connection_id = {};
};

/// One side's part of the key block (RFC 5246 §6.3). Only CBC has a MAC key, only AEAD an IV.
struct RecordKeys {
  ByteView mac = {};
  ByteView cipher;
  ByteView iv = {};
};
struct RecordKeySizes {
  size_t mac = 0;
  size_t cipher = 0;
  size_t iv = 0;
};
RecordKeySizes record_key_sizes(const RecordAlgorithm& algorithm);

/// AEAD with the nonces of RFC 5288 and RFC 6655 (AES-GCM and AES-CCM: 4 secret bytes and 8 explicit ones, which are
/// the record's number) or RFC 7905 (ChaCha20-Poly1305: number XOR 12 secret bytes, nothing explicit), or CBC with its
/// explicit IV. As the number is never used twice, no nonce and no IV is.
class RecordCipher12 {
 public:
  RecordCipher12(const RecordAlgorithm& algorithm, const RecordKeys& keys, bool encrypt_then_mac = false);

  /// What stands before the ciphertext: the explicit nonce or IV.
  size_t explicit_nonce_size() const { return explicit_nonce_size_; }
  /// Of the fragment with so much plaintext. Only CBC, by its padding, does not always add the same.
  size_t sealed_size(size_t plaintext_size) const;
  /// The most that sealed_size() adds.
  size_t overhead() const;

  /// Writes the fragment: `out` has sealed_size() bytes. `plaintext` stands at out + explicit_nonce_size() or apart.
  void seal(RecordId id, ByteView plaintext, Bytes out);
  /// Decrypts a record's fragment in place; nothing if it is forged.
  std::optional<Bytes> open(RecordId id, Bytes fragment);

 private:
  using Nonce = std::array<uint8_t, crypto::kAeadNonceSize>;
  Nonce nonce_for(uint64_t number) const;

  std::variant<crypto::Aead, crypto::CbcHmac> cipher_;
  Nonce iv_{};
  uint8_t explicit_nonce_size_ = 0;
};

}  // namespace kaon::dtls
