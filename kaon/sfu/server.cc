#include "kaon/sfu/server.h"

#include <algorithm>
#include <array>
#include <thread>

#include "kaon/base/text.h"
#include "kaon/crypto/system_random.h"
#include "kaon/sfu/internal/control.h"

namespace kaon::sfu {

class Server::Impl {
 public:
  Impl(ServerConfig config, Logger& log) : config_(std::move(config)), log_(log) {}
  ~Impl();

  Result<void, std::string> start();
  std::optional<net::Endpoint> http() const { return http_ ? std::optional(http_->address()) : std::nullopt; }
  std::vector<net::Endpoint> turn(net::Protocol protocol) const {
    return turn_ ? turn_->bound(protocol) : std::vector<net::Endpoint>();
  }
  std::optional<net::Endpoint> https() const { return https_ ? std::optional(https_->address()) : std::nullopt; }
  uint16_t udp_port() const { return port_->port(); }

 private:
  Result<void, std::string> open_port();
  Result<void, std::string> start_turn();
  Result<std::unique_ptr<HttpServer>, std::string> listen(net::Endpoint address, std::optional<TlsIdentity> tls);

  ServerConfig config_;
  Logger& log_;
  crypto::SystemRandom random_;
  std::vector<std::unique_ptr<io::Loop>> loops_;
  std::unique_ptr<internal::Control> control_;
  std::unique_ptr<io::PeerPort> port_;
  std::unique_ptr<io::TurnHost> turn_;
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<HttpServer> https_;
};

Result<void, std::string> Server::Impl::start() {
  size_t count = config_.loops != 0 ? config_.loops : std::max(1u, std::thread::hardware_concurrency());
  count = std::min(count, io::PeerPort::kMaxLoops);
  for (size_t i = 0; i < count; ++i) loops_.push_back(std::make_unique<io::Loop>());
  control_ = std::make_unique<internal::Control>(config_, loops_, log_);
  for (auto& loop : loops_) loop->start();
  if (auto opened = open_port(); !opened) return opened;
  control_->attach(*port_);
  if (auto started = start_turn(); !started) return started;
  if (config_.http) {
    auto server = listen(*config_.http, std::nullopt);
    if (!server) return fail(server.error());
    http_ = std::move(*server);
  }
  if (config_.https) {
    auto server = listen(*config_.https, config_.tls);
    if (!server) return fail(server.error());
    https_ = std::move(*server);
  }
  return {};
}

Result<void, std::string> Server::Impl::open_port() {
  io::PeerPortOptions options;
  options.udp.bind = {{net::IpAddress::any(net::Family::V4), config_.udp_port},
                      {net::IpAddress::any(net::Family::V6), config_.udp_port}};
  options.udp.log = &log_;
  for (const net::IpAddress& ip : config_.public_addresses) options.public_addresses.push_back({ip});
  options.loopback = true;
  options.tcp_passive = config_.ice_tcp;
  std::vector<io::Loop*> loops;
  for (auto& loop : loops_) loops.push_back(loop.get());
  auto port = io::PeerPort::open(loops, options, {random_, log_, config_.trace});
  if (!port && port.error() != io::IoError::AddressInUse) {
    // A machine without IPv6.
    options.udp.bind.pop_back();
    port = io::PeerPort::open(loops, options, {random_, log_, config_.trace});
  }
  if (!port)
    return fail(cat("The UDP port ", config_.udp_port, " cannot be opened: ", io::to_string(port.error()),
                    ". Choose another with --udp."));
  port_ = std::move(*port);
  return {};
}

Result<void, std::string> Server::Impl::start_turn() {
  if (!config_.turn) return {};
  std::array<uint8_t, 16> bytes;
  random_.fill(bytes);
  const std::string secret = to_hex(bytes);
  io::TurnHostOptions options = std::move(*config_.turn);
  options.server.secrets.push_back(secret);
  options.server.peers.open_own_port(port_->port());
  Result<void, std::string> result;
  loops_.front()->invoke([&] {
    auto started = io::TurnHost::start(*loops_.front(), std::move(options), {random_, log_}, [](const auto&) {});
    if (!started) return void(result = fail(started.error()));
    turn_ = std::move(*started);
    control_->attach(*turn_, secret);
  });
  return result;
}

Result<std::unique_ptr<HttpServer>, std::string> Server::Impl::listen(net::Endpoint address,
                                                                      std::optional<TlsIdentity> tls) {
  Result<std::unique_ptr<HttpServer>, std::string> server = fail(std::string());
  loops_.front()->invoke([&] {
    server = HttpServer::listen(
        *loops_.front(), address, std::move(tls),
        [this](HttpRequest request, HttpServer::Respond respond) {
          control_->handle(std::move(request), std::move(respond));
        },
        log_);
  });
  return server;
}

Server::Impl::~Impl() {
  if (loops_.empty()) return;
  loops_.front()->invoke([this] {
    http_.reset();
    https_.reset();
    turn_.reset();
    if (control_) control_->close();
  });
  // Sessions go on their own loops, in the order of posting.
  for (auto& loop : loops_) loop->invoke([] {});
  port_.reset();
  for (auto& loop : loops_) loop->stop();
  for (auto& loop : loops_) loop->join();
  control_.reset();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>, std::string> Server::start(ServerConfig config, Logger& log) {
  auto impl = std::make_unique<Impl>(std::move(config), log);
  if (auto started = impl->start(); !started) return fail(started.error());
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::optional<net::Endpoint> Server::http_address() const { return impl_->http(); }
std::optional<net::Endpoint> Server::https_address() const { return impl_->https(); }
uint16_t Server::udp_port() const { return impl_->udp_port(); }
std::vector<net::Endpoint> Server::turn_addresses(net::Protocol protocol) const { return impl_->turn(protocol); }

}  // namespace kaon::sfu
