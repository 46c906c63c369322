// What sockets of this module need of a loop.
#pragma once

#include "kaon/base/bytes.h"
#include "kaon/io/loop.h"
#include "kaon/net/datagram.h"

namespace boost::asio {
class io_context;
}

namespace kaon::io {

class Mdns;
class NetworkMonitor;

/// Receiving needs room for this many reads of up to 64 KiB (a read with GRO holds a run of datagrams).
inline constexpr size_t kReadsPerBatch = 16;
inline constexpr size_t kReadSize = 64 * 1024;

struct LoopAccess {
  static boost::asio::io_context& context(Loop& loop);
  /// kReadsPerBatch * kReadSize bytes, whose pages the system gives on first use; one user at a time.
  static Bytes receive_memory(Loop& loop);
  /// Where a batch is put together, and what its system calls need; like the memory, for all sockets of the loop.
  static std::vector<net::Datagram>& datagrams(Loop& loop);
  static std::shared_ptr<void>& udp_messages(Loop& loop);
  /// The loop's one Mdns, while somebody holds it.
  static std::weak_ptr<Mdns>& mdns(Loop& loop);
  /// The loop's one NetworkMonitor; null before it is first asked for.
  static std::shared_ptr<NetworkMonitor>& network_monitor(Loop& loop);
  /// A stepped loop's poll_fd() watches the sockets beside Asio.
  static void watch(Loop& loop, int fd);
  static void watch_readable(Loop& loop, int fd, bool on);
  static void watch_writable(Loop& loop, int fd, bool on);
  static void unwatch(Loop& loop, int fd);
};

}  // namespace kaon::io
