// Which keys and signature schemes go together, for signing and verifying alike.
#pragma once

#include "kaon/crypto/certificate.h"
#include "kaon/crypto/internal/openssl.h"

namespace kaon::crypto::internal {

/// Nothing if the key is of no supported type.
std::optional<KeyType> type_of(const EVP_PKEY* key);

struct SignatureParameters {
  const char* digest;  // null: the scheme hashes by itself
  bool pss;
};

/// Nothing if the scheme does not go with the key.
std::optional<SignatureParameters> parameters_of(KeyType type, SignatureScheme scheme);

/// Sets the padding of a signing or verifying context.
bool configure(EVP_PKEY_CTX* context, const SignatureParameters& parameters);

/// What ECDSA signs: we hash ourselves, with a digest looked up once, because libcrypto looks it up by its name for
/// every signature. Nothing for other schemes.
std::optional<Digest> ecdsa_digest(SignatureScheme scheme, ByteView data);

}  // namespace kaon::crypto::internal
