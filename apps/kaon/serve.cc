// kaon serve: the media server.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "apps/kaon/commands.h"
#include "apps/kaon/console.h"
#include "apps/kaon/options.h"
#include "apps/kaon/signals.h"
#include "apps/kaon/trace_options.h"
#include "apps/kaon/version.h"
#include "kaon/base/text.h"
#include "kaon/crypto/certificate.h"
#include "kaon/crypto/system_random.h"
#include "kaon/io/loop.h"
#include "kaon/io/peer_port.h"
#include "kaon/sfu/server.h"

namespace kaon::apps {
namespace {

namespace fs = std::filesystem;

struct ServeOptions {
  std::string http = "0.0.0.0:8080";
  std::string https;
  std::string certificate_file;
  std::string key_file;
  uint16_t udp = 7878;
  size_t loops = 0;
  bool ice_lite = false;
  bool ice_tcp = false;
  std::string max_dtls = "1.3";
  bool no_sped = false;
  std::vector<std::string> public_ips;
  std::vector<std::string> ice_servers;
  std::string turn;
  std::string turns;
  std::string turn_ports = "49152-65535";
  std::string token;
  std::string log = "info";
  std::string config_file;
  io::TraceOptions trace;
};

bool write_private(const fs::path& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  if (!file) return false;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  file << content;
  return static_cast<bool>(file.flush());
}

// Where the self-signed certificate lives between runs: $XDG_STATE_HOME/kaon or ~/.local/state/kaon.
fs::path state_folder() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != '\0')
    return fs::path(state) / "kaon";
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr && *home != '\0' ? home : "/var/lib") / ".local/state/kaon";
}

Result<sfu::TlsIdentity, std::string> own_identity() {
  const fs::path folder = state_folder();
  const fs::path certificate_path = folder / "certificate.pem";
  const fs::path key_path = folder / "key.pem";
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(io::Loop::wall_clock());
  const auto certificate = read_file(certificate_path);
  const auto key = read_file(key_path);
  if (certificate && key) {
    const auto known = crypto::Certificate::from_pem(*certificate, *key);
    if (known && known->expires() > now + std::chrono::days(1)) return sfu::TlsIdentity{*certificate, *key};
  }
  crypto::SystemRandom random;
  const auto made = crypto::Certificate::generate(crypto::KeyType::EcdsaP256, random, now, std::chrono::days(365));
  sfu::TlsIdentity identity{made.certificate_pem(), made.private_key_pem()};
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || !write_private(certificate_path, identity.certificate) ||
      !write_private(key_path, identity.private_key)) {
    return fail(cat("The self-signed certificate cannot be kept in ", folder.string(),
                    ". Set XDG_STATE_HOME, or give --cert and --key."));
  }
  return identity;
}

Result<sfu::TlsIdentity, std::string> tls_identity(const ServeOptions& options) {
  if (options.certificate_file.empty() != options.key_file.empty())
    return fail(std::string("--cert and --key belong together."));
  if (options.certificate_file.empty()) return own_identity();
  auto certificate = read_file(options.certificate_file);
  if (!certificate) return fail(cat("The certificate file ", options.certificate_file, " cannot be read."));
  auto key = read_file(options.key_file);
  if (!key) return fail(cat("The key file ", options.key_file, " cannot be read."));
  return sfu::TlsIdentity{std::move(*certificate), std::move(*key)};
}

// The TURN server inside, for clients that reach the media port in no other way.
Result<std::optional<io::TurnHostOptions>, std::string> turn_options(
    const ServeOptions& options, const std::vector<net::IpAddress>& public_addresses) {
  if (options.turn.empty() && options.turns.empty()) return std::nullopt;
  io::TurnHostOptions turn;
  if (!options.turn.empty()) {
    const auto address = listen_address(options.turn);
    if (!address) return fail(cat("'", options.turn, "' is no ADDR:PORT for --turn."));
    turn.udp = turn.tcp = {*address};
  }
  if (!options.turns.empty()) {
    const auto address = listen_address(options.turns);
    if (!address) return fail(cat("'", options.turns, "' is no ADDR:PORT for --turns."));
    turn.tls_endpoints = {*address};
    const auto identity = tls_identity(options);
    if (!identity) return fail(identity.error());
    turn.tls = io::TurnTls{.certificate = identity->certificate, .private_key = identity->private_key};
  }
  const auto ports = turn_ports(options.turn_ports);
  if (!ports) return fail(cat("'", options.turn_ports, "' is no FIRST-LAST for --turn-ports."));
  turn.ports = *ports;
  turn.relays = relays_on({}, public_addresses);
  if (turn.relays.empty()) return fail(std::string("This machine has no address for relays."));
  turn.server.realm = turn.server.software = "kaon";
  return turn;
}

