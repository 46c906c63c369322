#include "kaon/io/internal/udp_shard.h"

#include <boost/asio.hpp>

#include "kaon/io/internal/endpoints.h"
#include "kaon/io/internal/loop_access.h"

namespace kaon::io {
namespace {

// System calls per readiness of a socket, so that a flood on one does not starve the timers.
constexpr int kReadsPerTurn = 4;
// Datagrams taken over per pass, so that the list of them stays small.
constexpr size_t kTakenAtOnce = 256;

IoError to_error(const boost::system::error_code& error) {
  namespace errc = boost::system::errc;
  if (error == errc::address_in_use) return IoError::AddressInUse;
  if (error == errc::address_not_available) return IoError::AddressNotAvailable;
  if (error == errc::permission_denied || error == errc::operation_not_permitted) return IoError::PermissionDenied;
  if (error == errc::address_family_not_supported) return IoError::NotSupported;
  if (error == errc::invalid_argument) return IoError::InvalidArgument;
  return IoError::System;
}

std::unique_ptr<UdpIo> make_io(UdpPath path, const UdpIoContext& context) {
  if (path == UdpPath::Portable) return make_portable_udp_io(context);
  return make_linux_udp_io(context, path == UdpPath::Batched);
}

// RFC 6762 §11: what mDNS sends shows by its TTL that no router has passed it on.
boost::system::error_code join_groups(UdpSocket& socket, const net::Endpoint& local,
                                      std::span<const MulticastGroup> groups) {
  namespace multicast = boost::asio::ip::multicast;
  boost::system::error_code error;
  constexpr int kMaxTtl = 255;
  socket.set_option(multicast::hops(kMaxTtl), error);
  if (!error) socket.set_option(boost::asio::ip::unicast::hops(kMaxTtl), error);
  for (const auto& [group, interface] : groups) {
    if (error || group.family() != local.ip.family()) continue;
    if (group.is_v6()) {
      socket.set_option(multicast::join_group(to_asio(group).to_v6(), interface.scope()), error);
    } else if (interface.is_v4()) {
      socket.set_option(multicast::join_group(to_asio(group).to_v4(), to_asio(interface).to_v4()), error);
    } else {
      socket.set_option(multicast::join_group(to_asio(group).to_v4()), error);
    }
  }
  return error;
}

// Sockets that share a port share it with every process of this user, which would take part of our packets. So a port
// is ours only if one socket could bind it alone.
boost::system::error_code bind_alone(boost::asio::io_context& context, boost::asio::ip::udp::endpoint& endpoint) {
  UdpSocket socket(context);
  boost::system::error_code error;
  socket.open(endpoint.protocol(), error);
  if (!error && endpoint.address().is_v6()) socket.set_option(boost::asio::ip::v6_only(true), error);
  if (!error) socket.bind(endpoint, error);
  if (!error) endpoint = socket.local_endpoint(error);
  return error;
}

}  // namespace

Result<net::Endpoint, IoError> Shard::open(const net::Endpoint& local, const UdpOptions& options, bool shared) {
  auto entry = std::make_unique<Socket>(LoopAccess::context(loop_));
  UdpSocket& socket = entry->socket;
  boost::system::error_code error;
  auto endpoint = to_asio(local);
  const bool first = index_ == 0 && options.sharing != PortSharing::Join;
  if (shared && first && options.groups.empty()) error = bind_alone(LoopAccess::context(loop_), endpoint);
  if (!error) socket.open(endpoint.protocol(), error);
  // IPv4 has its own socket, so that each address is told and chosen in its own family.
  if (!error && local.ip.is_v6()) socket.set_option(boost::asio::ip::v6_only(true), error);
#ifdef SO_REUSEPORT
  using ReusePort = boost::asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
  if (!error && (shared || !options.groups.empty())) socket.set_option(ReusePort(true), error);
#else
  if (shared) return fail(IoError::NotSupported);
#endif
  if (!error && !options.groups.empty()) socket.set_option(UdpSocket::reuse_address(true), error);
  if (!error) socket.bind(endpoint, error);
  if (!error && !options.groups.empty()) error = join_groups(socket, local, options.groups);
  if (!error) socket.non_blocking(true, error);
  if (error) return fail(to_error(error));
  entry->local = from_asio(endpoint.port() == 0 ? socket.local_endpoint() : endpoint);
  const int received = set_buffer_size(socket, true, options.receive_buffer);
  const int sent = set_buffer_size(socket, false, options.send_buffer);
  receive_buffer_ = sockets_.empty() ? received : std::min(receive_buffer_, received);
  send_buffer_ = sockets_.empty() ? sent : std::min(send_buffer_, sent);
  entry->io = make_io(
      options.path, {socket, entry->local, stats_, LoopAccess::receive_memory(loop_), LoopAccess::udp_messages(loop_)});
  if (options.peer_errors) entry->io->keep_peer_errors();
  sockets_.push_back(std::move(entry));
  return sockets_.back()->local;
}

void Shard::connect(Shard& to, size_t slots) {
  if (ways_.size() <= to.index_) ways_.resize(to.index_ + 1);
  ways_[to.index_] = {&to, std::make_shared<Handover>(slots)};
  to.incoming_.push_back(ways_[to.index_].ring);
}

void Shard::start() {
  open_ = true;
  if (!incoming_.empty()) hook_ = loop_.add_hook([this](Time) { take_over(); });
  for (const auto& socket : sockets_) {
    LoopAccess::watch(loop_, socket->socket.native_handle());
    wait_readable(*socket);
  }
}

void Shard::close() {
  if (!std::exchange(open_, false)) return;
  if (!incoming_.empty()) loop_.remove_hook(hook_);
  for (const auto& socket : sockets_) {
    LoopAccess::unwatch(loop_, socket->socket.native_handle());
    boost::system::error_code ignored;
    socket->socket.close(ignored);
  }
}

bool Shard::segments() const {
  for (const auto& socket : sockets_) {
    if (!socket->io->segments()) return false;
  }
  return true;
}

void Shard::wait_readable(Socket& socket) {
  socket.socket.async_wait(UdpSocket::wait_read, [self = shared_from_this(), &socket](const auto& error) {
    if (error || !self->open_) return;
    self->read(socket);
    if (self->open_) self->wait_readable(socket);
  });
}

void Shard::wait_writable(Socket& socket) {
  socket.blocked = true;
  ++stats_.blocked;
  LoopAccess::watch_writable(loop_, socket.socket.native_handle(), true);
  socket.socket.async_wait(UdpSocket::wait_write, [self = shared_from_this(), &socket](const auto& error) {
    if (error || !self->open_) return;
    socket.blocked = false;
    LoopAccess::watch_writable(self->loop_, socket.socket.native_handle(), false);
    self->handler_.writable();
  });
}

void Shard::read(Socket& socket) {
  for (int i = 0; i < kReadsPerTurn && open_; ++i) {
    std::vector<net::Datagram>& batch = LoopAccess::datagrams(loop_);
    batch.clear();
    const bool more = socket.io->receive(batch);
    if (!batch.empty()) deliver(batch);
    if (!more) break;
  }
  while (open_) {
    const auto error = socket.io->peer_error();
    if (!error) return;
    handler_.peer_error(*error);
  }
}

void Shard::deliver(std::span<net::Datagram> batch) {
  stats_.received += batch.size();
  for (const net::Datagram& datagram : batch) stats_.received_bytes += datagram.bytes.size();
  const size_t ours = ways_.empty() ? batch.size() : keep_ours(batch);
  if (ours > 0) handler_.receive(batch.first(ours), Loop::now());
}

// Moves the datagrams that stay here to the front and gives the others away; returns how many stay.
size_t Shard::keep_ours(std::span<net::Datagram> batch) {
  size_t ours = 0;
  for (const net::Datagram& datagram : batch) {
    const size_t home = handler_.route(datagram);
    if (home < ways_.size() && ways_[home].to != nullptr) {
      hand_over(home, datagram);
    } else {
      batch[ours++] = datagram;
    }
  }
  for (Way& way : ways_) {
    if (std::exchange(way.used, false) && way.ring->publish()) way.to->loop_.wake();
  }
  return ours;
}

void Shard::hand_over(size_t to, const net::Datagram& datagram) {
  Way& way = ways_[to];
  way.used = true;
  if (way.ring->push(datagram, loop_.buffers())) {
    ++stats_.handed_over;
  } else {
    ++stats_.handover_dropped;
  }
}

void Shard::take_over() {
  for (const auto& ring : incoming_) {
    do {
      taken_.clear();
      ring->peek(taken_, kTakenAtOnce);
      if (taken_.empty()) break;
      stats_.taken_over += taken_.size();
      handler_.receive(taken_, Loop::now());
      ring->release();
    } while (open_ && taken_.size() == kTakenAtOnce);
  }
}

// The socket bound to the packet's local address, else the one that listens on every address of its family.
Shard::Socket* Shard::socket_for(const net::Transmit& transmit) {
  if (transmit.protocol != net::Protocol::Udp) return nullptr;
  Socket* found = nullptr;
  for (const auto& socket : sockets_) {
    if (socket->local.ip.family() != transmit.remote.ip.family()) continue;
    if (socket->local.ip == transmit.local.ip) return socket.get();
    const bool any_source = transmit.local.ip.is_none() || transmit.local.ip.is_any();
    if (found == nullptr && (socket->local.ip.is_any() || any_source)) found = socket.get();
  }
  return found;
}

size_t Shard::send(std::span<Outgoing> batch) {
  KAON_ASSERT(loop_.on_loop_thread());
  size_t done = 0;
  while (done < batch.size()) {
    Socket* const socket = open_ ? socket_for(batch[done].transmit) : nullptr;
    if (socket == nullptr) {
      ++stats_.no_socket;
      ++done;
      continue;
    }
    if (socket->blocked) return done;
    size_t end = done + 1;
    while (end < batch.size() && socket_for(batch[end].transmit) == socket) ++end;
    done += socket->io->send(batch.subspan(done, end - done));
    if (done < end) {
      wait_writable(*socket);
      return done;
    }
  }
  return done;
}

}  // namespace kaon::io
