#include "kaon/transfer/rendezvous.h"

#include <algorithm>

#include "kaon/base/text.h"
#include "kaon/crypto/aead.h"
#include "kaon/crypto/kdf.h"

namespace kaon::transfer {
namespace {

using crypto::Spake2;

constexpr std::string_view kHost = "kaon transfer host", kGuest = "kaon transfer guest";

Spake2 start(Spake2::Role role, const Code& code, const std::string& salt, Random& random) {
  return {role, Spake2::scalar_of(code.words, salt), random};
}

// Each direction seals one message under a key of its own, so that the nonce may be zero.
crypto::Aead cipher(ByteView key, std::string_view sender) {
  std::array<uint8_t, 16> derived;
  crypto::hkdf_expand(crypto::HashAlgorithm::Sha256, key, as_bytes(sender), derived);
  return {crypto::AeadAlgorithm::Aes128Gcm, derived};
}
constexpr std::array<uint8_t, crypto::kAeadNonceSize> kNonce{};

std::vector<uint8_t> seal(ByteView key, std::string_view sender, std::string_view text) {
  std::vector<uint8_t> sealed(text.size() + crypto::kAeadTagSize);
  cipher(key, sender).seal(kNonce, {}, as_bytes(text), sealed);
  return sealed;
}

std::optional<std::string> open(ByteView key, std::string_view sender, ByteView sealed) {
  if (sealed.size() < crypto::kAeadTagSize || sealed.size() > kMaxRendezvousMessage) return std::nullopt;
  std::vector<uint8_t> text(sealed.size() - crypto::kAeadTagSize);
  if (!cipher(key, sender).open(kNonce, {}, sealed, text)) return std::nullopt;
  return std::string(as_text(text));
}

}  // namespace

RendezvousHost::RendezvousHost(const Code& code, Random& random)
    : name_(cat(code.mailbox)), spake_(start(Spake2::Role::A, code, name_, random)) {}

std::optional<std::vector<uint8_t>> RendezvousHost::accept(ByteView claim, std::string_view invitation) {
  if (claim.size() < Spake2::kShareSize) return std::nullopt;
  const auto keys = spake_.finish(claim.first(Spake2::kShareSize), kHost, kGuest);
  if (!keys || !equal_in_constant_time(claim.subspan(Spake2::kShareSize), keys->peer_confirmation.view())) {
    return std::nullopt;
  }
  key_ = keys->key;
  return seal(key_, kHost, invitation);
}

std::optional<std::string> RendezvousHost::open(ByteView sealed) const { return transfer::open(key_, kGuest, sealed); }

RendezvousGuest::RendezvousGuest(const Code& code, Random& random)
    : name_(cat(code.mailbox)), spake_(start(Spake2::Role::B, code, name_, random)) {}

std::optional<std::vector<uint8_t>> RendezvousGuest::claim(ByteView opening) {
  const auto keys = spake_.finish(opening, kHost, kGuest);
  if (!keys) return std::nullopt;
  key_ = keys->key;
  std::vector<uint8_t> claim(spake_.share().begin(), spake_.share().end());
  const ByteView confirmation = keys->own_confirmation.view();
  claim.insert(claim.end(), confirmation.begin(), confirmation.end());
  return claim;
}

std::optional<std::string> RendezvousGuest::open(ByteView sealed) const { return transfer::open(key_, kHost, sealed); }

std::vector<uint8_t> RendezvousGuest::seal(std::string_view invitation) const {
  return transfer::seal(key_, kGuest, invitation);
}

}  // namespace kaon::transfer
