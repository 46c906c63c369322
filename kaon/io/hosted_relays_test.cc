// A connection's relays while the machine's addresses change.
#include "kaon/io/internal/hosted_relays.h"

#include <gmock/gmock.h>

#include "kaon/io/internal/test_relay.h"
#include "kaon/io/internal/turn_site.h"

namespace kaon::io {
namespace {

struct Relays {
  explicit Relays(Loop& loop) : loop_(loop) {
    HostedRelays::Handlers handlers;
    handlers.on_data = [this](std::span<const net::Datagram> batch, Time) { received += batch.size(); };
    handlers.on_address = [this](const net::Endpoint& relayed, const turn::Allocated&, const RelayServer&, size_t) {
      told.push_back(relayed);
    };
    handlers.on_lost = [this](const net::Endpoint& relayed) { lost.push_back(relayed); };
    relays = std::make_unique<HostedRelays>(loop, Env{random_, log_}, exits_, std::move(handlers));
  }
  void add(RelayServer server) {
    server.username = "alice";
    server.password = "secret";
    relays->add(server, [this](const turn::ClientEvent& event) { failures += event.index() == 1; });
  }
  bool wait_for(size_t addresses) {
    return step_until({&loop_}, [&] { return told.size() == addresses; });
  }

  crypto::SystemRandom random_;
  NullLogger log_;
  Loop& loop_;
  Exits exits_;
  std::vector<net::Endpoint> told, lost;
  size_t failures = 0;
  size_t received = 0;
  std::unique_ptr<HostedRelays> relays;
};

const std::vector<Interface> kLoopback{{.name = "lo", .ip = net::IpAddress::v4(127, 0, 0, 1)}};
const std::vector<Interface> kMore{kLoopback[0], {.name = "eth0", .ip = net::IpAddress::v4(192, 0, 2, 7)}};
const std::vector<Interface> kOther{kMore[1]};

TEST(HostedRelays, ARelayWhoseAddressIsGoneIsAskedForAnew) {
  for (const auto protocol : {net::Protocol::Udp, net::Protocol::Tcp}) {
    Loop loop;
    const TurnSite site(loop);
    Relays all(loop);
    all.add({.address = site.at(protocol), .protocol = protocol});
    ASSERT_TRUE(all.wait_for(1));
    all.relays->network_changed(kMore);
    all.relays->network_changed(kLoopback);
    EXPECT_TRUE(all.lost.empty()) << "its address is still there";
    all.relays->network_changed(kOther);
    EXPECT_EQ(all.lost, std::vector{all.told[0]});
    ASSERT_TRUE(all.wait_for(2));
    EXPECT_NE(all.told[1], all.told[0]);
    EXPECT_EQ(all.failures, 0u);
  }
}

TEST(HostedRelays, AServerThatCouldNotBeReachedIsAskedAgainWhenTheNetworkChanges) {
  Loop loop;
  const net::Endpoint closed = Echo(loop, net::IpAddress::v4(127, 0, 0, 1)).address();
  Relays all(loop);
  all.add({.address = closed, .protocol = net::Protocol::Tcp});
  ASSERT_TRUE(step_until({&loop}, [&] { return all.failures == 1; }));
  all.relays->network_changed(kMore);
  EXPECT_TRUE(step_until({&loop}, [&] { return all.failures == 2; }));
}

TEST(HostedRelays, AServerThatHasRefusedIsNotAskedAgain) {
  Loop loop;
  const TurnSite site(loop);
  Relays all(loop);
  all.relays->add({.address = site.at(net::Protocol::Udp), .username = "alice", .password = "wrong"},
                  [&](const turn::ClientEvent&) { ++all.failures; });
  ASSERT_TRUE(step_until({&loop}, [&] { return all.failures == 1; }));
  all.relays->network_changed(kMore);
  // Another question takes as many round trips.
  TestRelay other(loop, {.address = site.at(net::Protocol::Udp)});
  ASSERT_TRUE(other.settled());
  EXPECT_TRUE(other.allocated);
  EXPECT_EQ(all.failures, 1u);
}

}  // namespace
}  // namespace kaon::io
