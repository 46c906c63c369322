#include "kaon/io/internal/ice_tcp.h"

#include <algorithm>
#include <boost/asio.hpp>
#include <unordered_map>
#include <unordered_set>

#include "kaon/base/text.h"
#include "kaon/io/internal/endpoints.h"
#include "kaon/io/internal/loop_access.h"
#include "kaon/io/internal/proxy_tunnel.h"
#include "kaon/io/udp.h"
#include "kaon/stun/message.h"

namespace kaon::io {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// RFC 4571 §2: a length of two bytes before each packet.
constexpr size_t kLength = 2;
constexpr size_t kMaxFrame = kLength + 0xffff;
// What a stranger may send before he has shown a whole packet: a Binding request.
constexpr size_t kFirstRead = 2048;

net::Endpoint from_tcp(const tcp::endpoint& endpoint) { return {from_asio(endpoint.address()), endpoint.port()}; }
tcp::endpoint to_tcp(const net::Endpoint& endpoint) { return {to_asio(endpoint.ip), endpoint.port}; }

class IceTcpImpl;

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(IceTcpImpl& owner, Loop& loop, tcp::socket socket)
      : owner_(&owner), loop_(loop), socket_(std::move(socket)) {}

  void accept();
  void connect(const ice::Path& path);
  void connect_by_proxy(const ice::Path& path);
  void resume(std::vector<uint8_t> read);
  void send(const Outgoing& outgoing);
  void close();

  const ice::Path& path() const { return path_; }
  bool known() const { return known_; }
  Time since() const { return since_; }

 private:
  bool attach();
  void begin();
  void connect_to(const net::Endpoint& remote, const net::IpAddress& from);
  void connected();
  void ask_proxy();
  void refused_by_proxy(const std::string& reason);
  void read();
  bool take_packets();
  bool introduce(const net::Datagram& first);
  void write();

  IceTcpImpl* owner_;
  Loop& loop_;
  tcp::socket socket_;
  ice::Path path_;
  Time since_ = Loop::now();
  std::vector<uint8_t> in_ = std::vector<uint8_t>(kFirstRead);
  size_t filled_ = 0;
  std::vector<uint8_t> out_;
  std::vector<uint8_t> writing_;
  std::vector<net::Datagram> batch_;
  bool connected_ = false;
  bool known_ = false;  // a first packet has come, or we have opened it
  bool closed_ = false;
};

class IceTcpImpl final : public IceTcp, public std::enable_shared_from_this<IceTcpImpl> {
 public:
  IceTcpImpl(Loop& loop, Handlers handlers, std::optional<HttpProxy> proxy)
      : loop_(loop), handlers_(std::move(handlers)), proxy_(std::move(proxy)) {
    timer_ = loop.add_timer([this](Time now) { sweep(now); });
  }
  ~IceTcpImpl() override { shut(); }

  bool listen(std::span<const net::Endpoint> locals) override;
  void take(AcceptedTcp accepted) override;
  void confirm(const ice::Path& path) override;
  void send(const Outgoing& outgoing) override;
  void close(const ice::Path& path) override;
  void close_local(const net::Endpoint& local) override;
  void shut() override;
  void add_active(const net::Endpoint& local) override { active_.insert(local); }
  size_t connections() const override { return by_path_.size(); }
  uint64_t dropped() const override { return dropped_; }

  Handlers& handlers() { return handlers_; }
  const std::optional<HttpProxy>& proxy() const { return proxy_; }
  void count_dropped() { ++dropped_; }
  bool add(const std::shared_ptr<Connection>& connection) {
    return by_path_.size() < kMaxConnections && by_path_.emplace(connection->path(), connection).second;
  }
  void remove(const Connection& connection);

 private:
  using Acceptor = tcp::acceptor;
  std::shared_ptr<Acceptor> bound(const net::Endpoint& local);
  void accept(const std::shared_ptr<Acceptor>& acceptor);
  void add_stranger(const std::shared_ptr<Connection>& connection);
  void sweep(Time now);
  void set_timer();

  Loop& loop_;
  Handlers handlers_;
  std::optional<HttpProxy> proxy_;
  TimerId timer_;
  std::vector<std::shared_ptr<Acceptor>> acceptors_;
  std::vector<std::shared_ptr<Acceptor>> stalled_;  // could not accept
  Time accept_again_ = kNever;
  std::unordered_set<net::Endpoint> active_;
  std::vector<std::shared_ptr<Connection>> strangers_;
  std::unordered_map<ice::Path, std::shared_ptr<Connection>, PathHash> by_path_;
  uint64_t dropped_ = 0;
  bool shut_ = false;
};

