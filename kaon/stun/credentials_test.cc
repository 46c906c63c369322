#include "kaon/stun/credentials.h"

#include <gtest/gtest.h>

#include "kaon/base/text.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/message.h"

namespace kaon::stun {
namespace {

// RFC 8489 B.1, with PASSWORD-ALGORITHM as its verified errata have it.
constexpr std::string_view kNonce = "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA";
constexpr std::string_view kUser = "マトリックス";
constexpr TransactionId kSampleId{{0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda, 0x41, 0x2e}};
constexpr std::string_view kUserhash = "4a3cf38fef6992bda952c67804 17da0f2481941556 9e60b205c46e41407f1704";
constexpr std::string_view kIntegrity = "b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65";

TEST(StunCredentials, TheSampleRequestOfRfc8489ComesOutByteForByte) {
  std::array<uint8_t, 256> memory{};
  const auto key = long_term_key(kUser, "example.org", "TheMatrIX", PasswordAlgorithm::Sha256);
  const crypto::Hmac hmac(crypto::HashAlgorithm::Sha256, key.view());
  const ByteView bytes = Builder(memory, Method::Binding, Class::Request, kSampleId)
                             .add(Attribute::Userhash, userhash(kUser, "example.org").view())
                             .add_text(Attribute::Nonce, kNonce)
                             .add_text(Attribute::Realm, "example.org")
                             .add_password_algorithm(PasswordAlgorithm::Sha256)
                             .add_integrity_sha256(hmac)
                             .finish();
  EXPECT_EQ(bytes.size(), 164u);
  std::string hash(kUserhash);
  std::erase(hash, ' ');
  EXPECT_EQ(to_hex(bytes.subspan(24, 32)), hash);
  EXPECT_EQ(to_hex(bytes.last(32)), kIntegrity);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->verify_integrity_sha256(hmac));
  EXPECT_EQ(message->password_algorithm(), PasswordAlgorithm::Sha256);
}

TEST(StunCredentials, ANonceTellsTheFeaturesOfItsServer) {
  EXPECT_EQ(nonce_features(kNonce), (SecurityFeatures{false, false}));  // the sample sets none of the defined bits
  for (const bool algorithms : {false, true}) {
    for (const bool anonymity : {false, true}) {
      const SecurityFeatures features{algorithms, anonymity};
      const std::string prefix = nonce_prefix(features);
      EXPECT_EQ(prefix.size(), kNoncePrefixSize);
      EXPECT_EQ(nonce_features(prefix + "abc"), features);
    }
  }
  EXPECT_EQ(nonce_prefix({true, true}), "obMatJos2wAAA");
  EXPECT_FALSE(nonce_features("").has_value());
  EXPECT_FALSE(nonce_features("obMatJos2AA").has_value());
  EXPECT_FALSE(nonce_features("obMatJos2A!AA").has_value());
  EXPECT_FALSE(nonce_features("f//499k954d6OL34oL9FSTvy64sA").has_value());
}

TEST(StunCredentials, TimeLimitedPasswordsAreTheHmacOfTheName) {
  // The HMAC is the one that `printf 1700000000:alice | openssl dgst -sha1 -hmac north -binary | base64` prints.
  const auto made = time_limited_credentials("north", "alice", std::chrono::seconds(1700000000));
  EXPECT_EQ(made.username, "1700000000:alice");
  EXPECT_EQ(made.password, "Cd/49soE35ICqcJF/bCTn8Z4OyE=");
  EXPECT_EQ(time_limited_password("north", made.username), made.password);
  EXPECT_NE(time_limited_password("south", made.username), made.password);
  EXPECT_EQ(time_limited_credentials("north", "", std::chrono::seconds(5)).username, "5");
}

TEST(StunCredentials, OnlyANameWithATimeHasAnExpiry) {
  EXPECT_EQ(time_limited_expiry("1700000000:alice"), std::chrono::seconds(1700000000));
  EXPECT_EQ(time_limited_expiry("1700000000"), std::chrono::seconds(1700000000));
  EXPECT_EQ(time_limited_expiry("5:a:b"), std::chrono::seconds(5));
  for (const char* name : {"", "alice", ":alice", "alice:5", "-5:a", "5x:a", "99999999999:a"}) {
    EXPECT_FALSE(time_limited_expiry(name).has_value()) << name;
  }
}

TEST(StunCredentials, PasswordAlgorithmsAreReadInOrderAndUnknownOnesPassedOver) {
  const auto parse = [](ByteView value) {
    std::array<uint8_t, 128> memory{};
    const ByteView bytes =
        Builder(memory, Method::Binding, Class::Error, {}).add(Attribute::PasswordAlgorithms, value).finish();
    return Message::parse(bytes)->password_algorithms();
  };
  // Number 9 with three bytes of parameters, SHA-256, MD5, SHA-256 again.
  const std::vector<uint8_t> list{0, 9, 0, 3, 1, 2, 3, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0};
  const auto algorithms = parse(list);
  ASSERT_TRUE(algorithms.has_value());
  ASSERT_EQ(algorithms->size, 2u);
  EXPECT_EQ(algorithms->algorithms[0], PasswordAlgorithm::Sha256);
  EXPECT_EQ(algorithms->algorithms[1], PasswordAlgorithm::Md5);
  for (size_t size = 1; size < list.size(); ++size) {
    const std::vector<uint8_t> prefix(list.begin(), list.begin() + static_cast<ptrdiff_t>(size));
    const bool whole = size == 8 || size == 12 || size == 16;
    EXPECT_EQ(parse(prefix).has_value(), whole) << size;
  }
}

}  // namespace
}  // namespace kaon::stun
