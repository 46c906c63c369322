// For tests: two connections and a lossy path between them, in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kaon/base/function.h"
#include "kaon/crypto/certificate.h"
#include "kaon/dtls/connection.h"

namespace kaon::dtls::testing {

using Packet = std::vector<uint8_t>;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr Time kStart = Time(seconds(1000));

/// One certificate of each kind per test program: RSA keys take long to make.
inline const crypto::Certificate& certificate(crypto::KeyType type, int which = 0) {
  static auto* all = new std::map<std::pair<crypto::KeyType, int>, crypto::Certificate>;
  const auto key = std::pair(type, which);
  if (const auto found = all->find(key); found != all->end()) return found->second;
  SeededRandom random(1000 + static_cast<uint64_t>(which));
  return all->emplace(key, crypto::Certificate::generate(type, random, seconds(1'700'000'000))).first->second;
}

/// Of 1.2 only.
inline Config config_of(Role role, crypto::KeyType type = crypto::KeyType::EcdsaP256) {
  Config config{.role = role, .certificate = certificate(type, role == Role::Client ? 1 : 2)};
  config.max_version = Version::Dtls12;
  config.handshake_timeout = std::chrono::minutes(30);
  return config;
}
inline Config config13_of(Role role, crypto::KeyType type = crypto::KeyType::EcdsaP256) {
  Config config = config_of(role, type);
  config.min_version = config.max_version = Version::Dtls13;
  return config;
}

/// A connection with what it lives on and what came out of it.
struct Side {
  Side(Config config, uint64_t seed) : random(seed), mtu(config.mtu), connection({random, log}, std::move(config)) {}

  void drain() {
    while (auto event = connection.poll_event()) {
      if (auto* c = std::get_if<Connected>(&*event)) connected = std::move(*c);
      if (auto* c = std::get_if<Closed>(&*event)) closed = std::move(*c);
      if (auto* k = std::get_if<KeyLogLine>(&*event)) key_log.push_back(k->line);
      if (auto* r = std::get_if<ConnectionIdsRequested>(&*event)) ids_requested = r->count;
    }
    while (const auto data = connection.poll_application_data()) received.emplace_back(data->begin(), data->end());
  }
  void give(Packet packet, Time now) {
    connection.handle_packet(packet, now);
    drain();
  }
  std::vector<Packet> take_packets() {
    std::vector<Packet> packets;
    Packet out(std::max<size_t>(mtu, kMinMtu));
    while (const auto transmit = connection.poll_transmit(out))
      packets.emplace_back(out.begin(), out.begin() + static_cast<ptrdiff_t>(transmit->size));
    return packets;
  }
  Packet protect(std::string_view text) {
    Packet out(text.size() + connection.overhead());
    out.resize(connection.protect(as_bytes(text), out));
    return out;
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    all.reserve(received.size());
    for (const Packet& packet : received) all.emplace_back(packet.begin(), packet.end());
    return all;
  }

  SeededRandom random;
  NullLogger log;
  size_t mtu;
  Connection connection;
  std::optional<Connected> connected;
  std::optional<Closed> closed;
  std::vector<std::string> key_log;
  int ids_requested = 0;
  std::vector<Packet> received;
};

struct Path {
  double loss = 0;
  double duplicate = 0;
  Duration delay = milliseconds(10);
  /// Uniform extra delay: reorders.
  Duration jitter{};
};

/// KAON_SEED of the environment, or `fallback`. Defined in connection_test.cc.
uint64_t test_seed(uint64_t fallback);

/// A client and a server that know each other's fingerprints.
class Pair {
 public:
  /// Replaces one datagram by others; the flag says whether the client sent it.
  using Tamper = Function<std::vector<Packet>(bool, Packet)>;

  explicit Pair(const Config& client_config = config_of(Role::Client),
                const Config& server_config = config_of(Role::Server), uint64_t seed = 1, bool with_fingerprints = true)
      : client(with(client_config, server_config, with_fingerprints), seed),
        server(with(server_config, client_config, with_fingerprints), seed + 1),
        random_(seed + 2) {}

  /// Until both are connected or one is closed, with nothing on the way; false if `limit` passes before.
  bool run(Path path = {}, Duration limit = std::chrono::hours(1)) {
    client.connection.start(now);
    server.connection.start(now);
    const Time end = now + limit;
    while (true) {
      send(true, path);
      send(false, path);
      if (flying_.empty() && settled()) return true;
      const Time next = std::min({next_arrival(), client.connection.next_timeout(), server.connection.next_timeout()});
      if (next == kNever || next > end) return settled();
      now = std::max(now, next);
      deliver();
      client.connection.handle_timeout(now);
      server.connection.handle_timeout(now);
      client.drain();
      server.drain();
    }
  }
  bool both_connected() const { return client.connected && server.connected && !client.closed && !server.closed; }
  bool settled() const { return both_connected() || client.closed || server.closed; }
  Side& side(bool of_client) { return of_client ? client : server; }

  Time now = kStart;
  Side client;
  Side server;
  Tamper tamper;
  /// All that was sent, before the path did anything to it.
  std::vector<std::pair<bool, Packet>> sent;

 private:
  struct Flying {
    Time arrival;
    bool to_server;
    Packet packet;
  };
  static Config with(Config own, const Config& other, bool with_fingerprints) {
    if (with_fingerprints && own.remote_fingerprints.empty())
      own.remote_fingerprints.push_back(other.certificate.fingerprint());
    return own;
  }
  Time next_arrival() const {
    Time next = kNever;
    for (const Flying& f : flying_) next = std::min(next, f.arrival);
    return next;
  }
  bool chance(double p) { return static_cast<double>(random_.below(1'000'000)) < p * 1e6; }
  void send(bool from_client, const Path& path) {
    for (Packet& packet : side(from_client).take_packets()) {
      sent.emplace_back(from_client, packet);
      std::vector<Packet> packets;
      if (tamper) {
        packets = tamper(from_client, std::move(packet));
      } else {
        packets.push_back(std::move(packet));
      }
      for (const Packet& p : packets) {
        const int copies = chance(path.duplicate) ? 2 : 1;
        for (int i = 0; i < copies; ++i) {
          if (chance(path.loss)) continue;
          const auto extra = path.jitter.count() == 0 ? 0 : random_.below(static_cast<uint64_t>(path.jitter.count()));
          flying_.push_back({now + path.delay + Duration(extra), from_client, p});
        }
      }
    }
  }
  void deliver() {
    for (size_t i = 0; i < flying_.size();) {
      if (flying_[i].arrival > now) {
        ++i;
        continue;
      }
      Flying f = std::move(flying_[i]);
      flying_.erase(flying_.begin() + static_cast<ptrdiff_t>(i));
      side(!f.to_server).give(std::move(f.packet), now);
    }
  }

  SeededRandom random_;
  std::vector<Flying> flying_;
};

/// What each side sends now is all that the other gets.
inline void expect_carries_data(Pair& pair) {
  pair.client.received.clear();
  pair.server.received.clear();
  pair.server.give(pair.client.protect("from client"), pair.now);
  pair.client.give(pair.server.protect("from server"), pair.now);
  EXPECT_EQ(pair.server.texts(), std::vector<std::string>{"from client"});
  EXPECT_EQ(pair.client.texts(), std::vector<std::string>{"from server"});
}

/// Of 1.3 only.
inline Pair pair13() { return Pair(config13_of(Role::Client), config13_of(Role::Server)); }

/// Exchanges all that waits, without delay and without letting time pass.
inline void exchange(Pair& pair) {
  for (int i = 0; i < 10; ++i)
    for (const bool from_client : {true, false}) {
      Side& side = pair.side(from_client);
      if (side.connection.next_timeout() <= pair.now) side.connection.handle_timeout(pair.now);
      for (const Packet& packet : side.take_packets()) pair.side(!from_client).give(packet, pair.now);
    }
}

inline std::string exported(const Side& side) {
  std::vector<uint8_t> keys(56);
  EXPECT_TRUE(side.connection.export_keying_material(kSrtpExporterLabel, {}, keys));
  return to_hex(keys);
}

/// Both are connected, data goes both ways, and what they export is the same.
inline void expect_works(Pair& pair) {
  ASSERT_TRUE(pair.both_connected());
  expect_carries_data(pair);
  EXPECT_EQ(exported(pair.client), exported(pair.server));
}

}  // namespace kaon::dtls::testing
