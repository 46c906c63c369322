#include "kaon/io/udp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "kaon/io/internal/test_support.h"

namespace kaon::io {
namespace {

using net::Endpoint;
using net::IpAddress;

std::unique_ptr<UdpPort> open(Loop& loop, UdpHandler& handler, UdpOptions options) {
  const UdpPort::Member member{&loop, &handler};
  auto port = UdpPort::open(std::span(&member, 1), options);
  EXPECT_TRUE(port) << to_string(port.error());
  return port ? std::move(*port) : nullptr;
}

// Bytes that differ from place to place, so that a wrong cut shows.
std::string pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

std::string name(UdpPath path) {
  return path == UdpPath::Batched ? "Batched" : path == UdpPath::Single ? "Single" : "Portable";
}

class UdpPaths : public testing::TestWithParam<std::tuple<UdpPath, UdpPath, const char*>> {};

TEST_P(UdpPaths, GiveTheSameBytesInTheSamePackets) {
  const auto [from_path, to_path, address] = GetParam();
  Loop loop;
  Collector sink, source;
  const auto to = open(loop, sink, {.bind = {endpoint(address)}, .path = to_path});
  const auto from = open(loop, source, {.bind = {endpoint(address)}, .path = from_path});
  ASSERT_TRUE(to && from);
  // A single packet, a run with a short last packet, a run of more packets than the kernel segments at once, an empty
  // packet.
  std::vector<std::string> expected;
  const std::pair<size_t, size_t> runs[] = {
      {700, 0}, {10 * 1200 + 77, 1200}, {150 * 100, 100}, {64 * 1024, 1300}, {0, 0}};
  for (const auto& [size, segment] : runs) {
    const std::string text = pattern(size);
    const size_t step = segment == 0 ? std::max<size_t>(size, 1) : segment;
    for (size_t at = 0; at < std::max<size_t>(size, 1); at += step) expected.push_back(text.substr(at, step));
    EXPECT_EQ(from->shard(0).send(transmit_to(to->bound()[0], size, segment), as_bytes(text)),
              UdpShard::SendResult::Sent);
  }
  EXPECT_TRUE(step_until({&loop}, [&] { return sink.texts.size() >= expected.size(); }));
  EXPECT_EQ(sink.texts, expected);
  EXPECT_EQ(sink.datagrams.front().remote, from->bound()[0]);
  EXPECT_EQ(sink.datagrams.front().local, to->bound()[0]);
  const UdpStats& stats = from->shard(0).stats();
  EXPECT_EQ(stats.sent, expected.size());
  EXPECT_EQ(to->shard(0).stats().received, expected.size());
  if (from->shard(0).segments()) {
    EXPECT_LT(stats.send_calls, 12u);  // five sends; long runs take several messages, but few calls
  } else {
    EXPECT_EQ(stats.send_calls, expected.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Udp, UdpPaths,
                         testing::Combine(testing::Values(UdpPath::Batched, UdpPath::Single, UdpPath::Portable),
                                          testing::Values(UdpPath::Batched, UdpPath::Single, UdpPath::Portable),
                                          testing::Values("127.0.0.1:0", "[::1]:0")),
                         [](const auto& test) {
                           return name(std::get<0>(test.param)) + "To" + name(std::get<1>(test.param)) +
                                  (std::get<2>(test.param)[0] == '[' ? "V6" : "V4");
                         });

class UdpLinuxPaths : public testing::TestWithParam<UdpPath> {};
INSTANTIATE_TEST_SUITE_P(Udp, UdpLinuxPaths, testing::Values(UdpPath::Batched, UdpPath::Single),
                         [](const auto& test) { return name(test.param); });

TEST_P(UdpLinuxPaths, AWildcardSocketAnswersFromTheAddressItWasAskedAt) {
  Loop loop;
  Collector server_side, client_side;
  const auto server = open(loop, server_side, {.bind = {endpoint("0.0.0.0:0")}, .path = GetParam()});
  const auto client = open(loop, client_side, {.bind = {endpoint("127.0.0.1:0")}, .path = GetParam()});
  const Endpoint asked{IpAddress::v4(127, 0, 0, 2), server->port()};
  client->shard(0).send(transmit_to(asked, 4), as_bytes("ping"));
  ASSERT_TRUE(step_until({&loop}, [&] { return server_side.datagrams.size() == 1; }));
  EXPECT_EQ(server_side.datagrams[0].local, asked);
  net::Transmit reply = transmit_to(server_side.datagrams[0].remote, 4);
  reply.local = server_side.datagrams[0].local;
  server->shard(0).send(reply, as_bytes("pong"));
  ASSERT_TRUE(step_until({&loop}, [&] { return client_side.datagrams.size() == 1; }));
  EXPECT_EQ(client_side.datagrams[0].remote, asked);
}

TEST_P(UdpLinuxPaths, CarriesTheEcnBitsPerPacketInBothFamilies) {
  Loop loop;
  Collector sink, source;
  const UdpOptions options{.bind = {endpoint("127.0.0.1:0"), endpoint("[::1]:0")}, .path = GetParam()};
  const auto to = open(loop, sink, options);
  const auto from = open(loop, source, options);
  std::vector<net::Ecn> expected;
  for (const Endpoint& remote : to->bound()) {
    for (const net::Ecn ecn : {net::Ecn::NotEct, net::Ecn::Ect1, net::Ecn::Ect0, net::Ecn::Ce}) {
      net::Transmit transmit = transmit_to(remote, 1);
      transmit.ecn = ecn;
      transmit.dscp = 34;
      from->shard(0).send(transmit, as_bytes("x"));
      expected.push_back(ecn);
    }
  }
  ASSERT_TRUE(step_until({&loop}, [&] { return sink.datagrams.size() == expected.size(); }));
  std::vector<net::Ecn> got;
  for (const net::Datagram& datagram : sink.datagrams) got.push_back(datagram.ecn);
  EXPECT_EQ(got, expected);
}

// Before that a socket costs as little as it can.
TEST(Udp, ReadsRunsAsTheyWereSentOnceOneHasCome) {
  Loop loop;
  Collector sink, source;
  const auto to = open(loop, sink, {.bind = {endpoint("127.0.0.1:0")}});
  const auto from = open(loop, source, {.bind = {endpoint("127.0.0.1:0")}});
  if (!from->shard(0).segments()) GTEST_SKIP() << "no UDP_SEGMENT here";
  const std::string run = pattern(60 * 1000);
  uint64_t calls = 0;
  for (size_t i = 1; i <= 3; ++i) {
    calls = to->shard(0).stats().receive_calls;
    from->shard(0).send(transmit_to(to->bound()[0], run.size(), 1000), as_bytes(run));
    ASSERT_TRUE(step_until({&loop}, [&] { return sink.texts.size() == 60 * i; }));
    calls = to->shard(0).stats().receive_calls - calls;
    if (i == 1) {
      EXPECT_GT(calls, 1u);
    }
  }
  EXPECT_EQ(calls, 1u);
}

TEST(Udp, ADualStackPortHasOneNumberAndChoosesTheSocketByFamily) {
  Loop loop;
  Collector a, b;
  const UdpOptions options{.bind = {endpoint("0.0.0.0:0"), endpoint("[::]:0")}};
  const auto one = open(loop, a, options);
  const auto two = open(loop, b, options);
  ASSERT_TRUE(one && two);
  EXPECT_EQ(one->bound()[0].port, one->bound()[1].port);
  one->shard(0).send(transmit_to({IpAddress::v4(127, 0, 0, 1), two->port()}, 2), as_bytes("v4"));
  one->shard(0).send(transmit_to({*IpAddress::parse("::1"), two->port()}, 2), as_bytes("v6"));
  ASSERT_TRUE(step_until({&loop}, [&] { return b.texts.size() == 2; }));
  EXPECT_THAT(b.texts, testing::UnorderedElementsAre("v4", "v6"));
  for (const net::Datagram& datagram : b.datagrams) {
    EXPECT_EQ(datagram.local.ip.family(), datagram.remote.ip.family());
    EXPECT_TRUE(datagram.local.ip.is_loopback());
  }
}

TEST(Udp, HearsAMulticastGroupOnAPortSharedWithOthers) {
  Loop loop;
  Collector a, b;
  const IpAddress group = IpAddress::v4(224, 0, 0, 251), loopback = IpAddress::v4(127, 0, 0, 1);
  UdpOptions options{.bind = {endpoint("0.0.0.0:0")}, .groups = {{group, loopback}}};
  const auto one = open(loop, a, options);
  ASSERT_TRUE(one);
  options.bind = {one->bound()[0]};
  const auto two = open(loop, b, options);
  ASSERT_TRUE(two);
  net::Transmit transmit = transmit_to({group, one->port()}, 5);
  transmit.local = {loopback, one->port()};
  EXPECT_EQ(one->shard(0).send(transmit, as_bytes("query")), UdpShard::SendResult::Sent);
  ASSERT_TRUE(step_until({&loop}, [&] { return a.texts.size() == 1 && b.texts.size() == 1; }));
  EXPECT_EQ(b.datagrams[0].remote, (Endpoint{loopback, one->port()}));
  EXPECT_EQ(b.datagrams[0].local, (Endpoint{loopback, one->port()}));
}

TEST(Udp, DropsAndCountsWhatTheSystemRefusesWithoutStopping) {
  Loop loop;
  Collector sink, source;
  const auto to = open(loop, sink, {.bind = {endpoint("127.0.0.1:0")}});
  const auto from = open(loop, source, {.bind = {endpoint("127.0.0.1:0")}});
  const std::string too_big(70000, 'x');
  std::vector<Outgoing> batch;
  batch.push_back({transmit_to(to->bound()[0], 5), as_bytes("first")});
  batch.push_back({transmit_to(to->bound()[0], too_big.size()), as_bytes(too_big)});
  batch.push_back({transmit_to(endpoint("[::1]:9"), 2), as_bytes("v6")});
  batch.push_back({transmit_to(to->bound()[0], 4), as_bytes("last")});
  EXPECT_EQ(from->shard(0).send(batch), 4u);
  ASSERT_TRUE(step_until({&loop}, [&] { return sink.texts.size() == 2; }));
  EXPECT_THAT(sink.texts, testing::ElementsAre("first", "last"));
  EXPECT_EQ(from->shard(0).stats().send_errors, 1u);
  EXPECT_EQ(from->shard(0).stats().no_socket, 1u);
}

TEST(Udp, TellsHowToRaiseTheLimitWhenTheKernelGivesASmallerBuffer) {
  struct Lines : Logger {
    void write(LogLevel, std::string_view, std::string_view line) override { lines.emplace_back(line); }
    std::vector<std::string> lines;
  } log;
  Loop loop;
  Collector sink;
  const auto modest = open(loop, sink, {.bind = {endpoint("127.0.0.1:0")}, .receive_buffer = 8192, .log = &log});
  EXPECT_THAT(log.lines, testing::IsEmpty());
  EXPECT_EQ(modest->shard(0).receive_buffer(), 8192);
  const auto greedy = open(loop, sink, {.bind = {endpoint("127.0.0.1:0")}, .receive_buffer = 2000000000, .log = &log});
  EXPECT_THAT(log.lines, testing::ElementsAre(testing::HasSubstr("net.core.rmem_max")));
}

TEST(Udp, CountsWhatTheKernelDropped) {
  Loop loop;
  Collector sink, source;
  const auto to = open(loop, sink, {.bind = {endpoint("127.0.0.1:0")}, .receive_buffer = 8192});
  const auto from = open(loop, source, {.bind = {endpoint("127.0.0.1:0")}});
  const std::string text = pattern(1000);
  // The count comes with the next packet that gets through.
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) from->shard(0).send(transmit_to(to->bound()[0], 1000), as_bytes(text));
    const size_t before = sink.texts.size();
    ASSERT_TRUE(step_until({&loop}, [&] { return sink.texts.size() > before; }));
    loop.step();
  }
  EXPECT_LT(sink.texts.size(), 300u);
  EXPECT_GT(to->shard(0).stats().kernel_dropped, 100u);
}

TEST(Udp, RefusesWhatCannotBeBound) {
  Loop loop;
  Collector sink;
  const UdpPort::Member member{&loop, &sink};
  const std::span members(&member, 1);
  EXPECT_EQ(UdpPort::open(members, {}).error(), IoError::InvalidArgument);
  EXPECT_EQ(UdpPort::open({}, {.bind = {endpoint("127.0.0.1:0")}}).error(), IoError::InvalidArgument);
  EXPECT_EQ(UdpPort::open(members, {.bind = {endpoint("192.0.2.1:0")}}).error(), IoError::AddressNotAvailable);
  const auto port = open(loop, sink, {.bind = {endpoint("127.0.0.1:0")}});
  EXPECT_EQ(UdpPort::open(members, {.bind = {port->bound()[0]}}).error(), IoError::AddressInUse);
}

}  // namespace
}  // namespace kaon::io
