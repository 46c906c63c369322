// One UDP port for all connections over all loops.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "kaon/base/log.h"
#include "kaon/base/result.h"
#include "kaon/io/error.h"
#include "kaon/io/sender.h"
#include "kaon/net/datagram.h"

namespace kaon::io {

class Loop;

/// How packets pass between us and the system.
enum class UdpPath : uint8_t {
  Batched,   ///< recvmmsg and sendmmsg, with UDP_GRO and UDP_SEGMENT where the kernel has them (found out at run time)
  Single,    ///< recvmsg and sendmsg, one packet at a time
  Portable,  ///< Boost.Asio only; knows neither ECN nor which local address a packet came to. The only one outside
             ///< Linux
};

/// A multicast group to hear, for mDNS. The interface is named by one of its IPv4 addresses, or for IPv6 by the scope
/// of `interface` (none: the system's choice).
struct MulticastGroup {
  net::IpAddress group;
  net::IpAddress interface;
};

/// Whether several UdpPorts of this process share one port number (SO_REUSEPORT), each on its own: the system gives
/// the packets of one remote address to one of them. The first of them wants it free of other programs.
enum class PortSharing : uint8_t { None, First, Join };

struct UdpOptions {
  /// What to listen on, on every loop. A port of 0 means one free port for all of them.
  std::vector<net::Endpoint> bind;
  /// A port of 0 is then chosen from here, both ends included, as a firewall may demand; AddressInUse when all are
  /// taken.
  std::optional<std::pair<uint16_t, uint16_t>> port_range{};
  UdpPath path = UdpPath::Batched;
  /// Asked of the kernel for each socket, in bytes.
  int receive_buffer = 4 << 20;
  int send_buffer = 4 << 20;
  /// Who needs the port's number elsewhere too, such as a listener over TCP, takes it here, on the caller's thread,
  /// once every socket is bound; on false another port is tried, as if this one were taken.
  std::function<bool(std::span<const net::Endpoint> bound)> also_take{};
  PortSharing sharing = PortSharing::None;
  /// Tell UdpHandler::peer_error() what ICMP says of packets that were sent (IP_RECVERR). Linux only, not the portable
  /// path.
  bool peer_errors = false;
  /// Datagrams that may wait on their way from one loop to another, per pair of loops; a power of two.
  size_t handover_slots = 1024;
  /// Joined by the first socket of the group's family on each loop; the port may then be shared with other programs. To
  /// send to a group over a certain interface, name one of its addresses as the packet's local one.
  std::vector<MulticastGroup> groups{};
  Logger* log = nullptr;
};

/// What happened on one loop's sockets.
struct UdpStats {
  uint64_t received = 0;  ///< datagrams
  uint64_t received_bytes = 0;
  uint64_t receive_calls = 0;  ///< system calls that brought something
  uint64_t sent = 0;           ///< datagrams
  uint64_t sent_bytes = 0;
  uint64_t send_calls = 0;        ///< system calls that took something
  uint64_t blocked = 0;           ///< times a socket was full
  uint64_t send_errors = 0;       ///< datagrams the system refused: no route, address gone, too big, filtered
  uint64_t no_socket = 0;         ///< datagrams from a local address or family we do not listen on, or not UDP
  uint64_t truncated = 0;         ///< datagrams longer than our read
  uint64_t kernel_dropped = 0;    ///< datagrams the kernel dropped because we were too slow to read
  uint64_t handed_over = 0;       ///< datagrams given to other loops
  uint64_t taken_over = 0;        ///< datagrams got from other loops
  uint64_t handover_dropped = 0;  ///< datagrams dropped because the other loop was too slow to take them
};

/// An ICMP message about a packet of ours: anybody may have made it up who knows our address and port.
struct UdpPeerError {
  /// How much of the packet is told.
  static constexpr size_t kMaxQuoted = 32;

  net::Endpoint remote;  ///< where the packet was to go
  uint8_t type = 0;      ///< of ICMP for IPv4, of ICMPv6 for IPv6
  uint8_t code = 0;
  uint32_t info = 0;  ///< MTU of the next hop if the packet was too big
  /// The beginning of the packet, as far as the message quotes it. Valid for the call.
  ByteView quoted{};
};

/// True if the packet was refused for good: the protocol or port is not there, or an administrator forbids it (RFC 1122
/// §3.2.2.1, RFC 1812 §5.2.7.1, RFC 4443 §3.1). Routes may come back.
bool is_hard_error(const UdpPeerError& error);

/// Called on the loop it was given for. Must outlive the port.
class UdpHandler {
 public:
  /// "Keep it on the loop where it arrived."
  static constexpr size_t kHere = ~size_t{0};

  virtual ~UdpHandler() = default;
  /// On which loop (by its place in the members) this datagram's connection lives. Asked only on ports with several
  /// loops.
  virtual size_t route(const net::Datagram&) { return kHere; }
  /// Datagrams in order of arrival, those of other loops' sockets included. Valid, and mutable, for the call.
  virtual void receive(std::span<const net::Datagram> batch, Time now) = 0;
  /// A socket that was full can take packets again.
  virtual void writable() = 0;
  /// Only with UdpOptions::peer_errors.
  virtual void peer_error(const UdpPeerError&) {}
};

/// One loop's share of a port: its own sockets. The loop's thread only.
class UdpShard : public Sender {
 public:
  enum class SendResult : uint8_t { Sent, Blocked, Dropped };

  /// Sends one packet or run. Blocked: see Sender::send(), which tells how far it came.
  SendResult send(const net::Transmit& transmit, ByteView bytes);
  using Sender::send;

  virtual const UdpStats& stats() const = 0;
  /// The smallest buffers the kernel gave to one of the sockets, in bytes as setsockopt counts them.
  virtual int receive_buffer() const = 0;
  virtual int send_buffer() const = 0;
  /// True if runs leave by UDP_SEGMENT; turns false when the system refuses.
  virtual bool segments() const = 0;
};

/// Sockets on one port number, one set per loop (SO_REUSEPORT when there are several). The kernel spreads packets over
/// the loops by their addresses; those of another loop's connection go there by a bounded ring, in batches.
class UdpPort {
 public:
  struct Member {
    Loop* loop;
    UdpHandler* handler;
  };

  /// Opens and starts reading. From any thread but a loop's of another member; members are the loops in the order that
  /// UdpHandler::route() counts them.
  static Result<std::unique_ptr<UdpPort>, IoError> open(std::span<const Member> members, const UdpOptions& options);
  /// Waits for each loop to let go; no handler is called afterwards. From outside the loops, or from the only one.
  virtual ~UdpPort() = default;

  virtual uint16_t port() const = 0;
  /// What it is bound to, with the port number in place.
  virtual std::span<const net::Endpoint> bound() const = 0;
  virtual size_t size() const = 0;
  virtual UdpShard& shard(size_t index) = 0;
};

}  // namespace kaon::io
