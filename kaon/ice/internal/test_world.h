// A small world for the tests of this module: agents, wires with delay, loss and reordering, NATs, a STUN server,
// signalling.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kaon/base/text.h"
#include "kaon/ice/agent.h"
#include "kaon/stun/builder.h"
#include "kaon/stun/credentials.h"

namespace kaon::ice::test {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline net::Endpoint at(std::string_view text) { return *net::Endpoint::parse(text); }

/// The seed that KAON_SEED names; defined in agent_test.cc.
uint64_t seed_or(uint64_t fallback);

struct Packet {
  net::Endpoint from;
  net::Endpoint to;
  std::vector<uint8_t> bytes;
};

/// Endpoint-independent mapping, address-and-port-dependent filtering.
struct Nat {
  net::IpAddress outside;
  uint16_t next_port = 40000;
  std::map<net::Endpoint, net::Endpoint> mapping = {};                    // inside to outside
  std::map<net::Endpoint, std::map<net::Endpoint, bool>> permitted = {};  // outside to remotes

  net::Endpoint leave(const net::Endpoint& inside, const net::Endpoint& remote) {
    auto& outside_end = mapping[inside];
    if (outside_end.port == 0) outside_end = {outside, next_port++};
    permitted[outside_end][remote] = true;
    return outside_end;
  }
  std::optional<net::Endpoint> enter(const net::Endpoint& to, const net::Endpoint& from) {
    for (const auto& [inside, outside_end] : mapping) {
      if (outside_end == to && permitted[to].contains(from)) return inside;
    }
    return std::nullopt;
  }
  void rebind() { mapping.clear(); }
};

class World;

struct Node {
  Node(World& world, const Config& config, uint64_t seed);

  SeededRandom random;
  NullLogger log;
  Agent agent;
  World& world;
  Nat* nat = nullptr;
  Node* peer = nullptr;
  std::vector<net::Endpoint> addresses;
  std::vector<State> states;
  std::vector<SelectedPairChanged> selections;
  std::vector<Candidate> candidates;
  std::vector<Path> validated;
  bool gathering_done = false;
  FailReason fail_reason = FailReason::None;
  size_t packets_sent = 0;
  size_t bytes_sent = 0;
  Time first_selected = kNever;

  void add_address(std::string_view address);
  void accept_peer(bool remote_lite = false);
  std::optional<Path> path() const { return agent.selected(); }
};

class World {
 public:
  explicit World(uint64_t seed) : random(seed) {}

  SeededRandom random;
  Time now{seconds(1000)};
  Duration latency = milliseconds(20);
  Duration jitter = Duration::zero();
  Duration signalling = milliseconds(30);
  uint64_t loss_percent = 0;
  uint64_t duplicate_percent = 0;
  bool trickle = true;
  net::Endpoint stun_server = at("198.51.100.1:3478");
  /// Sees every packet behind the NAT; false drops it.
  std::function<bool(const Packet&)> tap;
  /// Gets what a check or answer carried.
  std::function<void(Node&, Bytes)> on_embedded;

  Node& add(const Config& config) {
    nodes_.push_back(std::make_unique<Node>(*this, config, random.u64()));
    return *nodes_.back();
  }
  Node& add_seeded(const Config& config, uint64_t seed) {
    nodes_.push_back(std::make_unique<Node>(*this, config, seed));
    return *nodes_.back();
  }
  /// Exchanges credentials after the signalling delay, candidates as they come.
  void connect(Node& a, Node& b) {
    a.peer = &b;
    b.peer = &a;
    drain(a);
    drain(b);
    after(signalling, [&a, &b] {
      a.accept_peer();
      b.accept_peer();
    });
    for (Node* node : {&a, &b}) {
      const std::string& ufrag = node->agent.local_credentials().ufrag;
      for (const Candidate& c : node->candidates) {
        if (trickle && c.ufrag == ufrag) signal(*node, c);
      }
      if (node->gathering_done) signal_end(*node);
    }
  }
  void after(Duration delay, std::function<void()> task) { tasks_.emplace(now + delay, std::move(task)); }

  void drain(Node& node) {
    std::array<uint8_t, Agent::kMaxPacket> memory;
    while (const auto t = node.agent.poll_transmit(memory)) {
      ++node.packets_sent;
      node.bytes_sent += t->size;
      const net::Endpoint from = node.nat != nullptr ? node.nat->leave(t->local, t->remote) : t->local;
      send({from, t->remote, {memory.begin(), memory.begin() + static_cast<ptrdiff_t>(t->size)}});
    }
    while (auto event = node.agent.poll_event()) on_event(node, *event);
  }

  void send(Packet packet) {
    if (tap && !tap(packet)) return;
    const int copies = random.below(100) < duplicate_percent ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (random.below(100) < loss_percent) continue;
      const Duration extra = jitter == Duration::zero()
                                 ? Duration::zero()
                                 : Duration(static_cast<int64_t>(random.below(static_cast<uint64_t>(jitter.count()))));
      after(latency + extra, [this, packet] { deliver(packet); });
    }
  }

