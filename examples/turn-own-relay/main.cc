// A TURN server whose relays are one's own: turn-own-relay ADDR:PORT USER PASSWORD RELAY_IP...
// The engine says when a relay is wanted; where it is, and what kind of socket, is this program's business. Here the
// relays take turns on several addresses; they could as well be on interfaces chosen by price, or on a socket that a
// program with more rights has opened.
#include <iostream>
#include <map>
#include <memory>
#include <vector>

#include "kaon/crypto/system_random.h"
#include "kaon/io/loop.h"
#include "kaon/io/udp.h"
#include "kaon/turn/server.h"

using namespace kaon;

class OwnServer final : public io::UdpHandler {
 public:
  OwnServer(io::Loop& loop, turn::ServerConfig config, std::vector<net::IpAddress> ips)
      : loop_(loop),
        ips_(std::move(ips)),
        server_({random_, log_}, std::move(config)),
        hook_(loop.add_hook([this](Time now) { drain(now); }, io::Loop::HookKind::OnRequest)),
        timer_(loop.add_timer([this](Time now) {
          server_.handle_timeout(now);
          loop_.request_hook(hook_);
        })) {}

  bool listen(const net::Endpoint& local) { return (listener_ = open(*this, local)) != nullptr; }
  net::Endpoint bound() const { return listener_->bound().front(); }

  // From clients.
  void receive(std::span<const net::Datagram> batch, Time now) override {
    for (const net::Datagram& datagram : batch) server_.handle_packet(datagram, now);
    loop_.request_hook(hook_);
  }
  void writable() override {}

 private:
  /// One relay: from peers.
  struct Relay final : io::UdpHandler {
    Relay(OwnServer& of, turn::RelayId its) : owner(of), id(its) {}
    void receive(std::span<const net::Datagram> batch, Time now) override {
      for (const net::Datagram& d : batch) owner.server_.handle_peer_packet(id, d.remote, d.bytes, now);
      owner.loop_.request_hook(owner.hook_);
    }
    void writable() override {}

    OwnServer& owner;
    turn::RelayId id;
    std::unique_ptr<io::UdpPort> port;
  };

  std::unique_ptr<io::UdpPort> open(io::UdpHandler& handler, const net::Endpoint& local) {
    const io::UdpPort::Member member{&loop_, &handler};
    io::UdpOptions options;
    options.bind = {local};
    auto port = io::UdpPort::open({&member, 1}, options);
    return port ? std::move(*port) : nullptr;
  }

  // This is the part that is one's own: the next address in turn, and any port of it.
  void open_relay(const turn::OpenRelay& order, Time now) {
    auto relay = std::make_unique<Relay>(*this, order.id);
    relay->port = open(*relay, {ips_[next_++ % ips_.size()], 0});
    // A port put aside, or an even one, we have not.
    if (relay->port == nullptr || order.even) return server_.relay_failed(order.id, now);
    server_.relay_opened(order.id, relay->port->bound().front(), now);
    relays_[order.id] = std::move(relay);
  }

  // At the end of each turn of the loop: orders first, for answers come of them, then packets.
  void drain(Time now) {
    while (const auto event = server_.poll_event()) {
      if (const auto* order = std::get_if<turn::OpenRelay>(&*event)) open_relay(*order, now);
      if (const auto* close = std::get_if<turn::CloseRelay>(&*event)) relays_.erase(close->id);
      if (const auto* opened = std::get_if<turn::AllocationOpened>(&*event)) {
        std::cout << opened->user << " has " << opened->relayed.front().to_string() << std::endl;
      }
    }
    while (const auto transmit = server_.poll_transmit(memory_)) {
      sender(transmit->local).send(*transmit, ByteView(memory_).first(transmit->size));
    }
    loop_.schedule(timer_, server_.next_timeout());
  }
  io::UdpShard& sender(const net::Endpoint& local) {
    for (const auto& [id, relay] : relays_) {
      if (relay->port->bound().front() == local) return relay->port->shard(0);
    }
    return listener_->shard(0);
  }

  io::Loop& loop_;
  crypto::SystemRandom random_;
  NullLogger log_;
  std::vector<net::IpAddress> ips_;
  size_t next_ = 0;
  turn::Server server_;
  std::vector<uint8_t> memory_ = std::vector<uint8_t>(turn::Server::kMaxPacket);
  io::Loop::HookId hook_;
  io::TimerId timer_;
  std::unique_ptr<io::UdpPort> listener_;
  std::map<turn::RelayId, std::unique_ptr<Relay>> relays_;
};

int main(int argc, char** argv) {
  const auto local = argc < 5 ? std::nullopt : net::Endpoint::parse(argv[1]);
  std::vector<net::IpAddress> ips;
  for (int i = 4; i < argc; ++i) {
    if (const auto ip = net::IpAddress::parse(argv[i]); ip && ip->is_v4()) ips.push_back(*ip);
  }
  if (!local || ips.empty()) {
    std::cerr << "turn-own-relay ADDR:PORT USER PASSWORD RELAY_IP...\n";
    return 2;
  }
  turn::ServerConfig config;
  config.users = {{argv[2], argv[3]}};
  config.relay_v6 = false;
  config.reservations = false;
  config.peers.set_own(ips, {1024, 65535});  // relays reach each other, and the world outside of this machine

  io::Loop loop;
  OwnServer server(loop, std::move(config), std::move(ips));
  if (!server.listen(*local)) {
    std::cerr << "Cannot listen on " << argv[1] << ".\n";
    return 1;
  }
  std::cout << "TURN over UDP: " << server.bound().to_string() << std::endl;
  loop.run();
}
