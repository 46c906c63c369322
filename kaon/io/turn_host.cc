#include "kaon/io/turn_host.h"

#include <algorithm>
#include <unordered_map>

#include "kaon/base/text.h"
#include "kaon/io/interfaces.h"
#include "kaon/io/internal/turn_legs.h"
#include "kaon/io/internal/turn_outbox.h"
#include "kaon/io/internal/turn_peers.h"
#include "kaon/io/loop.h"
#include "kaon/io/udp.h"
#include "kaon/turn/port_pool.h"

namespace kaon::io {
namespace {

// Of each relay socket, asked of the kernel; ten thousand of them share the machine.
constexpr int kRelayBuffer = 512 * 1024;
// Holds the packets of a turn, so that those of many relays leave by one system call; the largest packet fits at any
// time.
constexpr size_t kOutboxSize = 128 * 1024;
constexpr auto kSweepInterval = std::chrono::seconds(1);

class Host;

/// The UDP socket of one relay.
class RelaySocket final : public UdpHandler {
 public:
  RelaySocket(Host& host, turn::RelayId id) : host_(host), id_(id) {}
  Result<void, IoError> open(Loop& loop, const net::Endpoint& local);
  void receive(std::span<const net::Datagram> batch, Time now) override;
  void writable() override {}
  void peer_error(const UdpPeerError& error) override;
  Sender& sender() { return port_->shard(0); }
  uint16_t port() const { return port_->port(); }
  net::Family family() const { return port_->bound().front().ip.family(); }

 private:
  Host& host_;
  turn::RelayId id_;
  std::unique_ptr<UdpPort> port_;
};

class Host final : public TurnHost, public UdpHandler, public TurnLegHost, public TurnPeersHost {
 public:
  Host(Loop& loop, TurnHostOptions options, Env env, OnEvent on_event)
      : loop_(loop),
        options_(std::move(options)),
        env_(env),
        on_event_(std::move(on_event)),
        server_(env, engine_config(options_)),
        pools_{turn::PortPool(options_.ports), turn::PortPool(options_.ports)},
        memory_(kOutboxSize),
        outbox_(memory_),
        hook_(loop.add_hook([this](Time now) { drain_server(now); }, Loop::HookKind::OnRequest)),
        timer_(loop.add_timer([this](Time now) { on_timer(now); })),
        sweeper_(loop.add_timer([this](Time now) { sweep(now); })),
        peers_(loop, *this) {}
  ~Host() override;

  std::optional<std::string> open();

  // TurnHost
  std::vector<net::Endpoint> bound(net::Protocol protocol) const override;
  const turn::Server& server() const override { return server_; }
  const TurnHostStats& stats() const override { return stats_; }
  size_t connections() const override { return connections_; }
  void drain() override { server_.drain(); }

  // UdpHandler, of the listeners over UDP
  void receive(std::span<const net::Datagram> batch, Time now) override;
  void writable() override {}

  // TurnLegHost
  void leg_message(const turn::ClientPath& client, Bytes message) override;
  void leg_closed(const turn::ClientPath& client) override;
  bool has_allocation(const turn::ClientPath& client) const override { return server_.has_allocation(client); }
  bool may_connect() override;
  void disconnected() override { --connections_; }
  TurnHostStats& leg_stats() override { return stats_; }
  bool may_carry(turn::ConnectionId id, bool to_peer, size_t bytes) override {
    return server_.carry(id, to_peer, bytes, Loop::now());
  }
  void pipe_closed(turn::ConnectionId id) override;

  // TurnPeersHost
  std::optional<turn::ConnectionId> peer_accepted(turn::RelayId relay, const net::Endpoint& peer) override;
  void peer_connected(turn::ConnectionId id) override;
  void peer_failed(turn::ConnectionId id) override;

  void from_peer(turn::RelayId id, std::span<const net::Datagram> batch, Time now);
  void relay_peer_error(turn::RelayId id, const UdpPeerError& error);

 private:
  static turn::ServerConfig engine_config(const TurnHostOptions& options);
  const RelayAddress* relay_address(net::Family family) const;
  void forward(const net::Datagram& datagram, Time now);
  void to_client(const net::Transmit& transmit);
  void flush() { stats_.unsent += outbox_.flush(); }
  void drain_server(Time now);
  void on_timer(Time now);
  void sweep(Time now);
  void open_relay(const turn::OpenRelay& order, Time now);
  bool bind_relay(turn::RelayId id, const net::Endpoint& local, bool tcp);
  void close_relay(turn::RelayId id);
  void follow(const turn::ServerEvent& event, Time now);
  void bind_peers();
  void close_peer(turn::ConnectionId id);
  UdpShard* listener(const net::Transmit& transmit);

