// AES-GCM with wide vectors by Intel's Multi-Buffer library, if the build has it (KAON_IPSEC_MB) and the machine too.
#pragma once

#include <memory>
#include <span>

#include "kaon/base/bytes.h"
#include "kaon/crypto/aead.h"

namespace kaon::crypto::internal {

/// One key; wiped when it goes. Sizes have been checked by the caller. Tags have kAeadTagSize bytes.
class WideGcm {
 public:
  /// Null for other algorithms, and where the build or the machine cannot.
  static std::unique_ptr<WideGcm> make(AeadAlgorithm algorithm, ByteView key);
  ~WideGcm();

  void seal(ByteView nonce, std::span<const ByteView> aad, std::span<const CipherPart> parts, Bytes tag);
  /// Like Aead::open(), it writes before it knows.
  bool open(ByteView nonce, std::span<const ByteView> aad, std::span<const CipherPart> parts, ByteView tag);

 private:
  struct State;
  explicit WideGcm(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace kaon::crypto::internal
