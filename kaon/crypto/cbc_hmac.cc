#include "kaon/crypto/cbc_hmac.h"

#include <algorithm>
#include <vector>

#include "kaon/crypto/internal/openssl.h"

namespace kaon::crypto {

namespace {

using internal::CipherContextPtr;
using MacContextPtr = internal::Handle<EVP_MAC_CTX, EVP_MAC_CTX_free>;

constexpr size_t kIvSize = CbcHmac::kIvSize;
constexpr size_t kBlockSize = CbcHmac::kBlockSize;
/// What libcrypto takes for the header of a record, and hashes before the part whose length is secret.
constexpr size_t kTlsHeaderSize = 13;

const EVP_CIPHER* cipher_of(size_t key_size) {
  static const std::array<const EVP_CIPHER*, 2> kFetched = {EVP_CIPHER_fetch(nullptr, "AES-128-CBC", nullptr),
                                                            EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)};
  return kFetched[key_size == 32 ? 1 : 0];
}

/// With the version set, an update is a whole record, in place: encryption appends TLS's padding, decryption takes IV,
/// padding and a MAC of `mac_size` bytes off, in constant time if there is one.
CipherContextPtr cbc_context(ByteView key, size_t mac_size, bool to_seal) {
  CipherContextPtr context(EVP_CIPHER_CTX_new());
  unsigned int version = 0xfefd;
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_CIPHER_PARAM_TLS_VERSION, &version),
                               OSSL_PARAM_construct_size_t(OSSL_CIPHER_PARAM_TLS_MAC_SIZE, &mac_size), OSSL_PARAM_END};
  const std::array<uint8_t, kIvSize> iv{};
  const auto init = to_seal ? EVP_EncryptInit_ex2 : EVP_DecryptInit_ex2;
  KAON_ASSERT(context != nullptr && init(context.get(), cipher_of(key.size()), key.data(), iv.data(), params) == 1);
  return context;
}

MacContextPtr mac_context(HashAlgorithm hash, ByteView key) {
  static EVP_MAC* const kFetched = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  MacContextPtr context(EVP_MAC_CTX_new(kFetched));
  auto* const name = const_cast<char*>(internal::digest_name(hash));
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_END};
  KAON_ASSERT(context != nullptr && EVP_MAC_init(context.get(), key.data(), key.size(), params) == 1);
  return context;
}

void set_length(Bytes header, size_t length) {
  KAON_ASSERT(header.size() >= kTlsHeaderSize);
  store_be16(&header[header.size() - 2], static_cast<uint16_t>(length));
}

size_t padded(size_t size) { return size + kBlockSize - size % kBlockSize; }

}  // namespace

size_t cbc_hmac_key_size(CbcHmacAlgorithm algorithm) { return algorithm == CbcHmacAlgorithm::Aes256Sha1 ? 32 : 16; }

HashAlgorithm cbc_hmac_hash(CbcHmacAlgorithm algorithm) {
  return algorithm == CbcHmacAlgorithm::Aes128Sha256 ? HashAlgorithm::Sha256 : HashAlgorithm::Sha1;
}

struct CbcHmac::Context {
  CipherContextPtr sealer;
  CipherContextPtr opener;
  Hmac hmac;
  // Only with MacThenEncrypt: the MAC whose time does not depend on the length, and what it is computed of if the
  // header is longer than libcrypto's.
  MacContextPtr constant_time_mac;
  std::vector<uint8_t> joined;
};

CbcHmac::CbcHmac(CbcHmacAlgorithm algorithm, CbcHmacOrder order, ByteView mac_key, ByteView key)
    : order_(order), mac_size_(digest_size(cbc_hmac_hash(algorithm))) {
  KAON_ASSERT(key.size() == cbc_hmac_key_size(algorithm) && mac_key.size() == mac_size_);
  const HashAlgorithm hash = cbc_hmac_hash(algorithm);
  const bool encrypt_first = order == CbcHmacOrder::EncryptThenMac;
  context_.reset(new Context{cbc_context(key, 0, true),
                             cbc_context(key, encrypt_first ? 0 : mac_size_, false),
                             Hmac(hash, mac_key),
                             encrypt_first ? nullptr : mac_context(hash, mac_key),
                             {}});
}
CbcHmac::CbcHmac(CbcHmac&&) noexcept = default;
CbcHmac& CbcHmac::operator=(CbcHmac&&) noexcept = default;
CbcHmac::~CbcHmac() = default;

size_t CbcHmac::sealed_size(size_t plaintext_size) const {
  if (order_ == CbcHmacOrder::EncryptThenMac) return kIvSize + padded(plaintext_size) + mac_size_;
  return kIvSize + padded(plaintext_size + mac_size_);
}

