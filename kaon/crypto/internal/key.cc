#include <openssl/param_build.h>

#include <array>
#include <cstring>
#include <vector>

#include "kaon/crypto/internal/openssl.h"

namespace kaon::crypto::internal {
namespace {

constexpr size_t kMaxPublicKeySize = 1184;  // of ML-KEM-768

const EC_GROUP* group_of(const char* curve) {
  // Groups are read-only once made, and making one costs more than a key.
  static const GroupPtr kP256(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  static const GroupPtr kP384(EC_GROUP_new_by_curve_name(NID_secp384r1));
  return std::strcmp(curve, "P-256") == 0 ? kP256.get() : kP384.get();
}

/// Uniform in [1, order): draws as many bytes as the order has until they fit (FIPS 186-5 A.2.2).
BignumPtr draw_scalar(const EC_GROUP* group, Random& random) {
  const BIGNUM* order = EC_GROUP_get0_order(group);
  std::array<uint8_t, 48> bytes{};
  const size_t size = static_cast<size_t>(BN_num_bytes(order));
  KAON_ASSERT(size <= bytes.size());
  BignumPtr scalar(BN_secure_new());
  do {
    random.fill(Bytes(bytes).first(size));
    KAON_ASSERT(BN_bin2bn(bytes.data(), int_size(size), scalar.get()) != nullptr);
  } while (BN_is_zero(scalar.get()) || BN_cmp(scalar.get(), order) >= 0);
  wipe(bytes);
  BN_set_flags(scalar.get(), BN_FLG_CONSTTIME);
  return scalar;
}

/// A key without a point. To copy one is less work than to make a group of its name.
KeyPtr make_parameters(const char* curve) {
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(curve), 0), OSSL_PARAM_END};
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  KAON_ASSERT(EVP_PKEY_fromdata_init(context.get()) == 1 &&
              EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEY_PARAMETERS, const_cast<OSSL_PARAM*>(params)) == 1);
  return KeyPtr(key);
}

EVP_PKEY* parameters_of(const char* curve) {
  static const KeyPtr kP256 = make_parameters("P-256");
  static const KeyPtr kP384 = make_parameters("P-384");
  return std::strcmp(curve, "P-256") == 0 ? kP256.get() : kP384.get();
}

}  // namespace

KeyPtr ec_public_key(const char* curve, ByteView point) {
  constexpr uint8_t kUncompressed = 4;  // the only form of RFC 8422 §5.1.2, RFC 8446 §4.2.8.2 and RFC 5480 here
  const size_t size = std::strcmp(curve, "P-256") == 0 ? 65 : 97;
  if (point.size() != size || point[0] != kUncompressed) return nullptr;
  KeyPtr key(EVP_PKEY_new());
  if (EVP_PKEY_copy_parameters(key.get(), parameters_of(curve)) != 1 ||
      EVP_PKEY_set1_encoded_public_key(key.get(), point.data(), point.size()) != 1) {
    return nullptr;
  }
  return key;
}

KeyPtr generate_ec_key(const char* curve, Random& random) {
  const EC_GROUP* group = group_of(curve);
  const BignumPtr scalar = draw_scalar(group, random);
  const PointPtr point(EC_POINT_new(group));
  std::array<uint8_t, 97> encoded;
  KAON_ASSERT(EC_POINT_mul(group, point.get(), scalar.get(), nullptr, nullptr, nullptr) == 1);
  const size_t size =
      EC_POINT_point2oct(group, point.get(), POINT_CONVERSION_UNCOMPRESSED, encoded.data(), encoded.size(), nullptr);
  KAON_ASSERT(size != 0);

  const Handle<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, encoded.data(), size);
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, scalar.get());
  const Handle<OSSL_PARAM, OSSL_PARAM_free> params(OSSL_PARAM_BLD_to_param(builder.get()));
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  KAON_ASSERT(params != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1 &&
              EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, params.get()) == 1);
  return KeyPtr(key);
}

KeyPtr generate_ec_key(const char* curve) {
  const KeyContextPtr context(EVP_PKEY_CTX_new_from_pkey(nullptr, parameters_of(curve), nullptr));
  EVP_PKEY* key = nullptr;
  KAON_ASSERT(EVP_PKEY_keygen_init(context.get()) == 1 && EVP_PKEY_generate(context.get(), &key) == 1);
  return KeyPtr(key);
}

std::vector<uint8_t> encoded_public_key(const EVP_PKEY* key) {
  // To ask for the size first would compute the point's coordinates twice.
  std::array<uint8_t, kMaxPublicKeySize> encoded;
  size_t size = 0;
  KAON_ASSERT(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, encoded.data(), encoded.size(), &size) ==
              1);
  return {encoded.begin(), encoded.begin() + static_cast<std::ptrdiff_t>(size)};
}

}  // namespace kaon::crypto::internal
