// The NAT laboratory: two ICE agents, each behind what a test puts it behind, and a STUN and TURN server on the
// Internet.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kaon/ice/agent.h"
#include "kaon/sim/pump.h"
#include "kaon/turn/client.h"
#include "kaon/turn/port_pool.h"
#include "kaon/turn/server.h"

namespace kaon::scenario {

inline constexpr net::Endpoint kLabServer{net::IpAddress::v4(198, 51, 100, 1), 3478};

/// turn::Server with the sockets that it asks for: a datagram engine for one simulated host.
class LabServer {
 public:
  explicit LabServer(uint64_t seed);

  void handle_packet(const net::Datagram& packet, Time now);
  void handle_timeout(Time now) { server_.handle_timeout(now), obey(now); }
  Time next_timeout() const { return server_.next_timeout(); }
  std::optional<net::Transmit> poll_transmit(Bytes out) { return server_.poll_transmit(out); }
  std::optional<int> poll_event() { return std::nullopt; }
  const turn::Server& server() const { return server_; }

 private:
  void obey(Time now);

  SeededRandom random_;
  NullLogger log_;
  turn::PortPool ports_;
  std::map<turn::RelayId, uint16_t> relays_;
  turn::Server server_;
};

/// An agent, perhaps with a relay of its own, and what happened to it. The relayed address is one more local address
/// for the agent, as a socket is.
class LabPeer {
 public:
  LabPeer(uint64_t seed, const ice::Config& config) : random_(seed), agent(Env{random_, log_}, config) {}

  void handle_packet(const net::Datagram& packet, Time now);
  void handle_timeout(Time now);
  Time next_timeout() const;
  std::optional<net::Transmit> poll_transmit(Bytes out);
  std::optional<ice::Event> poll_event() { return agent.poll_event(); }
  /// Asks the laboratory's server for an allocation from `local`; the candidates end when it has answered.
  void add_relay(const net::Endpoint& local, Time now);

 private:
  void drain_relay(Time now);

  SeededRandom random_;
  NullLogger log_;
  Time now_{};                         // of the last call
  std::optional<net::Transmit> held_;  // wrapped, behind a request that it made necessary
  std::vector<uint8_t> held_bytes_;

 public:
  ice::Agent agent;
  std::unique_ptr<turn::Client> relay;
  std::vector<turn::ClientFailed> relay_failures;
  LabPeer* peer = nullptr;
  std::vector<net::Endpoint> hosts;
  std::vector<ice::State> states;
  std::optional<ice::SelectedPairChanged> pair;
};

/// The whole laboratory. The topology of the network comes first, then connect().
class Lab {
 public:
  explicit Lab(uint64_t seed);

  /// One host address; `realm` as in sim::Network.
  void add_address(LabPeer& peer, sim::HostId host, const net::Endpoint& address);
  /// Both ask the server for a relay, from a port of its own.
  bool relays = false;
  /// W3C "iceTransportPolicy": the agents know no address but the relay's.
  bool relay_only = false;
  /// Gathering begins; 30 ms later each side has the other's credentials, and candidates follow as they come.
  void connect();
  bool connected() const { return a.agent.selected().has_value() && b.agent.selected().has_value(); }
  /// Virtual time from the exchange of credentials to a path on both sides; nothing if there is none within 20 s.
  std::optional<Duration> time_to_connect();
  /// How data of `a` goes now: "direct" (addresses that were signalled), "prflx" (one that only checks found), "relay",
  /// or "none".
  std::string path() const;

  sim::Network network;
  sim::Pump pump{network};
  LabServer server;
  LabPeer a, b;

 private:
  void start(LabPeer& peer);
  void on_event(LabPeer& peer, ice::Event event);
  void signal(LabPeer& to, std::string line);

  bool started_ = false;
};

}  // namespace kaon::scenario
