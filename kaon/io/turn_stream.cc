// TURN over TCP and TLS.
#include <algorithm>
#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <map>
#include <vector>

#include "kaon/base/text.h"
#include "kaon/io/internal/endpoints.h"
#include "kaon/io/internal/loop_access.h"
#include "kaon/io/internal/turn_legs.h"
#include "kaon/io/internal/turn_pipe.h"
#include "kaon/turn/wire.h"

namespace kaon::io {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

net::Endpoint from_tcp(const tcp::endpoint& endpoint) { return {from_asio(endpoint.address()), endpoint.port()}; }

/// One client.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual void start() = 0;
  virtual bool send(ByteView message) = 0;
  virtual std::shared_ptr<TurnPipe> join(turn::ConnectionId id, tcp::socket& peer) = 0;
  virtual bool too_slow(Time now) const = 0;
  virtual void close() = 0;
};

class StreamLeg;

template <class Stream>
class StreamConnection final : public Connection, public std::enable_shared_from_this<StreamConnection<Stream>> {
 public:
  static constexpr bool kTls = !std::is_same_v<Stream, tcp::socket>;

  StreamConnection(Stream stream, const turn::ClientPath& client, StreamLeg& leg)
      : stream_(std::move(stream)), client_(client), leg_(&leg), waiting_since_(Loop::now()) {}

  void start() override;
  bool send(ByteView message) override;
  std::shared_ptr<TurnPipe> join(turn::ConnectionId id, tcp::socket& peer) override;
  bool too_slow(Time now) const override;
  void close() override;

 private:
  static constexpr size_t kFirstBuffer = 2048;

  void read();
  bool expected(ByteView message);
  bool take_messages();
  void write();
  void watch_writable(bool on);
  void fail(uint64_t TurnHostStats::* counter);

  Stream stream_;
  turn::ClientPath client_;
  StreamLeg* leg_;  // null once closed
  std::vector<uint8_t> in_ = std::vector<uint8_t>(kFirstBuffer);
  size_t filled_ = 0;
  std::vector<uint8_t> out_;
  std::vector<uint8_t> writing_;
  Time waiting_since_;  // for the rest of a message, or of the handshake
  Time last_message_ = waiting_since_;
  bool ready_ = !kTls;
  bool allocated_ = false;                    // once
  std::shared_ptr<StreamPipe<Stream>> pipe_;  // once this is a data connection
};

class StreamLeg final : public TurnLeg {
 public:
  StreamLeg(Loop& loop, TurnLegHost& host) : loop_(loop), acceptor_(LoopAccess::context(loop)), host_(host) {}
  ~StreamLeg() override { close(); }

  std::optional<std::string> use(const TurnTls& tls);
  std::optional<std::string> listen(const net::Endpoint& local, PortSharing sharing);
  net::Endpoint bound() const override {
    error_code error;
    return from_tcp(acceptor_.local_endpoint(error));
  }
  bool send(const turn::ClientPath& client, ByteView message) override {
    const auto it = connections_.find(client);
    return it != connections_.end() && it->second->send(message);
  }
  std::shared_ptr<TurnPipe> join(const turn::ClientPath& client, turn::ConnectionId id, tcp::socket& peer) override {
    const auto it = connections_.find(client);
    return it == connections_.end() ? nullptr : it->second->join(id, peer);
  }
  void sweep(Time now) override;
  void close() override;

  Loop& loop() { return loop_; }
  TurnLegHost& host() { return host_; }
  void forget(const turn::ClientPath& client) {
    connections_.erase(client);
    host_.disconnected();
    host_.leg_closed(client);
  }

 private:
  void accept();
  void begin(tcp::socket socket);

  Loop& loop_;
  tcp::acceptor acceptor_;
  TurnLegHost& host_;
  std::optional<asio::ssl::context> tls_;
  std::map<turn::ClientPath, std::shared_ptr<Connection>> connections_;
  std::shared_ptr<bool> open_ = std::make_shared<bool>(true);
  bool stalled_ = false;
};

template <class Stream>
void StreamConnection<Stream>::start() {
  LoopAccess::watch(leg_->loop(), stream_.lowest_layer().native_handle());
  if constexpr (kTls) {
    watch_writable(true);
    stream_.async_handshake(asio::ssl::stream_base::server, [self = this->shared_from_this()](const error_code& error) {
      if (self->leg_ == nullptr) return;
      if (error) return self->fail(&TurnHostStats::handshakes_failed);
      self->watch_writable(false);
      self->ready_ = true;
      self->last_message_ = Loop::now();
      self->read();
    });
  } else {
    read();
  }
}

