#include "kaon/crypto/key_exchange.h"

#include <array>

#include "kaon/crypto/internal/openssl.h"

namespace kaon::crypto {
namespace {

using internal::ErrorScope;
using internal::KeyContextPtr;
using internal::KeyPtr;

constexpr size_t kX25519Size = 32;
constexpr size_t kMlKemSeedSize = 64;
constexpr size_t kMlKemEntropySize = 32;
constexpr size_t kMlKemPublicKeySize = 1184;
constexpr size_t kMlKemCiphertextSize = 1088;
constexpr size_t kMlKemSecretSize = 32;

// libcrypto 3.5 and newer only; older ones know neither the algorithm nor these names.
constexpr const char* kMlKemName = "ML-KEM-768";
constexpr const char* kMlKemSeedParam = "seed";
constexpr const char* kKemEntropyParam = "ikme";

bool ml_kem_available() {
  static const bool kAvailable = [] {
    const ErrorScope scope;
    return KeyContextPtr(EVP_PKEY_CTX_new_from_name(nullptr, kMlKemName, nullptr)) != nullptr;
  }();
  return kAvailable;
}

KeyPtr generate_x25519(Random& random) {
  std::array<uint8_t, kX25519Size> bytes;
  random.fill(bytes);
  KeyPtr key(EVP_PKEY_new_raw_private_key_ex(nullptr, "X25519", nullptr, bytes.data(), bytes.size()));
  wipe(bytes);
  return key;
}

KeyPtr generate_ml_kem(Random& random) {
  std::array<uint8_t, kMlKemSeedSize> seed;
  random.fill(seed);
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, kMlKemName, nullptr));
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(kMlKemSeedParam, seed.data(), seed.size()),
                               OSSL_PARAM_END};
  EVP_PKEY* key = nullptr;
  KAON_ASSERT(context != nullptr && EVP_PKEY_keygen_init(context.get()) == 1 &&
              EVP_PKEY_CTX_set_params(context.get(), params) == 1 && EVP_PKEY_generate(context.get(), &key) == 1);
  wipe(seed);
  return KeyPtr(key);
}

const char* curve_of(Group group) { return group == Group::Secp256r1 ? "P-256" : "P-384"; }

/// The private key of an (EC)DH group.
KeyPtr generate_dh(Group group, Random& random) {
  KeyPtr key = group == Group::X25519 ? generate_x25519(random) : internal::generate_ec_key(curve_of(group), random);
  KAON_ASSERT(key != nullptr);
  return key;
}

/// The other side's public key; null if it is none. libcrypto rejects points that are not on the curve.
KeyPtr parse_dh_share(Group group, ByteView share) {
  if (group == Group::X25519) {
    if (share.size() != kX25519Size) return nullptr;
    return KeyPtr(EVP_PKEY_new_raw_public_key_ex(nullptr, "X25519", nullptr, share.data(), share.size()));
  }
  return internal::ec_public_key(curve_of(group), share);
}

std::optional<Secret> derive(Group group, EVP_PKEY* own, ByteView share) {
  const ErrorScope scope;
  const KeyPtr peer = parse_dh_share(group, share);
  if (peer == nullptr) return std::nullopt;
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr));
  // Parsing has checked that the point is on the curve. The curves have cofactor 1, so it has the right order too;
  // libcrypto would multiply by the order once more to see that, which costs more than the derivation.
  constexpr int kNoFurtherCheck = 0;
  size_t size = 0;
  if (EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer_ex(context.get(), peer.get(), kNoFurtherCheck) != 1 ||
      EVP_PKEY_derive(context.get(), nullptr, &size) != 1) {
    return std::nullopt;
  }
  Secret secret(size);
  if (EVP_PKEY_derive(context.get(), secret.data(), &size) != 1) return std::nullopt;
  secret.resize(size);
  // RFC 7748 §6.1 and RFC 8446 §7.4.2: all zeros means that the peer sent a point of small order.
  const std::array<uint8_t, kX25519Size> zeros{};
  if (group == Group::X25519 && equal_in_constant_time(secret, zeros)) return std::nullopt;
  return secret;
}

struct Encapsulated {
  std::vector<uint8_t> ciphertext;
  Secret secret;
};

