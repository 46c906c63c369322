// TURN and ICE over TCP through an HTTP proxy.
#include <gmock/gmock.h>

#include "kaon/io/internal/ice_tcp.h"
#include "kaon/io/internal/test_proxy.h"
#include "kaon/io/internal/test_relay.h"
#include "kaon/io/internal/test_support.h"
#include "kaon/io/internal/turn_site.h"
#include "kaon/io/udp.h"
#include "kaon/stun/builder.h"

namespace kaon::io {
namespace {

using testing::HasSubstr;

HttpProxy at(const TestProxy& proxy, std::string user = {}, std::string password = {}) {
  return {.host = "127.0.0.1", .port = proxy.port(), .username = std::move(user), .password = std::move(password)};
}

TEST(HttpProxy, TurnOverTcpAndTlsGoesThroughIt) {
  Loop loop;
  const TestCertificate certificate("DNS:turn.invalid");
  TurnSite site(loop, TurnSite::config(), &certificate);
  for (const auto protocol : {net::Protocol::Tcp, net::Protocol::Tls}) {
    // Only the proxy knows the name.
    TestProxy proxy("me:secret", {{"turn.invalid", site.at(protocol).port}});
    TestRelay client(
        loop,
        {.address = {{}, 5349}, .protocol = protocol, .host = "turn.invalid", .proxy = at(proxy, "me", "secret")});
    ASSERT_TRUE(client.settled());
    ASSERT_TRUE(client.allocated) << client.failed->reason;
    Echo peer(loop, net::IpAddress::v4(127, 0, 0, 1));
    client.relay->send({.transmit = transmit_to(peer.address(), 5), .bytes = as_bytes("hello")});
    ASSERT_TRUE(step_until({&loop}, [&] { return !client.received.empty(); }));
    EXPECT_EQ(client.received[0], "hello");
    EXPECT_EQ(proxy.tunnels(), 1);
  }
}

TEST(HttpProxy, TheServerThatAnotherOneNamesIsReachedThroughItToo) {
  Loop loop;
  TurnSite last(loop);
  TurnSite first(loop, TurnSite::sends_to(last.at(net::Protocol::Tcp)));
  TestProxy proxy;
  TestRelay client(loop, {.address = first.at(net::Protocol::Tcp), .protocol = net::Protocol::Tcp, .proxy = at(proxy)});
  ASSERT_TRUE(client.settled());
  EXPECT_TRUE(client.allocated);
  EXPECT_EQ(proxy.tunnels(), 2);
}

TEST(HttpProxy, ARefusalNamesTheProxyAndItsStatus) {
  Loop loop;
  TestProxy proxy("me:secret");
  TestRelay client(loop, {.address = {net::IpAddress::v4(127, 0, 0, 1), 9},
                          .protocol = net::Protocol::Tcp,
                          .proxy = at(proxy, "me", "wrong")});
  ASSERT_TRUE(client.settled());
  ASSERT_TRUE(client.failed);
  EXPECT_EQ(client.failed->error, turn::ClientError::ProxyRefused);
  EXPECT_EQ(client.failed->number, 407);
  EXPECT_EQ(client.failed->reason, cat("proxy 127.0.0.1:", proxy.port(), " answers 407 Who Are You"));
  EXPECT_EQ(proxy.refused(), 1);
}

TEST(HttpProxy, OneThatIsNotThereOrSpeaksNoHttpIsNamed) {
  Loop loop;
  TurnSite site(loop);
  // Nobody; and a TURN server, which closes on what is no TURN.
  for (const uint16_t port : {uint16_t{9}, site.at(net::Protocol::Tcp).port}) {
    TestRelay client(loop, {.address = {net::IpAddress::v4(127, 0, 0, 1), 9},
                            .protocol = net::Protocol::Tcp,
                            .proxy = HttpProxy{.host = "127.0.0.1", .port = port}});
    ASSERT_TRUE(client.settled());
    ASSERT_TRUE(client.failed);
    EXPECT_EQ(client.failed->error, turn::ClientError::Timeout);
    EXPECT_EQ(client.failed->number, 701);
    EXPECT_THAT(client.failed->reason, HasSubstr(cat("proxy 127.0.0.1:", port, ": ")));
  }
}

/// A check, with which a connection of ICE over TCP must begin.
std::vector<uint8_t> check() {
  std::vector<uint8_t> packet(64);
  packet.resize(stun::Builder(packet, stun::Method::Binding, stun::Class::Request, {}).finish().size());
  return packet;
}

TEST(HttpProxy, PeersOverTcpAreReachedThroughIt) {
  Loop loop;
  TestProxy proxy("me:secret");
  std::vector<std::string> refusals;
  size_t received = 0;
  IceTcp::Handlers handlers;
  handlers.on_data = [&](std::span<const net::Datagram> batch, Time) { received += batch.size(); };
  handlers.home_of = [](const net::Datagram&) { return UdpHandler::kHere; };
  handlers.on_proxy_refused = [&](const std::string& reason) { refusals.push_back(reason); };
  const auto passive = IceTcp::make(loop, handlers);
  const net::IpAddress ip = net::IpAddress::v4(127, 0, 0, 1);
  Collector nobody;
  const UdpPort::Member member{&loop, &nobody};
  const auto listen = [&](std::span<const net::Endpoint> bound) { return passive->listen(bound); };
  const auto port = *UdpPort::open(std::span(&member, 1), {.bind = {{ip, 0}}, .also_take = listen});
  const net::Endpoint there{ip, port->port()};
  const auto packet = check();
  for (const bool good : {true, false}) {
    const auto active = IceTcp::make(loop, handlers, at(proxy, "me", good ? "secret" : "wrong"));
    net::Transmit transmit = transmit_to(there, packet.size());
    transmit.local = {ip, kFirstActivePort};
    transmit.protocol = net::Protocol::Tcp;
    active->add_active(transmit.local);
    active->send({.transmit = transmit, .bytes = packet});
    EXPECT_TRUE(step_until({&loop}, [&] { return good ? received == 1 : !refusals.empty(); }));
    EXPECT_TRUE(step_until({&loop}, [&] { return good || active->connections() == 0; }));
    active->shut();
  }
  EXPECT_EQ(proxy.tunnels(), 1);
  EXPECT_THAT(refusals, testing::ElementsAre(HasSubstr(" answers 407 ")));
  passive->shut();
}

}  // namespace
}  // namespace kaon::io
