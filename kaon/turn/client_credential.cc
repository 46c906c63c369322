#include "kaon/turn/internal/client_credential.h"

namespace kaon::turn::internal {

using stun::Attribute;

// What the nonce says of the server's abilities must fit the rest, or somebody on the way has taken something out
// (RFC 8489 §9.2.5).
std::optional<ClientCredential> ClientCredential::of(const stun::Message& challenge, std::string user,
                                                     std::string password) {
  const auto realm = challenge.text(Attribute::Realm);
  const auto nonce = challenge.text(Attribute::Nonce);
  if (!realm || !nonce || nonce->empty() || realm->size() > kMaxText || nonce->size() > kMaxText) return std::nullopt;
  const auto features = stun::nonce_features(*nonce).value_or(stun::SecurityFeatures{});
  const auto offered = challenge.password_algorithms();
  if (features.password_algorithms && !challenge.has(Attribute::PasswordAlgorithms)) return std::nullopt;
  auto algorithm = stun::PasswordAlgorithm::Md5;
  std::vector<uint8_t> algorithms;
  if (features.password_algorithms) {
    if (!offered || offered->size == 0) return std::nullopt;
    algorithm = offered->algorithms[0];
    const ByteView raw = *challenge.find(Attribute::PasswordAlgorithms);
    if (raw.size() > 64) return std::nullopt;
    algorithms.assign(raw.begin(), raw.end());
  }
  const crypto::Digest key = stun::long_term_key(user, *realm, password, algorithm);
  return ClientCredential{.user = std::move(user),
                          .password = std::move(password),
                          .realm = std::string(*realm),
                          .nonce = std::string(*nonce),
                          .algorithms = std::move(algorithms),
                          .algorithm = algorithm,
                          .sha256 = features.password_algorithms,
                          .hide_user = features.username_anonymity,
                          .key = key};
}

crypto::Hmac ClientCredential::hmac() const {
  return {sha256 ? crypto::HashAlgorithm::Sha256 : crypto::HashAlgorithm::Sha1, key.view()};
}

void ClientCredential::sign(stun::Builder& builder) const {
  if (hide_user) {
    builder.add(Attribute::Userhash, stun::userhash(user, realm).view());
  } else {
    builder.add_text(Attribute::Username, user);
  }
  builder.add_text(Attribute::Realm, realm).add_text(Attribute::Nonce, nonce);
  if (!sha256) {
    builder.add_integrity(hmac());
    return;
  }
  builder.add(Attribute::PasswordAlgorithms, algorithms).add_password_algorithm(algorithm);
  builder.add_integrity_sha256(hmac());
}

bool ClientCredential::verify(const stun::Message& answer) const {
  return sha256 ? answer.verify_integrity_sha256(hmac()) : answer.verify_integrity(hmac());
}

}  // namespace kaon::turn::internal
