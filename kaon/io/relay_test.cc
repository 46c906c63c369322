#include "kaon/io/relay.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kaon/io/internal/relay_leg.h"
#include "kaon/io/internal/test_relay.h"
#include "kaon/io/internal/test_support.h"
#include "kaon/io/internal/turn_site.h"
#include "kaon/io/udp.h"

namespace kaon::io {
namespace {

using testing::HasSubstr;

uint16_t free_port(Loop& loop) {
  Collector nobody;
  const UdpPort::Member member{&loop, &nobody};
  return (*UdpPort::open(std::span(&member, 1), {.bind = {{net::IpAddress::v4(127, 0, 0, 1), 0}}}))->port();
}

TEST(Relay, AsksTheServerThatAnotherOneNames) {
  Loop loop;
  for (const auto protocol : {net::Protocol::Udp, net::Protocol::Tcp}) {
    TurnSite last(loop);
    TurnSite second(loop, TurnSite::sends_to(last.at(protocol)));
    TurnSite first(loop, TurnSite::sends_to(second.at(protocol)));
    TestRelay client(loop, {.address = first.at(protocol), .protocol = protocol});
    ASSERT_TRUE(client.settled());
    EXPECT_TRUE(client.allocated);
    EXPECT_EQ(last.allocations(), 1u);
    client.relay->close();
    EXPECT_TRUE(step_until({&loop}, [&] { return last.allocations() == 0; }));
  }
}

TEST(Relay, ServersThatNameEachOtherAreAskedOnceEach) {
  Loop loop;
  const net::Endpoint there{net::IpAddress::v4(127, 0, 0, 1), free_port(loop)};
  TurnSite here(loop, TurnSite::sends_to(there));
  TurnSite other(loop, TurnSite::sends_to(here.at(net::Protocol::Udp)), nullptr, {{.bind = there.ip, .announce = {}}},
                 there.port);
  TestRelay client(loop, {.address = here.at(net::Protocol::Udp)});
  ASSERT_TRUE(client.settled());
  ASSERT_TRUE(client.failed);
  EXPECT_EQ(client.failed->error, turn::ClientError::TryAlternate);
  EXPECT_EQ(client.failed->number, 300);
  EXPECT_THAT(client.failed->reason, HasSubstr("circle"));
  // Each a challenge and the redirection.
  EXPECT_EQ(here.host().server().stats().errors, 2u);
  EXPECT_EQ(other.host().server().stats().errors, 2u);
}

TEST(Relay, OfAServerBehindANatHasThePublicAddressAndReachesPeers) {
  Loop loop;
  const net::IpAddress own = net::IpAddress::v4(127, 0, 0, 1);
  const net::IpAddress told = net::IpAddress::v4(203, 0, 113, 7);
  TurnSite site(loop, TurnSite::config(), nullptr, {{.bind = own, .announce = told}});
  for (const auto protocol : {net::Protocol::Udp, net::Protocol::Tcp}) {
    TestRelay client(loop, {.address = site.at(protocol), .protocol = protocol});
    ASSERT_TRUE(client.settled() && client.allocated);
    EXPECT_EQ(client.allocated->relayed.ip, told);
    Echo peer(loop, own);
    for (const std::string_view text : {"by indication", "by channel"}) {
      client.relay->send({.transmit = transmit_to(peer.address(), text.size()), .bytes = as_bytes(text)});
      ASSERT_TRUE(step_until({&loop}, [&] { return !client.received.empty() && client.received.back() == text; }));
    }
    EXPECT_EQ(peer.from, (net::Endpoint{own, client.allocated->relayed.port}));
  }
}

TEST(Relay, CarriesBothFamiliesByOneAllocation) {
  Loop loop;
  const net::IpAddress v4 = net::IpAddress::v4(127, 0, 0, 1);
  const net::IpAddress v6 = *net::IpAddress::parse("::1");
  TurnSite site(loop, TurnSite::config(), nullptr, {{.bind = v4, .announce = {}}, {.bind = v6, .announce = {}}});
  TestRelay client(loop, {.address = site.at(net::Protocol::Udp), .families = turn::RelayFamilies::Both});
  ASSERT_TRUE(client.settled());
  ASSERT_TRUE(client.allocated && client.allocated->second);
  EXPECT_EQ(site.allocations(), 1u);
  for (const net::IpAddress& ip : {v4, v6}) {
    Echo peer(loop, ip);
    client.received.clear();
    for (const std::string_view text : {"one", "two"}) {
      client.relay->send({.transmit = transmit_to(peer.address(), text.size()), .bytes = as_bytes(text)});
      ASSERT_TRUE(step_until({&loop}, [&] { return !client.received.empty() && client.received.back() == text; }));
    }
    EXPECT_EQ(peer.from, ip.is_v4() ? client.allocated->relayed : *client.allocated->second);
    EXPECT_EQ(client.local, peer.from);
  }
}

/// A socket of the system that tells how what it gets is marked.
class MarkedSocket {
 public:
  explicit MarkedSocket(const net::IpAddress& ip)
      : v6_(ip.is_v6()), fd_(socket(v6_ ? AF_INET6 : AF_INET, SOCK_DGRAM, 0)) {
    const int on = 1;
    setsockopt(fd_, v6_ ? IPPROTO_IPV6 : IPPROTO_IP, v6_ ? IPV6_RECVTCLASS : IP_RECVTOS, &on, sizeof on);
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_addr = in6addr_loopback;
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* address = v6_ ? reinterpret_cast<const sockaddr*>(&six) : reinterpret_cast<const sockaddr*>(&four);
    EXPECT_EQ(bind(fd_, address, v6_ ? sizeof six : sizeof four), 0);
  }
  ~MarkedSocket() { close(fd_); }
  uint16_t port() const {
    sockaddr_in6 address{};  // the port is at the same place in both
    socklen_t size = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin6_port);
  }
  /// Waits for one datagram.
  int next_dscp() const {
    std::array<char, 64> data{}, control{};
    iovec part{data.data(), data.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    pollfd entry{fd_, POLLIN, 0};
    if (poll(&entry, 1, 5000) != 1 || recvmsg(fd_, &header, 0) <= 0) return -1;
    const cmsghdr* first = CMSG_FIRSTHDR(&header);
    return first == nullptr ? 0 : *CMSG_DATA(first) >> 2;
  }

 private:
  bool v6_;
  int fd_;
};

/// Between a client and a server on loopback; the first datagrams either way are lost.
class Lossy final : public UdpHandler {
 public:
  Lossy(Loop& loop, const net::Endpoint& server, int losses) : server_(server), lost_{losses, losses} {
    const UdpPort::Member member{&loop, this};
    port_ = std::move(*UdpPort::open(std::span(&member, 1), {.bind = {{server.ip, 0}}}));
  }
  net::Endpoint address() const { return port_->bound().front(); }
  void receive(std::span<const net::Datagram> batch, Time) override {
    for (const net::Datagram& datagram : batch) {
      const bool back = datagram.remote == server_;
      if (!back) client_ = datagram.remote;
      if (lost_[back]-- > 0) continue;
      port_->shard(0).send(transmit_to(back ? client_ : server_, datagram.bytes.size()), datagram.bytes);
    }
  }
  void writable() override {}

