#include "kaon/crypto/hash.h"

#include <openssl/sha.h>

#include <cstring>
#include <optional>

#include "kaon/crypto/internal/openssl.h"

namespace kaon::crypto {
namespace internal {

const char* digest_name(HashAlgorithm algorithm) {
  constexpr const char* kNames[] = {"MD5", "SHA1", "SHA256", "SHA384", "SHA512"};
  return kNames[static_cast<size_t>(algorithm)];
}

const EVP_MD* digest_of(HashAlgorithm algorithm) {
  static const std::array<const EVP_MD*, 5> kFetched = [] {
    std::array<const EVP_MD*, 5> digests{};
    for (size_t i = 0; i < digests.size(); ++i) {
      digests[i] = EVP_MD_fetch(nullptr, digest_name(static_cast<HashAlgorithm>(i)), nullptr);
    }
    return digests;
  }();
  const EVP_MD* digest = kFetched[static_cast<size_t>(algorithm)];
  KAON_ASSERT(digest != nullptr);
  return digest;
}

}  // namespace internal

namespace {

using internal::digest_of;
using internal::DigestContextPtr;

DigestContextPtr new_context(HashAlgorithm algorithm) {
  DigestContextPtr context(EVP_MD_CTX_new());
  KAON_ASSERT(context != nullptr && EVP_DigestInit_ex2(context.get(), digest_of(algorithm), nullptr) == 1);
  return context;
}

void update(EVP_MD_CTX* context, ByteView data) {
  KAON_ASSERT(EVP_DigestUpdate(context, data.data(), data.size()) == 1);
}

Digest finish(EVP_MD_CTX* context) {
  Digest digest;
  unsigned int size = 0;
  KAON_ASSERT(EVP_DigestFinal_ex(context, digest.data.data(), &size) == 1);
  digest.size = size;
  return digest;
}

/// The key as RFC 2104 §2 wants it: hashed if longer than a block, filled up with zeros, XORed with ipad or opad.
struct HmacPads {
  HmacPads(HashAlgorithm algorithm, ByteView key) : size(algorithm <= HashAlgorithm::Sha256 ? 64 : 128) {
    Digest shortened;
    if (key.size() > size) {
      shortened = hash(algorithm, key);
      key = shortened.view();
    }
    inner.fill(0x36);
    outer.fill(0x5c);
    for (size_t i = 0; i < key.size(); ++i) {
      inner[i] ^= key[i];
      outer[i] ^= key[i];
    }
    wipe(shortened.data);
  }
  ~HmacPads() {
    wipe(inner);
    wipe(outer);
  }
  ByteView inner_block() const { return {inner.data(), size}; }
  ByteView outer_block() const { return {outer.data(), size}; }

  size_t size;
  std::array<uint8_t, 128> inner;
  std::array<uint8_t, 128> outer;
};

}  // namespace

size_t digest_size(HashAlgorithm algorithm) {
  constexpr size_t kSizes[] = {16, 20, 32, 48, 64};
  return kSizes[static_cast<size_t>(algorithm)];
}

Digest hash(HashAlgorithm algorithm, ByteView data) {
  Digest digest;
  unsigned int size = 0;
  KAON_ASSERT(EVP_Digest(data.data(), data.size(), digest.data.data(), &size, digest_of(algorithm), nullptr) == 1);
  digest.size = size;
  return digest;
}

struct Hasher::Context {
  DigestContextPtr running;
  DigestContextPtr snapshot;
};

Hasher::Hasher(HashAlgorithm algorithm)
    : context_(new Context{new_context(algorithm), new_context(algorithm)}), algorithm_(algorithm) {}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(ByteView data) { crypto::update(context_->running.get(), data); }

Digest Hasher::digest() const {
  KAON_ASSERT(EVP_MD_CTX_copy_ex(context_->snapshot.get(), context_->running.get()) == 1);
  return finish(context_->snapshot.get());
}

Digest hmac(HashAlgorithm algorithm, ByteView key, std::span<const ByteView> parts) {
  const HmacPads pads(algorithm, key);
  const DigestContextPtr context = new_context(algorithm);
  update(context.get(), pads.inner_block());
  for (ByteView part : parts) update(context.get(), part);
  const Digest inner = finish(context.get());
  KAON_ASSERT(EVP_DigestInit_ex2(context.get(), digest_of(algorithm), nullptr) == 1);
  update(context.get(), pads.outer_block());
  update(context.get(), inner.view());
  return finish(context.get());
}

Digest hmac(HashAlgorithm algorithm, ByteView key, ByteView data) { return hmac(algorithm, key, {&data, 1}); }

namespace {

/// A hash that has begun, by libcrypto's interface for all algorithms.
class AnyState {
 public:
  explicit AnyState(HashAlgorithm algorithm) : context_(new_context(algorithm)) {}
  void become(const AnyState& other) { KAON_ASSERT(EVP_MD_CTX_copy_ex(context_.get(), other.context_.get()) == 1); }
  void update(ByteView data) { crypto::update(context_.get(), data); }
  Digest finish() { return crypto::finish(context_.get()); }

