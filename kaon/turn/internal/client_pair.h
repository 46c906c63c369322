// For tests: a client and a server with everything that it needs.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "kaon/turn/client.h"
#include "kaon/turn/internal/test_world.h"

namespace kaon::turn {

inline const net::Endpoint kClient = endpoint("203.0.113.5:4000");
inline const net::Endpoint kServer = endpoint("192.0.2.1:3478");
inline const net::Endpoint kOther = endpoint("8.8.4.4:7001");

/// The client and the server's world, with nothing between them that a test does not put there.
struct Pair {
  explicit Pair(ServerConfig server = World::default_config(), std::string user = "alice",
                std::string password = "secret", net::Protocol protocol = net::Protocol::Udp,
                RelayFamilies families = RelayFamilies::V4, bool tcp = false)
      : world(std::move(server)), client(world.env, config(user, password, protocol, families, tcp), world.now) {}

  static Client::Config config(std::string user, std::string password, net::Protocol protocol, RelayFamilies families,
                               bool tcp) {
    Client::Config config;
    config.tcp = tcp;
    config.families = families;
    config.local = kClient;
    config.server = kServer;
    config.protocol = protocol;
    config.username = std::move(user);
    config.password = std::move(password);
    return config;
  }

  void to_server(ByteView bytes) { world.handle({kServer, kClient, client.config().protocol}, bytes); }

  /// Carries everything until nobody has anything to say.
  void settle() {
    for (int rounds = 0; rounds < 100; ++rounds) {
      client.handle_timeout(world.now);
      bool busy = false;
      while (const auto t = client.poll_transmit(memory)) {
        EXPECT_EQ(t->local, kClient);
        EXPECT_EQ(t->remote, kServer);
        ++requests;
        busy = true;
        if (!lose) to_server(ByteView(memory).first(t->size));
      }
      for (Sent& sent : world.take()) {
        busy = true;
        if (sent.transmit.remote == kClient) {
          from_server(sent.bytes);
        } else {
          at_peers.push_back(std::move(sent));
        }
      }
      while (auto event = client.poll_event()) events.push_back(std::move(*event));
      if (!busy) return;
    }
    ADD_FAILURE() << "client and server do not come to rest";
  }
  void from_server(std::vector<uint8_t> bytes) {
    net::Datagram datagram;
    datagram.local = kClient;
    datagram.remote = kServer;
    datagram.protocol = client.config().protocol;
    datagram.bytes = bytes;
    if (const auto data = client.receive(datagram, world.now)) {
      received.emplace_back(data->peer, std::string(as_text(data->data)));
    }
  }
  void advance(Duration time) {
    const Time until = world.now + time;
    while (std::min(client.next_timeout(), world.server.next_timeout()) <= until) {
      world.now = std::max(world.now, std::min(client.next_timeout(), world.server.next_timeout()));
      world.server.handle_timeout(world.now);
      world.settle();
      settle();
    }
    world.now = until;
  }
  /// What the peer gets, or empty.
  bool send(const net::Endpoint& peer, std::string_view data) {
    std::array<uint8_t, Client::kMaxHeader> header{};
    const auto envelope = client.wrap(peer, as_bytes(data), header, world.now);
    if (!envelope) return false;
    overhead = envelope->header + envelope->padding;
    std::vector<uint8_t> packet(header.begin(), header.begin() + static_cast<ptrdiff_t>(envelope->header));
    packet.insert(packet.end(), data.begin(), data.end());
    packet.resize(packet.size() + envelope->padding);
    settle();  // what waits goes first
    to_server(packet);
    settle();
    return true;
  }
  const ClientFailed* failure() const { return events.empty() ? nullptr : std::get_if<ClientFailed>(&events.back()); }

  World world;
  Client client;
  std::vector<uint8_t> memory = std::vector<uint8_t>(Client::kMaxPacket);
  std::vector<ClientEvent> events;
  std::vector<Sent> at_peers;
  std::vector<std::pair<net::Endpoint, std::string>> received;
  size_t overhead = 0;
  int requests = 0;
  bool lose = false;
};

/// The id of the last request that the client has sent, which it sends now.
inline stun::TransactionId request_of(Pair& p) {
  p.client.handle_timeout(p.world.now);
  const auto t = p.client.poll_transmit(p.memory);
  EXPECT_TRUE(t);
  return stun::Message::parse(ByteView(p.memory).first(t ? t->size : 0)).value().transaction_id();
}

}  // namespace kaon::turn
