// Keys of STUN's two credential mechanisms.
#pragma once

#include <string_view>

#include "kaon/crypto/hash.h"

namespace kaon::stun {

/// PASSWORD-ALGORITHM numbers, RFC 8489 §18.5.
enum class PasswordAlgorithm : uint16_t { Md5 = 1, Sha256 = 2 };

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

}  // namespace kaon::stun
