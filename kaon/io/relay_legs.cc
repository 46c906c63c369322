// A TURN client's UDP socket, TCP and TLS connection.
#include <algorithm>
#include <array>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <vector>

#include "kaon/base/text.h"
#include "kaon/io/internal/endpoints.h"
#include "kaon/io/internal/loop_access.h"
#include "kaon/io/internal/proxy_tunnel.h"
#include "kaon/io/internal/relay_leg.h"
#include "kaon/turn/wire.h"

namespace kaon::io {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;

constexpr std::array<uint8_t, 4> kZeros{};
// Datagrams per readiness, so that a flood does not starve the timers.
constexpr size_t kReads = 64;

std::array<asio::const_buffer, 3> gather(ByteView header, ByteView data, size_t padding) {
  return {asio::buffer(header.data(), header.size()), asio::buffer(data.data(), data.size()),
          asio::buffer(kZeros.data(), padding)};
}

template <class Socket>
std::optional<net::IpAddress> local_of(const Socket& socket) {
  error_code error;
  const auto endpoint = socket.local_endpoint(error);
  if (error || endpoint.address().is_unspecified()) return std::nullopt;
  return from_asio(endpoint.address());
}

// -- UDP -------------------------------------------------------------------------------------------------------------

class UdpLeg final : public RelayLeg, public std::enable_shared_from_this<UdpLeg> {
 public:
  UdpLeg(Loop& loop, Handlers handlers)
      : loop_(loop), handlers_(std::move(handlers)), socket_(LoopAccess::context(loop)) {}

  bool open(const net::Endpoint& server) {
    error_code error;
    const udp::endpoint remote = to_asio(server);
    socket_.open(remote.protocol(), error);
    if (!error) socket_.connect(remote, error);
    if (!error) socket_.non_blocking(true, error);
    if (error) return false;
    LoopAccess::watch(loop_, socket_.native_handle());
    wait();
    loop_.post([self = shared_from_this()] {
      if (!self->closed_) self->handlers_.on_ready();
    });
    return true;
  }

  bool send(ByteView header, ByteView data, size_t padding) override {
    error_code error;
    socket_.send(gather(header, data, padding), 0, error);
    return !error;
  }

