// For the tests of the server: a server, its sockets, and clients that talk to it, in virtual time.
#pragma once

#include <gmock/gmock.h>

#include <map>
#include <string>
#include <vector>

#include "kaon/base/text.h"
#include "kaon/stun/builder.h"
#include "kaon/turn/port_pool.h"
#include "kaon/turn/server.h"

namespace kaon::turn {

using stun::Attribute;
using stun::Class;
using stun::ErrorNumber;
using stun::Method;

inline net::Endpoint endpoint(std::string_view text) { return net::Endpoint::parse(text).value(); }
inline net::IpAddress ip(std::string_view text) { return net::IpAddress::parse(text).value(); }

/// Public, and not one of those set aside for documentation.
inline constexpr std::string_view kPeer = "8.8.4.4:7000";

/// A packet that the server sent.
struct Sent {
  net::Transmit transmit;
  std::vector<uint8_t> bytes;

  stun::Message message() const { return stun::Message::parse(bytes).value(); }
  std::string to_string() const { return stun::is_stun(bytes) ? message().to_string() : to_hex(bytes); }
};

/// The server with the sockets that it asks for. Relays are opened at once, on 198.51.100.1 and 2001:db9::1.
class World {
 public:
  explicit World(ServerConfig config = default_config()) : server(env, std::move(config)) {}

  static ServerConfig default_config() {
    ServerConfig config;
    config.realm = "example.org";
    config.users = {{"alice", "secret"}, {"bob", "other"}};
    config.unix_time_at_zero = std::chrono::hours(24 * 365 * 50);
    config.peers.set_own({ip("198.51.100.1")}, ports, {ip("192.0.2.1"), ip("8.8.0.1")});
    return config;
  }

  void handle(const ClientPath& from, ByteView bytes) {
    std::vector<uint8_t> copy(bytes.begin(), bytes.end());
    net::Datagram datagram;
    datagram.local = from.local;
    datagram.remote = from.remote;
    datagram.protocol = from.protocol;
    datagram.bytes = copy;
    server.handle_packet(datagram, now);
    settle();
  }

  /// Does what the events order, and collects what is sent.
  void settle() {
    while (auto event = server.poll_event()) {
      if (const auto* open = std::get_if<OpenRelay>(&*event)) {
        open_relay(*open);
      } else if (const auto* close = std::get_if<CloseRelay>(&*event)) {
        pool.give_back(relays.at(close->id).port);
        relays.erase(close->id);
      } else if (const auto* connect = std::get_if<ConnectPeer>(&*event)) {
        connects.push_back(*connect);
      } else if (const auto* bind = std::get_if<BindPeer>(&*event)) {
        binds.push_back(*bind);
      } else if (const auto* closed = std::get_if<ClosePeer>(&*event)) {
        closed_peers.push_back(closed->id);
      } else {
        events.push_back(std::move(*event));
      }
    }
    std::vector<uint8_t> memory(Server::kMaxPacket);
    while (const auto transmit = server.poll_transmit(memory)) {
      sent.push_back({*transmit, {memory.begin(), memory.begin() + static_cast<ptrdiff_t>(transmit->size)}});
    }
  }

  void advance(Duration time) {
    const Time until = now + time;
    while (server.next_timeout() <= until) {
      now = std::max(now, server.next_timeout());
      server.handle_timeout(now);
      settle();
    }
    now = until;
  }

  /// A datagram from a peer to the relay with this address.
  void from_peer(const net::Endpoint& relayed, const net::Endpoint& peer, std::string_view data) {
    for (const auto& [id, address] : relays) {
      if (address == relayed) server.handle_peer_packet(id, peer, as_bytes(data), now);
    }
    settle();
  }
  RelayId relay_at(const net::Endpoint& relayed) const {
    for (const auto& [id, address] : relays) {
      if (address == relayed) return id;
    }
    return RelayId(~uint64_t{0});
  }

  /// The packets sent since the last call.
  std::vector<Sent> take() { return std::exchange(sent, {}); }

  static constexpr PortRange ports{50000, 50999};
  SeededRandom random{7};
  NullLogger log;
  Env env{random, log};
  PortPool pool{ports};
  Time now{std::chrono::hours(1)};
  bool refuse_relays = false;
  bool refuse_v6 = false;
  std::map<RelayId, net::Endpoint> relays;
  std::vector<OpenRelay> relay_orders;
  // Orders about TCP, which a test follows or not.
  std::vector<ConnectPeer> connects;
  std::vector<BindPeer> binds;
  std::vector<ConnectionId> closed_peers;
  std::vector<ServerEvent> events;
  std::vector<Sent> sent;
  Server server;

 private:
  void open_relay(const OpenRelay& order) {
    relay_orders.push_back(order);
    const auto port = pool.take(random, order.even, order.next.has_value());
    if (!port || refuse_relays || (refuse_v6 && order.family == net::Family::V6)) {
      server.relay_failed(order.id, now);
      if (order.next) server.relay_failed(*order.next, now);
      return;
    }
    const auto address = order.family == net::Family::V4 ? ip("198.51.100.1") : ip("2001:db9::1");
    relays[order.id] = {address, *port};
    server.relay_opened(order.id, relays[order.id], now);
    if (!order.next) return;
    relays[*order.next] = {address, static_cast<uint16_t>(*port + 1)};
    server.relay_opened(*order.next, relays[*order.next], now);
  }
};

/// One client: writes requests with its credentials and keeps the server's nonce.
class WireClient {
 public:
  explicit WireClient(World& w, std::string_view remote = "203.0.113.5:4000",
                      net::Protocol protocol = net::Protocol::Udp)
      : world(w), path{endpoint("192.0.2.1:3478"), endpoint(remote), protocol} {}

