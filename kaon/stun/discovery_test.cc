#include "kaon/stun/discovery.h"

#include <gtest/gtest.h>

#include "kaon/base/ring.h"
#include "kaon/sim/pump.h"
#include "kaon/stun/builder.h"

namespace kaon::stun {
namespace {

using namespace std::chrono_literals;

constexpr net::IpAddress kFirst = net::IpAddress::v4(198, 51, 100, 1);
constexpr net::IpAddress kSecond = net::IpAddress::v4(198, 51, 100, 2);
constexpr net::Endpoint kServer{kFirst, 3478};
constexpr net::Endpoint kOther{kSecond, 3479};
constexpr net::Endpoint kInside{net::IpAddress::v4(10, 0, 0, 2), 4000};

/// A server with two addresses and two ports, RFC 5780 §6.
class Server {
 public:
  explicit Server(bool knows_other) : knows_other_(knows_other) {}
  void handle_packet(const net::Datagram& packet, Time) {
    const auto request = Message::parse(packet.bytes);
    if (!request) return;
    const uint32_t change = request->u32(Attribute::ChangeRequest).value_or(0);
    net::Endpoint from = packet.local;
    if ((change & 4) != 0) from.ip = from.ip == kFirst ? kSecond : kFirst;
    if ((change & 2) != 0) from.port = from.port == kServer.port ? kOther.port : kServer.port;
    answers_.push_back({from, packet.remote, request->transaction_id()});
  }
  void handle_timeout(Time) {}
  Time next_timeout() const { return kNever; }
  std::optional<net::Transmit> poll_transmit(Bytes out) {
    if (answers_.empty()) return std::nullopt;
    const Answer answer = answers_.pop_front();
    Builder builder(out, Method::Binding, Class::Success, answer.id);
    builder.add_xor_address(Attribute::XorMappedAddress, answer.to);
    if (knows_other_) builder.add_address(Attribute::OtherAddress, kOther);
    net::Transmit transmit;
    transmit.local = answer.from;
    transmit.remote = answer.to;
    transmit.size = builder.finish().size();
    return transmit;
  }
  std::optional<int> poll_event() { return std::nullopt; }

 private:
  struct Answer {
    net::Endpoint from;
    net::Endpoint to;
    TransactionId id;
  };
  bool knows_other_;
  Ring<Answer> answers_;
};

struct World {
  explicit World(const sim::NatConfig& config, bool knows_other = true, double loss = 0)
      : network(1), random(2), server(knows_other) {
    const auto host = network.add_host(kFirst);
    network.add_interface(host, kSecond);
    const auto nat = network.add_nat(config, net::IpAddress::v4(203, 0, 113, 1));
    const auto client = network.add_host(kInside.ip, network.inside(nat), {.delay = 10ms, .loss = loss});
    pump.attach(host, server);
    engine.emplace(Env{random, log}, kInside, kServer, network.now());
    pump.attach(client, *engine, [this](DiscoveryResult found) { result = found; });
  }
  sim::Network network;
  sim::Pump pump{network};
  SeededRandom random;
  NullLogger log;
  Server server;
  std::optional<Discovery> engine;
  std::optional<DiscoveryResult> result;
};

TEST(Discovery, TellsTheNineKindsOfTranslatorsApart) {
  for (int mapping = 0; mapping < 3; ++mapping) {
    for (int filtering = 0; filtering < 3; ++filtering) {
      World world({.mapping = static_cast<sim::NatBehavior>(mapping),
                   .filtering = static_cast<sim::NatBehavior>(filtering),
                   .ports = sim::PortAssignment::Random});
      ASSERT_TRUE(world.pump.run_for([&] { return world.result.has_value(); }, 10s));
      EXPECT_EQ(world.result->mapping, static_cast<NatBehavior>(mapping + 1)) << mapping << " " << filtering;
      EXPECT_EQ(world.result->filtering, static_cast<NatBehavior>(filtering + 1)) << mapping << " " << filtering;
      EXPECT_EQ(world.result->rtt, 20ms);
      EXPECT_EQ(world.result->mapped->ip, net::IpAddress::v4(203, 0, 113, 1));
      EXPECT_TRUE(world.engine->done());
    }
  }
}

TEST(Discovery, WithoutASecondAddressOfTheServerTheRestIsUnknown) {
  World world({}, false);
  ASSERT_TRUE(world.pump.run_for([&] { return world.result.has_value(); }, 1s));
  EXPECT_TRUE(world.result->mapped);
  EXPECT_EQ(world.result->mapping, NatBehavior::Unknown);
  EXPECT_EQ(to_text(world.result->filtering), "unknown");
}

TEST(Discovery, EndsWhenNobodyAnswers) {
  World world({}, true, 1.0);
  ASSERT_TRUE(world.pump.run_for([&] { return world.result.has_value(); }, 10s));
  EXPECT_FALSE(world.result->mapped);
  EXPECT_EQ(world.engine->next_timeout(), kNever);
}

TEST(Discovery, GarbageAndForeignAnswersAreIgnored) {
  SeededRandom random(1);
  NullLogger log;
  Discovery engine({random, log}, kInside, kServer, Time(1s));
  std::vector<uint8_t> memory(128);
  const auto t = engine.poll_transmit(memory);
  ASSERT_TRUE(t);
  const auto id = Message::parse(ByteView(memory).first(t->size))->transaction_id();
  const auto answer = [&](const TransactionId& with, const net::Endpoint& from) {
    net::Datagram packet;
    packet.local = kInside;
    packet.remote = from;
    std::vector<uint8_t> bytes(128);
    bytes.resize(Builder(bytes, Method::Binding, Class::Success, with)
                     .add_xor_address(Attribute::XorMappedAddress, kOther)
                     .finish()
                     .size());
    packet.bytes = bytes;
    engine.handle_packet(packet, Time(1s));
  };
  answer({}, kServer);
  answer(id, kOther);
  EXPECT_FALSE(engine.done());
  answer(id, kServer);
  EXPECT_TRUE(engine.done());
}

}  // namespace
}  // namespace kaon::stun