  void deliver(Packet packet) {
    if (packet.to == stun_server) return answer_stun(packet);
    for (const auto& node : nodes_) {
      net::Endpoint to = packet.to;
      if (node->nat != nullptr) {
        const auto inside = node->nat->enter(packet.to, packet.from);
        if (!inside) continue;
        to = *inside;
      }
      if (std::ranges::find(node->addresses, to) == node->addresses.end()) continue;
      net::Datagram datagram;
      datagram.local = to;
      datagram.remote = packet.from;
      datagram.bytes = packet.bytes;
      node->agent.handle_packet(datagram, now);
      if (const auto embedded = node->agent.poll_embedded(); embedded && on_embedded) on_embedded(*node, *embedded);
      return drain(*node);
    }
  }

  /// Runs until `done` or until `limit` has passed; true if done.
  bool run(Duration limit, const std::function<bool()>& done = [] { return false; }) {
    const Time end = now + limit;
    for (;;) {
      if (done()) return true;
      Time next = tasks_.empty() ? kNever : tasks_.begin()->first;
      for (const auto& node : nodes_) next = std::min(next, node->agent.next_timeout());
      if (next > end) {
        now = end;
        return false;
      }
      now = std::max(now, next);
      while (!tasks_.empty() && tasks_.begin()->first <= now) {
        const auto task = std::move(tasks_.begin()->second);
        tasks_.erase(tasks_.begin());
        task();
      }
      for (const auto& node : nodes_) {
        if (node->agent.next_timeout() > now) continue;
        node->agent.handle_timeout(now);
        drain(*node);
      }
      if (++steps_ > 5'000'000) ADD_FAILURE() << "the world does not come to rest";
      if (steps_ > 5'000'000) return false;
    }
  }

 private:
  void signal(Node& node, const Candidate& candidate) {
    after(signalling, [this, peer = node.peer, line = candidate.to_string()] {
      (void)peer->agent.add_remote_candidate(*Candidate::parse(line), now);
      drain(*peer);
    });
  }
  void signal_end(Node& node) {
    after(signalling, [this, peer = node.peer] {
      peer->agent.end_of_remote_candidates(now);
      drain(*peer);
    });
  }

  void on_event(Node& node, Event& event) {
    if (const auto* local = std::get_if<LocalCandidate>(&event)) {
      node.candidates.push_back(local->candidate);
      if (node.peer != nullptr && trickle) signal(node, local->candidate);
    } else if (const auto* state = std::get_if<StateChanged>(&event)) {
      node.states.push_back(state->state);
      node.fail_reason = state->reason;
    } else if (const auto* selected = std::get_if<SelectedPairChanged>(&event)) {
      if (node.first_selected == kNever) node.first_selected = now;
      node.selections.push_back(*selected);
    } else if (const auto* path = std::get_if<PathValidated>(&event)) {
      node.validated.push_back(path->path);
    } else if (std::get_if<GatheringDone>(&event) != nullptr) {
      node.gathering_done = true;
      if (node.peer != nullptr) signal_end(node);
    }
  }

  void answer_stun(const Packet& packet) {
    const auto request = stun::Message::parse(packet.bytes);
    if (!request) return;
    std::array<uint8_t, 128> memory;
    const ByteView answer =
        stun::Builder(memory, stun::Method::Binding, stun::Class::Success, request->transaction_id())
            .add_xor_address(stun::Attribute::XorMappedAddress, packet.from)
            .finish();
    send({stun_server, packet.from, {answer.begin(), answer.end()}});
  }

  std::vector<std::unique_ptr<Node>> nodes_;
  std::multimap<Time, std::function<void()>> tasks_;
  uint64_t steps_ = 0;
};

inline Node::Node(World& w, const Config& config, uint64_t seed)
    : random(seed), agent({random, log}, config), world(w) {}

inline void Node::add_address(std::string_view address) {
  addresses.push_back(at(address));
  LocalAddress local;
  local.address = addresses.back();
  ASSERT_TRUE(agent.add_local_candidate(local, world.now).has_value());
  world.drain(*this);
}

inline void Node::accept_peer(bool remote_lite) {
  ASSERT_TRUE(agent.set_remote_credentials(peer->agent.local_credentials(), remote_lite, world.now).has_value());
  world.drain(*this);
}

/// A check as a peer with these credentials would send it.
struct CheckOptions {
  std::string username;
  std::string password;
  uint64_t tie_breaker = 1;
  Role role = Role::Controlling;
  bool use_candidate = false;
  std::optional<uint32_t> nomination = {};
  std::optional<stun::Attribute> extra = {};
};

inline std::vector<uint8_t> make_check(Random& random, const CheckOptions& o) {
  std::vector<uint8_t> memory(512);
  stun::Builder builder(memory, stun::Method::Binding, stun::Class::Request, stun::TransactionId::random(random));
  builder.add_text(stun::Attribute::Username, o.username);
  builder.add_u64(o.role == Role::Controlling ? stun::Attribute::IceControlling : stun::Attribute::IceControlled,
                  o.tie_breaker);
  if (o.use_candidate) builder.add_flag(stun::Attribute::UseCandidate);
  if (o.nomination) builder.add_u32(stun::Attribute::Nomination, *o.nomination);
  if (o.extra) builder.add_u32(*o.extra, 1);
  builder.add_u32(stun::Attribute::Priority, candidate_priority(CandidateType::PeerReflexive, 65535));
  builder.add_integrity(stun::short_term_key(o.password)).add_fingerprint();
  memory.resize(builder.finish().size());
  return memory;
}

}  // namespace kaon::ice::test