// -- one connection --------------------------------------------------------------------------------------------------

void Connection::begin() {
  connected_ = true;
  error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
}

// Of a socket that is connected. False if it is not any more.
bool Connection::attach() {
  error_code error;
  path_ = {from_tcp(socket_.local_endpoint(error)), {}, net::Protocol::Tcp};
  if (!error) path_.remote = from_tcp(socket_.remote_endpoint(error));
  if (error) return close(), false;
  LoopAccess::watch(loop_, socket_.native_handle());
  begin();
  return true;
}

void Connection::accept() {
  if (attach()) read();
}

void Connection::resume(std::vector<uint8_t> bytes) {
  std::ranges::copy(bytes, in_.begin());
  filled_ = bytes.size();
  if (attach() && take_packets()) read();
}

void Connection::connect(const ice::Path& path) {
  path_ = path;
  known_ = true;
  connect_to(path.remote, path.local.ip);
}

// The address that the peer sees is the proxy's, and which of ours is used does not matter.
void Connection::connect_by_proxy(const ice::Path& path) {
  path_ = path;
  known_ = true;
  loop_.resolve(owner_->proxy()->host, [self = shared_from_this()](const auto& addresses) {
    if (self->closed_) return;
    if (!addresses || addresses->empty()) return self->refused_by_proxy("no address found");
    const net::IpAddress& ip = addresses->front();
    self->connect_to({ip, self->owner_->proxy()->port}, net::IpAddress::any(ip.family()));
  });
}

void Connection::connect_to(const net::Endpoint& endpoint, const net::IpAddress& from) {
  error_code error;
  const tcp::endpoint remote = to_tcp(endpoint);
  socket_.open(remote.protocol(), error);
  if (!error) socket_.bind(to_tcp({from, 0}), error);
  if (!error) socket_.non_blocking(true, error);
  if (error) return close();
  LoopAccess::watch(loop_, socket_.native_handle());
  LoopAccess::watch_writable(loop_, socket_.native_handle(), true);
  socket_.async_connect(remote, [self = shared_from_this()](const error_code& failed) {
    if (self->closed_) return;
    const bool by_proxy = self->owner_->proxy().has_value();
    if (failed) return by_proxy ? self->refused_by_proxy(failed.message()) : self->close();
    LoopAccess::watch_writable(self->loop_, self->socket_.native_handle(), false);
    by_proxy ? self->ask_proxy() : self->connected();
  });
}

void Connection::ask_proxy() {
  const HttpProxy& proxy = *owner_->proxy();
  const auto request = connect_request(proxy, path_.remote.ip.to_string(), path_.remote.port);
  if (!request) return close();
  open_tunnel(socket_, proxy, *request, [self = shared_from_this()](const std::optional<ProxyProblem>& problem) {
    if (self->closed_) return;
    if (!problem) return self->connected();
    self->owner_->handlers().on_proxy_refused(problem->text);
    self->close();
  });
}

void Connection::refused_by_proxy(const std::string& reason) {
  owner_->handlers().on_proxy_refused(cat("proxy ", owner_->proxy()->name(), ": ", reason));
  close();
}

void Connection::connected() {
  begin();
  read();
  if (!out_.empty()) write();
}

void Connection::read() {
  if (closed_) return;
  socket_.async_read_some(asio::buffer(in_.data() + filled_, in_.size() - filled_),
                          [self = shared_from_this()](const error_code& failed, size_t size) {
                            if (self->closed_) return;
                            if (failed) return self->close();
                            self->filled_ += size;
                            if (self->take_packets()) self->read();
                          });
}

// False if the connection is over, or another loop's now.
bool Connection::take_packets() {
  size_t done = 0;
  batch_.clear();
  while (filled_ - done >= kLength) {
    const size_t size = load_be16(&in_[done]);
    if (filled_ - done < kLength + size) break;
    net::Datagram packet;
    packet.local = path_.local;
    packet.remote = path_.remote;
    packet.protocol = net::Protocol::Tcp;
    packet.bytes = Bytes(in_).subspan(done + kLength, size);
    if (!known_ && !introduce(packet)) return false;
    if (size > 0) batch_.push_back(packet);
    done += kLength + size;
  }
  if (!known_ && filled_ == in_.size()) return close(), false;
  const auto self = shared_from_this();
  if (!batch_.empty()) owner_->handlers().on_data(batch_, Loop::now());
  if (closed_) return false;
  std::copy(in_.begin() + static_cast<std::ptrdiff_t>(done), in_.begin() + static_cast<std::ptrdiff_t>(filled_),
            in_.begin());
  filled_ -= done;
  if (known_ && in_.size() < kMaxFrame) in_.resize(kMaxFrame);
  return true;
}

