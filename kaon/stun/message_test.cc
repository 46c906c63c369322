#include "kaon/stun/message.h"

#include <gmock/gmock.h>

#include "kaon/base/text.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/credentials.h"

namespace kaon::stun {
namespace {

using testing::ElementsAre;

std::vector<uint8_t> from_hex(std::string_view text) {
  std::vector<uint8_t> out;
  std::string digits;
  for (const char c : text) {
    if (c != ' ') digits += c;
  }
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    out.push_back(*parse_number<uint8_t>(std::string_view(digits).substr(i, 2), 16));
  }
  return out;
}

// RFC 5769 §2.1 to §2.4.
constexpr std::string_view kRequest =
    "00010058 2112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74 00240004 6e0001ff "
    "80290008 932ff9b151263b36 00060009 6576746a3a68367659202020 00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 "
    "80280004 e57a3bcf";
constexpr std::string_view kResponseV4 =
    "0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200008 0001a147e112a643 "
    "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96";
constexpr std::string_view kResponseV6 =
    "01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 "
    "00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9 00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 "
    "80280004 c8fb0b4c";
constexpr std::string_view kLongTerm =
    "00010060 2112a442 78ad3433c6ad72c029da412e 00060012 e3839ee38388e383aae38383e382afe382b90000 "
    "0015001c 662f2f3439396b39353464364f4c33346f4c3946535476793634734 1 0014000b 6578616d706c652e6f726700 "
    "00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666";
constexpr std::string_view kPassword = "VOkJxbRl1RmTxUk/WvJxBt";

const TransactionId kId{{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}};

TEST(StunMessage, ReadsTheSampleRequestOfRfc5769) {
  const auto bytes = from_hex(kRequest);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->is(Method::Binding, Class::Request));
  EXPECT_EQ(message->text(Attribute::Username), "evtj:h6vY");
  EXPECT_EQ(message->text(Attribute::Software), "STUN test client");
  EXPECT_EQ(message->u32(Attribute::Priority), 0x6e0001ffu);
  EXPECT_EQ(message->u64(Attribute::IceControlled), 0x932ff9b151263b36u);
  EXPECT_TRUE(message->has_fingerprint());
  EXPECT_TRUE(message->verify_integrity(short_term_key(kPassword)));
  EXPECT_FALSE(message->verify_integrity(short_term_key("VOkJxbRl1RmTxUk/WvJxBT")));
}

