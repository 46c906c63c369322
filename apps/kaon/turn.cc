// kaon turn: the TURN and STUN server.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <thread>

#include "apps/kaon/commands.h"
#include "apps/kaon/console.h"
#include "apps/kaon/options.h"
#include "apps/kaon/signals.h"
#include "apps/kaon/turn_report.h"
#include "apps/kaon/version.h"
#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/io/loop.h"
#include "kaon/sfu/http_server.h"
#include "kaon/turn/client.h"

namespace kaon::apps {
namespace {

using Texts = std::vector<std::string>;

struct TurnOptions {
  Texts udp;
  Texts tcp;
  Texts tls;
  Texts dtls;
  std::string certificate_file;
  std::string key_file;
  std::string client_authorities_file;
  std::string realm = "kaon";
  Texts users;
  Texts secrets;
  Texts relay_ips;
  Texts public_ips;
  std::string ports = "49152-65535";
  Texts allow;
  Texts deny;
  size_t max_allocations = 20'000;
  size_t user_allocations = 1'000;
  uint64_t user_kbit = 0;
  uint64_t total_kbit = 0;
  uint32_t max_lifetime = 3600;
  bool no_mobility = false;
  bool tcp_relays = false;
  size_t user_connections = 1'000;
  std::string metrics;
  std::string software = "kaon";
  Texts alternates;
  std::string alternate_domain;
  uint32_t drain = 0;
  size_t loops = 1;
  std::string log = "info";
  bool json = false;
  std::string config_file;
};

Result<std::vector<net::Endpoint>, std::string> endpoints(const Texts& texts, std::string_view option) {
  std::vector<net::Endpoint> out;
  for (const std::string& text : texts) {
    const auto endpoint = listen_address(text);
    if (!endpoint) return fail(cat("'", text, "' is no ADDR:PORT for ", option, "."));
    out.push_back(*endpoint);
  }
  return out;
}

Result<std::vector<net::IpAddress>, std::string> addresses(const Texts& texts, std::string_view option) {
  std::vector<net::IpAddress> out;
  for (const std::string& text : texts) {
    const auto ip = net::IpAddress::parse(text);
    if (!ip || ip->is_any()) return fail(cat("'", text, "' is no IP address for ", option, "."));
    out.push_back(*ip);
  }
  return out;
}

Result<std::vector<io::RelayAddress>, std::string> relay_addresses(const TurnOptions& options) {
  KAON_TRY(std::vector<net::IpAddress> ips, addresses(options.relay_ips, "--relay-ip"));
  KAON_TRY(const std::vector<net::IpAddress> announced, addresses(options.public_ips, "--public-ip"));
  for (size_t i = 1; i < ips.size(); ++i) {
    if (i > 1 || ips[1].family() == ips[0].family()) {
      return fail(std::string("--relay-ip takes one address per family."));
    }
  }
  std::vector<io::RelayAddress> out = relays_on(std::move(ips), announced);
  if (out.empty()) return fail(std::string("This machine has no address for relays; give one by --relay-ip."));
  return out;
}

Result<turn::PortRange, std::string> port_range(std::string_view text) {
  const auto range = turn_ports(text);
  if (!range) return fail(cat("'", text, "' is no FIRST-LAST for --ports."));
  return *range;
}

Result<turn::PeerPolicy, std::string> peer_policy(const TurnOptions& options) {
  turn::PeerPolicy policy;
  for (const bool allow : {true, false}) {
    for (const std::string& text : allow ? options.allow : options.deny) {
      const auto range = net::IpRange::parse(text);
      if (!range) return fail(cat("'", text, "' is no IP/BITS for ", allow ? "--allow-peer" : "--deny-peer", "."));
      allow ? policy.allow(*range) : policy.deny(*range);
    }
  }
  return policy;
}

DataRate rate(uint64_t kilobits) {
  return kilobits == 0 ? DataRate::infinite() : DataRate::kilobits_per_second(static_cast<int64_t>(kilobits));
}

Result<turn::ServerConfig, std::string> engine_config(const TurnOptions& options) {
  turn::ServerConfig config;
  config.realm = options.realm;
  if (config.realm.empty() || config.realm.size() > turn::Server::kMaxText) {
    return fail(cat("--realm takes 1 to ", turn::Server::kMaxText, " bytes."));
  }
  config.software = options.software;
  for (const std::string& text : options.users) {
    const size_t colon = text.find(':');
    // The text is not repeated: it holds a password.
    if (colon == 0 || colon == std::string::npos) return fail(std::string("--user takes NAME:PASSWORD."));
    config.users.push_back({text.substr(0, colon), text.substr(colon + 1)});
  }
  config.secrets = options.secrets;
  if (config.users.empty() && config.secrets.empty()) {
    return fail(std::string("Nobody could use this server: give --user or --secret."));
  }
  if (std::ranges::any_of(config.secrets, &std::string::empty)) return fail(std::string("--secret is empty."));
  config.max_lifetime = std::chrono::seconds(options.max_lifetime);
  config.mobility = !options.no_mobility;
  config.tcp_relays = options.tcp_relays;
  config.max_connections_per_user = options.user_connections;
  config.max_allocations = options.max_allocations;
  config.max_allocations_per_user = options.user_allocations;
  config.max_rate_per_user = rate(options.user_kbit);
  config.max_rate = rate(options.total_kbit);
  KAON_TRY(config.alternates, endpoints(options.alternates, "--alternate"));
  config.alternate_domain = options.alternate_domain;
  if (config.alternate_domain.size() > turn::Client::kMaxDomain) {
    return fail(cat("--alternate-domain takes at most ", turn::Client::kMaxDomain, " bytes."));
  }
  KAON_TRY(config.peers, peer_policy(options));
  return config;
}

Result<std::optional<io::TurnTls>, std::string> tls_of(const TurnOptions& options) {
  if (options.tls.empty() && options.dtls.empty()) return std::nullopt;
  if (options.certificate_file.empty() || options.key_file.empty()) {
    return fail(std::string("--tls and --dtls want --cert and --key."));
  }
  io::TurnTls tls;
  for (const auto& [file, into] :
       {std::pair(&options.certificate_file, &tls.certificate), std::pair(&options.key_file, &tls.private_key),
        std::pair(&options.client_authorities_file, &tls.client_authorities)}) {
    if (file->empty()) continue;
    auto content = read_file(*file);
    if (!content) return fail(cat("The file ", *file, " cannot be read."));
    *into = std::move(*content);
  }
  return tls;
}

Result<io::TurnHostOptions, std::string> host_options(const TurnOptions& options) {
  io::TurnHostOptions host;
  const bool none = options.udp.empty() && options.tcp.empty() && options.tls.empty() && options.dtls.empty();
  const Texts usual{"0.0.0.0:3478"};
  KAON_TRY(host.udp, endpoints(none ? usual : options.udp, "--udp"));
  KAON_TRY(host.tcp, endpoints(none ? usual : options.tcp, "--tcp"));
  KAON_TRY(host.tls_endpoints, endpoints(options.tls, "--tls"));
  KAON_TRY(host.dtls, endpoints(options.dtls, "--dtls"));
  KAON_TRY(host.tls, tls_of(options));
  KAON_TRY(host.relays, relay_addresses(options));
  KAON_TRY(host.ports, port_range(options.ports));
  KAON_TRY(host.server, engine_config(options));
  return host;
}

/// A server on loops of their own, and one more loop for the metrics, which asks the others.
struct Running {
  std::vector<std::unique_ptr<io::Loop>> loops;
  std::vector<std::unique_ptr<io::TurnHost>> hosts;  // one on each
  io::Loop control;
  std::unique_ptr<sfu::HttpServer> metrics;