// The first packet of a stranger: a Binding request that names its connection, perhaps another loop's.
bool Connection::introduce(const net::Datagram& first) {
  const auto message = stun::Message::parse(first.bytes);
  if (!message || !message->is(stun::Method::Binding, stun::Class::Request)) return close(), false;
  const size_t home = owner_->handlers().home_of(first);
  const auto self = shared_from_this();
  if (home != UdpHandler::kHere) {
    AcceptedTcp accepted;
    accepted.v6 = path_.local.ip.is_v6();
    accepted.read.assign(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(filled_));
    LoopAccess::unwatch(loop_, socket_.native_handle());
    error_code error;
    accepted.descriptor = socket_.release(error);
    closed_ = true;
    IceTcpImpl& owner = *owner_;
    owner.remove(*this);
    if (!error) owner.handlers().give(home, std::move(accepted));
    return false;
  }
  known_ = true;
  if (!owner_->add(self)) return close(), false;
  return true;
}

void Connection::send(const Outgoing& outgoing) {
  const size_t segment = outgoing.transmit.segment_size == 0 ? outgoing.bytes.size() : outgoing.transmit.segment_size;
  for (ByteView rest = outgoing.bytes; !rest.empty();) {
    const ByteView packet = rest.first(std::min(segment, rest.size()));
    rest = rest.subspan(packet.size());
    if (closed_ || packet.size() > 0xffff ||
        out_.size() + writing_.size() + kLength + packet.size() > IceTcp::kMaxWaiting) {
      owner_->count_dropped();
      continue;
    }
    const size_t at = out_.size();
    out_.resize(at + kLength);
    store_be16(&out_[at], static_cast<uint16_t>(packet.size()));
    out_.insert(out_.end(), packet.begin(), packet.end());
  }
  if (connected_ && writing_.empty() && !out_.empty()) write();
}

void Connection::write() {
  writing_.swap(out_);
  LoopAccess::watch_writable(loop_, socket_.native_handle(), true);
  asio::async_write(socket_, asio::buffer(writing_), [self = shared_from_this()](const error_code& failed, size_t) {
    self->writing_.clear();
    if (self->closed_) return;
    if (failed) return self->close();
    LoopAccess::watch_writable(self->loop_, self->socket_.native_handle(), false);
    if (!self->out_.empty()) self->write();
  });
}

void Connection::close() {
  if (std::exchange(closed_, true)) return;
  const auto self = shared_from_this();
  if (socket_.is_open()) LoopAccess::unwatch(loop_, socket_.native_handle());
  error_code ignored;
  socket_.close(ignored);
  owner_->remove(*this);
}

// -- all of a loop ---------------------------------------------------------------------------------------------------

