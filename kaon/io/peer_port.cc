#include "kaon/io/peer_port.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "kaon/io/driver.h"
#include "kaon/io/interfaces.h"
#include "kaon/io/internal/exits.h"
#include "kaon/io/internal/hosted_relays.h"
#include "kaon/io/internal/ice_tcp.h"
#include "kaon/io/internal/told_addresses.h"
#include "kaon/io/loop.h"
#include "kaon/io/mdns.h"
#include "kaon/io/network_monitor.h"
#include "kaon/stun/message.h"

namespace kaon::io {
namespace {

constexpr std::string_view kLoopNames = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr size_t kTagOffset = 8;  // of a STUN message: where its transaction id begins

class Port;

class Shard;

class Hosted final : public HostedPeer, public Driven {
 public:
  Hosted(Shard& shard, ice::ConnectionId id, peer::Config config, PeerHandler& handler, Time now);

  peer::Connection& connection() override { return connection_; }
  const peer::Connection& connection() const override { return connection_; }
  ice::ConnectionId id() const override { return id_; }
  PeerShard& shard() override;
  bool add_relay(const RelayServer& server, std::function<void(const turn::ClientEvent&)> tell) override;
  bool has_ipv6() const override;
  void touch() override;
  void close() override;

  void receive(std::span<const net::Datagram> batch, Time now) override {
    for (const net::Datagram& datagram : batch) connection_.handle_packet(datagram, now);
  }
  void handle_timeout(Time now) override { connection_.handle_timeout(now); }
  Time next_timeout() const override { return connection_.next_timeout(); }
  std::optional<net::Transmit> poll_transmit(Bytes out) override { return connection_.poll_transmit(out); }
  void dispatch() override;

 private:
  friend class Shard;
  HostedRelays::Handlers relay_handlers();
  void add_relayed(const net::Endpoint& relayed, const net::Endpoint& mapped, net::Protocol protocol, size_t index);

  Shard& shard_;
  ice::ConnectionId id_;
  PeerHandler* handler_;
  peer::Connection connection_;
  ConnectionHandle handle_;
  std::vector<ice::Path> paths_;
  std::vector<uint32_t> ssrcs_;
  HostedRelays relays_;
  bool relay_only_ = false;
  std::vector<net::Endpoint> active_;  // local addresses of its active TCP candidates
};

// One loop's connections with the tables that find them.
class Shard final : public PeerShard, public UdpHandler, public std::enable_shared_from_this<Shard> {
 public:
  Shard(Port& port, Loop& loop, size_t index, Env env)
      : port_(port), loop_(loop), index_(index), env_(env), mux_(env.random.u64()) {}
  ~Shard() override;

  Loop& loop() override { return loop_; }
  size_t index() const override { return index_; }
  HostedPeer* create(peer::Config config, PeerHandler& handler, Gathering gathering) override;
  size_t connections() const override { return hosted_.size(); }
  const Counters<ice::MuxDrop>& drops() const override { return mux_.drops(); }
  const UdpStats& udp_stats() const override;

  size_t route(const net::Datagram& datagram) override;
  void receive(std::span<const net::Datagram> batch, Time now) override;
  void writable() override {
    if (driver_) driver_->writable();
  }
  void peer_error(const UdpPeerError& error) override;

  void open(UdpShard& udp);
  /// Before open().
  bool listen_tcp(std::span<const net::Endpoint> locals) {
    tcp_ = make_tcp();
    return tcp_->listen(locals);
  }
  void shut();

 private:
  friend class Hosted;
  void path_validated(Hosted& hosted, const ice::Path& path);
  void stream_added(Hosted& hosted, uint32_t ssrc);
  void ufrag_changed(Hosted& hosted, const std::string& ufrag);
  void close(Hosted& hosted);
  void close_tcp(Hosted& hosted);
  std::shared_ptr<IceTcp> make_tcp();
  void update_addresses(std::span<const Interface> interfaces);
  void network_changed(std::span<const Interface> interfaces);
  void add_address(Hosted& hosted, ice::LocalAddress address, Time now);
  void add_active_candidate(Hosted& hosted, const net::IpAddress& ip, Time now);
  void remove_address(Hosted& hosted, const ice::LocalAddress& address, Time now);
  const std::string& hidden_name(const net::IpAddress& ip);
  template <class Change>
  void tell_others(Change change);

