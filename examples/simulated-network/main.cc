// Two peers on a bad network that does not exist: simulated-network [SEED]
// No socket, no thread, no waiting: the time is simulated too, and the same seed gives the same run.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "kaon/peer/connection.h"
#include "kaon/sim/pump.h"

using namespace kaon;
using namespace std::chrono_literals;

constexpr int kMessages = 100;

// A connection with what a real program has from its loop: random numbers, a log, memory. It is an engine like the one
// inside, so that a pump can drive it.
struct Node {
  Node(const char* what, sim::Network& net, uint64_t part, net::IpAddress address)
      : name(what), network(net), random(net.seed_for(part)), connection({random, log}, pool, config(), net.now()) {
    connection.add_local_address({.address = {address, 5000}}, network.now()).value();
    connection.end_of_local_addresses(network.now());
  }
  // An Ed25519 certificate signs without a random number, so that runs can be repeated to the last bit.
  peer::Config config() {
    return {.certificate = crypto::Certificate::generate(crypto::KeyType::Ed25519, random, 1'700'000'000s)};
  }

  void handle_packet(const net::Datagram& packet, Time now) { connection.handle_packet(packet, now); }
  void handle_timeout(Time now) { connection.handle_timeout(now); }
  Time next_timeout() const { return connection.next_timeout(); }
  std::optional<net::Transmit> poll_transmit(Bytes out) { return connection.poll_transmit(out); }
  std::optional<peer::Event> poll_event() {
    while (const auto event = connection.poll_channel_event()) {
      if (std::holds_alternative<datachannel::ChannelOpened>(*event)) open = true;
      if (const auto* message = std::get_if<datachannel::MessageReceived>(&*event)) {
        if (++received % 20 == 0) print("got " + std::string(as_text(message->payload)));
      }
    }
    return connection.poll_event();
  }

  void print(const std::string& text) const {
    const auto since_start = network.now().time_since_epoch() - 1h;
    std::printf("%10.3f ms  %s %s\n", std::chrono::duration<double, std::milli>(since_start).count(), name,
                text.c_str());
  }

  const char* name;
  sim::Network& network;
  SeededRandom random;
  NullLogger log;
  BufferPool pool;
  peer::Connection connection;
  bool open = false;
  int received = 0;
};

// Signalling: what one side says, the other reads. It takes no time here.
void signal(Node& from, Node& to, peer::SdpType type) {
  const Time now = from.network.now();
  from.connection.set_local_description(type, now).value();
  const auto description = sdp::SessionDescription::parse(from.connection.local_description());
  to.connection.set_remote_description(type, description.value(), now).value();
}

int main(int argc, char** argv) {
  sim::Network network(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1);
  // Alice is at home behind a translator, Bob has a public address; a tenth of all packets is lost, in each direction.
  const sim::LinkConfig bad{.delay = 40ms, .jitter = 10ms, .loss = 0.1, .reorder = 0.05};
  const auto home = network.add_nat(sim::port_restricted_cone(), net::IpAddress::v4(198, 51, 100, 1));
  const auto inside = net::IpAddress::v4(10, 0, 0, 2);
  const auto outside = net::IpAddress::v4(203, 0, 113, 5);
  const auto host_a = network.add_host(inside, network.inside(home), bad);
  const auto host_b = network.add_host(outside);
  Node alice("alice", network, 1, inside);
  Node bob("bob", network, 2, outside);

  // The pump is what a loop is on real sockets. Events come between two steps, and may be answered by any command.
  sim::Pump pump(network);
  const auto watch = [](Node& node) {
    return [&node](const peer::Event& event) {
      if (const auto* changed = std::get_if<peer::StateChanged>(&event)) {
        node.print("is " + std::string(to_string(changed->state)));
      }
    };
  };
  pump.attach(host_a, alice, watch(alice));
  pump.attach(host_b, bob, watch(bob));
  const auto channel = alice.connection.open_channel({.label = "chat"}, network.now()).value();
  signal(alice, bob, peer::SdpType::Offer);
  signal(bob, alice, peer::SdpType::Answer);
  if (!pump.run_for([&] { return alice.open; }, 60s)) return std::puts("They did not meet."), 1;

  for (int i = 1; i <= kMessages; ++i) {
    pump.after(i * 10ms,
               [&, i] { alice.connection.send_text(channel, "message " + std::to_string(i), network.now()).value(); });
  }
  if (!pump.run_for([&] { return bob.received == kMessages; }, 60s)) return std::puts("Messages are missing."), 1;
  const sim::LinkStats& link = network.up(network.interface_of(host_a, inside)).stats();
  std::printf("All messages arrived in order, although %llu of %llu packets were lost.\n",
              static_cast<unsigned long long>(link.lost), static_cast<unsigned long long>(link.offered));
}
