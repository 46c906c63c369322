#include "kaon/mdns/message.h"

#include <gtest/gtest.h>

#include "kaon/base/text.h"
#include "kaon/mdns/name.h"

namespace kaon::mdns {
namespace {

constexpr const char* kName = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";

std::vector<uint8_t> written(const Message& message) {
  std::vector<uint8_t> out(message.size());
  out.resize(message.write(out));
  return out;
}

// A header with these counts, then `rest`.
std::vector<uint8_t> raw(std::array<uint16_t, 4> counts, std::string_view rest, uint16_t flags = 0) {
  std::vector<uint8_t> out(12);
  store_be16(&out[2], flags);
  for (size_t i = 0; i < 4; ++i) store_be16(&out[4 + 2 * i], counts[i]);
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

Message an_answer() {
  Message message;
  message.response = true;
  message.answers.push_back(
      {.name = kName, .type = Type::A, .cache_flush = true, .ttl = 120, .address = net::IpAddress::v4(10, 0, 0, 7)});
  message.additionals.push_back(
      {.name = kName, .type = Type::Nsec, .cache_flush = true, .ttl = 120, .address = {}, .only_type = Type::A});
  return message;
}

TEST(MdnsName, IsAUuidOfVersionFourAndLocal) {
  SeededRandom random(1);
  const std::string name = make_hidden_name(random);
  EXPECT_TRUE(is_hidden_name(name)) << name;
  EXPECT_EQ(name[14], '4');
  EXPECT_NE(std::string("89ab").find(name[19]), std::string::npos);
  EXPECT_NE(name, make_hidden_name(random));
}

TEST(MdnsName, A9NothingElseIsLookedUp) {
  EXPECT_TRUE(is_hidden_name("1F4712DB-EA17-4BCF-A596-105139DFD8BF.LOCAL"));
  for (const char* name :
       {"", ".local", "printer.local", "example.org", "1f4712db-ea17-4bcf-a596-105139dfd8bf",
        "1f4712db-ea17-4bcf-a596-105139dfd8bf.local.", "1f4712dbxea17-4bcf-a596-105139dfd8bf.local",
        "gf4712db-ea17-4bcf-a596-105139dfd8bf.local", "1f4712db-ea17-4bcf-a596-105139dfd8bf.local.evil",
        "1f4712db-ea17-4bcf-a596-105139dfd8bf.locax", "a.1f4712db-ea17-4bcf-a596-105139dfd8bf.local"}) {
    EXPECT_FALSE(is_hidden_name(name)) << name;
  }
}

TEST(MdnsMessage, SurvivesARoundTripWithItsNamesCompressed) {
  const Message message = an_answer();
  const std::vector<uint8_t> bytes = written(message);
  // Header, name, A; pointer, NSEC with a pointer and a map of one octet.
  EXPECT_EQ(bytes.size(), 12u + 44 + 14 + 2 + 10 + 2 + 3);
  EXPECT_EQ(Message::parse(bytes).value(), message);
}

TEST(MdnsMessage, WritesTheTypesOfANameAsTheRfcSays) {
  Message message = an_answer();
  // RFC 4034 §4.1.2: block 0, one octet, the bit of type 1; type 28 is in the fourth octet.
  std::vector<uint8_t> bytes = written(message);
  EXPECT_EQ(to_hex(ByteView(bytes).last(3)), "000140");
  message.additionals[0].only_type = Type::Aaaa;
  bytes = written(message);
  EXPECT_EQ(to_hex(ByteView(bytes).last(6)), "000400000008");
}

// What Chromium sends: both types asked for, the second name a pointer to the first.
TEST(MdnsMessage, ReadsAQueryWithAPointer) {
  std::string rest = std::string("\x04host\x05LOCAL\0", 12) + std::string("\0\x01\0\x01", 4);
  rest += std::string("\xc0\x0c\0\x1c\x80\x01", 6);
  const auto query = Message::parse(raw({2, 0, 0, 0}, rest));
  ASSERT_TRUE(query.has_value());
  ASSERT_EQ(query->questions.size(), 2u);
  EXPECT_EQ(query->questions[0], (Question{"host.local", Type::A, false}));
  EXPECT_EQ(query->questions[1], (Question{"host.local", Type::Aaaa, true}));
}

TEST(MdnsMessage, NamesOfServicesAreReadOverAndTheRestIsUsed) {
  std::string rest = std::string("\x0aMy Printer\x04_ipp\x05local\0\0\x10\0\x01\0\0\0\x0a\0\0", 33);
  rest += std::string("\x01h\x05local\0\0\x01\0\x01\0\0\0\x78\0\x04\x0a\0\0\x07", 23);
  const auto message = Message::parse(raw({0, 2, 0, 0}, rest, 0x8400));
  ASSERT_TRUE(message.has_value());
  ASSERT_EQ(message->answers.size(), 2u);
  EXPECT_EQ(message->answers[0].name, "");
  EXPECT_EQ(message->answers[1].name, "h.local");
  EXPECT_EQ(message->answers[1].address, net::IpAddress::v4(10, 0, 0, 7));
}

TEST(MdnsMessage, RefusesPointersThatDoNotLeadBack) {
  for (const auto& [to, name] : std::map<int, const char*>{{12, "itself"}, {13, "forwards"}, {200, "outside"}}) {
    std::string rest = std::string("\xc0", 1) + static_cast<char>(to) + std::string("\0\x01\0\x01", 4);
    EXPECT_EQ(Message::parse(raw({1, 0, 0, 0}, rest)).error(), ParseError::BadName) << name;
  }
  // Two that lead to each other.
  const std::string loop("\xc0\x0e\xc0\x0c\0\x01\0\x01", 8);
  EXPECT_EQ(Message::parse(raw({1, 0, 0, 0}, loop)).error(), ParseError::BadName);
}

TEST(MdnsMessage, RefusesLabelsAndNamesThatAreTooLong) {
  std::string label(1, '\x40');
  label += std::string(64, 'a') + std::string("\0\0\x01\0\x01", 5);
  EXPECT_EQ(Message::parse(raw({1, 0, 0, 0}, label)).error(), ParseError::BadName);
  std::string name;
  for (int i = 0; i < 5; ++i) name += '\x3f' + std::string(63, 'a');
  name += std::string("\0\0\x01\0\x01", 5);
  EXPECT_EQ(Message::parse(raw({1, 0, 0, 0}, name)).error(), ParseError::BadName);
}

TEST(MdnsMessage, RefusesWhatIsNoQueryAndWhatHasTooManyEntries) {
  EXPECT_EQ(Message::parse(raw({0, 0, 0, 0}, "", 0x2800)).error(), ParseError::NotAQuery);
  EXPECT_EQ(Message::parse(raw({0, 0, 0, 0}, "", 0x8403)).error(), ParseError::NotAQuery);
  EXPECT_EQ(Message::parse(raw({0, 0, 0, 257}, "")).error(), ParseError::TooMany);
  EXPECT_EQ(Message::parse(std::vector<uint8_t>(Message::kMaxSize + 1)).error(), ParseError::TooShort);
}

TEST(MdnsMessage, EveryTruncatedPrefixIsRefused) {
  const std::vector<uint8_t> whole = written(an_answer());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(Message::parse(ByteView(whole).first(size)).has_value()) << size;
  }
}

TEST(MdnsMessage, AddressesOfTheWrongLengthAreNone) {
  const std::string rest("\x01h\x05local\0\0\x1c\0\x01\0\0\0\x78\0\x04\x0a\0\0\x07", 23);
  const auto message = Message::parse(raw({0, 1, 0, 0}, rest, 0x8400));
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(message->answers.at(0).address.is_none());
}

TEST(MdnsMessage, OtherClassesAreLeftOut) {
  const std::string rest("\x01h\x05local\0\0\x01\0\x03\0\0\0\x78\0\x04\x0a\0\0\x07", 23);
  EXPECT_TRUE(Message::parse(raw({0, 1, 0, 0}, rest, 0x8400))->answers.empty());
}

TEST(MdnsMessage, IsToldInWords) { EXPECT_NE(an_answer().to_string().find("A 10.0.0.7 ttl 120"), std::string::npos); }

}  // namespace
}  // namespace kaon::mdns
