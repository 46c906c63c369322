#include "kaon/crypto/cipher.h"

#include "kaon/crypto/internal/openssl.h"

namespace kaon::crypto {
namespace internal {

CipherContextPtr keyed_cipher(const EVP_CIPHER* cipher, ByteView key) {
  KAON_ASSERT(cipher != nullptr && key.size() == static_cast<size_t>(EVP_CIPHER_get_key_length(cipher)));
  CipherContextPtr context(EVP_CIPHER_CTX_new());
  KAON_ASSERT(context != nullptr && EVP_EncryptInit_ex2(context.get(), cipher, key.data(), nullptr, nullptr) == 1);
  return context;
}

}  // namespace internal

namespace {

using internal::CipherContextPtr;

/// The variants of one cipher for keys of 16, 24 and 32 bytes.
struct CipherFamily {
  explicit CipherFamily(const char* name128, const char* name192, const char* name256)
      : variants{EVP_CIPHER_fetch(nullptr, name128, nullptr), EVP_CIPHER_fetch(nullptr, name192, nullptr),
                 EVP_CIPHER_fetch(nullptr, name256, nullptr)} {}
  const EVP_CIPHER* for_key(ByteView key) const {
    KAON_ASSERT(key.size() == 16 || key.size() == 24 || key.size() == 32);
    return variants[key.size() / 8 - 2];
  }
  std::array<const EVP_CIPHER*, 3> variants;
};

CipherContextPtr aes_ctr(ByteView key) {
  static const CipherFamily kFamily("AES-128-CTR", "AES-192-CTR", "AES-256-CTR");
  return internal::keyed_cipher(kFamily.for_key(key), key);
}

CipherContextPtr aes_ecb(ByteView key) {
  static const CipherFamily kFamily("AES-128-ECB", "AES-192-ECB", "AES-256-ECB");
  CipherContextPtr context = internal::keyed_cipher(kFamily.for_key(key), key);
  EVP_CIPHER_CTX_set_padding(context.get(), 0);
  return context;
}

CipherContextPtr chacha20(ByteView key) {
  static const EVP_CIPHER* const kCipher = EVP_CIPHER_fetch(nullptr, "ChaCha20", nullptr);
  return internal::keyed_cipher(kCipher, key);
}

void encrypt_update(EVP_CIPHER_CTX* context, ByteView in, Bytes out) {
  int written = 0;
  KAON_ASSERT(out.size() == in.size());
  KAON_ASSERT(EVP_EncryptUpdate(context, out.data(), &written, in.data(), internal::int_size(in.size())) == 1);
  KAON_ASSERT(static_cast<size_t>(written) == in.size());
}

}  // namespace

struct AesCtr::Context {
  CipherContextPtr cipher;
};

AesCtr::AesCtr(ByteView key) : context_(new Context{aes_ctr(key)}) {}
AesCtr::AesCtr(AesCtr&&) noexcept = default;
AesCtr& AesCtr::operator=(AesCtr&&) noexcept = default;
AesCtr::~AesCtr() = default;

void AesCtr::crypt(ByteView counter_block, ByteView in, Bytes out) {
  KAON_ASSERT(counter_block.size() == 16);
  EVP_CIPHER_CTX* cipher = context_->cipher.get();
  KAON_ASSERT(EVP_EncryptInit_ex2(cipher, nullptr, nullptr, counter_block.data(), nullptr) == 1);
  if (!in.empty()) encrypt_update(cipher, in, out);
}

void AesCtr::crypt(ByteView counter_block, std::span<const CipherPart> parts) {
  KAON_ASSERT(counter_block.size() == 16);
  EVP_CIPHER_CTX* cipher = context_->cipher.get();
  KAON_ASSERT(EVP_EncryptInit_ex2(cipher, nullptr, nullptr, counter_block.data(), nullptr) == 1);
  for (const CipherPart& part : parts) {
    if (!part.in.empty()) encrypt_update(cipher, part.in, part.out);
  }
}

struct AesBlock::Context {
  CipherContextPtr cipher;
};

AesBlock::AesBlock(ByteView key) : context_(new Context{aes_ecb(key)}) {}
AesBlock::AesBlock(AesBlock&&) noexcept = default;
AesBlock& AesBlock::operator=(AesBlock&&) noexcept = default;
AesBlock::~AesBlock() = default;

std::array<uint8_t, 16> AesBlock::encrypt(ByteView block) {
  KAON_ASSERT(block.size() == 16);
  std::array<uint8_t, 16> out;
  encrypt_update(context_->cipher.get(), block, out);
  return out;
}

struct ChaCha20Block::Context {
  CipherContextPtr cipher;
};

ChaCha20Block::ChaCha20Block(ByteView key) : context_(new Context{chacha20(key)}) {}
ChaCha20Block::ChaCha20Block(ChaCha20Block&&) noexcept = default;
ChaCha20Block& ChaCha20Block::operator=(ChaCha20Block&&) noexcept = default;
ChaCha20Block::~ChaCha20Block() = default;

std::array<uint8_t, 16> ChaCha20Block::mask(ByteView counter_nonce) {
  KAON_ASSERT(counter_nonce.size() == 16);
  constexpr std::array<uint8_t, 16> kZeros{};
  std::array<uint8_t, 16> out;
  EVP_CIPHER_CTX* cipher = context_->cipher.get();
  KAON_ASSERT(EVP_EncryptInit_ex2(cipher, nullptr, nullptr, counter_nonce.data(), nullptr) == 1);
  encrypt_update(cipher, kZeros, out);
  return out;
}

std::array<uint8_t, 16> chacha20_mask(ByteView key, ByteView counter_nonce) {
  return ChaCha20Block(key).mask(counter_nonce);
}

}  // namespace kaon::crypto
