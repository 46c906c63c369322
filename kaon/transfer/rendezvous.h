// How two programs with the same code exchange their invitations over a mailbox that nobody has to trust.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kaon/base/random.h"
#include "kaon/crypto/spake2.h"
#include "kaon/transfer/code.h"

namespace kaon::transfer {

/// Largest message, in bytes.
inline constexpr size_t kMaxRendezvousMessage = 1024;
/// Guesses at a code before it is given up.
inline constexpr int kMaxTries = 3;

/// Four messages make an attempt: the host's opening, the guest's claim, which shows that it has the words, the host's
/// invitation and the guest's, both sealed under the key that SPAKE2 has agreed on. So a mailbox that swaps one of
/// them, and with it the fingerprints inside, is noticed. Each object is for one attempt.
class RendezvousHost {
 public:
  RendezvousHost(const Code& code, Random& random);
  /// Message 1.
  ByteView opening() const { return spake_.share(); }
  /// Message 2 to message 3; nothing if the guest did not have the words.
  std::optional<std::vector<uint8_t>> accept(ByteView claim, std::string_view invitation);
  /// Message 4; nothing if it is not from who made the claim.
  std::optional<std::string> open(ByteView sealed) const;

 private:
  std::string name_;
  crypto::Spake2 spake_;
  std::array<uint8_t, crypto::Spake2::kKeySize> key_{};
};

class RendezvousGuest {
 public:
  RendezvousGuest(const Code& code, Random& random);
  /// Message 1 to message 2; nothing if it is no opening.
  std::optional<std::vector<uint8_t>> claim(ByteView opening);
  /// Message 3; nothing if the words are not the host's.
  std::optional<std::string> open(ByteView sealed) const;
  /// Message 4.
  std::vector<uint8_t> seal(std::string_view invitation) const;

 private:
  std::string name_;
  crypto::Spake2 spake_;
  std::array<uint8_t, crypto::Spake2::kKeySize> key_{};
};

}  // namespace kaon::transfer