 private:
  net::Endpoint server_, client_;
  std::array<int, 2> lost_;
  std::unique_ptr<UdpPort> port_;
};

TEST(Relay, PacketsToTheServerAreMarkedAsThoseInside) {
  for (const char* text : {"127.0.0.1", "::1"}) {
    const net::IpAddress ip = *net::IpAddress::parse(text);
    MarkedSocket server(ip);
    Loop loop;
    bool ready = false;
    RelayLeg::Handlers handlers;
    handlers.on_ready = [&] { ready = true; };
    const auto leg = open_relay_udp(loop, {.address = {ip, server.port()}}, std::move(handlers));
    ASSERT_TRUE(leg && step_until({&loop}, [&] { return ready; }));
    for (const uint8_t dscp : {46, 0, 10}) {
      leg->set_dscp(dscp);
      ASSERT_TRUE(leg->send(as_bytes("x"), {}, 0));
      EXPECT_EQ(server.next_dscp(), dscp);
    }
    leg->close();
  }
}

TEST(Relay, OverDtlsPacketsGoBothWaysAlthoughTheHandshakeLosesSome) {
  Loop loop;
  const TestCertificate certificate("IP:127.0.0.1");
  TurnSite site(loop, TurnSite::config(), &certificate);
  Lossy way(loop, site.at(net::Protocol::Dtls), 1);
  TestRelay client(loop, {.address = way.address(), .protocol = net::Protocol::Dtls, .host = "127.0.0.1"});
  ASSERT_TRUE(client.settled());
  ASSERT_TRUE(client.allocated) << client.failed->reason;
  Echo peer(loop, net::IpAddress::v4(127, 0, 0, 1));
  for (const size_t size : {1u, 1200u, 9000u}) {
    const std::string text(size, 'x');
    client.received.clear();
    client.relay->send({.transmit = transmit_to(peer.address(), size), .bytes = as_bytes(text)});
    ASSERT_TRUE(step_until({&loop}, [&] { return !client.received.empty(); }));
    EXPECT_EQ(client.received[0], text);
  }
  // More than a record holds.
  const std::string large(20'000, 'x');
  client.relay->send({.transmit = transmit_to(peer.address(), large.size()), .bytes = as_bytes(large)});
  EXPECT_EQ(client.relay->stats().dropped, 1u);
  client.relay->close();
  EXPECT_TRUE(step_until({&loop}, [&] { return site.allocations() == 0 && site.host().connections() == 0; }));
}

TEST(Relay, OverDtlsTheCertificateMustBeForTheHostAndTrusted) {
  Loop loop;
  const TestCertificate unknown("IP:127.0.0.1,DNS:turn.example.org", false);
  const TestCertificate known("DNS:turn.example.org");
  const auto ask = [&](const TestCertificate& certificate, std::string host) {
    TurnSite site(loop, TurnSite::config(), &certificate);
    TestRelay client(loop, {.address = site.at(net::Protocol::Dtls), .protocol = net::Protocol::Dtls, .host = host});
    EXPECT_TRUE(client.settled());
    EXPECT_EQ(site.allocations(), client.allocated ? 1u : 0u);
    EXPECT_TRUE(client.allocated || client.failed->reason.starts_with("certificate: ")) << client.failed->reason;
    return client.allocated.has_value();
  };
  EXPECT_TRUE(ask(known, "turn.example.org"));
  EXPECT_FALSE(ask(known, "example.org"));
  EXPECT_FALSE(ask(known, "127.0.0.1"));
  EXPECT_FALSE(ask(unknown, "127.0.0.1"));
  EXPECT_FALSE(ask(unknown, "turn.example.org"));
}

TEST(Relay, OverTlsTheServerNamedMustHaveACertificateForTheNameThatWasAskedFor) {
  Loop loop;
  const TestCertificate other("DNS:other.example.org", false);
  const TestCertificate both("IP:127.0.0.1,DNS:turn.example.org");
  const auto ask = [&](const TestCertificate& last_has, std::string domain) {
    TurnSite last(loop, TurnSite::config(), &last_has);
    TurnSite first(loop, TurnSite::sends_to(last.at(net::Protocol::Tls), std::move(domain)), &both);
    TestRelay client(loop,
                     {.address = first.at(net::Protocol::Tls), .protocol = net::Protocol::Tls, .host = "127.0.0.1"});
    EXPECT_TRUE(client.settled());
    EXPECT_EQ(last.allocations(), client.allocated ? 1u : 0u);
    EXPECT_TRUE(client.allocated || client.failed->number == 701);
    return client.allocated.has_value();
  };
  EXPECT_TRUE(ask(both, ""));
  EXPECT_TRUE(ask(both, "turn.example.org"));
  EXPECT_FALSE(ask(both, "elsewhere.example.org"));
  EXPECT_FALSE(ask(other, ""));
  EXPECT_FALSE(ask(other, "other.example.org")) << "nobody trusts who has signed it";
}

// Without threads of our own somebody else waits for poll_fd(): without it, until the next timer.
TEST(Relay, WakesASteppedLoopWhenAServerThatDidNotReadReadsAgain) {
  const TestCertificate certificate("IP:127.0.0.1");
  for (const auto protocol : {net::Protocol::Tcp, net::Protocol::Tls}) {
    Loop loop, server_loop;
    TurnSite site(server_loop, TurnSite::config(), &certificate);
    Echo peer(server_loop, net::IpAddress::v4(127, 0, 0, 1));
    TestRelay client(loop, {.address = site.at(protocol), .protocol = protocol, .host = "127.0.0.1"});
    ASSERT_TRUE(step_until({&loop, &server_loop}, [&] { return client.allocated || client.failed; }));
    ASSERT_TRUE(client.allocated);
    const auto readable = [&](int milliseconds) {
      pollfd fd{loop.poll_fd(), POLLIN, 0};
      return poll(&fd, 1, milliseconds) == 1;
    };
    const auto rest = [&] {
      for (int steps = 0; steps < 1000 && readable(0); ++steps) loop.step();
      return !readable(0);
    };
    const std::vector<uint8_t> data(1200, 0x80);
    const auto send = [&] { client.relay->send({transmit_to(peer.address(), data.size()), data}); };
    send();
    ASSERT_TRUE(step_until({&loop, &server_loop}, [&] { return client.received.size() == 1; }));
    for (int i = 0; i < 100'000 && client.relay->stats().dropped == 0; ++i) {
      send();
      loop.step();
    }
    ASSERT_GT(client.relay->stats().dropped, 0u) << "no write was ever blocked";
    ASSERT_TRUE(rest()) << "a loop that waits for a server does not turn";
    for (int i = 0; i < 1000; ++i) server_loop.step();
    EXPECT_TRUE(readable(5000)) << "there is room again";
  }
}

}  // namespace
}  // namespace kaon::io
