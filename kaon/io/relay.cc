#include "kaon/io/relay.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "kaon/io/internal/relay_leg.h"
#include "kaon/io/loop.h"
#include "kaon/turn/redirects.h"

namespace kaon::io {
namespace {

// For the client, which compares addresses; the socket is connected and gives nobody else's packets.
constexpr net::Endpoint kLocal{net::IpAddress::v4(0, 0, 0, 0), 0};

class RelayImpl final : public Relay, public std::enable_shared_from_this<RelayImpl> {
 public:
  RelayImpl(Loop& loop, const RelayServer& server, Env env, Handlers handlers)
      : loop_(loop),
        server_(server),
        env_(env),
        handlers_(std::move(handlers)),
        client_(std::in_place, env, client_config(server), Loop::now()),
        redirects_(server.address),
        timer_(loop.add_timer([this](Time now) {
          client_->handle_timeout(now);
          pump();
        })) {}
  ~RelayImpl() override { close(); }

  void start();
  void send(const Outgoing& outgoing) override;
  bool connect(const net::Endpoint& peer) override {
    const bool asked = client_->connect(peer, Loop::now());
    pump_later();
    return asked;
  }
  bool let_in(const net::IpAddress& peer) override {
    const bool asked = client_->let_in(peer, Loop::now());
    pump_later();
    return asked;
  }
  std::shared_ptr<RelayedStream> take(const turn::PeerConnected& connected, RelayedStream::Handlers handlers) override {
    return open_relayed_stream(loop_, server_, env_, client_->bind(connected.id), std::move(handlers));
  }
  void close() override;
  const std::optional<net::Endpoint>& relayed() const override { return client_->relayed(); }
  std::optional<net::IpAddress> local() const override { return leg_ ? leg_->local() : std::nullopt; }
  const RelayStats& stats() const override { return stats_; }

 private:
  static turn::Client::Config client_config(const RelayServer& server) {
    turn::Client::Config config;
    config.local = kLocal;
    config.server = server.address;
    config.protocol = server.protocol;
    config.username = server.username;
    config.password = server.password;
    config.families = server.families;
    config.tcp = server.tcp;
    return config;
  }
  void send_requests();
  // Within calls of the user, who is told nothing there.
  void pump_later() {
    send_requests();
    loop_.schedule(timer_, ready_ ? client_->next_timeout() : kNever);
  }
  void pump();
  void tell();
  void handle_message(Bytes message);
  void deliver();
  bool redirect(turn::ClientEvent& event);
  void fail(LegFailure failure);

  Loop& loop_;
  RelayServer server_;
  Env env_;
  Handlers handlers_;
  std::optional<turn::Client> client_;  // always there; another one for each server
  turn::Redirects redirects_;
  TimerId timer_;
  std::shared_ptr<RelayLeg> leg_;
  uint8_t dscp_ = 0;
  bool ready_ = false;
  bool allocated_ = false;
  bool closed_ = false;
  std::vector<net::Datagram> batch_;
  RelayStats stats_;
};

void RelayImpl::start() {
  const auto on = [weak = weak_from_this()](auto method) {
    return [weak, method](auto... arguments) {
      const auto self = weak.lock();
      if (self && !self->closed_) (self.get()->*method)(std::move(arguments)...);
    };
  };
  RelayLeg::Handlers handlers;
  handlers.on_ready = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->closed_) return;
    self->ready_ = true;
    self->client_->handle_timeout(Loop::now());
    self->pump();
  };
  handlers.on_message = on(&RelayImpl::handle_message);
  handlers.on_drained = on(&RelayImpl::deliver);
  handlers.on_failed = on(&RelayImpl::fail);
  switch (server_.protocol) {
    case net::Protocol::Udp: leg_ = open_relay_udp(loop_, server_, std::move(handlers)); break;
    case net::Protocol::Tcp: leg_ = open_relay_tcp(loop_, server_, std::move(handlers)); break;
    case net::Protocol::Tls: leg_ = open_relay_tls(loop_, server_, std::move(handlers)); break;
    case net::Protocol::Dtls: leg_ = open_relay_dtls(loop_, server_, std::move(handlers)); break;
  }
  if (leg_) return;
  loop_.post([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && !self->closed_) self->fail({.reason = "no socket"});
  });
}

void RelayImpl::send_requests() {
  std::array<uint8_t, turn::Client::kMaxPacket> memory;
  while (ready_ && leg_) {
    const auto transmit = client_->poll_transmit(memory);
    if (!transmit) return;
    leg_->send(ByteView(memory).first(transmit->size), {}, 0);
  }
}

