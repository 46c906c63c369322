#include "kaon/crypto/aead.h"

#include <algorithm>

#include "kaon/crypto/internal/openssl.h"
#include "kaon/crypto/internal/wide_gcm.h"

namespace kaon::crypto {
namespace {

const EVP_CIPHER* cipher_of(AeadAlgorithm algorithm) {
  static const std::array<const EVP_CIPHER*, 4> kFetched = {
      EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr), EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr),
      EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr), EVP_CIPHER_fetch(nullptr, "AES-128-CCM", nullptr)};
  return kFetched[std::min<size_t>(static_cast<size_t>(algorithm), 3)];
}

OSSL_PARAM tag_param(const uint8_t* tag, size_t size) {
  return OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, const_cast<uint8_t*>(tag), size);
}

// CCM mixes the sizes of nonce and tag into the first block, so libcrypto wants them before the key. With the key it
// settles for one direction.
internal::CipherContextPtr ccm_context(ByteView key, size_t tag_size, bool to_seal) {
  internal::CipherContextPtr context(EVP_CIPHER_CTX_new());
  size_t nonce_size = kAeadNonceSize;
  const OSSL_PARAM sizes[] = {OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_IVLEN, &nonce_size),
                              tag_param(nullptr, tag_size), OSSL_PARAM_END};
  const auto init = to_seal ? EVP_EncryptInit_ex2 : EVP_DecryptInit_ex2;
  const EVP_CIPHER* cipher = cipher_of(AeadAlgorithm::Aes128Ccm);
  KAON_ASSERT(context != nullptr && key.size() == 16 && init(context.get(), cipher, nullptr, nullptr, sizes) == 1 &&
              init(context.get(), nullptr, key.data(), nullptr, nullptr) == 1);
  return context;
}

}  // namespace

size_t aead_key_size(AeadAlgorithm algorithm) {
  return algorithm == AeadAlgorithm::Aes256Gcm || algorithm == AeadAlgorithm::ChaCha20Poly1305 ? 32 : 16;
}

// One context serves both directions: these ciphers use the same key schedule to seal and to open, so setting the nonce
// is all that a packet needs. Only CCM has another one to open.
struct Aead::Context {
  internal::CipherContextPtr cipher = nullptr;  // unless it is wide
  internal::CipherContextPtr ccm_opener = nullptr;
  std::unique_ptr<internal::WideGcm> wide = nullptr;
};

Aead::Aead(AeadAlgorithm algorithm, ByteView key) : algorithm_(algorithm) {
  if (is_ccm()) {
    context_.reset(new Context{ccm_context(key, tag_size(), true), ccm_context(key, tag_size(), false)});
  } else if (auto wide = internal::WideGcm::make(algorithm, key)) {
    context_.reset(new Context{.wide = std::move(wide)});
  } else {
    context_.reset(new Context{internal::keyed_cipher(cipher_of(algorithm), key)});
  }
}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

void Aead::seal(ByteView nonce, ByteView aad, ByteView plaintext, Bytes out) {
  KAON_ASSERT(nonce.size() == kAeadNonceSize && out.size() == plaintext.size() + tag_size());
  if (context_->wide) {
    const CipherPart whole{plaintext, out.first(plaintext.size())};
    return context_->wide->seal(nonce, {&aad, 1}, {&whole, 1}, out.last(kAeadTagSize));
  }
  EVP_CIPHER_CTX* cipher = context_->cipher.get();
  uint8_t* const tag = out.data() + plaintext.size();
  int written = 0;
  bool ok = EVP_EncryptInit_ex2(cipher, nullptr, nullptr, nonce.data(), nullptr) == 1;
  if (is_ccm()) {  // it has to know the length first
    ok = ok && EVP_EncryptUpdate(cipher, nullptr, &written, nullptr, internal::int_size(plaintext.size())) == 1;
  }
  if (!aad.empty()) {
    ok = ok && EVP_EncryptUpdate(cipher, nullptr, &written, aad.data(), internal::int_size(aad.size())) == 1;
  }
  if (!plaintext.empty() || is_ccm()) {
    const int size = internal::int_size(plaintext.size());
    // An empty plaintext may have no address, which would mean something else.
    const uint8_t* const from = plaintext.empty() ? out.data() : plaintext.data();
    ok = ok && EVP_EncryptUpdate(cipher, out.data(), &written, from, size) == 1 && written == size;
  }
  OSSL_PARAM params[] = {tag_param(tag, tag_size()), OSSL_PARAM_END};
  ok = ok && EVP_EncryptFinal_ex(cipher, tag, &written) == 1 && EVP_CIPHER_CTX_get_params(cipher, params) == 1;
  KAON_ASSERT(ok);
}

bool Aead::open(ByteView nonce, ByteView aad, ByteView ciphertext, Bytes out) {
  if (ciphertext.size() < tag_size()) return false;
  const size_t size = ciphertext.size() - tag_size();
  KAON_ASSERT(nonce.size() == kAeadNonceSize && out.size() >= size);
  if (context_->wide) {
    const CipherPart whole{ciphertext.first(size), out.first(size)};
    return context_->wide->open(nonce, {&aad, 1}, {&whole, 1}, ciphertext.last(kAeadTagSize));
  }
  EVP_CIPHER_CTX* cipher = (is_ccm() ? context_->ccm_opener : context_->cipher).get();
  const OSSL_PARAM params[] = {tag_param(ciphertext.data() + size, tag_size()), OSSL_PARAM_END};
  int written = 0;
  bool ok = EVP_DecryptInit_ex2(cipher, nullptr, nullptr, nonce.data(), params) == 1;
  if (is_ccm()) ok = ok && EVP_DecryptUpdate(cipher, nullptr, &written, nullptr, internal::int_size(size)) == 1;
  if (!aad.empty()) {
    ok = ok && EVP_DecryptUpdate(cipher, nullptr, &written, aad.data(), internal::int_size(aad.size())) == 1;
  }
  if (is_ccm()) {  // all at once, with the tag
    uint8_t nothing = 0;
    uint8_t* const to = size != 0 ? out.data() : &nothing;
    ok = ok && EVP_DecryptUpdate(cipher, to, &written, ciphertext.data(), internal::int_size(size)) == 1;
    if (!ok) ERR_clear_error();
    return ok;
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
  KAON_ASSERT(nonce.size() == kAeadNonceSize && tag.size() == kAeadTagSize && !is_ccm());
  if (context_->wide) return context_->wide->seal(nonce, aad, parts, tag);
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
  OSSL_PARAM params[] = {tag_param(tag.data(), tag.size()), OSSL_PARAM_END};
  ok = ok && EVP_EncryptFinal_ex(cipher, tag.data(), &written) == 1 && EVP_CIPHER_CTX_get_params(cipher, params) == 1;
  KAON_ASSERT(ok);
}

bool Aead::open(ByteView nonce, std::span<const ByteView> aad, std::span<const CipherPart> parts, ByteView tag) {
  KAON_ASSERT(nonce.size() == kAeadNonceSize && tag.size() == kAeadTagSize && !is_ccm());
  if (context_->wide) return context_->wide->open(nonce, aad, parts, tag);
  EVP_CIPHER_CTX* cipher = context_->cipher.get();
  const OSSL_PARAM params[] = {tag_param(tag.data(), tag.size()), OSSL_PARAM_END};
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
