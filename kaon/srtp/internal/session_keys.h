// Key derivation of RFC 3711 §4.3, with a key derivation rate of zero.
#pragma once

#include <array>

#include "kaon/srtp/profile.h"

namespace kaon::srtp::internal {

inline constexpr size_t kMaxKeySize = 32;
inline constexpr size_t kMaxSaltSize = 14;
inline constexpr size_t kAuthKeySize = 20;

/// Keys of RTP or of RTCP; wiped when it goes. Only the bytes that the profile uses count, the rest are zero.
struct SessionKeys {
  std::array<uint8_t, kMaxKeySize> key{};
  std::array<uint8_t, kMaxSaltSize> salt{};
  std::array<uint8_t, kAuthKeySize> auth{};  // unused by GCM

  SessionKeys() = default;
  SessionKeys(const SessionKeys&) = delete;
  SessionKeys& operator=(const SessionKeys&) = delete;
  ~SessionKeys();
};

enum class Stream : uint8_t { Rtp, Rtcp };

/// Fills `out`.
void derive_session_keys(Profile profile, const KeyingMaterial& master, Stream stream, SessionKeys& out);
/// Key and salt of encrypted header extensions (RFC 6904 §3.1).
void derive_extension_keys(Profile profile, const KeyingMaterial& master, SessionKeys& out);

}  // namespace kaon::srtp::internal
