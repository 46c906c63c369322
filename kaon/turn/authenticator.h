// Long-term and time-limited credentials at the server, without a state per client.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kaon/base/random.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/credentials.h"
#include "kaon/stun/message.h"
#include "kaon/turn/server_types.h"

namespace kaon::turn {

/// What an answer is signed with.
struct Credential {
  std::string user;
  crypto::Digest key;
  bool sha256 = false;  ///< which of the two integrity attributes the request had
};

/// RFC 8489 §9.2.4. Nonces hold the time of their making and a code over it and the client's address: they cannot be
/// guessed, are worth nothing to others, and take no memory. Over TCP and TLS the port is not in it.
class Authenticator {
 public:
  Authenticator(const ServerConfig& config, Random& random);

  /// Adds what a 401 or 438 answer needs: REALM, NONCE, PASSWORD-ALGORITHMS.
  void add_challenge(stun::Builder& builder, const ClientPath& client, Time now) const;

  /// The credential, or the error to be answered. `known_user` has an allocation on this path: for him the end of
  /// time-limited credentials has no meaning any more, or a long call would be cut off.
  Result<Credential, stun::ErrorNumber> check(const stun::Message& request, const ClientPath& client,
                                              std::string_view known_user, Time now) const;

 private:
  struct Keys {
    crypto::Digest md5;
    crypto::Digest sha256;
  };
  enum class Nonce : uint8_t { Good, Stale };

  std::string make_nonce(const ClientPath& client, uint32_t seconds) const;
  Nonce check_nonce(std::string_view nonce, const ClientPath& client, Time now) const;
  /// The user's name; empty if nobody has this hash.
  std::string_view name_of(const stun::Message& request) const;
  static Result<stun::PasswordAlgorithm, stun::ErrorNumber> algorithm_of(const stun::Message& request);
  bool verify(const stun::Message& request, Credential& credential, stun::PasswordAlgorithm algorithm,
              std::string_view known_user, Time now) const;

  std::string realm_;
  std::vector<std::string> secrets_;
  std::chrono::nanoseconds unix_time_at_zero_;
  Duration nonce_lifetime_;
  stun::SecurityFeatures features_;
  std::unordered_map<std::string, Keys> users_;
  std::unordered_map<std::string, std::string> by_hash_;  // USERHASH to name
  crypto::Hmac nonce_key_;
  Keys nobody_;  // checked for unknown names, so that they take as long
};

}  // namespace kaon::turn
