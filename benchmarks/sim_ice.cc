// How many round trips two ICE agents need from knowing each other to a path on both sides, in virtual time.
//   sim_ice [--rtts MS,...] [--candidates N,...] [--losses PERCENT,...] [--draws N] [--seed N]
// Prints one JSON object per case with the figures of all its draws.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "kaon/base/text.h"
#include "kaon/ice/agent.h"
#include "kaon/sim/pump.h"
#include "kaon/sim/seed.h"
#include "kaon/stun/builder.h"

using namespace kaon;

namespace {

using std::chrono::seconds;

constexpr net::Endpoint kStunServer{net::IpAddress::v4(198, 51, 100, 1), 3478};

// Which pairs can carry packets.
enum class Reach : uint8_t {
  Any,   // every one: hosts in one network
  Last,  // that of the last address of each side; all others lead nowhere
  Nat,   // reflexive ones, behind a translator on each side that lets in whom it has sent to (RFC 4787 §5)
};
constexpr const char* kReaches[] = {"any", "last", "nat"};

struct Case {
  Reach reach = Reach::Any;
  int rtt_ms = 100;
  size_t candidates = 1;
  double loss = 0;
};

class StunServer {
 public:
  void handle_packet(const net::Datagram& packet, Time) {
    const auto request = stun::Message::parse(packet.bytes);
    if (request) waiting_.emplace_back(request->transaction_id(), packet.remote);
  }
  void handle_timeout(Time) {}
  Time next_timeout() const { return kNever; }
  std::optional<int> poll_event() { return std::nullopt; }
  std::optional<net::Transmit> poll_transmit(Bytes out) {
    if (waiting_.empty()) return std::nullopt;
    const auto [id, to] = waiting_.back();
    waiting_.pop_back();
    stun::Builder answer(out, stun::Method::Binding, stun::Class::Success, id);
    answer.add_xor_address(stun::Attribute::XorMappedAddress, to);
    return net::Transmit{.local = kStunServer, .remote = to, .size = answer.finish().size()};
  }

 private:
  std::vector<std::pair<stun::TransactionId, net::Endpoint>> waiting_;
};

struct Side {
  Side(uint64_t seed, ice::Role role) : random(seed), agent(Env{random, log}, config(role)) {}
  static ice::Config config(ice::Role role) {
    ice::Config config;
    config.role = role;
    return config;
  }

  SeededRandom random;
  NullLogger log;
  ice::Agent agent;
  std::vector<std::string> candidates;
  bool gathered = false;
};

struct Outcome {
  double first = 0;    // round trips until one side has a path
  double both = 0;     // until both have
  double packets = 0;  // that the two have sent until then
};

class Draw {
 public:
  Draw(const Case& c, uint64_t seed)
      : case_(c),
        network_(seed),
        a_(network_.seed_for(1), ice::Role::Controlling),
        b_(network_.seed_for(2), ice::Role::Controlled) {
    pump_.attach(network_.add_host(kStunServer.ip), server_);
    place(a_, 0);
    place(b_, 1);
  }

  // Both have gathered. The answerer learns of the offerer first, and its answer takes half a round trip; what is
  // measured begins with its arrival.
  std::optional<Outcome> run() {
    if (!pump_.run_for([&] { return a_.gathered && b_.gathered; }, seconds(30))) return std::nullopt;
    learn(b_, a_);
    pump_.pass(rtt() / 2);
    const Time start = pump_.now();
    learn(a_, b_);
    const uint64_t before = packets_sent();
    const auto path = [](const Side& side) { return side.agent.selected().has_value(); };
    Outcome outcome;
    if (!pump_.run_for([&] { return path(a_) || path(b_); }, seconds(40))) return std::nullopt;
    outcome.first = in_rtts(pump_.now() - start);
    if (!pump_.run_for([&] { return path(a_) && path(b_); }, seconds(40))) return std::nullopt;
    outcome.both = in_rtts(pump_.now() - start);
    outcome.packets = static_cast<double>(packets_sent() - before);
    return outcome;
  }

 private:
  Duration rtt() const { return std::chrono::milliseconds(case_.rtt_ms); }
  double in_rtts(Duration passed) const {
    return static_cast<double>(passed.count()) / static_cast<double>(rtt().count());
  }
  uint64_t packets_sent() const {
    uint64_t sent = 0;
    for (const Side* side : {&a_, &b_}) {
      for (const ice::PairStats& pair : side->agent.pair_stats()) sent += pair.requests_sent + pair.responses_sent;
    }
    return sent;
  }

