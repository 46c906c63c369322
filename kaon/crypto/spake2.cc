#include "kaon/crypto/spake2.h"

#include <algorithm>

#include "kaon/crypto/internal/openssl.h"
#include "kaon/crypto/kdf.h"

namespace kaon::crypto {
namespace {

using internal::BignumPtr;
using internal::ErrorScope;
using internal::PointPtr;

// RFC 9382 §4, compressed points of P-256 whose logarithms nobody knows.
constexpr std::array<uint8_t, 33> kM = {0x02, 0x88, 0x6e, 0x2f, 0x97, 0xac, 0xe4, 0x6e, 0x55, 0xba, 0x9d,
                                        0xd7, 0x24, 0x25, 0x79, 0xf2, 0x99, 0x3b, 0x64, 0xe1, 0x6e, 0xf3,
                                        0xdc, 0xab, 0x95, 0xaf, 0xd4, 0x97, 0x33, 0x3d, 0x8f, 0xa1, 0x2f};
constexpr std::array<uint8_t, 33> kN = {0x03, 0xd8, 0xbb, 0xd6, 0xc6, 0x39, 0xc6, 0x29, 0x37, 0xb0, 0x4d,
                                        0x99, 0x7f, 0x38, 0xc3, 0x77, 0x07, 0x19, 0xc6, 0x29, 0xd7, 0x01,
                                        0x4d, 0x49, 0xa2, 0x4b, 0x4f, 0x98, 0xba, 0xa1, 0x29, 0x2b, 0x49};
constexpr uint8_t kUncompressed = 4;

const EC_GROUP* curve() {
  static const internal::GroupPtr kCurve(EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1));
  return kCurve.get();
}

PointPtr new_point() {
  PointPtr point(EC_POINT_new(curve()));
  KAON_ASSERT(point != nullptr);
  return point;
}

// Null if the bytes are no point of the curve.
PointPtr point_of(ByteView bytes) {
  const ErrorScope scope;
  PointPtr point = new_point();
  if (EC_POINT_oct2point(curve(), point.get(), bytes.data(), bytes.size(), nullptr) != 1) return nullptr;
  return point;
}

std::array<uint8_t, Spake2::kShareSize> encode(const EC_POINT* point) {
  std::array<uint8_t, Spake2::kShareSize> bytes;
  KAON_ASSERT(EC_POINT_point2oct(curve(), point, POINT_CONVERSION_UNCOMPRESSED, bytes.data(), bytes.size(), nullptr) ==
              bytes.size());
  return bytes;
}

BignumPtr number_of(ByteView bytes) {
  BignumPtr number(BN_bin2bn(bytes.data(), internal::int_size(bytes.size()), nullptr));
  KAON_ASSERT(number != nullptr);
  return number;
}

BignumPtr random_scalar(Random& random) {
  while (true) {
    std::array<uint8_t, Spake2::kScalarSize> bytes;
    random.fill(bytes);
    BignumPtr scalar = number_of(bytes);
    wipe(bytes);
    if (!BN_is_zero(scalar.get()) && BN_cmp(scalar.get(), EC_GROUP_get0_order(curve())) < 0) return scalar;
  }
}

// generator * g + point * p; without the first where `g` is null.
PointPtr multiply(const BIGNUM* g, const EC_POINT* point, const BIGNUM* p) {
  PointPtr result = new_point();
  KAON_ASSERT(EC_POINT_mul(curve(), result.get(), g, point, p, nullptr) == 1);
  return result;
}

// The running hash of a transcript whose parts have their lengths before them, as 64 bits in little-endian order
// (§3.3).
class Transcript {
 public:
  void add(ByteView part) {
    const uint64_t size = part.size();
    for (int shift = 0; shift < 64; shift += 8) bytes_.push_back(static_cast<uint8_t>(size >> shift));
    bytes_.insert(bytes_.end(), part.begin(), part.end());
  }
  ByteView bytes() const { return bytes_; }
  ~Transcript() { wipe(bytes_); }

 private:
  std::vector<uint8_t> bytes_;
};

}  // namespace

struct Spake2::Secret {
  Scalar password;
  BignumPtr private_scalar;
  ~Secret() { wipe(password); }
};