TEST(StunMessage, ReadsTheSampleResponsesOfRfc5769) {
  for (const auto& [hex, address] : {std::pair(kResponseV4, "192.0.2.1:32853"),
                                     std::pair(kResponseV6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")}) {
    const auto bytes = from_hex(hex);
    const auto message = Message::parse(bytes);
    ASSERT_TRUE(message.has_value());
    EXPECT_TRUE(message->is(Method::Binding, Class::Success));
    EXPECT_EQ(message->xor_address(Attribute::XorMappedAddress), net::Endpoint::parse(address));
    EXPECT_TRUE(message->verify_integrity(short_term_key(kPassword)));
  }
}

TEST(StunMessage, ReadsTheLongTermSampleOfRfc5769) {
  const auto bytes = from_hex(kLongTerm);
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->text(Attribute::Realm), "example.org");
  const auto key = long_term_key(*message->text(Attribute::Username), "example.org", "TheMatrIX");
  EXPECT_TRUE(message->verify_integrity(crypto::Hmac(crypto::HashAlgorithm::Sha1, key.view())));
}

TEST(StunMessage, FlippingAnyBitOfTheSampleIsNoticed) {
  const auto good = from_hex(kRequest);
  const auto key = short_term_key(kPassword);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bytes = good;
    bytes[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
    const auto message = Message::parse(bytes);
    EXPECT_FALSE(message.has_value() && message->has_fingerprint() && message->verify_integrity(key)) << "bit " << bit;
  }
}

TEST(StunMessage, EveryTruncatedPrefixIsRefused) {
  for (const auto hex : {kRequest, kResponseV6, kLongTerm}) {
    const auto bytes = from_hex(hex);
    for (size_t size = 0; size < bytes.size(); ++size) {
      // A copy of exact size, so that the sanitizers see a read past the end.
      const std::vector<uint8_t> prefix(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
      EXPECT_FALSE(Message::parse(prefix).has_value()) << size;
    }
  }
}

TEST(StunMessage, BuildsWhatItReads) {
  std::array<uint8_t, 512> memory{};
  const auto sha1 = short_term_key("secret");
  const auto sha256 = short_term_key("secret", crypto::HashAlgorithm::Sha256);
  const auto v4 = *net::Endpoint::parse("203.0.113.9:1234");
  const auto v6 = *net::Endpoint::parse("[2001:db8::7]:65535");
  const ByteView bytes = Builder(memory, Method::ChannelBind, Class::Error, kId)
                             .add_text(Attribute::Username, "abc")
                             .add_flag(Attribute::UseCandidate)
                             .add_u32(Attribute::Priority, 0xdeadbeef)
                             .add_u64(Attribute::IceControlling, 0x0123456789abcdef)
                             .add_address(Attribute::MappedAddress, v4)
                             .add_xor_address(Attribute::XorMappedAddress, v4)
                             .add_xor_address(Attribute::XorPeerAddress, v6)
                             .add_network_info(3, 910)
                             .add_error(ErrorNumber::RoleConflict, "Role Conflict")
                             .add_integrity(sha1)
                             .add_integrity_sha256(sha256)
                             .add_fingerprint()
                             .finish();
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->is(Method::ChannelBind, Class::Error));
  EXPECT_EQ(message->transaction_id(), kId);
  EXPECT_EQ(message->text(Attribute::Username), "abc");
  EXPECT_TRUE(message->has(Attribute::UseCandidate));
  EXPECT_EQ(message->u32(Attribute::Priority), 0xdeadbeefu);
  EXPECT_EQ(message->u64(Attribute::IceControlling), 0x0123456789abcdefu);
  EXPECT_EQ(message->address(Attribute::MappedAddress), v4);
  EXPECT_EQ(message->xor_address(Attribute::XorMappedAddress), v4);
  EXPECT_EQ(message->xor_address(Attribute::XorPeerAddress), v6);
  EXPECT_EQ(message->network_info()->cost, 910);
  EXPECT_EQ(message->error_code()->number, 487);
  EXPECT_EQ(message->error_code()->reason, "Role Conflict");
  EXPECT_TRUE(message->verify_integrity(sha1));
  EXPECT_TRUE(message->verify_integrity_sha256(sha256));
}

TEST(StunMessage, TheTypeFieldHoldsEveryClassAndEveryMethodThatSharesAPort) {
  std::array<uint8_t, 20> memory{};
  for (uint16_t method = 0; method < 0x100; ++method) {
    for (uint8_t c = 0; c < 4; ++c) {
      const auto m = static_cast<Method>(method);
      const auto message = Message::parse(Builder(memory, m, static_cast<Class>(c), kId).finish());
      ASSERT_TRUE(message.has_value());
      ASSERT_TRUE(message->is(m, static_cast<Class>(c)));
    }
  }
}

TEST(StunMessage, ABuilderWithoutSpaceGivesNothingAndWritesNothingBehindItsEnd) {
  const auto key = short_term_key("k");
  for (size_t size = 0; size < 60; ++size) {
    std::vector<uint8_t> memory(size);
    const ByteView bytes = Builder(memory, Method::Binding, Class::Request, kId)
                               .add_text(Attribute::Username, "abcde")
                               .add_integrity(key)
                               .add_fingerprint()
                               .finish();
    EXPECT_TRUE(bytes.empty()) << size;
  }
}

TEST(StunMessage, A3AttributesBehindMessageIntegrityDoNotExist) {
  std::array<uint8_t, 256> memory{};
  const ByteView bytes = Builder(memory, Method::Binding, Class::Request, kId)
                             .add_text(Attribute::Username, "a:b")
                             .add_integrity(short_term_key("k"))
                             .add_flag(Attribute::UseCandidate)
                             .add_u32(Attribute::Nomination, 7)
                             .add_u32(Attribute::DtlsInStunAck, 7)
                             .add_u32(static_cast<Attribute>(0x7777), 1)
                             .add_fingerprint()
                             .finish();
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->verify_integrity(short_term_key("k")));
  EXPECT_FALSE(message->has(Attribute::UseCandidate));
  EXPECT_FALSE(message->has(Attribute::Nomination));
  EXPECT_FALSE(message->has(Attribute::DtlsInStunAck));
  EXPECT_TRUE(message->unknown_required({}).view().size() == 1);  // USERNAME alone
}