  Running() { control.start(); }
  TurnFigures figures() {
    TurnFigures all;
    for (size_t i = 0; i < hosts.size(); ++i) loops[i]->invoke([&] { all.add(*hosts[i]); });
    return all;
  }
  ~Running() {
    control.invoke([&] { metrics.reset(); });
    for (size_t i = 0; i < hosts.size(); ++i) loops[i]->invoke([&] { hosts[i].reset(); });
    for (const auto& loop : loops) loop->stop(), loop->join();
    control.stop();
    control.join();
  }
};

void tell(Logger& log, bool json, const turn::ServerEvent& event) {
  if (json) {
    std::printf("%s\n", event_line(event, true).c_str());
    std::fflush(stdout);
  } else if (log.enabled(LogLevel::Info)) {
    log.write(LogLevel::Info, "turn", event_line(event, false));
  }
}

Result<void, std::string> start(Running& running, const TurnOptions& options, Env env) {
  KAON_TRY(const io::TurnHostOptions host, host_options(options));
  const size_t count = options.loops != 0 ? options.loops : std::max(1u, std::thread::hardware_concurrency());
  std::vector<io::Loop*> loops;
  for (size_t i = 0; i < count; ++i) {
    loops.push_back(running.loops.emplace_back(std::make_unique<io::Loop>()).get());
    loops.back()->start();
  }
  KAON_TRY(running.hosts, io::start_turn_hosts(loops, host, env,
                                               [&log = env.log, json = options.json](const turn::ServerEvent& event) {
                                                 tell(log, json, event);
                                               }));
  if (options.metrics.empty()) return {};
  const auto address = listen_address(options.metrics);
  if (!address) return fail(cat("'", options.metrics, "' is no ADDR:PORT for --metrics."));
  const auto answer = [&running](const sfu::HttpRequest& request, const sfu::HttpServer::Respond& respond) {
    if (request.path != "/metrics") return respond(sfu::HttpResponse::error(404, "There is only /metrics here."));
    respond(sfu::HttpResponse::with(200, "text/plain; version=0.0.4", turn_metrics(running.figures())));
  };
  std::string problem;
  running.control.invoke([&] {
    auto metrics = sfu::HttpServer::listen(running.control, *address, std::nullopt, answer, env.log);
    if (metrics) running.metrics = std::move(*metrics);
    if (!metrics) problem = std::move(metrics.error());
  });
  if (!problem.empty()) return fail(std::move(problem));
  return {};
}

void greet(const Running& running) {
  for (const auto& [protocol, name] : {std::pair(net::Protocol::Udp, "UDP"), std::pair(net::Protocol::Tcp, "TCP"),
                                       std::pair(net::Protocol::Tls, "TLS"), std::pair(net::Protocol::Dtls, "DTLS")}) {
    for (const net::Endpoint& bound : running.hosts.front()->bound(protocol)) {
      std::printf("TURN over %s: %s\n", name, bound.to_string().c_str());
    }
  }
  if (running.metrics) std::printf("Metrics: http://%s/metrics\n", running.metrics->address().to_string().c_str());
  std::printf("Kaon is ready. Ctrl-C stops.\n");
  std::fflush(stdout);
}

// Nobody new is let in; those there may go on for a while.
void drain(Running& running, uint32_t seconds, StopSignal& stop) {
  if (seconds == 0) return;
  stop.reset();
  for (size_t i = 0; i < running.hosts.size(); ++i) running.loops[i]->invoke([&] { running.hosts[i]->drain(); });
  for (uint32_t i = 0; i < 10 * seconds; ++i) {
    if (running.figures().all_allocations() == 0 || stop.wait(100)) return;
  }
}

// Each allocation is a socket, two with both families, and so is each connection. What the system lets us have is often
// a fraction of what it would let us ask for.
void raise_descriptor_limit(size_t allocations, Logger& log) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 2 * allocations) {
    log.line(LogLevel::Warning, "turn", "the system allows ", limit.rlim_cur, " open descriptors, too few for ",
             allocations, " allocations and their connections; to raise it: ulimit -n, or LimitNOFILE of systemd");
  }
}

