#include "kaon/dtls/internal/record_cipher13.h"

#include "kaon/base/assert.h"
#include "kaon/crypto/kdf.h"

namespace kaon::dtls {

namespace {

constexpr size_t kMaxKeySize = 32;

/// A key that is wiped when it goes.
class Key {
 public:
  Key(crypto::AeadAlgorithm algorithm, crypto::HashAlgorithm hash, ByteView secret, std::string_view label)
      : size_(crypto::aead_key_size(algorithm)) {
    crypto::hkdf_expand_label(hash, secret, kLabelPrefix, label, {}, Bytes(bytes_).first(size_));
  }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key() { wipe(bytes_); }
  ByteView view() const { return ByteView(bytes_).first(size_); }

 private:
  std::array<uint8_t, kMaxKeySize> bytes_{};
  size_t size_;
};

std::variant<crypto::AesBlock, crypto::ChaCha20Block> make_sequence_cipher(crypto::AeadAlgorithm algorithm,
                                                                           ByteView key) {
  if (algorithm == crypto::AeadAlgorithm::ChaCha20Poly1305) return crypto::ChaCha20Block(key);
  return crypto::AesBlock(key);
}

}  // namespace

RecordCipher13::RecordCipher13(crypto::AeadAlgorithm algorithm, crypto::HashAlgorithm hash, ByteView secret)
    : aead_(algorithm, Key(algorithm, hash, secret, "key").view()),
      sequence_cipher_(make_sequence_cipher(algorithm, Key(algorithm, hash, secret, "sn").view())) {
  crypto::hkdf_expand_label(hash, secret, kLabelPrefix, "iv", {}, iv_);
}

std::array<uint8_t, crypto::kAeadNonceSize> RecordCipher13::nonce_for(uint64_t sequence) const {
  auto nonce = iv_;
  store_be64(&nonce[4], load_be64(&nonce[4]) ^ sequence);
  return nonce;
}

void RecordCipher13::seal(uint64_t sequence, ByteView header, size_t inner_size, Bytes out) {
  KAON_ASSERT(out.size() == inner_size + crypto::kAeadTagSize);
  aead_.seal(nonce_for(sequence), header, out.first(inner_size), out);
}

std::optional<Bytes> RecordCipher13::open(uint64_t sequence, ByteView header, Bytes ciphertext) {
  if (ciphertext.size() < crypto::kAeadTagSize) return std::nullopt;
  const Bytes plaintext = ciphertext.first(ciphertext.size() - crypto::kAeadTagSize);
  if (!aead_.open(nonce_for(sequence), header, ciphertext, plaintext)) return std::nullopt;
  return plaintext;
}

void RecordCipher13::mask(ByteView ciphertext, Bytes sequence) {
  KAON_ASSERT(ciphertext.size() >= kMinCiphertext);
  const ByteView sample = ciphertext.first(kMinCiphertext);
  std::array<uint8_t, 16> stream;
  if (auto* aes = std::get_if<crypto::AesBlock>(&sequence_cipher_)) {
    stream = aes->encrypt(sample);
  } else {
    stream = std::get<crypto::ChaCha20Block>(sequence_cipher_).mask(sample);
  }
  for (size_t i = 0; i < sequence.size(); ++i) sequence[i] ^= stream[i];
}

}  // namespace kaon::dtls