Result<sfu::ServerConfig, std::string> server_config(const ServeOptions& options) {
  sfu::ServerConfig config;
  config.http = listen_address(options.http);
  if (!config.http) return fail(cat("'", options.http, "' is no ADDR:PORT for --http."));
  if (!options.https.empty()) {
    config.https = listen_address(options.https);
    if (!config.https) return fail(cat("'", options.https, "' is no ADDR:PORT for --https."));
    auto identity = tls_identity(options);
    if (!identity) return fail(identity.error());
    config.tls = std::move(*identity);
  }
  for (const std::string& text : options.public_ips) {
    const auto ip = net::IpAddress::parse(text);
    if (!ip) return fail(cat("'", text, "' is no IP address for --public-ip."));
    config.public_addresses.push_back(*ip);
  }
  for (const std::string& text : options.ice_servers) {
    auto server = sfu::IceServer::parse(text);
    // The text is not repeated: it may hold a secret.
    if (!server) return fail(std::string("--ice-server takes stun:HOST:PORT or turn:HOST:PORT,USER,CREDENTIAL."));
    config.ice_servers.push_back(std::move(*server));
  }
  config.udp_port = options.udp;
  config.loops = options.loops;
  config.ice_lite = options.ice_lite;
  config.ice_tcp = options.ice_tcp;
  if (options.max_dtls == "1.2") config.max_dtls_version = dtls::Version::Dtls12;
  config.sped = !options.no_sped;
  config.token = options.token;
  KAON_TRY(config.turn, turn_options(options, config.public_addresses));
  if (const char* file = std::getenv("SSLKEYLOGFILE")) config.key_log_file = file;
  config.version = cat_version();
  return config;
}

std::string url(std::string_view scheme, net::Endpoint address) {
  if (!address.ip.is_any()) return cat(scheme, "://", address, "/");
  return cat(scheme, "://localhost:", address.port, "/");
}

int serve(const ServeOptions& options) {
  StopSignal stop;
  ConsoleLogger log(log_level(options.log));
  auto config = server_config(options);
  if (!config) return fail_with(config.error());
  const auto trace = open_trace_files(options.trace, log);
  if (!trace) return fail_with(trace.error());
  config->trace = trace->get();
  auto server = sfu::Server::start(std::move(*config), log);
  if (!server) return fail_with(server.error());
  std::printf("Kaon is ready: %s\n", url("http", *(*server)->http_address()).c_str());
  if (const auto https = (*server)->https_address()) std::printf("With HTTPS:    %s\n", url("https", *https).c_str());
  for (const auto& [protocol, name] : {std::pair(net::Protocol::Udp, "UDP"), std::pair(net::Protocol::Tcp, "TCP"),
                                       std::pair(net::Protocol::Tls, "TLS")}) {
    for (const net::Endpoint& address : (*server)->turn_addresses(protocol)) {
      std::printf("TURN over %s: %s\n", name, address.to_string().c_str());
    }
  }
  std::printf("Media over UDP port %u. Ctrl-C stops.\n", (*server)->udp_port());
  std::fflush(stdout);
  stop.wait(-1);
  return 0;
}

}  // namespace

void add_serve(CLI::App& app, int& status) {
  auto options = std::make_shared<ServeOptions>();
  CLI::App* command = app.add_subcommand("serve", "Run the media server with its web page: WHIP in, WHEP out.");
  command->add_option("--http", options->http, "Where to listen for HTTP")
      ->type_name("ADDR:PORT")
      ->capture_default_str();
  command
      ->add_option("--https", options->https,
                   "Where to listen for HTTPS, which browsers want for the camera of another machine")
      ->type_name("ADDR:PORT");
  command->add_option("--cert", options->certificate_file, "Certificate chain in PEM; without it one is made and kept")
      ->type_name("FILE");
  command->add_option("--key", options->key_file, "Private key in PEM")->type_name("FILE");
  command->add_option("--udp", options->udp, "UDP port of all media; 0 takes a free one")
      ->type_name("PORT")
      ->capture_default_str();
  command->add_option("--loops", options->loops, "Threads for media; 0 takes one per core")
      ->check(CLI::Range(size_t{0}, io::PeerPort::kMaxLoops).description(""))
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--ice-tcp", options->ice_tcp,
                    "Take media over TCP too, on the same port number: for networks that block UDP");
  command->add_flag("--ice-lite", options->ice_lite,
                    "Answer connectivity checks only, for a server with a public address");
  command->add_option("--max-dtls", options->max_dtls, "Highest DTLS version, for paths that lose records of 1.3")
      ->check(CLI::IsMember({"1.2", "1.3"}))
      ->capture_default_str();
  command->add_flag("--no-sped", options->no_sped,
                    "No DTLS within connectivity checks, for tools that look for it by itself");
  command->add_option("--public-ip", options->public_ips, "Address to announce instead of private ones (1:1 NAT)")
      ->type_name("IP");
  command
      ->add_option("--ice-server", options->ice_servers,
                   "STUN or TURN server to tell clients of (Link header); may be repeated")
      ->type_name("URL[,USER,CREDENTIAL]");
  command
      ->add_option("--turn", options->turn,
                   "Run a TURN server inside, over UDP and TCP; clients get credentials that end by themselves")
      ->type_name("ADDR:PORT");
  command
      ->add_option("--turns", options->turns,
                   "The same over TLS, with --cert and --key: passes firewalls that let only HTTPS through")
      ->type_name("ADDR:PORT");
  command->add_option("--turn-ports", options->turn_ports, "UDP ports of its relays")
      ->type_name("FIRST-LAST")
      ->capture_default_str();
  command->add_option("--token", options->token, "Ask for this bearer token")->type_name("SECRET");
  command->add_option("--log", options->log, "How much to log")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
  add_trace_options(*command, options->trace);
  command
      ->add_option("--config", options->config_file,
                   "Read options from a TOML file, for example http = \"0.0.0.0:80\"; those given here win")
      ->type_name("FILE");
  command->callback([options, command, &status] {
    if (!options->config_file.empty()) read_config(*command, options->config_file);
    status = serve(*options);
  });
}

}  // namespace kaon::apps
