#include "kaon/turn/authenticator.h"

#include <algorithm>

#include "kaon/base/base64.h"

namespace kaon::turn {
namespace {

using stun::Attribute;
using stun::ErrorNumber;
using stun::PasswordAlgorithm;

constexpr std::array kAlgorithms{PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5};
constexpr size_t kTimeSize = 4;
constexpr size_t kCodeSize = 8;

crypto::Hmac random_key(Random& random) {
  std::array<uint8_t, 32> key{};
  random.fill(key);
  crypto::Hmac hmac(crypto::HashAlgorithm::Sha256, key);
  wipe(key);
  return hmac;
}

uint32_t seconds_of(Time now) {
  return static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count());
}

bool integrity_fits(const stun::Message& request, const Credential& credential) {
  const auto hash = credential.sha256 ? crypto::HashAlgorithm::Sha256 : crypto::HashAlgorithm::Sha1;
  const crypto::Hmac hmac(hash, credential.key.view());
  return credential.sha256 ? request.verify_integrity_sha256(hmac) : request.verify_integrity(hmac);
}

}  // namespace

Authenticator::Authenticator(const ServerConfig& config, Random& random)
    : realm_(config.realm),
      secrets_(config.secrets),
      unix_time_at_zero_(config.unix_time_at_zero),
      nonce_lifetime_(config.nonce_lifetime),
      // Names with a time in them cannot be found by their hash.
      features_{.password_algorithms = true, .username_anonymity = config.secrets.empty()},
      nonce_key_(random_key(random)) {
  const auto keys = [this](std::string_view name, std::string_view password) {
    return Keys{stun::long_term_key(name, realm_, password, PasswordAlgorithm::Md5),
                stun::long_term_key(name, realm_, password, PasswordAlgorithm::Sha256)};
  };
  for (const User& user : config.users) {
    users_[user.name] = keys(user.name, user.password);
    by_hash_[std::string(as_text(stun::userhash(user.name, realm_).view()))] = user.name;
  }
  std::array<uint8_t, 16> password{};
  random.fill(password);
  nobody_ = keys("", as_text(password));
}

std::string Authenticator::make_nonce(const ClientPath& client, uint32_t seconds) const {
  std::array<uint8_t, kTimeSize + kCodeSize> bytes{};
  store_be32(bytes.data(), seconds);
  std::array<uint8_t, 3> rest{static_cast<uint8_t>(client.protocol)};
  // A client of TCP relays asks by many connections, each with a port of its own, and some have one nonce for all.
  if (!is_stream(client.protocol)) store_be16(&rest[1], client.remote.port);
  const std::array<ByteView, 3> parts{ByteView(bytes).first(kTimeSize), rest, client.remote.ip.bytes()};
  std::copy_n(nonce_key_.compute(parts).data.begin(), kCodeSize, bytes.begin() + kTimeSize);
  return stun::nonce_prefix(features_) + to_base64(bytes);
}

Authenticator::Nonce Authenticator::check_nonce(std::string_view nonce, const ClientPath& client, Time now) const {
  if (nonce.size() <= stun::kNoncePrefixSize) return Nonce::Stale;
  const auto bytes = from_base64(nonce.substr(stun::kNoncePrefixSize));
  if (!bytes || bytes->size() != kTimeSize + kCodeSize) return Nonce::Stale;
  const uint32_t made = load_be32(bytes->data());
  if (!equal_in_constant_time(as_bytes(nonce), as_bytes(make_nonce(client, made)))) return Nonce::Stale;
  const auto age = std::chrono::seconds(seconds_of(now) - made);  // modulo 2^32: one from the future is very old
  return age <= nonce_lifetime_ ? Nonce::Good : Nonce::Stale;
}

void Authenticator::add_challenge(stun::Builder& builder, const ClientPath& client, Time now) const {
  builder.add_text(Attribute::Realm, realm_)
      .add_text(Attribute::Nonce, make_nonce(client, seconds_of(now)))
      .add_password_algorithms(kAlgorithms);
}

std::string_view Authenticator::name_of(const stun::Message& request) const {
  if (const auto name = request.text(Attribute::Username)) return *name;
  const auto it = by_hash_.find(std::string(request.text(Attribute::Userhash).value_or("")));
  return it == by_hash_.end() ? std::string_view() : it->second;
}

// RFC 8489 §9.2.4: the client repeats our list, which it may have got from somebody else, and says what it chose.
Result<PasswordAlgorithm, ErrorNumber> Authenticator::algorithm_of(const stun::Message& request) {
  const bool list = request.has(Attribute::PasswordAlgorithms);
  const bool chosen = request.has(Attribute::PasswordAlgorithm);
  if (!list && !chosen) return PasswordAlgorithm::Md5;
  const auto algorithms = request.password_algorithms();
  const auto algorithm = request.password_algorithm();
  if (!algorithms || !algorithm || !std::ranges::equal(algorithms->view(), kAlgorithms)) {
    return fail(ErrorNumber::BadRequest);
  }
  return *algorithm;
}

bool Authenticator::verify(const stun::Message& request, Credential& credential, PasswordAlgorithm algorithm,
                           std::string_view known_user, Time now) const {
  const bool sha256 = algorithm == PasswordAlgorithm::Sha256;
  const auto it = users_.find(credential.user);
  if (it != users_.end()) {
    credential.key = sha256 ? it->second.sha256 : it->second.md5;
    return integrity_fits(request, credential);
  }
  const auto expiry = stun::time_limited_expiry(credential.user);
  const bool known = !known_user.empty() && credential.user == known_user;
  if (expiry && (known || now.time_since_epoch() + unix_time_at_zero_ < *expiry)) {
    for (const std::string& secret : secrets_) {
      const std::string password = stun::time_limited_password(secret, credential.user);
      credential.key = stun::long_term_key(credential.user, realm_, password, algorithm);
      if (integrity_fits(request, credential)) return true;
    }
  }
  credential.key = sha256 ? nobody_.sha256 : nobody_.md5;
  (void)integrity_fits(request, credential);
  return false;
}

Result<Credential, ErrorNumber> Authenticator::check(const stun::Message& request, const ClientPath& client,
                                                     std::string_view known_user, Time now) const {
  if (!request.has_integrity() && !request.has_integrity_sha256()) return fail(ErrorNumber::Unauthenticated);
  const bool named = request.has(Attribute::Username) || request.has(Attribute::Userhash);
  const auto realm = request.text(Attribute::Realm);
  const auto nonce = request.text(Attribute::Nonce);
  if (!named || !realm || !nonce) return fail(ErrorNumber::BadRequest);
  KAON_TRY(const PasswordAlgorithm algorithm, algorithm_of(request));
  Credential credential{std::string(name_of(request)), {}, request.has_integrity_sha256()};
  if (!verify(request, credential, algorithm, known_user, now) || *realm != realm_) {
    return fail(ErrorNumber::Unauthenticated);
  }
  if (check_nonce(*nonce, client, now) == Nonce::Stale) return fail(ErrorNumber::StaleNonce);
  return credential;
}

}  // namespace kaon::turn
