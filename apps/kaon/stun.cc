// kaon stun: what a STUN server says of the network before us.

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <memory>

#include "apps/kaon/commands.h"
#include "apps/kaon/console.h"
#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/io/driver.h"
#include "kaon/io/interfaces.h"
#include "kaon/io/loop.h"
#include "kaon/io/udp.h"
#include "kaon/stun/discovery.h"

namespace kaon::apps {
namespace {

constexpr uint16_t kStunPort = 3478;

struct Server {
  std::string host;
  uint16_t port = kStunPort;
};

/// "[stun:]HOST[:PORT]", an IPv6 address in brackets if a port follows.
std::optional<Server> parse_server(std::string_view text) {
  if (text.starts_with("stun:")) text.remove_prefix(5);
  if (const auto endpoint = net::Endpoint::parse(text)) return Server{endpoint->ip.to_string(), endpoint->port};
  if (const auto ip = net::IpAddress::parse(text)) return Server{ip->to_string()};
  const size_t colon = std::min(text.find(':'), text.size());
  Server server{std::string(text.substr(0, colon))};
  if (colon < text.size()) {
    const auto port = parse_number<uint16_t>(text.substr(colon + 1));
    if (!port || *port == 0) return std::nullopt;
    server.port = *port;
  }
  return server.host.empty() ? std::nullopt : std::optional(server);
}

/// One socket, one question after the other.
class Question final : public io::UdpHandler {
 public:
  explicit Question(io::Loop& loop) : loop_(loop) {}
  ~Question() override {
    driver_.reset();
    port_.reset();
  }

  /// False if there is no socket for this family.
  bool ask(const net::Endpoint& server) {
    const std::array members{io::UdpPort::Member{&loop_, this}};
    io::UdpOptions options;
    options.bind = {{net::IpAddress::any(server.ip.family()), 0}};
    auto port = io::UdpPort::open(members, options);
    if (!port) return false;
    port_ = std::move(*port);
    engine_.emplace(Env{random_, log_}, net::Endpoint{net::IpAddress::any(server.ip.family()), port_->port()}, server,
                    io::Loop::now());
    const auto on_result = [this](stun::DiscoveryResult found) {
      result = found;
      loop_.stop();
    };
    driven_ = std::make_unique<io::DrivenEngine<stun::Discovery, decltype(on_result)>>(*engine_, on_result);
    driver_ = std::make_unique<io::Driver>(loop_, port_->shard(0));
    handle_ = driver_->attach(*driven_);
    return true;
  }
  uint16_t port() const { return port_->port(); }

  void receive(std::span<const net::Datagram> batch, Time now) override { driver_->receive(handle_, batch, now); }
  void writable() override { driver_->writable(); }

  std::optional<stun::DiscoveryResult> result;

 private:
  io::Loop& loop_;
  crypto::SystemRandom random_;
  NullLogger log_;
  std::unique_ptr<io::UdpPort> port_;
  std::optional<stun::Discovery> engine_;
  std::unique_ptr<io::Driven> driven_;
  std::unique_ptr<io::Driver> driver_;
  io::ConnectionHandle handle_;
};

bool is_ours(const net::IpAddress& ip) {
  const auto all = io::interfaces();
  return all && std::ranges::any_of(*all, [&](const io::Interface& interface) { return interface.ip == ip; });
}

void print(const stun::DiscoveryResult& result, uint16_t local_port) {
  std::printf("Our address:  %s\n", result.mapped->to_string().c_str());
  if (result.rtt != Duration::zero()) {
    std::printf("Round trip:   %.1f ms\n", std::chrono::duration<double, std::milli>(result.rtt).count());
  }
  if (is_ours(result.mapped->ip) && result.mapped->port == local_port) {
    std::puts("Translation:  none, this machine has that address");
  }
  if (!result.other) {
    std::puts("Behaviour:    unknown, the server has no second address (RFC 5780)");
    return;
  }
  std::printf("Mapping:      %s\n", std::string(stun::to_text(result.mapping)).c_str());
  std::printf("Filtering:    %s\n", std::string(stun::to_text(result.filtering)).c_str());
  if (result.mapping == stun::NatBehavior::EndpointIndependent) {
    std::puts("Peers reach us at our address, once we have sent to them.");
  } else {
    std::puts("Each peer sees another port of ours: two such networks need a TURN server between them.");
  }
}

int run(const std::string& text) {
  const auto server = parse_server(text);
  if (!server) return fail_with(cat("'", text, "' is no HOST[:PORT]."));
  io::Loop loop;
  Question question(loop);
  std::string problem;
  loop.resolve(server->host, [&](const auto& addresses) {
    if (!addresses || addresses->empty()) {
      problem = cat("no address found for ", server->host);
    } else if (!question.ask({addresses->front(), server->port})) {
      problem = "no UDP socket can be opened";
    }
    if (!problem.empty()) loop.stop();
  });
  loop.run();
  if (problem.empty() && (!question.result || !question.result->mapped)) {
    problem = cat(text, " does not answer over UDP: a wrong name or port, or a network that blocks UDP");
  }
  if (!problem.empty()) return fail_with(cat(problem, "."));
  print(*question.result, question.port());
  return 0;
}

}  // namespace

void add_stun(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("stun", "Ask a STUN server which address it sees, and what the NAT before us does");
  const auto server = std::make_shared<std::string>();
  command->add_option("SERVER", *server, "HOST[:PORT], port 3478 if none is given")->required();
  command->footer(
      "A server with two addresses (RFC 5780) also tells how the NAT maps and filters; with silence as an answer that\n"
      "takes up to eight seconds. The exit status is 1 if the server does not answer.");
  command->callback([server, &status] { status = run(*server); });
}

}  // namespace kaon::apps
