// What ICMP says of packets that were sent: on loopback the kernel answers a closed port so.
#ifdef __linux__
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kaon/io/internal/test_support.h"

namespace kaon::io {
namespace {

struct Side : Collector {
  void peer_error(const UdpPeerError& error) override {
    errors.push_back(error);
    quoted.emplace_back(as_text(error.quoted));
  }
  std::vector<UdpPeerError> errors;
  std::vector<std::string> quoted;
};

class UdpPeerErrors : public testing::TestWithParam<std::tuple<UdpPath, const char*>> {};

TEST_P(UdpPeerErrors, AreToldAndCostNoPacketToOthers) {
  const auto& [path, ip] = GetParam();
  const net::Endpoint any{*net::IpAddress::parse(ip), 0};
  Loop loop;
  Side side;
  Collector other;
  const UdpPort::Member member{&loop, &side}, other_member{&loop, &other};
  const auto from = *UdpPort::open(std::span(&member, 1), {.bind = {any}, .path = path, .peer_errors = true});
  const auto to = *UdpPort::open(std::span(&other_member, 1), {.bind = {any}, .path = path});
  const net::Endpoint closed = (*UdpPort::open(std::span(&other_member, 1), {.bind = {any}}))->bound()[0];
  // Each packet to nobody is answered at once, so that the next one finds an error that waits for it.
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(from->shard(0).send(transmit_to(closed, 1), as_bytes("x")), UdpShard::SendResult::Sent);
    EXPECT_EQ(from->shard(0).send(transmit_to(to->bound()[0], 1), as_bytes("y")), UdpShard::SendResult::Sent);
  }
  EXPECT_TRUE(step_until({&loop}, [&] { return other.texts.size() == 20 && !side.errors.empty(); }));
  EXPECT_EQ(from->shard(0).stats().send_errors, 0u);
  for (const UdpPeerError& error : side.errors) {
    EXPECT_EQ(error.remote, closed);
    EXPECT_EQ(side.quoted[static_cast<size_t>(&error - side.errors.data())], "x");
    EXPECT_EQ(error.type, any.ip.is_v4() ? 3 : 1);  // destination unreachable
    EXPECT_EQ(error.code, any.ip.is_v4() ? 3 : 4);  // the port
  }
}

INSTANTIATE_TEST_SUITE_P(Paths, UdpPeerErrors,
                         testing::Combine(testing::Values(UdpPath::Batched, UdpPath::Single),
                                          testing::Values("127.0.0.1", "::1")));

}  // namespace
}  // namespace kaon::io
#endif