// What the client wants to send and to tell, and when it wants to be called again.
void RelayImpl::pump() {
  send_requests();
  // A connection that is not there yet: the client begins when it is.
  loop_.schedule(timer_, ready_ ? client_->next_timeout() : kNever);
  tell();
}

void RelayImpl::tell() {
  const auto self = shared_from_this();
  while (!closed_) {
    auto event = client_->poll_event();
    if (!event) return;
    if (redirect(*event)) return;
    allocated_ = allocated_ || std::holds_alternative<turn::Allocated>(*event);
    stats_.unreachable += std::holds_alternative<turn::PeerUnreachable>(*event);
    handlers_.on_event(*event);
  }
}

// True if the server names another one, which is asked now. A server that names one while the allocation stands has
// ended that: its peers know the address, and another one is of no use to them.
bool RelayImpl::redirect(turn::ClientEvent& event) {
  auto* failed = std::get_if<turn::ClientFailed>(&event);
  if (failed == nullptr || failed->error != turn::ClientError::TryAlternate || allocated_) return false;
  const auto followed = redirects_.follow(failed->alternate.server);
  if (!followed) return failed->reason = turn::to_text(followed.error()), false;
  server_.address = failed->alternate.server;
  if (!failed->alternate.domain.empty()) server_.host = failed->alternate.domain;
  std::exchange(leg_, nullptr)->close();
  ready_ = false;
  dscp_ = 0;
  client_.emplace(env_, client_config(server_), Loop::now());
  loop_.schedule(timer_, kNever);
  start();
  return true;
}

void RelayImpl::handle_message(Bytes message) {
  net::Datagram packet;
  packet.local = kLocal;
  packet.remote = server_.address;
  packet.protocol = server_.protocol;
  packet.bytes = message;
  const auto data = client_->receive(packet, Loop::now());
  if (!data) return;
  net::Datagram inner;
  inner.local = *client_->relayed(data->peer.ip.family());
  inner.remote = data->peer;
  inner.bytes = data->data;
  batch_.push_back(inner);
  ++stats_.received;
  stats_.received_bytes += data->data.size();
}

void RelayImpl::deliver() {
  if (!batch_.empty()) handlers_.on_data(batch_, Loop::now());
  batch_.clear();
  if (!closed_) pump();
}

void RelayImpl::fail(LegFailure failure) {
  const auto self = shared_from_this();
  const auto on_event = handlers_.on_event;
  close();
  turn::ClientFailed failed{.error = turn::ClientError::Timeout, .number = 701, .reason = std::move(failure.reason)};
  if (failure.proxy_status != 0) {
    failed.error = turn::ClientError::ProxyRefused;
    failed.number = failure.proxy_status;
  }
  on_event(failed);
}

void RelayImpl::send(const Outgoing& outgoing) {
  if (closed_) return;
  const size_t segment = outgoing.transmit.segment_size == 0 ? outgoing.bytes.size() : outgoing.transmit.segment_size;
  std::array<uint8_t, turn::Client::kMaxHeader> header;
  if (leg_ && std::exchange(dscp_, outgoing.transmit.dscp) != outgoing.transmit.dscp) leg_->set_dscp(dscp_);
  const Time now = Loop::now();
  for (ByteView rest = outgoing.bytes; !rest.empty();) {
    const ByteView packet = rest.first(std::min(segment, rest.size()));
    rest = rest.subspan(packet.size());
    const auto envelope = client_->wrap(outgoing.transmit.remote, packet, header, now);
    send_requests();  // a permission before what needs it
    if (envelope && leg_ && leg_->send(ByteView(header).first(envelope->header), packet, envelope->padding)) {
      ++stats_.sent;
      stats_.sent_bytes += packet.size();
    } else {
      ++stats_.dropped;
    }
  }
  pump_later();
}

void RelayImpl::close() {
  if (std::exchange(closed_, true)) return;
  client_->close(Loop::now());
  send_requests();
  if (leg_) std::exchange(leg_, nullptr)->close();
  loop_.remove_timer(timer_);
}

}  // namespace

std::shared_ptr<Relay> Relay::open(Loop& loop, const RelayServer& server, Env env, Handlers handlers) {
  auto relay = std::make_shared<RelayImpl>(loop, server, env, std::move(handlers));
  relay->start();
  return relay;
}

}  // namespace kaon::io
