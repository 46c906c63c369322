// Keys of STUN's two credential mechanisms, and what a nonce says about them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "kaon/crypto/hash.h"
#include "kaon/stun/attribute.h"

namespace kaon::stun {

/// Short-term credentials (RFC 8489 §9.1.1), as ICE uses them: the key is the password. Keyed once, used per message.
inline crypto::Hmac short_term_key(std::string_view password,
                                   crypto::HashAlgorithm algorithm = crypto::HashAlgorithm::Sha1) {
  return crypto::Hmac(algorithm, as_bytes(password));
}

/// Long-term credentials (RFC 8489 §9.2.2): the hash of "username:realm:password". The texts must have been prepared
/// with the OpaqueString profile, which changes nothing in ASCII.
crypto::Digest long_term_key(std::string_view username, std::string_view realm, std::string_view password,
                             PasswordAlgorithm algorithm = PasswordAlgorithm::Md5);

/// USERHASH (RFC 8489 §14.4): hides the user's name.
crypto::Digest userhash(std::string_view username, std::string_view realm);

/// What a server says it can in the first characters of its nonce, so that nobody on the path can take it out unnoticed
/// (RFC 8489 §9.2, §18.1).
struct SecurityFeatures {
  bool password_algorithms = false;
  bool username_anonymity = false;
  bool operator==(const SecurityFeatures&) const = default;
};
/// Characters of nonce_prefix().
inline constexpr size_t kNoncePrefixSize = 13;
/// "obMatJos2" and the features: what a nonce begins with.
std::string nonce_prefix(const SecurityFeatures& features);
/// The features a nonce tells; nothing if it does not begin so (a server of RFC 5389).
std::optional<SecurityFeatures> nonce_features(std::string_view nonce);

/// Credentials that end by themselves and need no table of users (draft-uberti-behave-turn-rest §2.2): the name is
/// "EXPIRY:USER", the password the Base64 of its HMAC-SHA1 under a secret that the giver shares with the TURN server.
struct TimeLimitedCredentials {
  std::string username;
  std::string password;
};
/// `expiry` counts from 1970. `user` may be empty.
TimeLimitedCredentials time_limited_credentials(std::string_view secret, std::string_view user,
                                                std::chrono::seconds expiry);
/// The password that belongs to such a name.
std::string time_limited_password(std::string_view secret, std::string_view username);
/// The expiry in a name "EXPIRY:USER" or "EXPIRY"; nothing if it is no such name.
std::optional<std::chrono::seconds> time_limited_expiry(std::string_view username);

}  // namespace kaon::stun