std::optional<Encapsulated> encapsulate(ByteView public_key, Random& random) {
  const ErrorScope scope;
  const KeyPtr peer(EVP_PKEY_new_raw_public_key_ex(nullptr, kMlKemName, nullptr, public_key.data(), public_key.size()));
  if (peer == nullptr) return std::nullopt;
  std::array<uint8_t, kMlKemEntropySize> entropy;
  random.fill(entropy);
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(kKemEntropyParam, entropy.data(), entropy.size()),
                               OSSL_PARAM_END};
  Encapsulated result{std::vector<uint8_t>(kMlKemCiphertextSize), Secret(kMlKemSecretSize)};
  size_t ciphertext_size = result.ciphertext.size();
  size_t secret_size = result.secret.size();
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, peer.get(), nullptr));
  const bool ok = EVP_PKEY_encapsulate_init(context.get(), params) == 1 &&
                  EVP_PKEY_encapsulate(context.get(), result.ciphertext.data(), &ciphertext_size, result.secret.data(),
                                       &secret_size) == 1;
  wipe(entropy);
  if (!ok) return std::nullopt;
  return result;
}

std::optional<Secret> decapsulate(EVP_PKEY* own, ByteView ciphertext) {
  const ErrorScope scope;
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, own, nullptr));
  Secret secret(kMlKemSecretSize);
  size_t size = secret.size();
  if (EVP_PKEY_decapsulate_init(context.get(), nullptr) != 1 ||
      EVP_PKEY_decapsulate(context.get(), secret.data(), &size, ciphertext.data(), ciphertext.size()) != 1) {
    return std::nullopt;
  }
  return secret;
}

void append(std::vector<uint8_t>& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

}  // namespace

std::string_view to_string(Group group) {
  switch (group) {
    case Group::Secp256r1: return "secp256r1";
    case Group::Secp384r1: return "secp384r1";
    case Group::X25519: return "x25519";
    case Group::X25519MlKem768: return "X25519MLKEM768";
  }
  return "";
}

bool group_available(Group group) { return group != Group::X25519MlKem768 || ml_kem_available(); }

struct KeyExchange::Key {
  KeyPtr dh;
  KeyPtr ml_kem;  // null unless the group is a hybrid
  std::vector<uint8_t> share;
};

KeyExchange::KeyExchange(Group group, std::unique_ptr<Key> key) : key_(std::move(key)), group_(group) {}
KeyExchange::KeyExchange(KeyExchange&&) noexcept = default;
KeyExchange& KeyExchange::operator=(KeyExchange&&) noexcept = default;
KeyExchange::~KeyExchange() = default;

KeyExchange KeyExchange::generate(Group group, Random& random) {
  KAON_ASSERT(group_available(group));
  std::unique_ptr<Key> key(new Key);
  // draft-ietf-tls-ecdhe-mlkem §3.1: in X25519MLKEM768 the ML-KEM part stands first, in shares and secret alike.
  if (group == Group::X25519MlKem768) {
    key->ml_kem = generate_ml_kem(random);
    key->share = internal::encoded_public_key(key->ml_kem.get());
    KAON_ASSERT(key->share.size() == kMlKemPublicKeySize);
    group = Group::X25519;
  }
  key->dh = generate_dh(group, random);
  append(key->share, internal::encoded_public_key(key->dh.get()));
  const Group whole = key->ml_kem != nullptr ? Group::X25519MlKem768 : group;
  return KeyExchange(whole, std::move(key));
}

ByteView KeyExchange::share() const { return key_->share; }

std::optional<Secret> KeyExchange::finish(ByteView responder_share) const {
  if (group_ != Group::X25519MlKem768) return derive(group_, key_->dh.get(), responder_share);
  if (responder_share.size() != kMlKemCiphertextSize + kX25519Size) return std::nullopt;
  std::optional<Secret> secret = decapsulate(key_->ml_kem.get(), responder_share.first(kMlKemCiphertextSize));
  const std::optional<Secret> dh = derive(Group::X25519, key_->dh.get(), responder_share.subspan(kMlKemCiphertextSize));
  if (!secret || !dh) return std::nullopt;
  append(*secret, *dh);
  return secret;
}

std::optional<KeyExchange::Response> KeyExchange::respond(Group group, ByteView initiator_share, Random& random) {
  KAON_ASSERT(group_available(group));
  if (group != Group::X25519MlKem768) {
    const KeyPtr own = generate_dh(group, random);
    std::optional<Secret> secret = derive(group, own.get(), initiator_share);
    if (!secret) return std::nullopt;
    return Response{internal::encoded_public_key(own.get()), std::move(*secret)};
  }
  if (initiator_share.size() != kMlKemPublicKeySize + kX25519Size) return std::nullopt;
  std::optional<Encapsulated> kem = encapsulate(initiator_share.first(kMlKemPublicKeySize), random);
  if (!kem) return std::nullopt;
  std::optional<Response> dh = respond(Group::X25519, initiator_share.subspan(kMlKemPublicKeySize), random);
  if (!dh) return std::nullopt;
  append(kem->ciphertext, dh->share);
  append(kem->secret, dh->secret);
  return Response{std::move(kem->ciphertext), std::move(kem->secret)};
}

}  // namespace kaon::crypto
