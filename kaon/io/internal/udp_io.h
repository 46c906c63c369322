// Reading from and writing to one UDP socket, in batches.
#pragma once

#include <boost/asio/ip/udp.hpp>
#include <memory>
#include <vector>

#include "kaon/io/udp.h"

namespace kaon::io {

using UdpSocket = boost::asio::ip::udp::socket;

/// What UdpIo needs to know about its socket.
struct UdpIoContext {
  UdpSocket& socket;
  net::Endpoint local;
  UdpStats& stats;
  // Shared by all sockets of the loop, so that a socket costs little: memory for received bytes, and whatever the
  // implementation keeps there.
  Bytes memory;
  std::shared_ptr<void>& messages;
};

class UdpIo {
 public:
  virtual ~UdpIo() = default;
  /// Appends what one system call brings; the bytes stand in the context's memory until the next call. False if nothing
  /// more is there for now.
  virtual bool receive(std::vector<net::Datagram>& out) = 0;
  /// As Sender::send(), for packets that all leave by this socket.
  virtual size_t send(std::span<Outgoing> batch) = 0;
  virtual bool segments() const { return false; }
  /// From now on, keep what ICMP says of sent packets for peer_error().
  virtual void keep_peer_errors() {}
  /// The next of them, if there is one.
  virtual std::optional<UdpPeerError> peer_error() { return std::nullopt; }
};

/// Prepares the socket's options too. On systems other than Linux both give the portable one.
std::unique_ptr<UdpIo> make_linux_udp_io(const UdpIoContext& context, bool batched);
std::unique_ptr<UdpIo> make_portable_udp_io(const UdpIoContext& context);

/// Asks for a buffer beyond the system's limit if we may, else within it; returns what the socket has now.
int set_buffer_size(UdpSocket& socket, bool receive, int bytes);

}  // namespace kaon::io
