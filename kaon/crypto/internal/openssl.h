// What the sources of this module share of libcrypto. The only header in Kaon that includes OpenSSL's own for the core.
#pragma once

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/x509.h>

#include <memory>
#include <vector>

#include "kaon/base/assert.h"
#include "kaon/base/bytes.h"
#include "kaon/base/random.h"
#include "kaon/crypto/hash.h"

namespace kaon::crypto::internal {

template <auto kFree>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    kFree(p);
  }
};
template <class T, auto kFree>
using Handle = std::unique_ptr<T, Deleter<kFree>>;

using BignumPtr = Handle<BIGNUM, BN_clear_free>;
using BioPtr = Handle<BIO, BIO_free_all>;
using CipherContextPtr = Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using DigestContextPtr = Handle<EVP_MD_CTX, EVP_MD_CTX_free>;
using GroupPtr = Handle<EC_GROUP, EC_GROUP_free>;
using KeyContextPtr = Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using KeyPtr = Handle<EVP_PKEY, EVP_PKEY_free>;
using PointPtr = Handle<EC_POINT, EC_POINT_clear_free>;
using X509Ptr = Handle<X509, X509_free>;

/// Takes what libcrypto pushes onto the thread's error queue during a scope off again. Peers' malformed input fails
/// here every day, and an entry left behind would be taken for the failure of the next libssl call on this thread.
class ErrorScope {
 public:
  ErrorScope() { ERR_set_mark(); }
  ~ErrorScope() { ERR_pop_to_mark(); }
  ErrorScope(const ErrorScope&) = delete;
  ErrorScope& operator=(const ErrorScope&) = delete;
};

/// The fetched algorithm; lives as long as the process, since fetching costs more than hashing a packet.
const EVP_MD* digest_of(HashAlgorithm algorithm);
const char* digest_name(HashAlgorithm algorithm);

/// A context for `cipher` keyed once, for encryption. Padding stays as it is: it means nothing to the ciphers of
/// packets, and once it has been set, libcrypto sets it again with every nonce.
CipherContextPtr keyed_cipher(const EVP_CIPHER* cipher, ByteView key);

/// NIST curve by libcrypto's name, "P-256" or "P-384": a key pair whose private scalar is the first acceptable one of
/// `random`.
KeyPtr generate_ec_key(const char* curve, Random& random);
/// By libcrypto's own generator, in half the time.
KeyPtr generate_ec_key(const char* curve);
/// The public key of an uncompressed point on such a curve; null if it is none.
KeyPtr ec_public_key(const char* curve, ByteView point);
/// The uncompressed point of an EC key, or the raw key of X25519 and ML-KEM.
std::vector<uint8_t> encoded_public_key(const EVP_PKEY* key);

inline int int_size(size_t size) {
  KAON_ASSERT(size <= 0x7fffffff);
  return static_cast<int>(size);
}

}  // namespace kaon::crypto::internal