  Loop& loop_;
  TurnHostOptions options_;
  Env env_;
  OnEvent on_event_;
  turn::Server server_;
  std::array<turn::PortPool, 2> pools_;  // of IPv4 and IPv6
  std::vector<uint8_t> memory_;
  TurnOutbox outbox_;
  Loop::HookId hook_;
  TimerId timer_;
  TimerId sweeper_;
  std::vector<std::unique_ptr<UdpPort>> udp_;
  std::vector<std::pair<net::Protocol, std::unique_ptr<TurnLeg>>> legs_;
  std::unordered_map<turn::RelayId, std::unique_ptr<RelaySocket>> relays_;
  TurnPeers peers_;
  std::vector<turn::BindPeer> to_bind_;  // when their answers are on their way
  std::unordered_map<turn::ConnectionId, std::shared_ptr<TurnPipe>> pipes_;
  TurnHostStats stats_;
  size_t connections_ = 0;
};

Result<void, IoError> RelaySocket::open(Loop& loop, const net::Endpoint& local) {
  const UdpPort::Member member{&loop, this};
  UdpOptions options;
  options.bind = {local};
  options.receive_buffer = options.send_buffer = kRelayBuffer;
  options.peer_errors = true;
  auto port = UdpPort::open(std::span(&member, 1), options);
  if (!port) return fail(port.error());
  port_ = std::move(*port);
  return {};
}

void RelaySocket::receive(std::span<const net::Datagram> batch, Time now) { host_.from_peer(id_, batch, now); }

void RelaySocket::peer_error(const UdpPeerError& error) { host_.relay_peer_error(id_, error); }

turn::ServerConfig Host::engine_config(const TurnHostOptions& options) {
  turn::ServerConfig config = options.server;
  config.relay_v4 = config.relay_v6 = false;
  std::vector<net::IpAddress> own;
  for (const RelayAddress& relay : options.relays) {
    (relay.bind.is_v4() ? config.relay_v4 : config.relay_v6) = true;
    own.push_back(relay.bind);
    if (!relay.announce.is_none()) own.push_back(relay.announce);
  }
  std::vector<net::IpAddress> others;
  if (const auto all = interfaces()) {
    for (const Interface& interface : *all) others.push_back(interface.ip);
  }
  config.peers.set_own(std::move(own), options.ports, std::move(others));
  config.unix_time_at_zero = Loop::wall_clock() - Loop::now().time_since_epoch();
  return config;
}

Host::~Host() {
  for (auto& [protocol, leg] : legs_) leg->close();
  legs_.clear();
  udp_.clear();
  relays_.clear();
  loop_.remove_hook(hook_);
  loop_.remove_timer(timer_);
  loop_.remove_timer(sweeper_);
}

std::optional<std::string> Host::open() {
  for (const net::Endpoint& local : options_.udp) {
    const UdpPort::Member member{&loop_, this};
    UdpOptions udp;
    udp.bind = {local};
    udp.log = &env_.log;
    udp.sharing = options_.sharing;
    auto port = UdpPort::open(std::span(&member, 1), udp);
    if (!port) return cat("Cannot listen on UDP ", local, ": ", to_string(port.error()), ".");
    udp_.push_back(std::move(*port));
  }
  const auto listen = [&](net::Protocol protocol, const std::vector<net::Endpoint>& endpoints,
                          auto open_leg) -> std::optional<std::string> {
    for (const net::Endpoint& local : endpoints) {
      auto leg = open_leg(local);
      if (!leg) return leg.error();
      legs_.emplace_back(protocol, std::move(*leg));
    }
    return std::nullopt;
  };
  if (!options_.tls && !(options_.tls_endpoints.empty() && options_.dtls.empty())) {
    return std::string("TLS and DTLS want a certificate and its key.");
  }
  auto problem = listen(net::Protocol::Tcp, options_.tcp,
                        [&](auto& local) { return listen_tcp(loop_, local, options_.sharing, *this); });
  if (!problem) {
    problem = listen(net::Protocol::Tls, options_.tls_endpoints,
                     [&](auto& local) { return listen_tls(loop_, local, options_.sharing, *options_.tls, *this); });
  }
  if (!problem) {
    problem = listen(net::Protocol::Dtls, options_.dtls,
                     [&](auto& local) { return listen_dtls(loop_, local, options_.sharing, *options_.tls, *this); });
  }
  if (!problem && !legs_.empty()) loop_.schedule(sweeper_, Loop::now() + kSweepInterval);
  return problem;
}

std::vector<net::Endpoint> Host::bound(net::Protocol protocol) const {
  std::vector<net::Endpoint> out;
  if (protocol == net::Protocol::Udp) {
    for (const auto& port : udp_) out.push_back(port->bound().front());
  }
  for (const auto& [p, leg] : legs_) {
    if (p == protocol) out.push_back(leg->bound());
  }
  return out;
}

void Host::receive(std::span<const net::Datagram> batch, Time now) {
  for (const net::Datagram& datagram : batch) forward(datagram, now);
  loop_.request_hook(hook_);
}

void Host::forward(const net::Datagram& datagram, Time now) {
  if (outbox_.full(datagram.bytes.size())) flush();
  const auto forwarded = server_.forward(datagram, now, outbox_.room());
  if (!forwarded || !forwarded->relay) return;
  const auto it = relays_.find(*forwarded->relay);
  if (it == relays_.end()) return;
  // The engine knows the announced address, which behind a 1:1 NAT is none of the socket's.
  net::Transmit transmit = forwarded->transmit;
  transmit.local = {};
  outbox_.add(it->second->sender(), transmit);
}

void Host::from_peer(turn::RelayId id, std::span<const net::Datagram> batch, Time now) {
  for (const net::Datagram& datagram : batch) {
    if (outbox_.full(datagram.bytes.size() + turn::Server::kMaxOverhead)) flush();
    const auto forwarded = server_.forward_from_peer(id, datagram.remote, datagram.bytes, now, outbox_.room());
    if (forwarded) to_client(forwarded->transmit);
  }
  loop_.request_hook(hook_);
}

void Host::relay_peer_error(turn::RelayId id, const UdpPeerError& error) {
  server_.handle_peer_error(id, error.remote, {error.type, error.code, error.info}, Loop::now());
  loop_.request_hook(hook_);
}

// The packet stands at the front of the outbox's room.
void Host::to_client(const net::Transmit& transmit) {
  if (transmit.protocol == net::Protocol::Udp) {
    if (UdpShard* shard = listener(transmit)) outbox_.add(*shard, transmit);
    return;
  }
  const turn::ClientPath client{transmit.local, transmit.remote, transmit.protocol};
  for (const auto& [protocol, leg] : legs_) {
    if (protocol != transmit.protocol || leg->bound().port != transmit.local.port) continue;
    if (leg->send(client, outbox_.room().first(transmit.size))) return;
  }
  ++stats_.unsent;
}

UdpShard* Host::listener(const net::Transmit& transmit) {
  UdpShard* any = nullptr;
  for (const auto& port : udp_) {
    const net::Endpoint& bound = port->bound().front();
    if (bound.port != transmit.local.port || bound.ip.family() != transmit.local.ip.family()) continue;
    if (bound.ip == transmit.local.ip) return &port->shard(0);
    if (bound.ip.is_any()) any = &port->shard(0);
  }
  return any;
}

void Host::leg_message(const turn::ClientPath& client, Bytes message) {
  net::Datagram datagram;
  datagram.local = client.local;
  datagram.remote = client.remote;
  datagram.protocol = client.protocol;
  datagram.bytes = message;
  const Time now = Loop::now();
  forward(datagram, now);
  // What follows on a connection that is bound by this is no message any more.
  if (message.size() >= 2 && load_be16(message.data()) == static_cast<uint16_t>(stun::Method::ConnectionBind)) {
    return drain_server(now);
  }
  loop_.request_hook(hook_);
}

void Host::leg_closed(const turn::ClientPath& client) {
  server_.client_gone(client, Loop::now());
  loop_.request_hook(hook_);
}

bool Host::may_connect() {
  if (connections_ >= options_.max_connections) {
    ++stats_.refused;
    return false;
  }
  ++stats_.connections;
  ++connections_;
  return true;
}

// At the end of a turn: what was relayed, before a relay is closed; then orders, because answers come of them; then
// answers.
void Host::drain_server(Time now) {
  flush();
  while (const auto event = server_.poll_event()) follow(*event, now);
  while (true) {
    if (outbox_.full(turn::Server::kMaxAnswer)) flush();
    const auto transmit = server_.poll_transmit(outbox_.room());
    if (!transmit) break;
    to_client(*transmit);
  }
  flush();
  bind_peers();
  loop_.schedule(timer_, server_.next_timeout());
}

void Host::follow(const turn::ServerEvent& event, Time now) {
  if (const auto* order = std::get_if<turn::OpenRelay>(&event)) {
    open_relay(*order, now);
  } else if (const auto* relay = std::get_if<turn::CloseRelay>(&event)) {
    close_relay(relay->id);
  } else if (const auto* connect = std::get_if<turn::ConnectPeer>(&event)) {
    peers_.connect(*connect);
  } else if (const auto* bind = std::get_if<turn::BindPeer>(&event)) {
    to_bind_.push_back(*bind);
  } else if (const auto* close = std::get_if<turn::ClosePeer>(&event)) {
    close_peer(close->id);
  } else if (on_event_) {
    on_event_(event);
  }
}

void Host::on_timer(Time now) {
  server_.handle_timeout(now);
  loop_.request_hook(hook_);
}

void Host::sweep(Time now) {
  for (const auto& [protocol, leg] : legs_) leg->sweep(now);
  peers_.sweep();
  loop_.schedule(sweeper_, now + kSweepInterval);
}

const RelayAddress* Host::relay_address(net::Family family) const {
  const auto it =
      std::ranges::find_if(options_.relays, [&](const RelayAddress& relay) { return relay.bind.family() == family; });
  return it == options_.relays.end() ? nullptr : &*it;
}

void Host::open_relay(const turn::OpenRelay& order, Time now) {
  const RelayAddress& address = *relay_address(order.family);
  turn::PortPool& pool = pools_[order.family == net::Family::V6];
  for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
    const auto port = pool.take(env_.random, order.even, order.next.has_value());
    if (!port) break;
    const auto next = static_cast<uint16_t>(*port + 1);
    const bool first = bind_relay(order.id, {address.bind, *port}, order.tcp);
    if (first && (!order.next || bind_relay(*order.next, {address.bind, next}, false))) {
      const net::IpAddress& told = address.announce.is_none() ? address.bind : address.announce;
      server_.relay_opened(order.id, {told, *port}, now);
      if (order.next) server_.relay_opened(*order.next, {told, next}, now);
      return;
    }
    // Another program has the port; it may be free the next time.
    relays_.erase(order.id);
    pool.give_back(*port);
    if (order.next) pool.give_back(next);
  }
  env_.log.line(LogLevel::Warning, "turn", "no port for a relay on ", address.bind);
  server_.relay_failed(order.id, now);
  if (order.next) server_.relay_failed(*order.next, now);
}

bool Host::bind_relay(turn::RelayId id, const net::Endpoint& local, bool tcp) {
  if (tcp) return peers_.listen(id, local);
  auto socket = std::make_unique<RelaySocket>(*this, id);
  if (!socket->open(loop_, local)) return false;
  relays_[id] = std::move(socket);
  return true;
}

void Host::close_relay(turn::RelayId id) {
  if (const auto local = peers_.local(id)) {
    peers_.close(id);
    return pools_[local->ip.is_v6()].give_back(local->port);
  }
  const auto it = relays_.find(id);
  if (it == relays_.end()) return;
  pools_[it->second->family() == net::Family::V6].give_back(it->second->port());
  relays_.erase(it);
}

std::optional<turn::ConnectionId> Host::peer_accepted(turn::RelayId relay, const net::Endpoint& peer) {
  loop_.request_hook(hook_);
  return server_.accept_peer(relay, peer, Loop::now());
}

void Host::peer_connected(turn::ConnectionId id) {
  server_.peer_connected(id, Loop::now());
  loop_.request_hook(hook_);
}

void Host::peer_failed(turn::ConnectionId id) {
  server_.peer_failed(id, Loop::now());
  loop_.request_hook(hook_);
}

void Host::bind_peers() {
  for (const turn::BindPeer& order : std::exchange(to_bind_, {})) {
    auto socket = peers_.take(order.id);
    for (const auto& [protocol, leg] : legs_) {
      if (!socket || protocol != order.client.protocol || leg->bound().port != order.client.local.port) continue;
      if (auto pipe = leg->join(order.client, order.id, *socket)) pipes_[order.id] = std::move(pipe);
    }
    if (!pipes_.contains(order.id)) server_.peer_closed(order.id);
  }
}

void Host::close_peer(turn::ConnectionId id) {
  peers_.close(id);
  const auto it = pipes_.find(id);
  if (it == pipes_.end()) return;
  const auto pipe = it->second;
  pipe->close();
}

void Host::pipe_closed(turn::ConnectionId id) {
  pipes_.erase(id);
  server_.peer_closed(id);
}

}  // namespace

Result<std::unique_ptr<TurnHost>, std::string> TurnHost::start(Loop& loop, TurnHostOptions options, Env env,
                                                               OnEvent on_event) {
  if (options.relays.empty()) return fail(std::string("No address to open relays on."));
  auto host = std::make_unique<Host>(loop, std::move(options), env, std::move(on_event));
  if (auto problem = host->open()) return fail(std::move(*problem));
  return host;
}

}  // namespace kaon::io
