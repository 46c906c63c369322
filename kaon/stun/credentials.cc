#include "kaon/stun/credentials.h"

#include "kaon/base/text.h"

namespace kaon::stun {

crypto::Digest long_term_key(std::string_view username, std::string_view realm, std::string_view password,
                             PasswordAlgorithm algorithm) {
  const auto hash = algorithm == PasswordAlgorithm::Md5 ? crypto::HashAlgorithm::Md5 : crypto::HashAlgorithm::Sha256;
  std::string text = cat(username, ":", realm, ":", password);
  const crypto::Digest key = crypto::hash(hash, as_bytes(text));
  wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
  return key;
}

crypto::Digest userhash(std::string_view username, std::string_view realm) {
  return crypto::hash(crypto::HashAlgorithm::Sha256, as_bytes(cat(username, ":", realm)));
}

}  // namespace kaon::stun
