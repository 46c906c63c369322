#include <gmock/gmock.h>

#include "kaon/io/internal/test_relay.h"
#include "kaon/io/internal/turn_site.h"

namespace kaon::io {
namespace {

using testing::HasSubstr;

class TurnHosts : public testing::Test {
 protected:
  static TurnHostOptions options() {
    TurnHostOptions out;
    out.udp = out.tcp = {{net::IpAddress::v4(127, 0, 0, 1), 0}};
    out.relays = {{.bind = net::IpAddress::v4(127, 0, 0, 1), .announce = {}}};
    out.server = TurnSite::config();
    return out;
  }
  auto start(const TurnHostOptions& with) {
    const std::array<Loop*, 2> loops{&one_, &two_};
    return start_turn_hosts(loops, with, {random_, log_}, {});
  }
  std::unique_ptr<TestRelay> client(const net::Endpoint& server, net::Protocol protocol) {
    auto out = std::make_unique<TestRelay>(clients_, RelayServer{.address = server, .protocol = protocol});
    EXPECT_TRUE(step([&] { return out->allocated || out->failed; }));
    return out;
  }
  template <class Done>
  bool step(Done done) {
    return step_until({&one_, &two_, &clients_}, done);
  }

  crypto::SystemRandom random_;
  NullLogger log_;
  Loop one_;
  Loop two_;
  Loop clients_;
};

TEST_F(TurnHosts, ShareTheClientsAndCountThemTogether) {
  for (const auto protocol : {net::Protocol::Udp, net::Protocol::Tcp}) {
    TurnHostOptions with = options();
    with.server.max_allocations_per_user = 40;
    const auto hosts = start(with);
    ASSERT_TRUE(hosts) << hosts.error();
    const net::Endpoint at = (*hosts)[0]->bound(protocol).at(0);
    EXPECT_EQ((*hosts)[1]->bound(protocol).at(0), at);
    std::vector<std::unique_ptr<TestRelay>> clients;
    for (int i = 0; i < 40; ++i) {
      clients.push_back(client(at, protocol));
      EXPECT_TRUE(clients.back()->allocated) << i;
    }
    const size_t first = (*hosts)[0]->server().allocations();
    const size_t second = (*hosts)[1]->server().allocations();
    EXPECT_EQ(first + second, 40u);
    EXPECT_GT(first, 5u);
    EXPECT_GT(second, 5u);
    const auto refused = client(at, protocol);
    ASSERT_TRUE(refused->failed);
    EXPECT_EQ(refused->failed->number, 486);
    clients.pop_back();
    EXPECT_TRUE(step([&] { return (*hosts)[0]->server().allocations() + (*hosts)[1]->server().allocations() == 39; }));
    EXPECT_TRUE(client(at, protocol)->allocated);
  }
}

TEST_F(TurnHosts, APortOfAnotherProgramIsNotShared) {
  auto hosts = start(options());
  ASSERT_TRUE(hosts) << hosts.error();
  for (const auto protocol : {net::Protocol::Udp, net::Protocol::Tcp}) {
    TurnHostOptions again = options();
    (protocol == net::Protocol::Udp ? again.udp : again.tcp) = (*hosts)[0]->bound(protocol);
    const auto others = start(again);
    ASSERT_FALSE(others);
    EXPECT_THAT(others.error(), HasSubstr("Cannot listen on"));
  }
}

TEST_F(TurnHosts, WithTcpRelaysAllConnectionsAreOnTheFirst) {
  TurnHostOptions with = options();
  with.server.tcp_relays = true;
  const auto hosts = start(with);
  ASSERT_TRUE(hosts) << hosts.error();
  EXPECT_TRUE((*hosts)[1]->bound(net::Protocol::Tcp).empty());
  std::vector<std::unique_ptr<TestRelay>> clients;
  for (int i = 0; i < 20; ++i)
    clients.push_back(client((*hosts)[0]->bound(net::Protocol::Tcp).at(0), net::Protocol::Tcp));
  EXPECT_EQ((*hosts)[0]->server().allocations(), 20u);
}

}  // namespace
}  // namespace kaon::io
