#include "kaon/stun/credentials.h"

#include "kaon/base/base64.h"
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

namespace {

constexpr std::string_view kNonceCookie = "obMatJos2";
// RFC 8489 §18.1: bit 0 is the leftmost of 24.
constexpr uint8_t kPasswordAlgorithmsBit = 0x80;
constexpr uint8_t kUsernameAnonymityBit = 0x40;

}  // namespace

std::string nonce_prefix(const SecurityFeatures& features) {
  const uint8_t bits = static_cast<uint8_t>((features.password_algorithms ? kPasswordAlgorithmsBit : 0) |
                                            (features.username_anonymity ? kUsernameAnonymityBit : 0));
  return cat(kNonceCookie, to_base64(std::array<uint8_t, 3>{bits, 0, 0}));
}

std::optional<SecurityFeatures> nonce_features(std::string_view nonce) {
  if (nonce.size() < kNoncePrefixSize || !nonce.starts_with(kNonceCookie)) return std::nullopt;
  const auto bits = from_base64(nonce.substr(kNonceCookie.size(), kNoncePrefixSize - kNonceCookie.size()));
  if (!bits || bits->size() != 3) return std::nullopt;
  return SecurityFeatures{(bits->front() & kPasswordAlgorithmsBit) != 0, (bits->front() & kUsernameAnonymityBit) != 0};
}

TimeLimitedCredentials time_limited_credentials(std::string_view secret, std::string_view user,
                                                std::chrono::seconds expiry) {
  std::string username = user.empty() ? cat(expiry.count()) : cat(expiry.count(), ":", user);
  std::string password = time_limited_password(secret, username);
  return {std::move(username), std::move(password)};
}

std::string time_limited_password(std::string_view secret, std::string_view username) {
  return to_base64(crypto::hmac(crypto::HashAlgorithm::Sha1, as_bytes(secret), as_bytes(username)).view());
}

std::optional<std::chrono::seconds> time_limited_expiry(std::string_view username) {
  const auto seconds = parse_number<uint32_t>(username.substr(0, username.find(':')));
  if (!seconds) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

}  // namespace kaon::stun