TEST(StunMessage, ASecondIntegrityAttributeDoesNotReplaceTheFirst) {
  std::array<uint8_t, 256> memory{};
  const ByteView bytes = Builder(memory, Method::Binding, Class::Request, kId)
                             .add_integrity(short_term_key("right"))
                             .add_text(Attribute::Username, "evil")
                             .add_integrity(short_term_key("wrong"))
                             .finish();
  const auto message = Message::parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->verify_integrity(short_term_key("right")));
  EXPECT_FALSE(message->verify_integrity(short_term_key("wrong")));
  EXPECT_FALSE(message->has(Attribute::Username));
}

TEST(StunMessage, UnknownAttributesThatMustBeUnderstoodAreListed) {
  std::array<uint8_t, 256> memory{};
  Builder builder(memory, Method::Binding, Class::Request, kId);
  builder.add_u32(static_cast<Attribute>(0x7001), 1).add_u32(static_cast<Attribute>(0xf001), 1);
  builder.add_u32(Attribute::Priority, 1).add_u32(static_cast<Attribute>(0x7002), 1);
  const auto message = Message::parse(builder.finish());
  ASSERT_TRUE(message.has_value());
  const std::array known{Attribute::Priority};
  EXPECT_THAT(message->unknown_required(known).view(),
              ElementsAre(static_cast<Attribute>(0x7001), static_cast<Attribute>(0x7002)));
}

TEST(StunMessage, A2IllegalLengthsAndFieldsAreRefused) {
  const auto parse = [](std::string_view hex) { return Message::parse(from_hex(hex)).error(); };
  EXPECT_EQ(parse(""), ParseError::NotStun);
  EXPECT_EQ(parse("80010000 2112a442 000000000000000000000000"), ParseError::NotStun);
  EXPECT_EQ(parse("00010000 2112a443 000000000000000000000000"), ParseError::NotStun);
  EXPECT_EQ(parse("00010004 2112a442 000000000000000000000000"), ParseError::BadLength);
  EXPECT_EQ(parse("00010002 2112a442 000000000000000000000000 0000"), ParseError::BadLength);
  EXPECT_EQ(parse("0001fffc 2112a442 000000000000000000000000 00240004"), ParseError::BadLength);
  EXPECT_EQ(parse("00010004 2112a442 000000000000000000000000 0024ffff"), ParseError::BadAttribute);
  EXPECT_EQ(parse("00010004 2112a442 000000000000000000000000 00240001"), ParseError::BadAttribute);
  // MESSAGE-INTEGRITY and FINGERPRINT of wrong size, FINGERPRINT not last, wrong FINGERPRINT.
  EXPECT_EQ(parse("00010008 2112a442 000000000000000000000000 00080004 00000000"), ParseError::BadAttribute);
  EXPECT_EQ(parse("00010004 2112a442 000000000000000000000000 80280000"), ParseError::BadAttribute);
  EXPECT_EQ(parse("0001000c 2112a442 000000000000000000000000 80280004 00000000 00250000"), ParseError::BadAttribute);
  EXPECT_EQ(parse("00010008 2112a442 000000000000000000000000 80280004 00000000"), ParseError::BadFingerprint);
  EXPECT_EQ(parse("00010008 2112a442 000000000000000000000000 001c0004 00000000"), ParseError::BadAttribute);
}

