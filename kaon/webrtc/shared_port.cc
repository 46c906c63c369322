#include "kaon/io/peer_port.h"
#include "kaon/webrtc/configuration.h"
#include "kaon/webrtc/internal/environment.h"

namespace kaon::webrtc {

SharedPort::SharedPort(std::unique_ptr<io::PeerPort> port) : port_(std::move(port)) {}
SharedPort::~SharedPort() = default;

Result<std::shared_ptr<SharedPort>, io::IoError> SharedPort::open(std::span<io::Loop* const> loops,
                                                                  PortOptions options) {
  Env env = internal::environment(options.log);
  env.trace = options.trace;
  io::PeerPortOptions port;
  port.udp.bind = {{net::IpAddress::any(net::Family::V4), options.port},
                   {net::IpAddress::any(net::Family::V6), options.port}};
  port.udp.log = &env.log;
  port.udp.port_range = options.port_range;
  port.public_addresses = std::move(options.public_addresses);
  port.use_interface = std::move(options.use_interface);
  port.hide_addresses = options.hide_addresses;
  port.loopback = options.loopback;
  port.tcp_passive = port.tcp_active = options.ice_tcp;
  port.http_proxy = std::move(options.http_proxy);
  auto opened = io::PeerPort::open(loops, port, env);
  if (!opened && opened.error() != io::IoError::AddressInUse) {
    // A machine without IPv6.
    port.udp.bind.pop_back();
    opened = io::PeerPort::open(loops, port, env);
  }
  if (!opened) return fail(opened.error());
  return std::shared_ptr<SharedPort>(new SharedPort(std::move(*opened)));
}

uint16_t SharedPort::port() const { return port_->port(); }

io::PeerShard* SharedPort::shard(const io::Loop& loop) const {
  for (size_t i = 0; i < port_->size(); ++i) {
    if (&port_->shard(i).loop() == &loop) return &port_->shard(i);
  }
  return nullptr;
}

}  // namespace kaon::webrtc