  // A quarter of the round trip on each link. What is lost is lost on the way up, so that each direction loses once.
  void place(Side& side, uint8_t number) {
    const bool nat = case_.reach == Reach::Nat;
    const size_t hosts = nat ? std::max<size_t>(1, case_.candidates / 2) : case_.candidates;
    sim::RealmId realm = sim::kInternet;
    if (nat) {
      sim::NatConfig translator = sim::port_restricted_cone();
      translator.ports = sim::PortAssignment::Random;
      realm = network_.inside(network_.add_nat(translator, net::IpAddress::v4(203, 0, 113, 1 + number)));
    }
    const sim::HostId host = network_.add_host();
    for (size_t i = 0; i < hosts; ++i) {
      const auto ip = net::IpAddress::v4(10, 1 + number, static_cast<uint8_t>(i), 2);
      const sim::InterfaceId interface = network_.add_interface(host, ip, realm, {.delay = rtt() / 4});
      const bool dead = case_.reach == Reach::Last && i + 1 < hosts;
      if (dead) network_.blackout(interface, kNever);
      interfaces_.push_back(interface);
      addresses_[number].push_back({ip, 4000});
    }
    pump_.attach(host, side.agent, [&side](ice::Event event) {
      if (const auto* local = std::get_if<ice::LocalCandidate>(&event)) {
        side.candidates.push_back(local->candidate.to_string());
      }
      side.gathered = side.gathered || std::holds_alternative<ice::GatheringDone>(event);
    });
    for (const net::Endpoint& address : addresses_[number]) {
      static_cast<void>(side.agent.add_local_candidate({.address = address}, pump_.now()));
    }
    if (nat) static_cast<void>(side.agent.add_stun_server(kStunServer, pump_.now()));
    side.agent.end_of_local_candidates(pump_.now());
  }

  // Credentials and candidates of a description.
  void learn(Side& side, const Side& of) {
    for (const sim::InterfaceId interface : interfaces_) {
      network_.up(interface).configure({.delay = rtt() / 4, .loss = case_.loss / 100});
    }
    static_cast<void>(side.agent.set_remote_credentials(of.agent.local_credentials(), false, pump_.now()));
    for (const std::string& candidate : of.candidates) {
      static_cast<void>(side.agent.add_remote_candidate(*ice::Candidate::parse(candidate), pump_.now()));
    }
    side.agent.end_of_remote_candidates(pump_.now());
  }

  Case case_;
  sim::Network network_;
  sim::Pump pump_{network_};
  StunServer server_;
  Side a_, b_;
  std::vector<sim::InterfaceId> interfaces_;
  std::vector<net::Endpoint> addresses_[2];
};

double share(std::vector<double>& values, double part) {
  std::ranges::sort(values);
  const auto index = static_cast<size_t>(part * static_cast<double>(values.size()));
  return values[std::min(index, values.size() - 1)];
}

bool run_case(const Case& c, int draws, uint64_t seed) {
  std::vector<double> first, both, packets;
  for (int i = 0; i < draws; ++i) {
    const auto outcome = Draw(c, sim::derive_seed(seed, static_cast<uint64_t>(i))).run();
    if (!outcome) {
      std::fprintf(stderr, "no path: %s, %d ms, %zu candidates, %g %% lost\n", kReaches[static_cast<size_t>(c.reach)],
                   c.rtt_ms, c.candidates, c.loss);
      return false;
    }
    first.push_back(outcome->first);
    both.push_back(outcome->both);
    packets.push_back(outcome->packets);
  }
  std::printf(
      "{\"reach\": \"%s\", \"rtt_ms\": %d, \"candidates\": %zu, \"loss_percent\": %g, \"first_rtts\": %.3f, "
      "\"both_rtts\": %.3f, \"both_rtts_p90\": %.3f, \"packets\": %.0f}\n",
      kReaches[static_cast<size_t>(c.reach)], c.rtt_ms, c.candidates, c.loss, share(first, 0.5), share(both, 0.5),
      share(both, 0.9), share(packets, 0.5));
  return true;
}

std::vector<double> numbers(const char* text) {
  std::vector<double> all;
  for (char* end = nullptr; *text != '\0'; text = *end == ',' ? end + 1 : end) {
    all.push_back(std::strtod(text, &end));
    if (end == text) return {};
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<double> rtts{20, 100, 300}, candidates{1, 4, 20}, losses{0, 10}, draws{100}, seed{1};
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    std::vector<double>* list = name == "--rtts"         ? &rtts
                                : name == "--candidates" ? &candidates
                                : name == "--losses"     ? &losses
                                : name == "--draws"      ? &draws
                                : name == "--seed"       ? &seed
                                                         : nullptr;
    if (list != nullptr && i + 1 < argc) *list = numbers(argv[i + 1]);
    if (list == nullptr || i + 1 >= argc || list->empty()) {
      std::fputs("usage: sim_ice [--rtts MS,...] [--candidates N,...] [--losses PERCENT,...] [--draws N] [--seed N]\n",
                 stderr);
      return 2;
    }
  }
  for (const Reach reach : {Reach::Any, Reach::Last, Reach::Nat}) {
    for (const double rtt : rtts) {
      for (const double count : candidates) {
        for (const double loss : losses) {
          const Case c{reach, static_cast<int>(rtt), static_cast<size_t>(count), loss};
          if (!run_case(c, static_cast<int>(draws[0]), static_cast<uint64_t>(seed[0]))) return 1;
        }
      }
    }
  }
}
