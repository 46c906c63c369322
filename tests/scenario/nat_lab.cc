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
  for (const net::Endpoint& host : peer.hosts) {
    ice::LocalAddress local;
    local.address = host;
    ASSERT_TRUE(peer.agent.add_local_candidate(local, pump.now()).has_value());
  }
  ASSERT_TRUE(peer.agent.add_stun_server(kLabServer, pump.now()).has_value());
  peer.agent.end_of_local_candidates(pump.now());
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