Spake2::Scalar Spake2::scalar_of(std::string_view password, std::string_view salt) {
  // 64 bits more than the order has, so that the remainder is as good as uniform (§3.2).
  std::array<uint8_t, kScalarSize + 8> bytes;
  constexpr uint64_t kCost = 1 << 14, kBlockSize = 8, kParallel = 1, kMaxMemory = 64 << 20;
  KAON_ASSERT(EVP_PBE_scrypt(password.data(), password.size(), as_bytes(salt).data(), salt.size(), kCost, kBlockSize,
                             kParallel, kMaxMemory, bytes.data(), bytes.size()) == 1);
  const BignumPtr wide = number_of(bytes);
  wipe(bytes);
  const BignumPtr number(BN_new());
  const internal::Handle<BN_CTX, BN_CTX_free> context(BN_CTX_secure_new());
  KAON_ASSERT(BN_nnmod(number.get(), wide.get(), EC_GROUP_get0_order(curve()), context.get()) == 1);
  Scalar scalar;
  KAON_ASSERT(BN_bn2binpad(number.get(), scalar.data(), internal::int_size(scalar.size())) > 0);
  return scalar;
}

Spake2::Spake2(Role role, const Scalar& password, Random& random)
    : secret_(std::make_unique<Secret>(password, random_scalar(random))), role_(role) {
  const PointPtr blind = point_of(role == Role::A ? kM : kN);
  const BignumPtr w = number_of(password);
  share_ = encode(multiply(secret_->private_scalar.get(), blind.get(), w.get()).get());
}
Spake2::Spake2(Spake2&&) noexcept = default;
Spake2& Spake2::operator=(Spake2&&) noexcept = default;
Spake2::~Spake2() = default;

std::optional<Spake2::Keys> Spake2::finish(ByteView peer_share, std::string_view name_a,
                                           std::string_view name_b) const {
  if (peer_share.size() != kShareSize || peer_share[0] != kUncompressed) return std::nullopt;
  const PointPtr theirs = point_of(peer_share);
  if (theirs == nullptr) return std::nullopt;
  // What the other side added for the password is taken away.
  const PointPtr blind = point_of(role_ == Role::A ? kN : kM);
  const BignumPtr w = number_of(secret_->password);
  const PointPtr mask = multiply(nullptr, blind.get(), w.get());
  const PointPtr plain = new_point();
  KAON_ASSERT(EC_POINT_invert(curve(), mask.get(), nullptr) == 1);
  KAON_ASSERT(EC_POINT_add(curve(), plain.get(), theirs.get(), mask.get(), nullptr) == 1);
  if (EC_POINT_is_at_infinity(curve(), plain.get()) == 1) return std::nullopt;
  auto shared = encode(multiply(nullptr, plain.get(), secret_->private_scalar.get()).get());

  Transcript transcript;
  transcript.add(as_bytes(name_a));
  transcript.add(as_bytes(name_b));
  transcript.add(role_ == Role::A ? ByteView(share_) : peer_share);
  transcript.add(role_ == Role::A ? peer_share : ByteView(share_));
  transcript.add(shared);
  transcript.add(secret_->password);
  wipe(shared);

  // §3.4 and §4: half of the hash is the key, the other half makes the keys of the confirmations.
  const Digest both = hash(HashAlgorithm::Sha256, transcript.bytes());
  std::array<uint8_t, 2 * kKeySize> confirmation_keys;
  const Digest extracted = hkdf_extract(HashAlgorithm::Sha256, {}, both.view().subspan(kKeySize));
  hkdf_expand(HashAlgorithm::Sha256, extracted.view(), as_bytes("ConfirmationKeys"), confirmation_keys);
  Keys keys;
  std::ranges::copy(both.view().first(kKeySize), keys.key.begin());
  const auto confirmation = [&](size_t index) {
    return hmac(HashAlgorithm::Sha256, ByteView(confirmation_keys).subspan(index * kKeySize, kKeySize),
                transcript.bytes());
  };
  keys.own_confirmation = confirmation(role_ == Role::A ? 0 : 1);
  keys.peer_confirmation = confirmation(role_ == Role::A ? 1 : 0);
  wipe(confirmation_keys);
  return keys;
}

}  // namespace kaon::crypto
