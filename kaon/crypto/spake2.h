// SPAKE2: a strong key out of a short password that two people share.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string_view>

#include "kaon/base/bytes.h"
#include "kaon/base/random.h"
#include "kaon/crypto/hash.h"

namespace kaon::crypto {

/// One side of RFC 9382 over P-256 with SHA-256, HKDF and HMAC. Whoever is in between learns nothing, and whoever plays
/// a side without the password gets one guess per run. Not thread-safe.
class Spake2 {
 public:
  enum class Role : uint8_t { A, B };
  static constexpr size_t kScalarSize = 32;
  static constexpr size_t kShareSize = 65;
  static constexpr size_t kKeySize = 16;
  using Scalar = std::array<uint8_t, kScalarSize>;

  /// The password as a number below the order of the group, by scrypt (RFC 7914), which takes some 50 ms and 16 MiB.
  static Scalar scalar_of(std::string_view password, std::string_view salt);

  /// `random` gives the private scalar.
  Spake2(Role role, const Scalar& password, Random& random);
  Spake2(Spake2&&) noexcept;
  Spake2& operator=(Spake2&&) noexcept;
  ~Spake2();

  /// What goes to the other side: an uncompressed point.
  ByteView share() const { return share_; }

  struct Keys {
    std::array<uint8_t, kKeySize> key{};
    Digest own_confirmation;   ///< to be sent
    Digest peer_confirmation;  ///< to be compared in constant time with what the peer sends, before the key is used
  };
  /// With the other side's share and both names; nothing if the share is no point of the curve.
  std::optional<Keys> finish(ByteView peer_share, std::string_view name_a, std::string_view name_b) const;

 private:
  struct Secret;
  std::unique_ptr<Secret> secret_;
  std::array<uint8_t, kShareSize> share_{};
  Role role_;
};

}  // namespace kaon::crypto
