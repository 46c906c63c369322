#include "kaon/io/network_monitor.h"

#include <boost/asio.hpp>

#include "kaon/io/internal/loop_access.h"
#include "kaon/io/loop.h"

#ifdef __linux__
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

namespace kaon::io {
namespace {

#ifdef __linux__
// -1 if there is none, as in some sandboxes.
int open_netlink() {
  const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -1;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}
#else
int open_netlink() { return -1; }
#endif

class Monitor final : public NetworkMonitor, public std::enable_shared_from_this<Monitor> {
 public:
  explicit Monitor(Loop& loop) : loop_(loop), socket_(LoopAccess::context(loop)) {
    if (auto all = io::interfaces()) interfaces_ = std::move(*all);
  }
  ~Monitor() override {
    if (socket_.is_open()) LoopAccess::unwatch(loop_, socket_.native_handle());
  }

  /// Whether it will know of changes.
  bool start() {
    const int fd = open_netlink();
    if (fd < 0) return false;
    socket_.assign(fd);
    socket_.non_blocking(true);
    LoopAccess::watch(loop_, fd);
    wait();
    return true;
  }

  std::span<const Interface> interfaces() const override { return interfaces_; }
  std::shared_ptr<void> subscribe(Handler on_change) override {
    auto handler = std::make_shared<Handler>(std::move(on_change));
    std::erase_if(handlers_, [](const auto& weak) { return weak.expired(); });
    handlers_.push_back(handler);
    return handler;
  }

 private:
  using Socket = boost::asio::posix::stream_descriptor;

  void wait() {
    socket_.async_wait(Socket::wait_read, [weak = weak_from_this()](const auto& error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->drain();
      self->compare();
      self->wait();
    });
  }

  // What the messages say is not looked at: one change comes as many of them, and some may have been lost.
  void drain() {
    std::array<uint8_t, 8192> ignored;
    boost::system::error_code error;
    do {
      socket_.read_some(boost::asio::buffer(ignored), error);
    } while (!error || error == boost::asio::error::no_buffer_space);
  }

  void compare() {
    auto all = io::interfaces();
    if (!all || *all == interfaces_) return;
    interfaces_ = std::move(*all);
    for (const auto& weak : std::vector(handlers_)) {
      if (const auto handler = weak.lock()) (*handler)(interfaces_);
    }
  }

  Loop& loop_;
  Socket socket_;
  std::vector<Interface> interfaces_;
  std::vector<std::weak_ptr<Handler>> handlers_;
};

}  // namespace

std::shared_ptr<NetworkMonitor> NetworkMonitor::of(Loop& loop) {
  std::shared_ptr<NetworkMonitor>& kept = LoopAccess::network_monitor(loop);
  if (kept) return kept;
  auto monitor = std::make_shared<Monitor>(loop);
  if (monitor->start()) kept = monitor;
  return monitor;
}

}  // namespace kaon::io