  Port& port_;
  Loop& loop_;
  size_t index_;
  Env env_;
  ice::Mux mux_;
  Exits exits_;
  std::shared_ptr<IceTcp> tcp_;
  uint16_t next_active_ = kFirstActivePort;
  std::shared_ptr<NetworkMonitor> monitor_;
  std::shared_ptr<void> subscription_;
  std::vector<ice::LocalAddress> addresses_;
  std::vector<net::IpAddress> interface_addresses_;
  std::shared_ptr<Mdns> mdns_;
  std::map<net::IpAddress, std::string> names_;  // that hide our addresses
  std::unique_ptr<Driver> driver_;
  UdpShard* udp_ = nullptr;
  uint64_t next_id_ = 1;
  std::unordered_map<ice::ConnectionId, std::unique_ptr<Hosted>> hosted_;
  // Said goodbye, destroyed after this turn; the work posted for that may outlive the shard.
  using Closing = std::vector<std::unique_ptr<Hosted>>;
  std::shared_ptr<Closing> closing_ = std::make_shared<Closing>();
  std::unordered_map<uint32_t, size_t> foreign_tags_;
  std::unordered_map<ice::Path, size_t, PathHash> foreign_paths_;
  std::unordered_map<uint32_t, size_t> foreign_ssrcs_;
};

class Port final : public PeerPort {
 public:
  explicit Port(PeerPortOptions options) : options_(std::move(options)) {}
  ~Port() override;

  Result<void, IoError> open(std::span<Loop* const> loops, Env env);
  uint16_t port() const override { return udp_->port(); }
  size_t size() const override { return shards_.size(); }
  PeerShard& shard(size_t index) override { return *shards_[index]; }
  const std::shared_ptr<Shard>& own_shard(size_t index) const { return shards_[index]; }
  std::span<const net::Endpoint> bound() const { return udp_->bound(); }
  const PeerPortOptions& options() const { return options_; }

 private:
  bool listen_tcp(std::span<const net::Endpoint> bound);