int turn(const TurnOptions& options) {
  StopSignal stop;
  ConsoleLogger log(log_level(options.log));
  crypto::SystemRandom random;
  Running running;
  if (const auto started = start(running, options, {random, log}); !started) return fail_with(started.error());
  raise_descriptor_limit(options.max_allocations, log);
  greet(running);
  stop.wait(-1);
  drain(running, options.drain, stop);
  return 0;
}

void add_listeners(CLI::App& command, TurnOptions& options) {
  command
      .add_option("--udp", options.udp, "Where to listen over UDP; 0.0.0.0:3478, and TCP too, if no listener is given")
      ->type_name("ADDR:PORT");
  command.add_option("--tcp", options.tcp, "Where to listen over TCP")->type_name("ADDR:PORT");
  command.add_option("--tls", options.tls, "Where to listen over TLS; usually port 5349 or 443")
      ->type_name("ADDR:PORT");
  command.add_option("--dtls", options.dtls, "Where to listen over DTLS")->type_name("ADDR:PORT");
  command.add_option("--cert", options.certificate_file, "Certificate chain in PEM, for TLS and DTLS")
      ->type_name("FILE");
  command.add_option("--key", options.key_file, "Private key in PEM")->type_name("FILE");
  command
      .add_option("--client-ca", options.client_authorities_file,
                  "Let in over TLS and DTLS only clients with a certificate of one of these")
      ->type_name("FILE");
  command.add_option("--metrics", options.metrics, "Where to give metrics to Prometheus, over HTTP at /metrics")
      ->type_name("ADDR:PORT");
}

