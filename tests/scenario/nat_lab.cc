#include "nat_lab.h"

#include <gtest/gtest.h>

namespace kaon::scenario {
namespace {

using namespace std::chrono_literals;

constexpr Duration kSignalling = 30ms;

turn::ServerConfig server_config() {
  turn::ServerConfig config;
  config.users = {{"alice", "secret"}};
  config.relay_v6 = false;
  // The addresses of the laboratory are those of documentations, which are refused by default.
  config.peers.allow(*net::IpRange::parse("203.0.113.0/24"));
  config.peers.allow(*net::IpRange::parse("198.51.100.0/24"));
  return config;
}

ice::Config agent_config(ice::Role role) {
  ice::Config config;
  config.role = role;
  return config;
}

}  // namespace

LabServer::LabServer(uint64_t seed)
    : random_(seed), ports_(turn::PortRange{50000, 50999}), server_({random_, log_}, server_config()) {}

void LabServer::handle_packet(const net::Datagram& packet, Time now) {
  if (packet.local == kLabServer) {
    server_.handle_packet(packet, now);
  } else {
    for (const auto& [id, port] : relays_) {
      if (port == packet.local.port) server_.handle_peer_packet(id, packet.remote, packet.bytes, now);
    }
  }
  obey(now);
}

void LabServer::obey(Time now) {
  while (const auto event = server_.poll_event()) {
    if (const auto* open = std::get_if<turn::OpenRelay>(&*event)) {
      const auto port = ports_.take(random_, open->even, false);
      if (!port) {
        server_.relay_failed(open->id, now);
        continue;
      }
      relays_[open->id] = *port;
      server_.relay_opened(open->id, {kLabServer.ip, *port}, now);
    } else if (const auto* close = std::get_if<turn::CloseRelay>(&*event)) {
      ports_.give_back(relays_.at(close->id));
      relays_.erase(close->id);
    }
  }
}

void LabPeer::handle_packet(const net::Datagram& packet, Time now) {
  now_ = now;
  if (relay && packet.local == relay->config().local) {
    const auto data = relay->receive(packet, now);
    if (data) {
      net::Datagram inner;
      inner.local = *relay->relayed();
      inner.remote = data->peer;
      inner.bytes = data->data;
      agent.handle_packet(inner, now);
    }
    return drain_relay(now);
  }
  agent.handle_packet(packet, now);
}

void LabPeer::handle_timeout(Time now) {
  now_ = now;
  if (relay) {
    relay->handle_timeout(now);
    drain_relay(now);
  }
  agent.handle_timeout(now);
}

Time LabPeer::next_timeout() const {
  return relay ? std::min(relay->next_timeout(), agent.next_timeout()) : agent.next_timeout();
}

std::optional<net::Transmit> LabPeer::poll_transmit(Bytes out) {
  if (held_) {
    std::ranges::copy(held_bytes_, out.begin());
    return std::exchange(held_, std::nullopt);
  }
  if (relay) {
    if (const auto transmit = relay->poll_transmit(out)) return transmit;
  }
  while (auto transmit = agent.poll_transmit(out.subspan(turn::Client::kMaxHeader))) {
    const Bytes data = out.subspan(turn::Client::kMaxHeader, transmit->size);
    if (!relay || transmit->local != relay->relayed()) {
      std::ranges::copy(data, out.begin());
      return transmit;
    }
    std::array<uint8_t, turn::Client::kMaxHeader> header{};
    const auto envelope = relay->wrap(transmit->remote, data, header, now_);
    if (!envelope) continue;
    held_bytes_.assign(header.begin(), header.begin() + static_cast<ptrdiff_t>(envelope->header));
    held_bytes_.insert(held_bytes_.end(), data.begin(), data.end());
    held_bytes_.resize(held_bytes_.size() + envelope->padding);
    held_ = net::Transmit{.local = relay->config().local, .remote = kLabServer, .size = held_bytes_.size()};
    // What the data made the client ask for goes first.
    if (const auto request = relay->poll_transmit(out)) return request;
    return poll_transmit(out);
  }
  return std::nullopt;
}

void LabPeer::add_relay(const net::Endpoint& local, Time now) {
  turn::Client::Config config;
  config.local = local;
  config.server = kLabServer;
  config.username = "alice";
  config.password = "secret";
  relay = std::make_unique<turn::Client>(Env{random_, log_}, config, now);
}

void LabPeer::drain_relay(Time now) {
  while (const auto event = relay->poll_event()) {
    if (const auto* allocated = std::get_if<turn::Allocated>(&*event)) {
      ice::LocalAddress local;
      local.type = ice::CandidateType::Relayed;
      local.address = allocated->relayed;
      local.related = allocated->mapped;
      EXPECT_TRUE(agent.add_local_candidate(local, now).has_value());
    } else if (const auto* failed = std::get_if<turn::ClientFailed>(&*event)) {
      relay_failures.push_back(*failed);
    }
    if (!relay->pending()) agent.end_of_local_candidates(now);
  }
}

Lab::Lab(uint64_t seed)
    : network(seed),
      server(network.seed_for(1)),
      a(network.seed_for(2), agent_config(ice::Role::Controlling)),
      b(network.seed_for(3), agent_config(ice::Role::Controlled)) {
  a.peer = &b;
  b.peer = &a;
  pump.attach(network.add_host(kLabServer.ip, sim::kInternet, {.delay = 10ms}), server);
}

void Lab::add_address(LabPeer& peer, sim::HostId host, const net::Endpoint& address) {
  if (peer.hosts.empty()) {
    pump.attach(host, peer, [this, &peer](ice::Event event) { on_event(peer, std::move(event)); });
  }
  peer.hosts.push_back(address);
}

void Lab::connect() {
  for (LabPeer* peer : {&a, &b}) start(*peer);
  pump.after(kSignalling, [this] {
    started_ = true;
    for (LabPeer* peer : {&a, &b}) {
      const auto set = peer->agent.set_remote_credentials(peer->peer->agent.local_credentials(), false, pump.now());
      ASSERT_TRUE(set.has_value());
    }
  });
}

void Lab::start(LabPeer& peer) {
  if (relays) peer.add_relay({peer.hosts[0].ip, static_cast<uint16_t>(peer.hosts[0].port + 1)}, pump.now());
  for (const net::Endpoint& host : peer.hosts) {
    if (relay_only) break;
    ice::LocalAddress local;
    local.address = host;
    ASSERT_TRUE(peer.agent.add_local_candidate(local, pump.now()).has_value());
  }
  ASSERT_TRUE(peer.agent.add_stun_server(kLabServer, pump.now()).has_value());
  if (!relays) peer.agent.end_of_local_candidates(pump.now());
}

void Lab::on_event(LabPeer& peer, ice::Event event) {
  if (const auto* local = std::get_if<ice::LocalCandidate>(&event)) {
    signal(*peer.peer, local->candidate.to_string());
  } else if (const auto* state = std::get_if<ice::StateChanged>(&event)) {
    peer.states.push_back(state->state);
  } else if (auto* selected = std::get_if<ice::SelectedPairChanged>(&event)) {
    peer.pair = std::move(*selected);
  }
}

void Lab::signal(LabPeer& to, std::string line) {
  pump.after(kSignalling, [this, &to, line = std::move(line)] {
    static_cast<void>(to.agent.add_remote_candidate(*ice::Candidate::parse(line), pump.now()));
  });
}

std::optional<Duration> Lab::time_to_connect() {
  pump.run_for([this] { return started_; }, 1s);
  const Time start = pump.now();
  if (!pump.run_for([this] { return connected(); }, 20s)) return std::nullopt;
  return pump.now() - start;
}

std::string Lab::path() const {
  if (!a.agent.selected() || !a.pair) return "none";
  const auto is = [this](ice::CandidateType type) { return a.pair->local.type == type || a.pair->remote.type == type; };
  if (is(ice::CandidateType::Relayed)) return "relay";
  return is(ice::CandidateType::PeerReflexive) ? "prflx" : "direct";
}

}  // namespace kaon::scenario