  // A system that does not allow it sends unmarked packets.
  void set_dscp(uint8_t dscp) override {
    const int tos = dscp << 2;
    error_code error;
    const bool v4 = socket_.local_endpoint(error).address().is_v4();
    setsockopt(socket_.native_handle(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos, sizeof tos);
  }

  std::optional<net::IpAddress> local() const override { return local_of(socket_); }

  void close() override {
    if (std::exchange(closed_, true)) return;
    LoopAccess::unwatch(loop_, socket_.native_handle());
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  void wait() {
    socket_.async_wait(udp::socket::wait_read, [self = shared_from_this()](const error_code& error) {
      if (error || self->closed_) return;
      self->read();
      if (!self->closed_) self->wait();
    });
  }
  void read() {
    Bytes memory = LoopAccess::receive_memory(loop_);
    for (size_t i = 0; i < kReads && memory.size() >= kReadSize; ++i) {
      error_code error;
      const size_t size = socket_.receive(asio::buffer(memory.data(), kReadSize), 0, error);
      // ICMP errors come as errors of the next call: the server may be back any time, and the client notices if not.
      if (error == asio::error::would_block) break;
      if (error || size == 0) continue;
      handlers_.on_message(memory.first(size));
      memory = memory.subspan(size);
      if (closed_) return;
    }
    handlers_.on_drained();
  }

  Loop& loop_;
  Handlers handlers_;
  udp::socket socket_;
  bool closed_ = false;
};

// -- TCP and TLS -----------------------------------------------------------------------------------------------------

template <class Stream>
class StreamLeg final : public RelayLeg, public std::enable_shared_from_this<StreamLeg<Stream>> {
 public:
  static constexpr bool kTls = !std::is_same_v<Stream, tcp::socket>;

  StreamLeg(Loop& loop, Stream stream, Handlers handlers)
      : loop_(loop),
        stream_(std::move(stream)),
        handlers_(std::move(handlers)),
        timer_(loop.add_timer([this](Time) { fail("the connection takes too long"); })) {}

  Stream& stream() { return stream_; }

  bool open(const RelayServer& server) {
    if (server.proxy ? !connect_by_proxy(server) : !connect(server.address)) return false;
    loop_.schedule(timer_, Loop::now() + kConnectTimeout);
    return true;
  }

 private:
  bool connect_by_proxy(const RelayServer& server) {
    proxy_ = server.proxy;
    const std::string target = server.address.ip.is_none() ? server.host : server.address.ip.to_string();
    const auto request = connect_request(*proxy_, target, server.address.port);
    if (!request) return false;
    request_ = *request;
    loop_.resolve(proxy_->host, [self = this->shared_from_this()](const auto& addresses) {
      if (self->closed_) return;
      if (!addresses || addresses->empty()) return self->fail_at_proxy("no address found");
      if (!self->connect({addresses->front(), self->proxy_->port})) self->fail_at_proxy("no socket");
    });
    return true;
  }

  bool connect(const net::Endpoint& server) {
    error_code error;
    const tcp::endpoint remote(to_asio(server.ip), server.port);
    auto& socket = stream_.lowest_layer();
    socket.open(remote.protocol(), error);
    if (!error) socket.set_option(tcp::no_delay(true), error);
    if (!error) socket.non_blocking(true, error);
    if (error) return false;
    LoopAccess::watch(loop_, socket.native_handle());
    watched_ = true;
    LoopAccess::watch_writable(loop_, socket.native_handle(), true);
    socket.async_connect(remote, [self = this->shared_from_this()](const error_code& failed) {
      if (self->closed_) return;
      if (failed) return self->proxy_ ? self->fail_at_proxy(failed.message()) : self->fail(failed.message());
      self->proxy_ ? self->pass_proxy() : self->shake_hands();
    });
    return true;
  }

  void pass_proxy() {
    tcp::socket* socket = nullptr;
    if constexpr (kTls) {
      socket = &stream_.next_layer();
    } else {
      socket = &stream_;
    }
    LoopAccess::watch_writable(loop_, socket->native_handle(), false);
    open_tunnel(*socket, *proxy_, request_, [self = this->shared_from_this()](std::optional<ProxyProblem> problem) {
      if (self->closed_) return;
      if (problem) return self->fail(std::move(problem->text), problem->status);
      self->shake_hands();
    });
  }
  void fail_at_proxy(const std::string& reason) { fail(cat("proxy ", proxy_->name(), ": ", reason)); }

 public:
  bool send(ByteView header, ByteView data, size_t padding) override {
    refused_ = out_.size() + writing_.size() + header.size() + data.size() + padding > Relay::kMaxWaiting;
    if (refused_) return false;
    out_.insert(out_.end(), header.begin(), header.end());
    out_.insert(out_.end(), data.begin(), data.end());
    out_.resize(out_.size() + padding);
    if (ready_ && writing_.empty()) write();
    return true;
  }

  std::optional<net::IpAddress> local() const override { return local_of(stream_.lowest_layer()); }
  void become_stream() override { is_stream_ = true; }
  void pause(bool paused) override {
    if (std::exchange(paused_, paused) == paused || paused || closed_ || reading_) return;
    LoopAccess::watch_readable(loop_, stream_.lowest_layer().native_handle(), true);
    read();
  }

  void close() override {
    if (std::exchange(closed_, true)) return;
    loop_.remove_timer(timer_);
    if (writing_.empty()) shut();
  }

 private:
  void shake_hands() {
    if constexpr (kTls) {
      LoopAccess::watch_writable(loop_, stream_.lowest_layer().native_handle(), true);
      stream_.async_handshake(asio::ssl::stream_base::client,
                              [self = this->shared_from_this()](const error_code& failed) {
                                if (self->closed_) return;
                                if (failed) return self->fail(failed.message());
                                self->ready();
                              });
    } else {
      ready();
    }
  }
  void ready() {
    ready_ = true;
    loop_.schedule(timer_, kNever);
    LoopAccess::watch_writable(loop_, stream_.lowest_layer().native_handle(), false);
    read();
    handlers_.on_ready();
  }
  void read() {
    reading_ = true;
    stream_.async_read_some(asio::buffer(in_.data() + filled_, in_.size() - filled_),
                            [self = this->shared_from_this()](const error_code& failed, size_t size) {
                              if (self->closed_) return;
                              if (failed) return self->fail(failed.message());
                              self->filled_ += size;
                              if (!self->take_messages()) return self->fail("the server speaks no TURN");
                              self->reading_ = false;
                              self->go_on_reading();
                            });
  }
  void go_on_reading() {
    if (closed_ || reading_) return;
    if (!paused_) return read();
    LoopAccess::watch_readable(loop_, stream_.lowest_layer().native_handle(), false);
  }
  bool take_messages() {
    size_t done = 0;
    while (!closed_) {
      const Bytes rest = Bytes(in_).subspan(done, filled_ - done);
      if (is_stream_) {
        done = filled_;
        if (!rest.empty()) handlers_.on_message(rest);
        break;
      }
      const auto frame = turn::next_frame(rest);
      if (!frame) return false;
      if (!*frame || (*frame)->total > rest.size()) break;
      handlers_.on_message(rest.first((*frame)->size));
      done += (*frame)->total;
    }
    // Before the rest moves: peers' data lies where it was read.
    if (!closed_) handlers_.on_drained();
    std::copy(in_.begin() + static_cast<std::ptrdiff_t>(done), in_.begin() + static_cast<std::ptrdiff_t>(filled_),
              in_.begin());
    filled_ -= done;
    return true;
  }
  void write() {
    writing_.swap(out_);
    out_.clear();
    LoopAccess::watch_writable(loop_, stream_.lowest_layer().native_handle(), true);
    asio::async_write(stream_, asio::buffer(writing_),
                      [self = this->shared_from_this()](const error_code& failed, size_t) {
                        self->writing_.clear();
                        if (!self->watched_) return;
                        LoopAccess::watch_writable(self->loop_, self->stream_.lowest_layer().native_handle(), false);
                        if (!failed && !self->out_.empty()) return self->write();
                        if (self->closed_) return self->shut();
                        if (failed) return self->fail(failed.message());
                        if (std::exchange(self->refused_, false) && self->handlers_.on_writable) {
                          self->handlers_.on_writable();
                        }
                      });
  }
  void fail(std::string reason, uint16_t proxy_status = 0) {
    if (std::exchange(closed_, true)) return;
    const auto self = this->shared_from_this();
    loop_.remove_timer(timer_);
    shut();
    handlers_.on_failed({std::move(reason), proxy_status});
  }
  void shut() {
    if (!std::exchange(watched_, false)) return;
    auto& socket = stream_.lowest_layer();
    LoopAccess::unwatch(loop_, socket.native_handle());
    error_code ignored;
    socket.shutdown(tcp::socket::shutdown_both, ignored);
    socket.close(ignored);
  }

  Loop& loop_;
  Stream stream_;
  Handlers handlers_;
  TimerId timer_;
  std::optional<HttpProxy> proxy_;
  std::string request_;  // to it
  // Room for the largest message behind the rest of one.
  std::vector<uint8_t> in_ = std::vector<uint8_t>(turn::kMaxFrame);
  size_t filled_ = 0;
  std::vector<uint8_t> out_;
  std::vector<uint8_t> writing_;
  bool watched_ = false;
  bool ready_ = false;
  bool reading_ = false;
  bool is_stream_ = false;
  bool paused_ = false;
  bool refused_ = false;  // something to send, since everything was written
  bool closed_ = false;
};

using TlsStream = asio::ssl::stream<tcp::socket>;

}  // namespace

std::shared_ptr<RelayLeg> open_relay_udp(Loop& loop, const RelayServer& server, RelayLeg::Handlers handlers) {
  auto leg = std::make_shared<UdpLeg>(loop, std::move(handlers));
  return leg->open(server.address) ? leg : nullptr;
}

std::shared_ptr<RelayLeg> open_relay_tcp(Loop& loop, const RelayServer& server, RelayLeg::Handlers handlers) {
  auto leg =
      std::make_shared<StreamLeg<tcp::socket>>(loop, tcp::socket(LoopAccess::context(loop)), std::move(handlers));
  return leg->open(server) ? leg : nullptr;
}

// RFC 8656 §3.1, RFC 7065: "turns" is TURN over TLS, whose certificate is checked against the name in the URL.
std::shared_ptr<RelayLeg> open_relay_tls(Loop& loop, const RelayServer& server, RelayLeg::Handlers handlers) {
  asio::ssl::context context(asio::ssl::context::tls_client);
  error_code ignored;
  context.set_default_verify_paths(ignored);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  auto leg =
      std::make_shared<StreamLeg<TlsStream>>(loop, TlsStream(LoopAccess::context(loop), context), std::move(handlers));
  leg->stream().set_verify_mode(asio::ssl::verify_peer);
  leg->stream().set_verify_callback(asio::ssl::host_name_verification(server.host));
  // A name only: an address is none (RFC 6066 §3).
  if (!net::IpAddress::parse(server.host)) SSL_set_tlsext_host_name(leg->stream().native_handle(), server.host.c_str());
  return leg->open(server) ? leg : nullptr;
}

}  // namespace kaon::io