// For a loop that is stepped: without it, it would learn from nobody that it may go on writing.
template <class Stream>
void StreamConnection<Stream>::watch_writable(bool on) {
  LoopAccess::watch_writable(leg_->loop(), stream_.lowest_layer().native_handle(), on);
}

template <class Stream>
void StreamConnection<Stream>::read() {
  stream_.async_read_some(asio::buffer(in_.data() + filled_, in_.size() - filled_),
                          [self = this->shared_from_this()](const error_code& error, size_t size) {
                            if (self->leg_ == nullptr) return;
                            if (error) return self->close();
                            if (self->filled_ == 0) self->waiting_since_ = Loop::now();
                            self->filled_ += size;
                            if (!self->take_messages()) return;
                            self->read();
                          });
}

// Text of other protocols looks like ChannelData, which nobody sends before he has an allocation.
template <class Stream>
bool StreamConnection<Stream>::expected(ByteView message) {
  if (!turn::is_channel_data(message)) return true;
  allocated_ = allocated_ || leg_->host().has_allocation(client_);
  return allocated_;
}

// False if the connection is closed by now, or has become a data connection, which reads by itself.
template <class Stream>
bool StreamConnection<Stream>::take_messages() {
  size_t at = 0;
  size_t wanted = 0;
  while (leg_ != nullptr && pipe_ == nullptr) {
    const ByteView rest = ByteView(in_).subspan(at, filled_ - at);
    const auto frame = turn::next_frame(rest);
    if (!frame || !expected(rest)) {
      fail(&TurnHostStats::not_turn);
      return false;
    }
    if (!*frame || (*frame)->total > filled_ - at) {
      wanted = *frame ? (*frame)->total : 0;
      break;
    }
    last_message_ = Loop::now();
    leg_->host().leg_message(client_, Bytes(in_).subspan(at, (*frame)->size));
    at += (*frame)->total;
  }
  if (leg_ == nullptr) return false;
  if (pipe_ != nullptr) {
    pipe_->start_to_peer(ByteView(in_).subspan(at, filled_ - at));
    in_ = {};
    return false;
  }
  std::copy(in_.begin() + static_cast<ptrdiff_t>(at), in_.begin() + static_cast<ptrdiff_t>(filled_), in_.begin());
  filled_ -= at;
  if (at != 0) waiting_since_ = Loop::now();
  if (wanted > in_.size()) in_.resize(wanted);
  return true;
}

template <class Stream>
bool StreamConnection<Stream>::send(ByteView message) {
  if (!ready_ || out_.size() + writing_.size() + message.size() > TurnHost::kMaxUnsent) return false;
  out_.insert(out_.end(), message.begin(), message.end());
  if (writing_.empty()) write();
  return true;
}

template <class Stream>
std::shared_ptr<TurnPipe> StreamConnection<Stream>::join(turn::ConnectionId id, tcp::socket& peer) {
  pipe_ = std::make_shared<StreamPipe<Stream>>(leg_->loop(), leg_->host(), id, stream_, std::move(peer),
                                               [self = this->shared_from_this()] { self->close(); });
  if (writing_.empty()) pipe_->start_to_client();
  return pipe_;
}

template <class Stream>
void StreamConnection<Stream>::write() {
  writing_.swap(out_);
  watch_writable(true);
  asio::async_write(stream_, asio::buffer(writing_),
                    [self = this->shared_from_this()](const error_code& error, size_t) {
                      if (self->leg_ == nullptr) return;
                      if (error) return self->close();
                      self->writing_.clear();
                      self->watch_writable(false);
                      if (!self->out_.empty()) return self->write();
                      if (self->pipe_ != nullptr) self->pipe_->start_to_client();
                    });
}

template <class Stream>
bool StreamConnection<Stream>::too_slow(Time now) const {
  if (pipe_ != nullptr) return false;
  const bool incomplete = !ready_ || filled_ != 0;
  if (incomplete && now - waiting_since_ > TurnHost::kPatience) return true;
  return now - last_message_ > TurnHost::kIdle && !leg_->host().has_allocation(client_);
}

template <class Stream>
void StreamConnection<Stream>::fail(uint64_t TurnHostStats::* counter) {
  ++(leg_->host().leg_stats().*counter);
  close();
}

template <class Stream>
void StreamConnection<Stream>::close() {
  StreamLeg* const leg = std::exchange(leg_, nullptr);
  if (leg == nullptr) return;
  const auto keep = this->shared_from_this();
  LoopAccess::unwatch(leg->loop(), stream_.lowest_layer().native_handle());
  error_code ignored;
  stream_.lowest_layer().close(ignored);
  leg->forget(client_);
  if (const auto pipe = std::exchange(pipe_, nullptr)) pipe->close();
}

