#include "kaon/crypto/key_exchange.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kaon/crypto/internal/test_random.h"
#include "kaon/crypto/system_random.h"

namespace kaon::crypto {
namespace {

using internal::FixedRandom;
using internal::from_hex;

std::vector<Group> available_groups() {
  std::vector<Group> groups;
  for (Group g : {Group::Secp256r1, Group::Secp384r1, Group::X25519, Group::X25519MlKem768}) {
    if (group_available(g)) groups.push_back(g);
  }
  return groups;
}

TEST(KeyExchange, HasTheNamesOfTheRegistry) {
  EXPECT_EQ(to_string(Group::X25519), "x25519");
  EXPECT_EQ(to_string(Group::Secp384r1), "secp384r1");
  EXPECT_EQ(to_string(Group::X25519MlKem768), "X25519MLKEM768");
}

TEST(KeyExchange, PassesTheDiffieHellmanVectorOfRfc7748) {
  FixedRandom alice_bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  FixedRandom bob_bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  const KeyExchange alice = KeyExchange::generate(Group::X25519, alice_bytes);
  EXPECT_EQ(to_hex(alice.share()), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  const auto bob = KeyExchange::respond(Group::X25519, alice.share(), bob_bytes);
  ASSERT_TRUE(bob);
  EXPECT_EQ(to_hex(bob->share), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  EXPECT_EQ(to_hex(bob->secret), "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  EXPECT_EQ(alice.finish(bob->share), bob->secret);
}

// NIST CAVP, KAS ECC CDH primitive, P-256, count 0.
TEST(KeyExchange, PassesTheVectorOfNistForP256) {
  FixedRandom bytes("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534");
  const KeyExchange exchange = KeyExchange::generate(Group::Secp256r1, bytes);
  EXPECT_EQ(to_hex(exchange.share()),
            "04ead218590119e8876b29146ff89ca61770c4edbbf97d38ce385ed281d8a6b230"
            "28af61281fd35e2fa7002523acc85a429cb06ee6648325389f59edfce1405141");
  const auto peer = from_hex(
      "04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"
      "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac");
  const auto secret = exchange.finish(peer);
  ASSERT_TRUE(secret);
  EXPECT_EQ(to_hex(*secret), "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b");
}

TEST(KeyExchange, DrawsAgainWhenTheBytesAreNoScalar) {
  const std::string order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
  const std::string zero(64, '0');
  const std::string one = std::string(63, '0') + "1";
  FixedRandom bytes(zero + order + std::string(64, 'f') + one);
  const KeyExchange exchange = KeyExchange::generate(Group::Secp256r1, bytes);
  EXPECT_TRUE(bytes.used_up());
  EXPECT_EQ(to_hex(exchange.share()).substr(2, 64), "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
      << "the generator";
}

TEST(KeyExchange, BothSidesAgreeInEveryGroup) {
  SystemRandom random;
  for (Group group : available_groups()) {
    const KeyExchange initiator = KeyExchange::generate(group, random);
    EXPECT_EQ(initiator.group(), group);
    const auto response = KeyExchange::respond(group, initiator.share(), random);
    ASSERT_TRUE(response);
    EXPECT_EQ(initiator.finish(response->share), response->secret);
    EXPECT_EQ(response->secret.size(), group == Group::X25519MlKem768 ? 64u : group == Group::Secp384r1 ? 48u : 32u);
  }
}

TEST(KeyExchange, SameRandomBytesGiveTheSameSharesAndSecret) {
  for (Group group : available_groups()) {
    std::vector<uint8_t> shares[2];
    Secret secrets[2];
    for (int i = 0; i < 2; ++i) {
      SeededRandom random(7);
      const KeyExchange initiator = KeyExchange::generate(group, random);
      const auto response = KeyExchange::respond(group, initiator.share(), random);
      ASSERT_TRUE(response);
      shares[i] = response->share;
      secrets[i] = response->secret;
    }
    EXPECT_EQ(shares[0], shares[1]);
    EXPECT_EQ(secrets[0], secrets[1]);
  }
}

TEST(KeyExchange, RefusesSharesOfTheWrongSizeOrForm) {
  SystemRandom random;
  for (Group group : available_groups()) {
    const KeyExchange own = KeyExchange::generate(group, random);
    const auto response = KeyExchange::respond(group, own.share(), random);
    ASSERT_TRUE(response);
    std::vector<uint8_t> longer(own.share().begin(), own.share().end());
    longer.push_back(0);
    EXPECT_FALSE(KeyExchange::respond(group, longer, random));
    for (size_t size = 0; size < own.share().size(); size += size < 40 ? 1 : 31) {
      EXPECT_FALSE(KeyExchange::respond(group, own.share().first(size), random)) << size;
    }
    for (size_t size = 0; size < response->share.size(); size += size < 40 ? 1 : 31) {
      EXPECT_FALSE(own.finish(ByteView(response->share).first(size))) << size;
    }
  }
}

TEST(KeyExchange, RefusesPointsOffTheCurve) {
  SystemRandom random;
  for (Group group : {Group::Secp256r1, Group::Secp384r1}) {
    const KeyExchange own = KeyExchange::generate(group, random);
    const KeyExchange other = KeyExchange::generate(group, random);
    std::vector<uint8_t> share(other.share().begin(), other.share().end());
    share.back() ^= 1;
    EXPECT_FALSE(own.finish(share));
    share.back() ^= 1;
    share[0] = 6;  // the hybrid form, which TLS does not have
    EXPECT_FALSE(own.finish(share));
    EXPECT_FALSE(own.finish(std::vector<uint8_t>(share.size(), 0)));
    EXPECT_FALSE(own.finish(std::vector<uint8_t>(1, 0))) << "point at infinity";
  }
}

TEST(KeyExchange, RefusesX25519PointsOfSmallOrder) {
  SystemRandom random;
  const KeyExchange own = KeyExchange::generate(Group::X25519, random);
  const char* const points[] = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  };
  for (const char* point : points) {
    EXPECT_FALSE(own.finish(from_hex(point))) << point;
    EXPECT_FALSE(KeyExchange::respond(Group::X25519, from_hex(point), random)) << point;
  }
}

// FIPS 203 §7.2, draft-ietf-tls-ecdhe-mlkem §4: what a client may send as an encapsulation key.
class MlKemShares : public ::testing::Test {
 protected:
  static constexpr size_t kPublicKey = 1184;
  static constexpr size_t kCiphertext = 1088;
  void SetUp() override {
    if (!group_available(Group::X25519MlKem768)) GTEST_SKIP() << "libcrypto has no ML-KEM";
    own.emplace(KeyExchange::generate(Group::X25519MlKem768, random));
    share.assign(own->share().begin(), own->share().end());
    response = KeyExchange::respond(Group::X25519MlKem768, share, random);
    ASSERT_TRUE(response);
    ASSERT_EQ(share.size(), kPublicKey + 32);
    ASSERT_EQ(response->share.size(), kCiphertext + 32);
  }
  bool responds_to(const std::vector<uint8_t>& changed) {
    return KeyExchange::respond(Group::X25519MlKem768, changed, random).has_value();
  }
  SystemRandom random;
  std::optional<KeyExchange> own;
  std::vector<uint8_t> share;
  std::optional<KeyExchange::Response> response;
};

TEST_F(MlKemShares, OfTheWrongLengthAreRefused) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{32}, kPublicKey - 1, kPublicKey, kPublicKey + 1,
                            share.size() - 1, share.size() + 1, 2 * share.size()}) {
    std::vector<uint8_t> changed = share;
    changed.resize(size);
    EXPECT_FALSE(responds_to(changed)) << size;
    changed = response->share;
    changed.resize(size);
    EXPECT_FALSE(own->finish(changed)) << size;
  }
}

TEST_F(MlKemShares, WithACoefficientThatIsNotReducedAreRefused) {
  // Two coefficients of 12 bits in three bytes, in all 768, then the seed. 3329 is the modulus.
  constexpr size_t kCoefficients = 768;
  for (const size_t index :
       {size_t{0}, size_t{1}, size_t{2}, size_t{255}, size_t{256}, size_t{511}, size_t{766}, kCoefficients - 1}) {
    for (const unsigned value : {3328u, 3329u, 3330u, 4095u}) {
      std::vector<uint8_t> changed = share;
      uint8_t* const pair = &changed[index / 2 * 3];
      if (index % 2 == 0) {
        pair[0] = static_cast<uint8_t>(value);
        pair[1] = static_cast<uint8_t>((pair[1] & 0xf0) | value >> 8);
      } else {
        pair[1] = static_cast<uint8_t>((pair[1] & 0x0f) | (value & 0xf) << 4);
        pair[2] = static_cast<uint8_t>(value >> 4);
      }
      EXPECT_EQ(responds_to(changed), value < 3329) << index << " " << value;
    }
  }
  std::vector<uint8_t> all_ones(kPublicKey, 0xff);
  all_ones.insert(all_ones.end(), share.end() - 32, share.end());
  EXPECT_FALSE(responds_to(all_ones));
}

TEST_F(MlKemShares, WithAnX25519PartOfSmallOrderAreRefused) {
  for (const uint8_t first : {0, 1}) {
    std::vector<uint8_t> changed = share;
    std::fill(changed.end() - 32, changed.end(), uint8_t{0});
    *(changed.end() - 32) = first;
    EXPECT_FALSE(responds_to(changed));
    changed = response->share;
    std::fill(changed.end() - 32, changed.end(), uint8_t{0});
    *(changed.end() - 32) = first;
    EXPECT_FALSE(own->finish(changed));
  }
}

// FIPS 203 §7.3: a ciphertext that is none gives a secret like any other, which nobody else has.
TEST_F(MlKemShares, ACiphertextWithAnyBitChangedGivesAnotherSecret) {
  const auto right = own->finish(response->share);
  ASSERT_EQ(right, response->secret);
  for (size_t bit = 0; bit < 8 * kCiphertext; bit += 97) {
    std::vector<uint8_t> changed = response->share;
    changed[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    const auto secret = own->finish(changed);
    ASSERT_TRUE(secret) << bit;
    EXPECT_EQ(secret->size(), right->size());
    EXPECT_NE(*secret, *right) << bit;
    EXPECT_TRUE(std::equal(secret->end() - 32, secret->end(), right->end() - 32)) << "the part of X25519";
    EXPECT_EQ(secret, own->finish(changed)) << "the same each time";
  }
}

TEST(SystemRandom, FillsWithBytesThatDiffer) {
  SystemRandom random;
  std::array<uint8_t, 32> a{};
  std::array<uint8_t, 32> b{};
  random.fill(a);
  random.fill(b);
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace kaon::crypto