 private:
  DigestContextPtr context_;
};

// Before 3.5 libcrypto allocates when it copies an AnyState. HMAC-SHA-1 comes with every packet of AES-CM, so there its
// older interface is used, whose states are values.
#if OPENSSL_VERSION_NUMBER < 0x30500000L
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
class Sha1State {
 public:
  explicit Sha1State(HashAlgorithm) { SHA1_Init(&context_); }
  Sha1State(const Sha1State&) = default;
  Sha1State& operator=(const Sha1State&) = default;
  ~Sha1State() { wipe({reinterpret_cast<uint8_t*>(&context_), sizeof(context_)}); }
  void become(const Sha1State& other) { *this = other; }
  void update(ByteView data) { SHA1_Update(&context_, data.data(), data.size()); }
  Digest finish() {
    Digest digest;
    digest.size = SHA_DIGEST_LENGTH;
    SHA1_Final(digest.data.data(), &context_);
    return digest;
  }

 private:
  SHA_CTX context_{};
};
#pragma GCC diagnostic pop
#else
using Sha1State = AnyState;
#endif

/// The states after the first block, which depend on the key alone, computed once and copied for every message. Of
/// libcrypto's ways to key once this is the fastest (README).
template <class State>
class Keyed {
 public:
  Keyed(HashAlgorithm algorithm, const HmacPads& pads) : inner_(algorithm), outer_(algorithm), work_(algorithm) {
    inner_.update(pads.inner_block());
    outer_.update(pads.outer_block());
  }
  Digest compute(std::span<const ByteView> parts) {
    work_.become(inner_);
    for (ByteView part : parts) work_.update(part);
    const Digest inner = work_.finish();
    work_.become(outer_);
    work_.update(inner.view());
    return work_.finish();
  }

 private:
  State inner_;
  State outer_;
  State work_;
};

}  // namespace

struct Hmac::Context {
  Context(HashAlgorithm algorithm, const HmacPads& pads) {
    if (algorithm == HashAlgorithm::Sha1) {
      sha1.emplace(algorithm, pads);
    } else {
      other.emplace(algorithm, pads);
    }
  }

  std::optional<Keyed<Sha1State>> sha1;
  std::optional<Keyed<AnyState>> other;
};

Hmac::Hmac(HashAlgorithm algorithm, ByteView key) : context_(new Context(algorithm, HmacPads(algorithm, key))) {}
Hmac::Hmac(Hmac&&) noexcept = default;
Hmac& Hmac::operator=(Hmac&&) noexcept = default;
Hmac::~Hmac() = default;

Digest Hmac::compute(std::span<const ByteView> parts) const {
  return context_->sha1 ? context_->sha1->compute(parts) : context_->other->compute(parts);
}

}  // namespace kaon::crypto
