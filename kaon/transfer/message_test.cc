#include "kaon/transfer/message.h"

#include <gtest/gtest.h>

namespace kaon::transfer {
namespace {

TEST(Message, IsReadAsItWasWritten) {
  Sha256 hash;
  for (size_t i = 0; i < hash.size(); ++i) hash[i] = static_cast<uint8_t>(i);
  const std::vector<Message> messages = {
      Offer{"holiday.mp4", 1ull << 40}, Accept{12345, hash}, Begin{12345}, End{hash}, Done{},
      Abort{"The disk is full."}};
  for (const Message& message : messages) {
    const auto bytes = to_bytes(message);
    const auto again = parse(bytes);
    ASSERT_TRUE(again);
    EXPECT_EQ(to_bytes(*again), bytes);
    EXPECT_EQ(again->index(), message.index());
  }
  const auto offer = parse(to_bytes(messages[0]));
  EXPECT_EQ(std::get<Offer>(*offer), std::get<Offer>(messages[0]));
  const auto data = to_bytes(Data{as_bytes("some bytes")});
  EXPECT_EQ(as_text(std::get<Data>(*parse(data)).bytes), "some bytes");
  EXPECT_EQ(data.size(), 11u);
}

TEST(Message, RefusesWhatIsNone) {
  EXPECT_FALSE(parse({}));
  for (const uint8_t type : {0, 8, 255}) EXPECT_FALSE(parse(std::vector<uint8_t>{type}));
  for (const Message& message : {Message(Accept{}), Message(Begin{}), Message(End{}), Message(Done{})}) {
    auto bytes = to_bytes(message);
    for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(parse(ByteView(bytes).first(size)));
    bytes.push_back(0);
    EXPECT_FALSE(parse(bytes)) << "something behind it";
  }
}

TEST(Message, ShowsNoControlCharactersOfThePeer) {
  const auto abort = parse(to_bytes(Abort{"\x1b[31mred\n"}));
  EXPECT_EQ(std::get<Abort>(*abort).reason, "?[31mred?");
  std::string longer(Abort::kMaxReason - 1, 'x');
  longer += "äöü";
  auto bytes = to_bytes(Done{});
  bytes.front() = 7;
  bytes.insert(bytes.end(), longer.begin(), longer.end());
  EXPECT_EQ(std::get<Abort>(*parse(bytes)).reason, std::string(Abort::kMaxReason - 1, 'x'));
}

TEST(SafeName, StaysInTheFolder) {
  EXPECT_EQ(safe_name("holiday 2026.mp4"), "holiday 2026.mp4");
  EXPECT_EQ(safe_name("Übergabe.pdf"), "Übergabe.pdf");
  for (const auto& [name, safe] : std::vector<std::pair<std::string, std::string>>{{"../../etc/passwd", "passwd"},
                                                                                   {"/etc/passwd", "passwd"},
                                                                                   {"C:\\boot.ini", "boot.ini"},
                                                                                   {".bashrc", "bashrc"},
                                                                                   {"..", "file"},
                                                                                   {"", "file"},
                                                                                   {"a/", "file"},
                                                                                   {" . ", "file"},
                                                                                   {"a\nb", "a_b"},
                                                                                   {"a?b*c", "a_b_c"},
                                                                                   {"x.", "x"}}) {
    EXPECT_EQ(safe_name(name), safe) << name;
  }
  EXPECT_LE(safe_name(std::string(1000, 'a')).size(), 255u);
}

}  // namespace
}  // namespace kaon::transfer