  using Fill = std::function<void(stun::Builder&)>;

  std::vector<uint8_t> write(Method method, const Fill& fill) {
    std::vector<uint8_t> memory(2048);
    const stun::TransactionId id = fixed_id ? *fixed_id : stun::TransactionId::random(world.random);
    stun::Builder builder(memory, method, Class::Request, id);
    if (fill) fill(builder);
    if (!nonce.empty()) sign(builder);
    memory.resize(builder.finish().size());
    return memory;
  }

  /// The answer to one request; asserts that there is exactly one, to us.
  Sent ask(Method method, const Fill& fill = {}) {
    world.take();
    world.handle(path, write(method, fill));
    auto answers = world.take();
    EXPECT_EQ(answers.size(), 1u);
    if (answers.size() != 1) return {};
    EXPECT_EQ(answers[0].transmit.remote, path.remote);
    EXPECT_EQ(answers[0].transmit.local, path.local);
    EXPECT_EQ(answers[0].transmit.protocol, path.protocol);
    return answers[0];
  }
  /// The error number answered, or 0 for success.
  int code(Method method, const Fill& fill = {}) {
    const Sent answer = ask(method, fill);
    if (answer.bytes.empty()) return -1;
    const auto error = answer.message().error_code();
    return error ? error->number : 0;
  }

  /// Takes the realm and nonce of a first Allocate.
  void learn() {
    nonce.clear();
    const Sent answer = ask(Method::Allocate, [](auto& b) { udp(b); });
    realm = answer.message().text(Attribute::Realm).value_or("");
    nonce = answer.message().text(Attribute::Nonce).value_or("");
  }
  /// Learns and allocates; the relayed address.
  net::Endpoint allocate(const Fill& more = {}) {
    learn();
    const Sent answer = ask(Method::Allocate, [&](auto& b) {
      udp(b);
      if (more) more(b);
    });
    if (answer.bytes.empty()) return {};
    return answer.message().xor_address(Attribute::XorRelayedAddress).value_or(net::Endpoint{});
  }
  static void udp(stun::Builder& b) { b.add_u32(Attribute::RequestedTransport, requested_transport(kTransportUdp)); }

  int permit(std::string_view peer) {
    return code(Method::CreatePermission,
                [&](auto& b) { b.add_xor_address(Attribute::XorPeerAddress, endpoint(peer)); });
  }
  int bind(uint16_t channel, std::string_view peer) {
    return code(Method::ChannelBind, [&](auto& b) {
      b.add_u32(Attribute::ChannelNumber, uint32_t{channel} << 16);
      b.add_xor_address(Attribute::XorPeerAddress, endpoint(peer));
    });
  }
  int refresh(uint32_t seconds) {
    return code(Method::Refresh, [&](auto& b) { b.add_u32(Attribute::Lifetime, seconds); });
  }
  /// A Send indication; what the server sent thereupon.
  std::vector<Sent> send(std::string_view peer, std::string_view data) {
    std::vector<uint8_t> memory(70000);
    const ByteView bytes = stun::Builder(memory, Method::Send, Class::Indication, {})
                               .add_xor_address(Attribute::XorPeerAddress, endpoint(peer))
                               .add_text(Attribute::Data, data)
                               .finish();
    world.take();
    world.handle(path, bytes);
    return world.take();
  }
  std::vector<Sent> send(uint16_t channel, std::string_view data) {
    std::vector<uint8_t> bytes(kChannelHeader + data.size());
    write_channel_header(bytes.data(), channel, data.size());
    std::ranges::copy(data, bytes.begin() + kChannelHeader);
    world.take();
    world.handle(path, bytes);
    return world.take();
  }

  World& world;
  ClientPath path;
  std::string user = "alice";
  std::string password = "secret";
  std::string realm;
  std::string nonce;
  bool sha256 = false;
  bool hashed = false;
  std::optional<stun::TransactionId> fixed_id;

 private:
  void sign(stun::Builder& builder) {
    if (hashed) {
      builder.add(Attribute::Userhash, stun::userhash(user, realm).view());
    } else {
      builder.add_text(Attribute::Username, user);
    }
    builder.add_text(Attribute::Realm, realm).add_text(Attribute::Nonce, nonce);
    const auto algorithm = sha256 ? stun::PasswordAlgorithm::Sha256 : stun::PasswordAlgorithm::Md5;
    if (sha256) {
      const std::array both{stun::PasswordAlgorithm::Sha256, stun::PasswordAlgorithm::Md5};
      builder.add_password_algorithms(both).add_password_algorithm(algorithm);
    }
    const auto key = stun::long_term_key(user, realm, password, algorithm);
    if (sha256) {
      builder.add_integrity_sha256(crypto::Hmac(crypto::HashAlgorithm::Sha256, key.view()));
    } else {
      builder.add_integrity(crypto::Hmac(crypto::HashAlgorithm::Sha1, key.view()));
    }
  }
};

}  // namespace kaon::turn
