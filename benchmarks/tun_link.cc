// A long path in real time: two network namespaces, a TUN device in each, and between them the link of the simulation.
//   tun_link [--rate MBIT] [--rtt MS] [--loss PERCENT] [--queue BDP] [--seed N]
// What goes from left (10.78.0.1) to right (10.78.0.2) has the rate, the queue and the loss, as in sim_longpath; the
// way back has its delay alone. Needs root. Says {"event":"ready","left":FILE,"right":FILE} with the namespaces for
// nsenter, then answers the word "sample" with its counts so far and ends at "quit" or the end of its input. Whoever
// runs programs in the namespaces ends them first.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "kaon/sctp/test_long_path.h"

using namespace kaon;
using sctp::test::LongPath;

namespace {

constexpr const char* kUsage = "usage: tun_link [--rate MBIT] [--rtt MS] [--loss PERCENT] [--queue BDP] [--seed N]\n";
constexpr size_t kMtu = 1500;
// A device holds what has not been read from it yet, which is no part of the path: more than ever comes at once.
constexpr int kDeviceQueue = 20'000;
// What is read in one go, so that nothing that is due waits behind a burst.
constexpr int kBatch = 64;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "tun_link: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

void must(int result, const char* what) {
  if (result < 0) fail(what);
}

void write_file(const char* path, const char* text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;  // a kernel without IPv6
  (void)!::write(fd, text, std::strlen(text));
  ::close(fd);
}

void set_address(int control, ifreq& request, unsigned long command, const char* text) {
  auto* address = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  *address = {};
  address->sin_family = AF_INET;
  must(::inet_pton(AF_INET, text, &address->sin_addr) == 1 ? 0 : -1, text);
  must(::ioctl(control, command, &request), text);
}

void bring_up(int control, const char* name) {
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  must(::ioctl(control, SIOCGIFFLAGS, &request), name);
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  must(::ioctl(control, SIOCSIFFLAGS, &request), name);
}

// One end of the path: a network namespace of its own with a TUN device, which stays in it when the process leaves.
struct End {
  int space = -1;
  int device = -1;
};

End make_end(const char* own, const char* other) {
  must(::unshare(CLONE_NEWNET), "a network namespace (are you root?)");
  End end;
  must(end.space = ::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "/proc/self/ns/net");
  // Solicitations of routers would be traffic of their own, and a second address a second candidate.
  write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
  must(end.device = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), "/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(request.ifr_name, "path0", IFNAMSIZ - 1);
  must(::ioctl(end.device, TUNSETIFF, &request), "a TUN device");
  const int control = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  must(control, "a socket");
  set_address(control, request, SIOCSIFADDR, own);
  set_address(control, request, SIOCSIFDSTADDR, other);
  request.ifr_qlen = kDeviceQueue;
  must(::ioctl(control, SIOCSIFTXQLEN, &request), "the device's queue");
  bring_up(control, "path0");
  bring_up(control, "lo");
  ::close(control);
  return end;
}

struct Packet {
  Time at{};
  size_t size = 0;
  std::array<uint8_t, kMtu> bytes;
};

// From one device to the other.
class Direction {
 public:
  Direction(int from, int to, const sim::LinkConfig& config, uint64_t seed)
      : from_(from), to_(to), link_(config, seed) {}

