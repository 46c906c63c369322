#include "kaon/webrtc/internal/core.h"

#include <array>

#include "kaon/base/text.h"
#include "kaon/webrtc/internal/dispatch.h"
#include "kaon/webrtc/internal/environment.h"
#include "kaon/webrtc/internal/inbox.h"

namespace kaon::webrtc::internal {
namespace {

// Often enough that translators of addresses do not forget us, whose shortest memory is some 30 s.
constexpr Duration kRecheck = std::chrono::seconds(8);

}  // namespace

Core::Core(io::Loop& loop, Configuration configuration, PeerConnectionHandlers handlers)
    : loop_(loop),
      config_(std::move(configuration)),
      handlers_(std::make_shared<const PeerConnectionHandlers>(std::move(handlers))) {}

Core::~Core() = default;

// -- beginning -------------------------------------------------------------------------------------------------------

// The lists of codecs are large, and nobody else needs them.
peer::Config Core::take_peer_config() {
  peer::Config config{.certificate = config_.certificate ? *config_.certificate : new_certificate(),
                      .negotiation = std::move(config_.negotiation)};
  config.ice.remote_policy = config_.remote_addresses;
  if (config_.ice_patience > config.ice.patience) config.ice.recheck = kRecheck;
  config.ice.patience = config_.ice_patience;
  config.data = config_.data;
  config.snap = config_.snap;
  config.sped = config_.sped;
  config.max_dtls_version = config_.max_dtls_version;
  config.key_exchange = config_.key_exchange;
  config.mtu = config_.mtu;
  config.dscp = config_.dscp;
  config.key_log = !key_log_file().empty();
  return config;
}

Result<void, io::IoError> Core::open_port() {
  port_ = config_.port;
  if (port_) return {};
  const std::array<io::Loop*, 1> loops{&loop_};
  PortOptions options = config_.own_port;
  options.log = config_.log;
  options.trace = config_.trace;
  options.http_proxy = config_.http_proxy;
  auto opened = SharedPort::open(loops, std::move(options));
  if (!opened) return fail(opened.error());
  port_ = std::move(*opened);
  return {};
}

void Core::start() {
  check_thread();
  if (const auto opened = open_port(); !opened) return report_failure(cat("No UDP port: ", to_string(opened.error())));
  io::PeerShard* shard = port_->shard(loop_);
  KAON_ASSERT(shard != nullptr);  // Configuration::port was opened without this loop
  const bool relay_only = config_.ice_transport_policy == IceTransportPolicy::Relay;
  hosted_ = shard->create(take_peer_config(), *this, relay_only ? io::Gathering::RelayOnly : io::Gathering::Continues);
  if (hosted_ == nullptr) return report_failure("The UDP port has no room for another connection");
  use_ice_servers();
}

// The state of a connection that never was, told as handlers expect it: later, on the loop.
void Core::report_failure(std::string detail) {
  failed_to_start_ = true;
  loop_.post([weak = weak_from_this(), text = std::move(detail)] {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    const Dispatch dispatch(*self);
    const auto handlers = self->handlers_;
    if (handlers->on_connection_state) handlers->on_connection_state(ConnectionState::Failed, text);
  });
}

// -- end -------------------------------------------------------------------------------------------------------------

void Core::close() {
  check_thread();
  if (std::exchange(closed_, true)) return;
  auto ended = std::make_shared<WaiterList>();
  for (const auto& [id, channel] : channels_) {
    channel->core_ = nullptr;
    channel->handlers_ = nullptr;
    ended->take_all(channel->senders_);
    if (channel->inbox_) ended->take_all(channel->inbox_->readers);
  }
  writers_.clear();
  resume_later(std::move(ended));
  for (const auto& transceiver : transceivers_) {
    transceiver->core_ = nullptr;
    transceiver->handlers_ = nullptr;
  }
  channels_.clear();
  transceivers_.clear();
  // What the handlers own may be the connection itself; who is running now keeps its own reference.
  handlers_ = nullptr;
  if (hosted_ != nullptr) std::exchange(hosted_, nullptr)->close();
  release_port();
}

// Within one of our own handlers the port's driver is visiting us: the port must stay until that is over.
void Core::release_port() {
  if (!port_) return;
  if (dispatching_ == 0) {
    port_ = nullptr;
  } else {
    loop_.post([port = std::move(port_)] {});
  }
}

// -- state -----------------------------------------------------------------------------------------------------------

void Core::touch() {
  if (hosted_ != nullptr) hosted_->touch();
}

ConnectionState Core::state() const {
  if (closed_) return ConnectionState::Closed;
  if (hosted_ == nullptr) return failed_to_start_ ? ConnectionState::Failed : ConnectionState::New;
  return hosted_->connection().state();
}

// W3C §4.7.3: told once, when the state is stable, until a description is set.
void Core::tell_negotiation_needed() {
  if (closed_ || connection()->signaling_state() != SignalingState::Stable) return;
  const bool needed = connection()->negotiation_needed();
  if (std::exchange(told_negotiation_needed_, needed) || !needed) return;
  const auto handlers = handlers_;
  if (handlers->on_negotiation_needed) handlers->on_negotiation_needed();
}

}  // namespace kaon::webrtc::internal
