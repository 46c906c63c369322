// Hash functions and HMAC, by libcrypto.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "kaon/base/bytes.h"

namespace kaon::crypto {

enum class HashAlgorithm : uint8_t { Md5, Sha1, Sha256, Sha384, Sha512 };

/// Bytes of a digest: 16, 20, 32, 48 or 64.
size_t digest_size(HashAlgorithm algorithm);

/// Room for the largest digest; the first `size` bytes count.
struct Digest {
  std::array<uint8_t, 64> data{};
  size_t size = 0;
  ByteView view() const { return {data.data(), size}; }
};

Digest hash(HashAlgorithm algorithm, ByteView data);

/// Incremental hash that can be read while it goes on (handshake transcripts).
class Hasher {
 public:
  explicit Hasher(HashAlgorithm algorithm);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  void update(ByteView data);
  /// The digest of all data so far; more may follow.
  Digest digest() const;
  HashAlgorithm algorithm() const { return algorithm_; }

 private:
  struct Context;
  std::unique_ptr<Context> context_;
  HashAlgorithm algorithm_;
};

/// HMAC (RFC 2104) over the concatenation of `parts`. Makes a context each time: for handshakes and STUN.
Digest hmac(HashAlgorithm algorithm, ByteView key, std::span<const ByteView> parts);
Digest hmac(HashAlgorithm algorithm, ByteView key, ByteView data);

/// HMAC with the key set once, for the packet path. No allocation of ours per call; libcrypto's own are in the README.
/// Not thread-safe.
class Hmac {
 public:
  Hmac(HashAlgorithm algorithm, ByteView key);
  Hmac(Hmac&&) noexcept;
  Hmac& operator=(Hmac&&) noexcept;
  ~Hmac();
  Digest compute(std::span<const ByteView> parts) const;

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace kaon::crypto
