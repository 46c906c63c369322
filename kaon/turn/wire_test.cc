#include "kaon/turn/wire.h"

#include <gtest/gtest.h>

#include "kaon/stun/builder.h"

namespace kaon::turn {
namespace {

std::vector<uint8_t> channel_data(uint16_t channel, size_t size, bool pad) {
  std::vector<uint8_t> bytes(kChannelHeader + (pad ? padded(size) : size), 0xaa);
  write_channel_header(bytes.data(), channel, size);
  return bytes;
}

std::vector<uint8_t> stun_message(size_t attribute_size) {
  std::vector<uint8_t> memory(70000);
  const std::vector<uint8_t> value(attribute_size, 7);
  const ByteView bytes =
      stun::Builder(memory, stun::Method::Send, stun::Class::Indication, {}).add(stun::Attribute::Data, value).finish();
  return {bytes.begin(), bytes.end()};
}

TEST(TurnWire, ChannelDataIsReadWithAndWithoutPadding) {
  for (size_t size = 0; size < 9; ++size) {
    for (const bool pad : {false, true}) {
      const auto bytes = channel_data(0x4123, size, pad);
      const auto parsed = parse_channel_data(bytes);
      ASSERT_TRUE(parsed.has_value()) << size;
      EXPECT_EQ(parsed->channel, 0x4123);
      EXPECT_EQ(parsed->data.size(), size);
    }
  }
}

TEST(TurnWire, ChannelDataOfWrongLengthIsRefused) {
  auto bytes = channel_data(0x4000, 8, false);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const std::vector<uint8_t> prefix(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    EXPECT_FALSE(parse_channel_data(prefix).has_value()) << size;
  }
  bytes.resize(bytes.size() + 4);
  EXPECT_FALSE(parse_channel_data(bytes).has_value()) << "more than padding behind the data";
  bytes[0] = 0x80;
  EXPECT_FALSE(parse_channel_data(bytes).has_value()) << "no channel";
}

TEST(TurnWire, B5AStreamIsFramedHoweverItIsSplit) {
  std::vector<uint8_t> stream;
  std::vector<size_t> sizes;
  for (const auto& message : {stun_message(5), channel_data(0x4001, 5, true), channel_data(0x4fff, 0, true),
                              stun_message(0), channel_data(0x4002, 1200, true)}) {
    stream.insert(stream.end(), message.begin(), message.end());
    sizes.push_back(message.size());
  }
  for (size_t split = 0; split <= stream.size(); ++split) {
    // The bytes arrive in two pieces; frames are taken off as soon as they are whole.
    std::vector<uint8_t> held;
    std::vector<size_t> found;
    for (const auto& [from, to] : {std::pair(size_t{0}, split), std::pair(split, stream.size())}) {
      held.insert(held.end(), stream.begin() + static_cast<ptrdiff_t>(from),
                  stream.begin() + static_cast<ptrdiff_t>(to));
      while (true) {
        const auto frame = next_frame(held);
        ASSERT_TRUE(frame.has_value());
        if (!*frame || (*frame)->total > held.size()) break;
        found.push_back((*frame)->total);
        held.erase(held.begin(), held.begin() + static_cast<ptrdiff_t>((*frame)->total));
      }
    }
    EXPECT_EQ(found, sizes) << split;
    EXPECT_TRUE(held.empty());
  }
}

TEST(TurnWire, B5AStreamThatIsNoTurnIsRefusedByItsFirstBytes) {
  for (int first = 0; first < 256; ++first) {
    const std::vector<uint8_t> bytes{static_cast<uint8_t>(first), 0, 0, 0};
    EXPECT_EQ(next_frame(bytes).has_value(), first < 4 || (first >= 0x40 && first < 0x80)) << first;
  }
  EXPECT_FALSE(next_frame(std::vector<uint8_t>{0, 1, 0, 2}).has_value()) << "no multiple of four";
  EXPECT_FALSE(next_frame(std::vector<uint8_t>{0, 1, 0, 4, 'H', 'T', 'T', 'P'}).has_value()) << "no cookie";
}

TEST(TurnWire, NoFrameIsLargerThanItsBound) {
  EXPECT_EQ((*next_frame(std::vector<uint8_t>{0x7f, 0xff, 0xff, 0xff}))->total, 65540u);
  EXPECT_EQ((*next_frame(std::vector<uint8_t>{0x00, 0x01, 0xff, 0xfc}))->total, 65552u);
  EXPECT_LE((*next_frame(std::vector<uint8_t>{0x00, 0x01, 0xff, 0xfc}))->total, kMaxFrame);
}

TEST(TurnWire, ValuesOfAttributesGoBothWays) {
  for (const net::Family family : {net::Family::V4, net::Family::V6}) {
    EXPECT_EQ(address_family_of(address_family_value(family)), family);
    std::array<uint8_t, 4> bytes{};
    store_be32(bytes.data(), address_error_value({family, 440}));
    const auto error = parse_address_error(bytes);
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->family, family);
    EXPECT_EQ(error->number, 440);
  }
  EXPECT_EQ(address_family_of(0), net::Family::None);
  EXPECT_EQ(address_family_of(0x03000000), net::Family::None);
  EXPECT_FALSE(parse_address_error({}).has_value());
  EXPECT_EQ(icmp_of(icmp_value({3, 4, 1280})), (IcmpError{3, 4, 1280}));
  EXPECT_EQ(icmp_value({3, 4, 1280}), 0x0000060400000500u);
  EXPECT_EQ(requested_transport(kTransportUdp), 0x11000000u);
}

}  // namespace
}  // namespace kaon::turn