void CbcHmac::seal(uint64_t number, Bytes header, ByteView plaintext, Bytes out) {
  KAON_ASSERT(out.size() == sealed_size(plaintext.size()));
  const bool encrypt_first = order_ == CbcHmacOrder::EncryptThenMac;
  const Bytes content = out.subspan(kIvSize, plaintext.size());
  if (plaintext.data() != content.data()) std::copy(plaintext.begin(), plaintext.end(), content.begin());
  size_t size = kIvSize + plaintext.size();
  if (!encrypt_first) {
    set_length(header, plaintext.size());
    const std::array<ByteView, 2> parts = {header, content};
    const Digest mac = context_->hmac.compute(parts);
    std::copy_n(mac.data.begin(), mac_size_, out.begin() + static_cast<ptrdiff_t>(size));
    size += mac_size_;
  }
  // The number as the first block behind an IV of zeros: encrypted, it is the record's IV.
  store_be64(out.data(), number);
  std::fill_n(out.begin() + 8, kIvSize - 8, uint8_t{0});
  const std::array<uint8_t, kIvSize> zeros{};
  EVP_CIPHER_CTX* const cipher = context_->sealer.get();
  const size_t encrypted = padded(size);
  int written = 0;
  const bool ok = EVP_EncryptInit_ex2(cipher, nullptr, nullptr, zeros.data(), nullptr) == 1 &&
                  EVP_EncryptUpdate(cipher, out.data(), &written, out.data(), internal::int_size(size)) == 1;
  KAON_ASSERT(ok && written == internal::int_size(encrypted));
  if (!encrypt_first) return;
  set_length(header, encrypted);
  const std::array<ByteView, 2> parts = {header, out.first(encrypted)};
  const Digest mac = context_->hmac.compute(parts);
  std::copy_n(mac.data.begin(), mac_size_, out.begin() + static_cast<ptrdiff_t>(encrypted));
}

std::optional<size_t> CbcHmac::decrypt(Bytes encrypted) {
  int size = 0;
  if (EVP_DecryptUpdate(context_->opener.get(), encrypted.data(), &size, encrypted.data(),
                        internal::int_size(encrypted.size())) != 1)
    return std::nullopt;
  return static_cast<size_t>(size);
}

std::optional<Bytes> CbcHmac::open(Bytes header, Bytes record) {
  const internal::ErrorScope errors;
  if (order_ == CbcHmacOrder::MacThenEncrypt) return open_mac_then_encrypt(header, record);
  if (record.size() < kIvSize + kBlockSize + mac_size_) return std::nullopt;
  const Bytes encrypted = record.first(record.size() - mac_size_);
  if (encrypted.size() % kBlockSize != 0) return std::nullopt;
  set_length(header, encrypted.size());
  const std::array<ByteView, 2> parts = {header, encrypted};
  if (!equal_in_constant_time(context_->hmac.compute(parts).view(), record.last(mac_size_))) return std::nullopt;
  // What is authentic may be looked at in any time.
  const auto size = decrypt(encrypted);
  if (!size) return std::nullopt;
  return record.subspan(kIvSize, *size);
}

std::optional<Bytes> CbcHmac::open_mac_then_encrypt(Bytes header, Bytes record) {
  // All that these tests look at can be seen on the wire.
  if (record.size() < kIvSize + padded(mac_size_) || record.size() % kBlockSize != 0) return std::nullopt;
  // From here on the same is done whatever the padding is. If it is wrong, libcrypto gives a random MAC.
  const auto size = decrypt(record);
  if (!size) return std::nullopt;
  void* mac = nullptr;
  OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_ptr(OSSL_CIPHER_PARAM_TLS_MAC, &mac, mac_size_), OSSL_PARAM_END};
  if (EVP_CIPHER_CTX_get_params(context_->opener.get(), params) != 1 || mac == nullptr) return std::nullopt;
  const Bytes rest = record.subspan(kIvSize);
  if (!mac_fits(header, rest, *size, {static_cast<const uint8_t*>(mac), mac_size_})) return std::nullopt;
  return rest.first(*size);
}

// `content_size` is a secret until the MAC fits; the size of the whole is none.
bool CbcHmac::mac_fits(Bytes header, ByteView content_and_rest, size_t content_size, ByteView mac) {
  set_length(header, content_size);
  // A longer header, that of a connection id, is to libcrypto one of 13 bytes and more content.
  const ByteView more = header.subspan(kTlsHeaderSize);
  if (!more.empty()) {
    auto& joined = context_->joined;
    joined.assign(more.begin(), more.end());
    joined.insert(joined.end(), content_and_rest.begin(), content_and_rest.end());
    content_and_rest = joined;
  }
  // Having had its header once, a context takes no other: each record has a copy.
  const MacContextPtr context(EVP_MAC_CTX_dup(context_->constant_time_mac.get()));
  size_t whole = content_and_rest.size();
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_TLS_DATA_SIZE, &whole), OSSL_PARAM_END};
  Digest computed;
  return context != nullptr && EVP_MAC_CTX_set_params(context.get(), params) == 1 &&
         EVP_MAC_update(context.get(), header.data(), kTlsHeaderSize) == 1 &&
         EVP_MAC_update(context.get(), content_and_rest.data(), more.size() + content_size) == 1 &&
         EVP_MAC_final(context.get(), computed.data.data(), &computed.size, computed.data.size()) == 1 &&
         equal_in_constant_time(computed.view(), mac);
}

}  // namespace kaon::crypto
