// What a TURN server has asked its client for, and how requests are signed by it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kaon/crypto/hash.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/credentials.h"
#include "kaon/stun/message.h"

namespace kaon::turn::internal {

struct ClientCredential {
  /// Longest realm and nonce (RFC 8489 §14.9, §14.10).
  static constexpr size_t kMaxText = 763;

  std::string user;
  std::string password;
  std::string realm;
  std::string nonce;
  std::vector<uint8_t> algorithms;  ///< PASSWORD-ALGORITHMS as it came
  stun::PasswordAlgorithm algorithm = stun::PasswordAlgorithm::Md5;
  bool sha256 = false;  ///< the integrity attribute of requests and answers
  bool hide_user = false;
  crypto::Digest key;

  /// REALM and NONCE of a 401 or 438 answer; nothing if that cannot be right.
  static std::optional<ClientCredential> of(const stun::Message& challenge, std::string user, std::string password);
  /// RFC 8489 §9.2.3.2: the last attributes of a request.
  void sign(stun::Builder& builder) const;
  bool verify(const stun::Message& answer) const;
  crypto::Hmac hmac() const;
};

}  // namespace kaon::turn::internal