void add_credentials(CLI::App& command, TurnOptions& options) {
  command.add_option("--realm", options.realm, "Realm of the credentials")->type_name("TEXT")->capture_default_str();
  command.add_option("--user", options.users, "A user with a password; may be repeated")->type_name("NAME:PASSWORD");
  command.add_option("--secret", options.secrets, "Secret of time-limited credentials; each of several is tried")
      ->type_name("TEXT");
}

void add_relays(CLI::App& command, TurnOptions& options) {
  command
      .add_option("--relay-ip", options.relay_ips,
                  "Address to open relays on, one per family; without it the machine's own")
      ->type_name("IP");
  command.add_option("--public-ip", options.public_ips, "Address to announce instead of it (1:1 NAT)")->type_name("IP");
  command.add_option("--ports", options.ports, "UDP ports of relays")->type_name("FIRST-LAST")->capture_default_str();
  command.add_flag("--tcp-relays", options.tcp_relays,
                   "Clients over TCP and TLS may have TCP connections with peers, too (RFC 6062)");
  command
      .add_option("--allow-peer", options.allow,
                  "Relay to these addresses too; private, loopback, link-local and the like are refused without it")
      ->type_name("IP[/BITS]");
  command.add_option("--deny-peer", options.deny, "Never relay to these addresses")->type_name("IP[/BITS]");
}

void add_limits(CLI::App& command, TurnOptions& options) {
  command.add_option("--max-allocations", options.max_allocations, "Allocations in all")
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--user-allocations", options.user_allocations, "Allocations of one user")
      ->type_name("N")
      ->capture_default_str();
  command
      .add_option("--user-connections", options.user_connections,
                  "TCP connections with peers of one user, with --tcp-relays")
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--user-rate", options.user_kbit, "kbit/s of one user, both ways together; 0 for no limit")
      ->type_name("N")
      ->capture_default_str();
  command.add_option("--total-rate", options.total_kbit, "kbit/s in all; 0 for no limit")
      ->type_name("N")
      ->capture_default_str();
  command
      .add_option("--max-lifetime", options.max_lifetime, "Seconds that an allocation lives without a refresh, at most")
      ->check(CLI::Range(600, 86400))
      ->type_name("SECONDS")
      ->capture_default_str();
  command.add_flag("--no-mobility", options.no_mobility, "Clients may not go on from another address (RFC 8016)");
}

}  // namespace

void add_turn(CLI::App& app, int& status) {
  auto options = std::make_shared<TurnOptions>();
  CLI::App* command =
      app.add_subcommand("turn", "Run a TURN and STUN server, for clients that cannot connect directly.");
  add_listeners(*command, *options);
  add_credentials(*command, *options);
  add_relays(*command, *options);
  add_limits(*command, *options);
  command
      ->add_option("--software", options->software,
                   "What the server calls itself to those who have authenticated; \"\" for nothing")
      ->type_name("TEXT")
      ->capture_default_str();
  command
      ->add_option("--alternate", options->alternates,
                   "Another TURN server, where new clients are sent while this one is full or drains; one per family")
      ->type_name("ADDR:PORT");
  command
      ->add_option("--alternate-domain", options->alternate_domain,
                   "The name in the certificates of the alternates, if it is not the one in ours")
      ->type_name("NAME");
  command
      ->add_option("--drain", options->drain,
                   "At Ctrl-C, give nothing new and wait so long for allocations to end; a second Ctrl-C ends at once")
      ->type_name("SECONDS")
      ->capture_default_str();
  command
      ->add_option("--loops", options->loops,
                   "Threads that share the clients; 0 takes one per core. With several there is no mobility")
      ->check(CLI::Range(0, 64))
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--log", options->log, "How much to log")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
  command->add_flag("--json", options->json, "Events as JSON on standard output, one per line, instead of log lines");
  command
      ->add_option("--config", options->config_file,
                   "Read options from a TOML file, for example secret = [\"new\", \"old\"]; those given here win")
      ->type_name("FILE");
  command->callback([options, command, &status] {
    if (!options->config_file.empty()) read_config(*command, options->config_file);
    status = turn(*options);
  });
}

}  // namespace kaon::apps