std::optional<std::string> StreamLeg::use(const TurnTls& tls) {
  error_code error;
  tls_.emplace(asio::ssl::context::tls_server);
  tls_->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                    asio::ssl::context::no_tlsv1_1);
  tls_->use_certificate_chain(asio::buffer(tls.certificate), error);
  if (error) return cat("The certificate cannot be used: ", error.message(), ".");
  tls_->use_private_key(asio::buffer(tls.private_key), asio::ssl::context::pem, error);
  if (error) return cat("The private key cannot be used: ", error.message(), ".");
  if (tls.client_authorities.empty()) return std::nullopt;
  tls_->add_certificate_authority(asio::buffer(tls.client_authorities), error);
  if (error) return cat("The certificates of client authorities cannot be used: ", error.message(), ".");
  tls_->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert, error);
  return std::nullopt;
}

std::optional<std::string> StreamLeg::listen(const net::Endpoint& local, PortSharing sharing) {
  const tcp::endpoint endpoint(to_asio(local.ip), local.port);
  error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
  if (!error && local.ip.is_v6()) acceptor_.set_option(asio::ip::v6_only(true), error);
  if (!error && sharing == PortSharing::Join) acceptor_.set_option(ReusePort(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  // Only now: the port must be free of other programs, then it is shared with ourselves.
  if (!error && sharing == PortSharing::First) acceptor_.set_option(ReusePort(true), error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return cat("Cannot listen on TCP ", local, ": ", error.message(), ".");
  LoopAccess::watch(loop_, acceptor_.native_handle());
  accept();
  return std::nullopt;
}

void StreamLeg::accept() {
  acceptor_.async_accept([this, open = open_](const error_code& error, tcp::socket socket) {
    if (!*open || error == asio::error::operation_aborted) return;
    // No descriptors left, usually: tried again when some have been closed, at the next sweep.
    if (error) {
      stalled_ = true;
      return;
    }
    begin(std::move(socket));
    accept();
  });
}

void StreamLeg::begin(tcp::socket socket) {
  error_code error;
  const auto remote = socket.remote_endpoint(error);
  if (error) return;
  const auto local = socket.local_endpoint(error);
  if (error || !host_.may_connect()) return;
  socket.set_option(tcp::no_delay(true), error);
  turn::ClientPath client{from_tcp(local), from_tcp(remote), tls_ ? net::Protocol::Tls : net::Protocol::Tcp};
  std::shared_ptr<Connection> connection;
  if (tls_) {
    using Tls = asio::ssl::stream<tcp::socket>;
    connection = std::make_shared<StreamConnection<Tls>>(Tls(std::move(socket), *tls_), client, *this);
  } else {
    connection = std::make_shared<StreamConnection<tcp::socket>>(std::move(socket), client, *this);
  }
  connections_[client] = connection;
  connection->start();
}

void StreamLeg::sweep(Time now) {
  if (std::exchange(stalled_, false)) accept();
  std::vector<std::shared_ptr<Connection>> slow;
  for (const auto& [client, connection] : connections_) {
    if (connection->too_slow(now)) slow.push_back(connection);
  }
  host_.leg_stats().too_slow += slow.size();
  for (const auto& connection : slow) connection->close();
}

void StreamLeg::close() {
  if (!std::exchange(*open_, false)) return;
  error_code ignored;
  if (acceptor_.is_open()) LoopAccess::unwatch(loop_, acceptor_.native_handle());
  acceptor_.close(ignored);
  const auto all = std::exchange(connections_, {});
  for (const auto& [client, connection] : all) connection->close();
}

Result<std::unique_ptr<TurnLeg>, std::string> listen_stream(Loop& loop, const net::Endpoint& local, PortSharing sharing,
                                                            const TurnTls* tls, TurnLegHost& host) {
  auto leg = std::make_unique<StreamLeg>(loop, host);
  if (tls != nullptr) {
    if (auto problem = leg->use(*tls)) return fail(*problem);
  }
  if (auto problem = leg->listen(local, sharing)) return fail(*problem);
  return leg;
}

}  // namespace

Result<std::unique_ptr<TurnLeg>, std::string> listen_tcp(Loop& loop, const net::Endpoint& local, PortSharing sharing,
                                                         TurnLegHost& host) {
  return listen_stream(loop, local, sharing, nullptr, host);
}

Result<std::unique_ptr<TurnLeg>, std::string> listen_tls(Loop& loop, const net::Endpoint& local, PortSharing sharing,
                                                         const TurnTls& tls, TurnLegHost& host) {
  return listen_stream(loop, local, sharing, &tls, host);
}

}  // namespace kaon::io