TEST(StunMessage, A2AddressesOfWrongSizeOrFamilyAreNoAddresses) {
  const auto address = [](std::string_view attribute) {
    const auto value = from_hex(attribute);
    std::array<uint8_t, 128> memory{};
    const ByteView bytes =
        Builder(memory, Method::Binding, Class::Success, kId).add(Attribute::XorMappedAddress, value).finish();
    const auto message = Message::parse(bytes);
    return message.has_value() ? message->xor_address(Attribute::XorMappedAddress) : std::nullopt;
  };
  EXPECT_TRUE(address("0001a147e112a643").has_value());
  EXPECT_FALSE(address("").has_value());
  EXPECT_FALSE(address("0001").has_value());
  EXPECT_FALSE(address("0001a147").has_value());
  EXPECT_FALSE(address("0002a147e112a643").has_value());
  EXPECT_FALSE(address("0003a147e112a643").has_value());
  EXPECT_FALSE(address("0001a147e112a64300000000").has_value());
}

TEST(StunMessage, A2ThousandsOfAttributesAreRefused) {
  std::vector<uint8_t> memory(20000);
  Builder builder(memory, Method::Binding, Class::Request, kId);
  for (size_t i = 0; i < kMaxAttributes; ++i) builder.add_flag(Attribute::UseCandidate);
  EXPECT_TRUE(Message::parse(builder.finish()).has_value());
  builder.add_flag(Attribute::UseCandidate);
  EXPECT_EQ(Message::parse(builder.finish()).error(), ParseError::TooManyAttributes);
}

TEST(StunMessage, ErrorCodesOutsideOf300To699AreNone) {
  for (const auto& [value, ok] :
       {std::pair("00000400", true), std::pair("00000457", true), std::pair("00000200", false),
        std::pair("00000464", false), std::pair("00000700", false), std::pair("0000", false)}) {
    std::array<uint8_t, 64> memory{};
    const auto raw = from_hex(value);
    const auto message =
        Message::parse(Builder(memory, Method::Binding, Class::Error, kId).add(Attribute::ErrorCode, raw).finish());
    EXPECT_EQ(message->error_code().has_value(), ok) << value;
  }
}

TEST(StunMessage, RandomBytesNeverDoHarm) {
  SeededRandom random(1);
  const auto good = from_hex(kRequest);
  size_t parsed = 0;
  for (int round = 0; round < 20000; ++round) {
    auto bytes = good;
    // Keep the header and drop FINGERPRINT, so that parsing gets further than the first check.
    bytes.resize(bytes.size() - 8);
    store_be16(&bytes[2], static_cast<uint16_t>(bytes.size() - kHeaderSize));
    for (int i = 0; i < 3; ++i) bytes[20 + random.below(bytes.size() - 20)] = static_cast<uint8_t>(random.u32());
    const auto message = Message::parse(bytes);
    if (!message) continue;
    ++parsed;
    message->xor_address(Attribute::XorMappedAddress);
    message->error_code();
    message->unknown_required({});
    message->to_string();
  }
  EXPECT_GT(parsed, 1000u);
}

TEST(StunMessage, OnlyStunIsTakenForStun) {
  const auto request = from_hex(kRequest);
  EXPECT_TRUE(is_stun(request));
  for (int first = 4; first < 256; ++first) {
    auto bytes = request;
    bytes[0] = static_cast<uint8_t>(first);
    EXPECT_FALSE(is_stun(bytes)) << first;
  }
  EXPECT_FALSE(is_stun(ByteView{request}.first(19)));
}

}  // namespace
}  // namespace kaon::stun
