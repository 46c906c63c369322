#include "kaon/rtp/packet.h"

#include <gtest/gtest.h>

namespace kaon::rtp {
namespace {

ExtensionMap map_of_browser() {
  ExtensionMap map;
  KAON_ASSERT(map.add(2, ExtensionKind::AbsSendTime) && map.add(3, ExtensionKind::TransportSequence) &&
              map.add(4, ExtensionKind::Mid) && map.add(12, ExtensionKind::DependencyDescriptor));
  return map;
}

TEST(RtpPacket, SharesItsBytesWithItsCopies) {
  BufferPool pool;
  const ExtensionMap map = map_of_browser();
  const uint8_t descriptor[] = {0x80, 0x01, 0x02};
  OutgoingHeader out;
  out.header.payload_type = 96;
  out.header.ssrc = Ssrc(5);
  out.extensions.mid = "0";
  out.extensions.transport_sequence = 77;
  out.extensions.dependency_descriptor = descriptor;
  std::vector<uint8_t> wire(header_size(out, map));
  write_header(out, map, wire);
  for (uint8_t byte : {1, 2, 3, 4}) wire.push_back(byte);

  const auto packet = Packet::parse(SharedBuffer(pool.copy(wire)), map, Time(std::chrono::seconds(1)));
  ASSERT_TRUE(packet);
  const Packet copy = *packet;
  EXPECT_EQ(copy.payload().data(), packet->payload().data());
  EXPECT_EQ(to_hex(copy.payload()), "01020304");
  EXPECT_EQ(copy.mid, "0");
  EXPECT_EQ(copy.extensions.transport_sequence, 77);
  EXPECT_EQ(to_hex(copy.dependency_descriptor()), "800102");

  const OutgoingHeader again{.header = copy.header, .extensions = copy.borrowed_extensions()};
  std::vector<uint8_t> forwarded(header_size(again, map));
  write_header(again, map, forwarded);
  EXPECT_EQ(to_hex(forwarded), to_hex(ByteView(wire).first(forwarded.size()))) << "forwarding writes the same header";
}

TEST(RtpPacket, CountsATooLongMidAsAbsent) {
  EXPECT_EQ(ShortText("0123456789abcdef").view().size(), 16u);
  EXPECT_TRUE(ShortText("0123456789abcdefg").empty());
}

TEST(RtpPacket, MadeForSendingHoldsAllOfItsPayload) {
  BufferPool pool;
  const Packet packet = Packet::from_payload(Header(), SharedBuffer(pool.copy(as_bytes("frame"))), Time());
  EXPECT_EQ(as_text(packet.payload()), "frame");
  EXPECT_EQ(packet.wire_size(), 17u);
  EXPECT_TRUE(Packet().payload().empty());
}

}  // namespace
}  // namespace kaon::rtp
