#include "kaon/container/capture.h"

#include <gmock/gmock.h>

namespace kaon::container {
namespace {

using std::chrono::nanoseconds;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

net::Endpoint endpoint(std::string_view text) { return *net::Endpoint::parse(text); }

struct Read {
  std::vector<std::pair<nanoseconds, std::vector<uint8_t>>> packets;
  std::optional<ReadError> error;
};

Read read_all(ByteView file, size_t chunk = SIZE_MAX) {
  CaptureReader reader;
  Read read;
  const auto drain = [&] {
    while (auto next = reader.next()) {
      if (!*next) {
        read.error = next->error();
        return;
      }
      read.packets.push_back({(*next)->time, {(*next)->bytes.begin(), (*next)->bytes.end()}});
    }
  };
  while (!file.empty() && !read.error) {
    reader.feed(file.first(std::min(chunk, file.size())));
    file = file.subspan(std::min(chunk, file.size()));
    drain();
  }
  if (!read.error) reader.finish(), drain();
  return read;
}

std::vector<uint8_t> two_packets() {
  const uint8_t payload[] = {1, 2, 3, 4, 5};
  std::vector<uint8_t> file;
  PcapngWriter writer;
  PcapngWriter::begin(file, "kaon test");
  writer.packet(file, nanoseconds(1764107000123456789), true,
                {endpoint("10.0.0.1:5000"), endpoint("10.0.0.2:6000"), IpProtocol::Udp, payload}, "connection Abcd");
  writer.packet(file, nanoseconds(1764107000123456790), false,
                {endpoint("[2001:db8::1]:5000"), endpoint("[2001:db8::2]:6000"), IpProtocol::Udp,
                 ByteView(payload).first(3), ByteView(payload).subspan(3)},
                "");
  return file;
}

TEST(Pcapng, IsReadAsItWasWrittenInChunksOfAnySize) {
  const std::vector<uint8_t> file = two_packets();
  for (const size_t chunk : {size_t{1}, size_t{7}, SIZE_MAX}) {
    const Read read = read_all(file, chunk);
    ASSERT_FALSE(read.error) << read.error->to_string();
    ASSERT_EQ(read.packets.size(), 2u);
    EXPECT_EQ(read.packets[0].first, nanoseconds(1764107000123456789));
    const auto v4 = parse_ip(LinkType::RawIp, read.packets[0].second);
    ASSERT_TRUE(v4);
    EXPECT_EQ(v4->source, endpoint("10.0.0.1:5000"));
    EXPECT_EQ(v4->destination, endpoint("10.0.0.2:6000"));
    EXPECT_THAT(v4->payload, ElementsAre(1, 2, 3, 4, 5));
    const auto v6 = parse_ip(LinkType::RawIp, read.packets[1].second);
    ASSERT_TRUE(v6);
    EXPECT_EQ(v6->destination, endpoint("[2001:db8::2]:6000"));
    EXPECT_THAT(v6->payload, ElementsAre(1, 2, 3, 4, 5));
  }
}

TEST(Pcapng, EveryCutFileGivesWhatIsWholeAndThenSaysWhereItEnds) {
  const std::vector<uint8_t> file = two_packets();
  for (size_t size = 4; size < file.size(); ++size) {
    const Read read = read_all(ByteView(file).first(size));
    EXPECT_LT(read.packets.size(), 2u);
    if (read.error) {
      EXPECT_EQ(read.error->offset, size);
    }
  }
}

TEST(Pcapng, IllegalFieldsAreNamedWithTheirByte) {
  const std::vector<uint8_t> good = two_packets();
  const auto damaged = [&](size_t at, uint8_t value) {
    std::vector<uint8_t> file = good;
    file[at] = value;
    const Read read = read_all(file);
    return read.error ? read.error->to_string() : "no error";
  };
  EXPECT_THAT(damaged(0, 0x55), HasSubstr("byte 0: expected the magic number"));
  EXPECT_THAT(damaged(8, 0x55), HasSubstr("byte 8: expected the byte-order magic"));
  EXPECT_THAT(damaged(4, 13), HasSubstr("byte 4: expected a block length"));
  const size_t interface = load_le32(&good[4]);
  const size_t packet = interface + load_le32(&good[interface + 4]);
  EXPECT_THAT(damaged(packet + 8, 1), HasSubstr("there is no interface 1"));
  EXPECT_THAT(damaged(packet + 20, 0xff), HasSubstr("expected at most"));
}

// Checked with "tcpdump -r" when it was written: big-endian pcap with one UDP packet over Ethernet with a VLAN tag.
TEST(Pcap, BigEndianFileWithVlanTagIsRead) {
  const std::vector<uint8_t> file = {
      0xa1, 0xb2, 0xc3, 0xd4, 0,   2, 0, 4, 0,    0, 0, 0, 0,    0,    0,    0,    0, 0,  0xff, 0xff, 0,   0,
      0,    1,    0,    0,    0,   5, 0, 0, 0,    7, 0, 0, 0,    47,   0,    0,    0, 47, 2,    0,    0,   0,
      0,    1,    2,    0,    0,   0, 0, 2, 0x81, 0, 0, 5, 8,    0,    0x45, 0,    0, 29, 0,    0,    0,   0,
      64,   17,   0,    0,    127, 0, 0, 1, 127,  0, 0, 2, 0x13, 0x88, 0x17, 0x70, 0, 9,  0,    0,    0x80};
  CaptureReader reader;
  reader.feed(file);
  const auto next = reader.next();
  ASSERT_TRUE(next);
  ASSERT_TRUE(*next) << next->error().to_string();
  EXPECT_EQ((*next)->time, std::chrono::microseconds(5000007));
  const auto packet = parse_ip((*next)->link, (*next)->bytes);
  ASSERT_TRUE(packet) << packet.error().to_string();
  EXPECT_EQ(packet->source, endpoint("127.0.0.1:5000"));
  EXPECT_EQ(packet->destination, endpoint("127.0.0.2:6000"));
  EXPECT_THAT(packet->payload, ElementsAre(0x80));
}

TEST(IpPacket, EveryTruncatedFrameIsRefusedOrShorter) {
  const Read read = read_all(two_packets());
  for (const auto& [time, frame] : read.packets) {
    for (size_t size = 0; size < frame.size(); ++size) {
      const auto packet = parse_ip(LinkType::RawIp, ByteView(frame).first(size));
      if (packet) {
        EXPECT_LT(packet->payload.size(), 5u);
      } else {
        EXPECT_LE(packet.error().offset, size);
      }
    }
  }
}

TEST(IpPacket, ChecksumsAreThoseOfTheRfc) {
  const uint8_t payload[] = {0x80, 0x60, 1};
  std::vector<uint8_t> bytes;
  append_ip(bytes, {endpoint("192.0.2.1:5000"), endpoint("192.0.2.2:6000"), IpProtocol::Udp, payload});
  // Summed by hand: over header words they give 0xffff.
  uint32_t sum = 0;
  for (size_t i = 0; i < 20; i += 2) sum += load_be16(&bytes[i]);
  EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
  std::vector<uint8_t> padded = bytes;
  padded.push_back(0);
  sum = 17 + 11;
  for (size_t i = 12; i < padded.size(); i += 2) sum += load_be16(&padded[i]);
  EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
}

}  // namespace
}  // namespace kaon::container
