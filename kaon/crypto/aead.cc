#include "kaon/crypto/aead.h"

#include "kaon/crypto/internal/openssl.h"

namespace kaon::crypto {
namespace {

const EVP_CIPHER* cipher_of(AeadAlgorithm algorithm) {
  static const std::array<const EVP_CIPHER*, 3> kFetched = {EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr),
                                                            EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr),
                                                            EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr)};
  return kFetched[static_cast<size_t>(algorithm)];
}

OSSL_PARAM tag_param(const uint8_t* tag) {
  return OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, const_cast<uint8_t*>(tag), kAeadTagSize);
}

}  // namespace

size_t aead_key_size(AeadAlgorithm algorithm) { return algorithm == AeadAlgorithm::Aes128Gcm ? 16 : 32; }

// One context serves both directions: these ciphers use the same key schedule to seal and to open, so setting the nonce
// is all that a packet needs.
struct Aead::Context {
  internal::CipherContextPtr cipher;
};

Aead::Aead(AeadAlgorithm algorithm, ByteView key)
    : context_(new Context{internal::keyed_cipher(cipher_of(algorithm), key)}), algorithm_(algorithm) {}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

void Aead::seal(ByteView nonce, ByteView aad, ByteView plaintext, Bytes out) {
  KAON_ASSERT(nonce.size() == kAeadNonceSize && out.size() == plaintext.size() + kAeadTagSize);
  EVP_CIPHER_CTX* cipher = context_->cipher.get();
  uint8_t* const tag = out.data() + plaintext.size();
  int written = 0;
  bool ok = EVP_EncryptInit_ex2(cipher, nullptr, nullptr, nonce.data(), nullptr) == 1;
  if (!aad.empty()) {
    ok = ok && EVP_EncryptUpdate(cipher, nullptr, &written, aad.data(), internal::int_size(aad.size())) == 1;
  }
  if (!plaintext.empty()) {
    const int size = internal::int_size(plaintext.size());
    ok = ok && EVP_EncryptUpdate(cipher, out.data(), &written, plaintext.data(), size) == 1 && written == size;
  }
  OSSL_PARAM params[] = {tag_param(tag), OSSL_PARAM_END};
  ok = ok && EVP_EncryptFinal_ex(cipher, tag, &written) == 1 && EVP_CIPHER_CTX_get_params(cipher, params) == 1;
  KAON_ASSERT(ok);
}

bool Aead::open(ByteView nonce, ByteView aad, ByteView ciphertext, Bytes out) {
  if (ciphertext.size() < kAeadTagSize) return false;
  const size_t size = ciphertext.size() - kAeadTagSize;
  KAON_ASSERT(nonce.size() == kAeadNonceSize && out.size() >= size);
  EVP_CIPHER_CTX* cipher = context_->cipher.get();
  const OSSL_PARAM params[] = {tag_param(ciphertext.data() + size), OSSL_PARAM_END};
  int written = 0;
  bool ok = EVP_DecryptInit_ex2(cipher, nullptr, nullptr, nonce.data(), params) == 1;
  if (!aad.empty()) {
    ok = ok && EVP_DecryptUpdate(cipher, nullptr, &written, aad.data(), internal::int_size(aad.size())) == 1;
  }
  if (size != 0) {
    ok = ok && EVP_DecryptUpdate(cipher, out.data(), &written, ciphertext.data(), internal::int_size(size)) == 1;
  }
  uint8_t unused[kAeadTagSize];
  ok = ok && EVP_DecryptFinal_ex(cipher, unused, &written) == 1;
  if (!ok) ERR_clear_error();  // a forged packet must not look like the failure of a later libssl call on this thread
  return ok;
}

void Aead::seal(ByteView nonce, std::span<const ByteView> aad, std::span<const CipherPart> parts, Bytes tag) {
  KAON_ASSERT(nonce.size() == kAeadNonceSize && tag.size() == kAeadTagSize);
  EVP_CIPHER_CTX* cipher = context_->cipher.get();
  int written = 0;
  bool ok = EVP_EncryptInit_ex2(cipher, nullptr, nullptr, nonce.data(), nullptr) == 1;
  for (const ByteView part : aad) {
    if (part.empty()) continue;
    ok = ok && EVP_EncryptUpdate(cipher, nullptr, &written, part.data(), internal::int_size(part.size())) == 1;
  }
  for (const CipherPart& part : parts) {
    if (part.in.empty()) continue;
    const int size = internal::int_size(part.in.size());
    ok = ok && part.out.size() == part.in.size() &&
         EVP_EncryptUpdate(cipher, part.out.data(), &written, part.in.data(), size) == 1 && written == size;
  }
  OSSL_PARAM params[] = {tag_param(tag.data()), OSSL_PARAM_END};
  ok = ok && EVP_EncryptFinal_ex(cipher, tag.data(), &written) == 1 && EVP_CIPHER_CTX_get_params(cipher, params) == 1;
  KAON_ASSERT(ok);
}

bool Aead::open(ByteView nonce, std::span<const ByteView> aad, std::span<const CipherPart> parts, ByteView tag) {
  KAON_ASSERT(nonce.size() == kAeadNonceSize && tag.size() == kAeadTagSize);
  EVP_CIPHER_CTX* cipher = context_->cipher.get();
  const OSSL_PARAM params[] = {tag_param(tag.data()), OSSL_PARAM_END};
  int written = 0;
  bool ok = EVP_DecryptInit_ex2(cipher, nullptr, nullptr, nonce.data(), params) == 1;
  for (const ByteView part : aad) {
    if (part.empty()) continue;
    ok = ok && EVP_DecryptUpdate(cipher, nullptr, &written, part.data(), internal::int_size(part.size())) == 1;
  }
  for (const CipherPart& part : parts) {
    if (part.in.empty()) continue;
    KAON_ASSERT(part.out.size() == part.in.size());
    const int size = internal::int_size(part.in.size());
    ok = ok && EVP_DecryptUpdate(cipher, part.out.data(), &written, part.in.data(), size) == 1;
  }
  uint8_t unused[kAeadTagSize];
  ok = ok && EVP_DecryptFinal_ex(cipher, unused, &written) == 1;
  if (!ok) ERR_clear_error();
  return ok;
}

}  // namespace kaon::crypto