std::shared_ptr<IceTcpImpl::Acceptor> IceTcpImpl::bound(const net::Endpoint& local) {
  auto acceptor = std::make_shared<Acceptor>(LoopAccess::context(loop_));
  const tcp::endpoint endpoint = to_tcp(local);
  error_code error;
  acceptor->open(endpoint.protocol(), error);
  if (!error && local.ip.is_v6()) acceptor->set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor->set_option(Acceptor::reuse_address(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(asio::socket_base::max_listen_connections, error);
  if (!error) acceptor->non_blocking(true, error);
  return error ? nullptr : acceptor;
}

bool IceTcpImpl::listen(std::span<const net::Endpoint> locals) {
  std::vector<std::shared_ptr<Acceptor>> all;
  for (const net::Endpoint& local : locals) {
    all.push_back(bound(local));
    if (all.back() == nullptr) return false;
  }
  for (const auto& acceptor : all) {
    LoopAccess::watch(loop_, acceptor->native_handle());
    acceptors_.push_back(acceptor);
    accept(acceptor);
  }
  return true;
}

void IceTcpImpl::accept(const std::shared_ptr<Acceptor>& acceptor) {
  acceptor->async_accept([weak = weak_from_this(), acceptor](const error_code& failed, tcp::socket socket) {
    const auto self = weak.lock();
    if (!self || self->shut_) return;
    if (failed) {  // at once again would be for ever
      self->stalled_.push_back(acceptor);
      self->accept_again_ = Loop::now() + kAcceptAgain;
      return self->set_timer();
    }
    if (self->strangers_.size() >= kMaxStrangers) self->strangers_.front()->close();
    auto connection = std::make_shared<Connection>(*self, self->loop_, std::move(socket));
    self->add_stranger(connection);
    connection->accept();
    self->accept(acceptor);
  });
}

void IceTcpImpl::add_stranger(const std::shared_ptr<Connection>& connection) {
  strangers_.push_back(connection);
  set_timer();
}

void IceTcpImpl::sweep(Time now) {
  while (!strangers_.empty() && now >= strangers_.front()->since() + kPatience) strangers_.front()->close();
  if (now >= accept_again_) {
    accept_again_ = kNever;
    for (const auto& acceptor : std::exchange(stalled_, {})) accept(acceptor);
  }
  set_timer();
}

void IceTcpImpl::set_timer() {
  const Time patience = strangers_.empty() ? kNever : strangers_.front()->since() + kPatience;
  loop_.schedule(timer_, std::min(patience, accept_again_));
}

void IceTcpImpl::take(AcceptedTcp accepted) {
  tcp::socket socket(LoopAccess::context(loop_));
  error_code error;
  socket.assign(accepted.v6 ? tcp::v6() : tcp::v4(), accepted.descriptor, error);
  if (error || shut_) return;
  auto connection = std::make_shared<Connection>(*this, loop_, std::move(socket));
  add_stranger(connection);
  connection->resume(std::move(accepted.read));
}

void IceTcpImpl::confirm(const ice::Path& path) {
  const auto it = by_path_.find(path);
  if (it != by_path_.end()) std::erase(strangers_, it->second);
}

void IceTcpImpl::send(const Outgoing& outgoing) {
  const ice::Path path{outgoing.transmit.local, outgoing.transmit.remote, net::Protocol::Tcp};
  std::shared_ptr<Connection> connection;
  if (const auto it = by_path_.find(path); it != by_path_.end()) {
    connection = it->second;
  } else {
    // An answer to a connection that has ended; only active candidates open one.
    if (shut_ || !active_.contains(path.local) || by_path_.size() >= kMaxConnections) return count_dropped();
    connection = std::make_shared<Connection>(*this, loop_, tcp::socket(LoopAccess::context(loop_)));
    by_path_.emplace(path, connection);
    proxy_ ? connection->connect_by_proxy(path) : connection->connect(path);
  }
  connection->send(outgoing);
}

void IceTcpImpl::close(const ice::Path& path) {
  const auto it = by_path_.find(path);
  if (it == by_path_.end()) return;
  const auto connection = it->second;
  connection->close();
}

void IceTcpImpl::close_local(const net::Endpoint& local) {
  active_.erase(local);
  std::vector<std::shared_ptr<Connection>> all;
  for (const auto& [path, connection] : by_path_) {
    if (path.local == local) all.push_back(connection);
  }
  for (const auto& connection : all) connection->close();
}

void IceTcpImpl::remove(const Connection& connection) {
  std::erase_if(strangers_, [&](const auto& other) { return other.get() == &connection; });
  const auto it = by_path_.find(connection.path());
  if (it != by_path_.end() && it->second.get() == &connection) by_path_.erase(it);
}

void IceTcpImpl::shut() {
  // Nothing is written the second time: that may be on another thread, while handlers still look here.
  if (shut_) return;
  shut_ = true;
  loop_.remove_timer(timer_);
  for (const auto& acceptor : acceptors_) {
    LoopAccess::unwatch(loop_, acceptor->native_handle());
    error_code ignored;
    acceptor->close(ignored);
  }
  while (!strangers_.empty()) strangers_.back()->close();
  while (!by_path_.empty()) {
    const auto connection = by_path_.begin()->second;
    connection->close();
    by_path_.erase(connection->path());
  }
}

}  // namespace

std::shared_ptr<IceTcp> IceTcp::make(Loop& loop, Handlers handlers, std::optional<HttpProxy> proxy) {
  return std::make_shared<IceTcpImpl>(loop, std::move(handlers), std::move(proxy));
}

}  // namespace kaon::io