  void read(Time (*clock)()) {
    for (int i = 0; i < kBatch; ++i) {
      Packet packet;
      const ssize_t size = ::read(from_, packet.bytes.data(), packet.bytes.size());
      if (size <= 0) return;
      packet.size = static_cast<size_t>(size);
      const Time now = clock();
      const auto transit = link_.send(packet.size, net::Ecn::NotEct, now);
      if (transit.count == 0) continue;
      waited_ += sctp::test::waited(link_.config(), transit, packet.size, now);
      ++packets_;
      packet.at = transit.at[0];
      waiting_.push_back(packet);
    }
  }
  Time next() const { return waiting_.empty() ? kNever : waiting_.front().at; }
  void deliver(Time now) {
    while (!waiting_.empty() && waiting_.front().at <= now) {
      const Packet& packet = waiting_.front();
      if (::write(to_, packet.bytes.data(), packet.size) != static_cast<ssize_t>(packet.size)) ++refused_;
      late_ += now - packet.at;
      latest_ = std::max(latest_, now - packet.at);
      waiting_.pop_front();
    }
  }
  void print() const {
    const auto ms = [](Duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
    const sim::LinkStats& stats = link_.stats();
    std::printf(
        "{\"event\":\"sample\",\"packets\":%llu,\"queued_ms\":%.3f,\"late_ms\":%.3f,\"latest_ms\":%.3f,"
        "\"lost\":%llu,\"dropped\":%llu,\"refused\":%llu}\n",
        static_cast<unsigned long long>(packets_), ms(waited_), ms(late_), ms(latest_),
        static_cast<unsigned long long>(stats.lost), static_cast<unsigned long long>(stats.dropped_queue_full),
        static_cast<unsigned long long>(refused_));
  }

 private:
  int from_;
  int to_;
  sim::Link link_;
  std::deque<Packet> waiting_;
  uint64_t packets_ = 0;
  uint64_t refused_ = 0;  // by the kernel of the other end
  Duration waited_{};     // in the path's queue, all packets together
  Duration late_{};       // behind the time at which the link would have delivered them
  Duration latest_{};
};

Time now() { return Time(std::chrono::steady_clock::now().time_since_epoch()); }

// Words on the standard input; false at its end.
bool obey(const Direction& there) {
  char text[256];
  const ssize_t size = ::read(STDIN_FILENO, text, sizeof text - 1);
  if (size <= 0) return false;
  text[size] = 0;
  if (std::strstr(text, "quit") != nullptr) return false;
  if (std::strstr(text, "sample") != nullptr) there.print();
  return true;
}

void carry(Direction& there, Direction& back, int left, int right) {
  pollfd ready[] = {{left, POLLIN, 0}, {right, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  while (true) {
    const Time next = std::min(there.next(), back.next());
    const auto wait = std::clamp<Duration>(next == kNever ? Duration::max() : next - now(), Duration::zero(),
                                           std::chrono::milliseconds(500));
    const timespec most{wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
    if (::ppoll(ready, 3, &most, nullptr) < 0) fail("ppoll");
    there.deliver(now());
    back.deliver(now());
    if (ready[0].revents != 0) there.read(now);
    if (ready[1].revents != 0) back.read(now);
    if (ready[2].revents != 0 && !obey(there)) return;
  }
}

bool read_options(LongPath& path, int argc, char** argv) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const double value = std::strtod(argv[i + 1], nullptr);
    if (name == "--rate") {
      path.rate_mbit = value;
    } else if (name == "--rtt") {
      path.rtt = Duration(static_cast<int64_t>(value * 1e6));
    } else if (name == "--loss") {
      path.loss = value / 100;
    } else if (name == "--queue") {
      path.queue_bdp = value;
    } else if (name == "--seed") {
      path.seed = static_cast<uint64_t>(value);
    } else {
      return false;
    }
  }
  return argc % 2 == 1;
}

}  // namespace

int main(int argc, char** argv) {
  LongPath path;
  path.rate_mbit = 100;
  if (!read_options(path, argc, argv)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const End left = make_end("10.78.0.1", "10.78.0.2");
  const End right = make_end("10.78.0.2", "10.78.0.1");
  // Before all others, the programs at its ends included, or the machine's other work would be part of the path;
  // harmless where it is not allowed.
  const sched_param priority{.sched_priority = 2};
  (void)::sched_setscheduler(0, SCHED_FIFO, &priority);
  Direction there(left.device, right.device, path.link(), path.seed + 2);
  Direction back(right.device, left.device, {.delay = path.rtt / 2}, path.seed + 3);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const int self = static_cast<int>(::getpid());
  std::printf("{\"event\":\"ready\",\"left\":\"/proc/%d/fd/%d\",\"right\":\"/proc/%d/fd/%d\"}\n", self, left.space,
              self, right.space);
  carry(there, back, left.device, right.device);
  return 0;
}