  PeerPortOptions options_;
  std::vector<std::shared_ptr<Shard>> shards_;
  std::unique_ptr<UdpPort> udp_;
};

// -- Hosted ----------------------------------------------------------------------------------------------------------

Hosted::Hosted(Shard& shard, ice::ConnectionId id, peer::Config config, PeerHandler& handler, Time now)
    : shard_(shard),
      id_(id),
      handler_(&handler),
      connection_(shard.env_, shard.loop_.buffers(), std::move(config), now),
      relays_(shard.loop_, shard.env_, shard.exits_, relay_handlers()) {}

PeerShard& Hosted::shard() { return shard_; }

void Hosted::touch() {
  if (handler_ != nullptr) shard_.driver_->touch(handle_);
}

void Hosted::close() { shard_.close(*this); }

void Hosted::dispatch() {
  const Time now = Loop::now();
  while (handler_ != nullptr) {
    auto event = connection_.poll_event();
    if (!event) break;
    if (const auto* validated = std::get_if<peer::PathValidated>(&*event)) {
      shard_.path_validated(*this, validated->path);
    } else if (const auto* stream = std::get_if<peer::StreamAdded>(&*event)) {
      shard_.stream_added(*this, stream->ssrc.value());
    } else if (const auto* changed = std::get_if<peer::UfragChanged>(&*event)) {
      shard_.ufrag_changed(*this, changed->ufrag);
    } else {
      handler_->on_event(*this, std::move(*event), now);
    }
  }
  if (handler_ != nullptr) handler_->on_drain(*this, now);
}

bool Hosted::add_relay(const RelayServer& server, std::function<void(const turn::ClientEvent&)> tell) {
  if (relays_.size() >= kMaxRelays || handler_ == nullptr) return false;
  relays_.add(server, std::move(tell));
  return true;
}

HostedRelays::Handlers Hosted::relay_handlers() {
  HostedRelays::Handlers handlers;
  handlers.on_data = [this](std::span<const net::Datagram> batch, Time now) {
    shard_.driver_->receive(handle_, batch, now);
  };
  handlers.on_address = [this](const net::Endpoint& relayed, const turn::Allocated& by, const RelayServer& server,
                               size_t index) { add_relayed(relayed, by.mapped, server.protocol, index); };
  handlers.on_lost = [this](const net::Endpoint& relayed) {
    connection_.remove_local_address(relayed, net::Protocol::Udp, Loop::now());
    touch();
  };
  return handlers;
}

bool Hosted::has_ipv6() const {
  return std::ranges::any_of(shard_.interface_addresses_, [](const net::IpAddress& ip) {
    return ip.is_v6() && !ip.is_link_local() && !ip.is_loopback();
  });
}

// Of several relays the one reached over UDP first, over TLS last.
uint16_t cost_of(net::Protocol protocol) {
  switch (protocol) {
    case net::Protocol::Udp: return 0;
    case net::Protocol::Dtls: return 10;
    case net::Protocol::Tcp: return 20;
    case net::Protocol::Tls: break;
  }
  return 30;
}

void Hosted::add_relayed(const net::Endpoint& relayed, const net::Endpoint& mapped, net::Protocol protocol,
                         size_t index) {
  ice::LocalAddress address;
  address.type = ice::CandidateType::Relayed;
  address.address = relayed;
  // Who wants a relay only does not want to be known by his own address (RFC 8828 §5.2).
  const net::Family family = relayed.ip.family();
  const bool hides = relay_only_ || shard_.port_.options().hide_addresses;
  address.related = hides ? ice::hidden(family) : mapped;
  address.preference = ice::local_preference(family, cost_of(protocol), index + 1);
  static_cast<void>(connection_.add_local_address(address, Loop::now()));
  touch();
}

// -- Shard -----------------------------------------------------------------------------------------------------------

Shard::~Shard() { shut(); }

const UdpStats& Shard::udp_stats() const { return udp_->stats(); }

void Shard::open(UdpShard& udp) {
  udp_ = &udp;
  if (!tcp_) tcp_ = make_tcp();
  exits_.open(udp, tcp_);
  driver_ = std::make_unique<Driver>(loop_, exits_);
  monitor_ = NetworkMonitor::of(loop_);
  subscription_ = monitor_->subscribe([this](std::span<const Interface> now) { network_changed(now); });
  if (port_.options().hide_addresses) mdns_ = Mdns::of(loop_);
  update_addresses(monitor_->interfaces());
}

void Shard::shut() {
  for (auto& [id, hosted] : hosted_) {
    hosted->handler_ = nullptr;
    driver_->detach(hosted->handle_);
    hosted->relays_.close();
  }
  subscription_.reset();
  monitor_.reset();
  for (const auto& [ip, name] : names_) mdns_->withdraw(name);
  names_.clear();
  mdns_.reset();
  if (tcp_) tcp_->shut();
  hosted_.clear();
  driver_.reset();
}

HostedPeer* Shard::create(peer::Config config, PeerHandler& handler, Gathering gathering) {
  const Time now = Loop::now();
  config.ufrag_prefix = kLoopNames.substr(index_, 1);
  config.unix_time_at_zero = Loop::wall_clock() - now.time_since_epoch();
  const ice::ConnectionId id(next_id_++);
  auto hosted = std::make_unique<Hosted>(*this, id, std::move(config), handler, now);
  peer::Connection& connection = hosted->connection();
  const uint32_t tag = connection.ice().transaction_tag();
  if (!mux_.add(id, connection.ice().local_credentials().ufrag, tag)) return nullptr;
  tell_others([tag, home = index_](Shard& other) { other.foreign_tags_[tag] = home; });
  hosted->relay_only_ = gathering == Gathering::RelayOnly;
  for (const ice::LocalAddress& address : addresses_) add_address(*hosted, address, now);
  for (const net::IpAddress& ip : interface_addresses_) add_active_candidate(*hosted, ip, now);
  if (gathering == Gathering::Ended) connection.end_of_local_addresses(now);
  hosted->handle_ = driver_->attach(*hosted);
  Hosted* result = hosted.get();
  hosted_.emplace(id, std::move(hosted));
  return result;
}

template <class Change>
void Shard::tell_others(Change change) {
  for (size_t i = 0; i < port_.size(); ++i) {
    if (i == index_) continue;
    const auto& other = port_.own_shard(i);
    other->loop_.post([other = std::weak_ptr(other), change] {
      if (const auto shard = other.lock()) change(*shard);
    });
  }
}

void Shard::path_validated(Hosted& hosted, const ice::Path& path) {
  if (path.protocol == net::Protocol::Tcp) tcp_->confirm(path);
  if (!mux_.bind(hosted.id_, path)) return;
  foreign_paths_.erase(path);  // another loop's connection had it before
  if (std::find(hosted.paths_.begin(), hosted.paths_.end(), path) == hosted.paths_.end()) hosted.paths_.push_back(path);
  tell_others([path, home = index_](Shard& other) {
    if (other.foreign_paths_.size() < PeerPort::kMaxForeignPaths) other.foreign_paths_[path] = home;
  });
}

void Shard::stream_added(Hosted& hosted, uint32_t ssrc) {
  mux_.bind_ssrc(hosted.id_, ssrc);
  if (hosted.ssrcs_.size() == ice::Mux::kMaxSsrcs) return;
  hosted.ssrcs_.push_back(ssrc);
  tell_others([ssrc, home = index_](Shard& other) {
    if (other.foreign_ssrcs_.size() < PeerPort::kMaxForeignPaths) other.foreign_ssrcs_.try_emplace(ssrc, home);
  });
}

void Shard::ufrag_changed(Hosted& hosted, const std::string& ufrag) {
  static_cast<void>(mux_.add(hosted.id_, ufrag, hosted.connection_.ice().transaction_tag()));
}

void Shard::close(Hosted& hosted) {
  if (hosted.handler_ == nullptr) return;
  hosted.handler_ = nullptr;
  const Time now = Loop::now();
  hosted.connection_.close(now);
  driver_->finish(hosted.handle_);  // the goodbye
  hosted.relays_.close();
  close_tcp(hosted);
  // A later connection of this loop may have come by the same path.
  std::erase_if(hosted.paths_, [&](const ice::Path& path) { return mux_.owner(path) != hosted.id_; });
  mux_.remove(hosted.id_);
  tell_others([tag = hosted.connection_.ice().transaction_tag(), paths = hosted.paths_, ssrcs = hosted.ssrcs_,
               home = index_](Shard& other) {
    for (const uint32_t ssrc : ssrcs) {
      const auto it = other.foreign_ssrcs_.find(ssrc);
      if (it != other.foreign_ssrcs_.end() && it->second == home) other.foreign_ssrcs_.erase(it);
    }
    other.foreign_tags_.erase(tag);
    for (const ice::Path& path : paths) {
      const auto it = other.foreign_paths_.find(path);
      if (it != other.foreign_paths_.end() && it->second == home) other.foreign_paths_.erase(it);
    }
  });
  const auto it = hosted_.find(hosted.id_);
  closing_->push_back(std::move(it->second));
  hosted_.erase(it);
  loop_.post([closing = closing_] { closing->clear(); });
}

std::shared_ptr<IceTcp> Shard::make_tcp() {
  IceTcp::Handlers handlers;
  handlers.on_data = [this](std::span<const net::Datagram> batch, Time now) { receive(batch, now); };
  handlers.home_of = [this](const net::Datagram& first) {
    const size_t home = route(first);
    return home == index_ ? kHere : home;
  };
  handlers.give = [this](size_t home, AcceptedTcp accepted) {
    const auto& other = port_.own_shard(home);
    other->loop_.post([other = std::weak_ptr(other), accepted = std::move(accepted)]() mutable {
      if (const auto shard = other.lock()) shard->tcp_->take(std::move(accepted));
    });
  };
  handlers.on_proxy_refused = [this](const std::string& reason) {
    env_.log.line(LogLevel::Warning, "io", "ICE over TCP: ", reason);
  };
  return IceTcp::make(loop_, std::move(handlers), port_.options().http_proxy);
}

void Shard::update_addresses(std::span<const Interface> interfaces) {
  interface_addresses_ = usable_addresses(port_.options(), port_.bound(), interfaces);
  addresses_ = told_addresses(port_.options(), port_.port(), interface_addresses_);
}

// Connections learn of new addresses before they lose old ones, so that they need not look for a path in between.
void Shard::network_changed(std::span<const Interface> interfaces) {
  const std::vector<ice::LocalAddress> before = addresses_;
  const std::vector<net::IpAddress> before_ips = interface_addresses_;
  update_addresses(interfaces);
  const auto lacks = [](const auto& list, const auto& entry) { return std::ranges::find(list, entry) == list.end(); };
  const Time now = Loop::now();
  for (const auto& [id, hosted] : hosted_) {
    for (const ice::LocalAddress& address : addresses_) {
      if (lacks(before, address)) add_address(*hosted, address, now);
    }
    for (const net::IpAddress& ip : interface_addresses_) {
      if (lacks(before_ips, ip)) add_active_candidate(*hosted, ip, now);
    }
    for (const ice::LocalAddress& address : before) {
      if (lacks(addresses_, address)) remove_address(*hosted, address, now);
    }
    hosted->relays_.network_changed(interfaces);
    hosted->touch();
  }
  for (auto it = names_.begin(); it != names_.end();) {
    if (lacks(interface_addresses_, it->first)) mdns_->withdraw(it->second);
    it = lacks(interface_addresses_, it->first) ? names_.erase(it) : std::next(it);
  }
}

void Shard::add_address(Hosted& hosted, ice::LocalAddress address, Time now) {
  if (hosted.relay_only_) return;
  if (mdns_ && address.address.ip == address.base.ip) address.hostname = hidden_name(address.base.ip);
  // A family the peer's policy refuses costs nothing; the agent counts it.
  static_cast<void>(hosted.connection_.add_local_address(address, now));
}

// The port told is 9 (RFC 6544 §4.1); the one of the base names the connection on this loop.
void Shard::add_active_candidate(Hosted& hosted, const net::IpAddress& ip, Time now) {
  constexpr uint16_t kDiscard = 9;
  if (!port_.options().tcp_active || hosted.relay_only_) return;
  if (next_active_ == 0) next_active_ = kFirstActivePort;
  const net::Endpoint base{ip, next_active_++};
  ice::LocalAddress address{.address = {ip, kDiscard}, .base = base};
  address.protocol = net::Protocol::Tcp;
  address.tcp_type = ice::TcpType::Active;
  if (mdns_) address.hostname = hidden_name(ip);
  if (!hosted.connection_.add_local_address(address, now)) return;
  hosted.active_.push_back(base);
  tcp_->add_active(base);
}

void Shard::remove_address(Hosted& hosted, const ice::LocalAddress& address, Time now) {
  hosted.connection_.remove_local_address(address.base, address.protocol, now);
  std::erase_if(hosted.active_, [&](const net::Endpoint& base) {
    if (base.ip != address.base.ip) return false;
    hosted.connection_.remove_local_address(base, net::Protocol::Tcp, now);
    tcp_->close_local(base);
    return true;
  });
}

// Beyond mdns::Node::kMaxNames a name that nobody answers for: the address stays hidden.
const std::string& Shard::hidden_name(const net::IpAddress& ip) {
  std::string& name = names_[ip];
  if (name.empty()) name = mdns_->publish(ip).value_or("00000000-0000-4000-8000-000000000000.local");
  return name;
}

void Shard::close_tcp(Hosted& hosted) {
  for (const ice::Path& path : hosted.paths_) {
    if (path.protocol == net::Protocol::Tcp) tcp_->close(path);
  }
  for (const net::Endpoint& base : hosted.active_) tcp_->close_local(base);
}

size_t Shard::route(const net::Datagram& datagram) {
  const ByteView bytes = datagram.bytes;
  if (!bytes.empty() && bytes[0] < 4) {
    if (const auto message = stun::Message::parse(bytes)) {
      const auto user = message->text(stun::Attribute::Username);
      if (user && !user->empty()) {
        const size_t home = kLoopNames.find(user->front());
        return home < port_.size() ? home : kHere;
      }
      const auto it = foreign_tags_.find(load_be32(message->transaction_id().bytes.data()));
      return it == foreign_tags_.end() ? kHere : it->second;
    }
    return kHere;
  }
  if (foreign_paths_.empty()) return kHere;
  const ice::Path path{datagram.local, datagram.remote, datagram.protocol};
  if (const auto it = foreign_paths_.find(path); it != foreign_paths_.end()) return it->second;
  // A peer whose address has changed arrives at any loop.
  const auto ssrc = ice::Mux::ssrc_of(bytes);
  if (!ssrc || mux_.owner(path)) return kHere;
  const auto it = foreign_ssrcs_.find(*ssrc);
  return it == foreign_ssrcs_.end() ? kHere : it->second;
}

// The kernel gives an error to any of the sockets on the port; the quoted check tells whose it is, by its tag.
void Shard::peer_error(const UdpPeerError& error) {
  if (!is_hard_error(error) || !stun::is_stun(error.quoted)) return;
  const uint32_t tag = load_be32(error.quoted.data() + kTagOffset);
  if (const auto id = mux_.owner_of_tag(tag)) {
    Hosted& hosted = *hosted_.at(*id);
    hosted.connection_.handle_unreachable(error.quoted, error.remote, Loop::now());
    return hosted.touch();
  }
  const auto home = foreign_tags_.find(tag);
  if (home == foreign_tags_.end()) return;
  const auto& other = port_.own_shard(home->second);
  other->loop_.post([other = std::weak_ptr(other), told = error,
                     quoted = std::vector(error.quoted.begin(), error.quoted.end())]() mutable {
    told.quoted = quoted;
    const auto shard = other.lock();
    if (shard && shard->mux_.owner_of_tag(load_be32(quoted.data() + kTagOffset))) shard->peer_error(told);
  });
}

void Shard::receive(std::span<const net::Datagram> batch, Time now) {
  // Packets of one connection that stand together are fed together.
  for (size_t i = 0; i < batch.size();) {
    const auto id = mux_.route(batch[i]);
    size_t end = i + 1;
    if (id) {
      const auto is_stun = [&](const net::Datagram& d) { return d.bytes.empty() || d.bytes[0] < 4; };
      // What is not STUN belongs to its addresses, so only the first of such a run is looked up.
      while (end < batch.size() && batch[end].remote == batch[i].remote && batch[end].local == batch[i].local &&
             !is_stun(batch[end]) && (!is_stun(batch[i]) || mux_.route(batch[end]) == id)) {
        ++end;
      }
      const auto it = hosted_.find(*id);
      if (it != hosted_.end()) driver_->receive(it->second->handle_, batch.subspan(i, end - i), now);
    }
    i = end;
  }
}

// -- Port ------------------------------------------------------------------------------------------------------------

Port::~Port() {
  for (auto& shard : shards_) {
    shard->loop().invoke([&shard] { shard->shut(); });
  }
  udp_.reset();
}

Result<void, IoError> Port::open(std::span<Loop* const> loops, Env env) {
  if (loops.empty() || loops.size() > kMaxLoops) return fail(IoError::InvalidArgument);
  std::vector<UdpPort::Member> members;
  for (size_t i = 0; i < loops.size(); ++i) {
    shards_.push_back(std::make_shared<Shard>(*this, *loops[i], i, env));
    members.push_back({loops[i], shards_.back().get()});
  }
  UdpOptions options = options_.udp;
  options.peer_errors = true;
  if (options_.tcp_passive) options.also_take = [this](auto bound) { return listen_tcp(bound); };
  auto udp = UdpPort::open(members, options);
  if (!udp) return fail(udp.error());
  udp_ = std::move(*udp);
  for (size_t i = 0; i < loops.size(); ++i) {
    loops[i]->invoke([this, i] { shards_[i]->open(udp_->shard(i)); });
  }
  return {};
}

// On the first loop, which gives connections to the one where they belong.
bool Port::listen_tcp(std::span<const net::Endpoint> bound) {
  bool listening = false;
  shards_[0]->loop().invoke([&] { listening = shards_[0]->listen_tcp(bound); });
  return listening;
}

}  // namespace

Result<std::unique_ptr<PeerPort>, IoError> PeerPort::open(std::span<Loop* const> loops, PeerPortOptions options,
                                                          Env env) {
  auto port = std::make_unique<Port>(std::move(options));
  if (auto opened = port->open(loops, env); !opened) return fail(opened.error());
  return port;
}

}  // namespace kaon::io
