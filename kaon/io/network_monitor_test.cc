#include "kaon/io/network_monitor.h"

#include <gtest/gtest.h>
#ifdef __linux__
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>
#endif

#include <cstring>
#include <thread>

#include "kaon/io/internal/test_support.h"

namespace kaon::io {
namespace {

bool has_loopback(std::span<const Interface> all) {
  return std::ranges::any_of(
      all, [](const Interface& i) { return i.ip == net::IpAddress::v4(127, 0, 0, 1) && i.prefix == 8 && i.loopback; });
}

TEST(NetworkMonitor, KnowsTheInterfacesAndTheirNetworks) {
  Loop loop;
  const auto monitor = NetworkMonitor::of(loop);
  EXPECT_EQ(monitor, NetworkMonitor::of(loop));
  EXPECT_TRUE(has_loopback(monitor->interfaces()));
}

#ifdef __linux__
// Of the thread's network namespace.
void switch_loopback(bool on) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  ASSERT_EQ(::ioctl(fd, SIOCGIFFLAGS, &request), 0);
  request.ifr_flags = static_cast<short>(on ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
  ASSERT_EQ(::ioctl(fd, SIOCSIFFLAGS, &request), 0);
  ::close(fd);
}

void watch_loopback() {
  Loop loop;
  const auto monitor = NetworkMonitor::of(loop);
  EXPECT_TRUE(monitor->interfaces().empty());
  int changes = 0;
  auto subscription = monitor->subscribe([&](std::span<const Interface> now) {
    ++changes;
    EXPECT_EQ(has_loopback(now), changes % 2 == 1);
  });
  for (int i = 1; i <= 4; ++i) {
    switch_loopback(i % 2 == 1);
    EXPECT_TRUE(step_until({&loop}, [&] { return has_loopback(monitor->interfaces()) == (i % 2 == 1); })) << i;
  }
  const int told = changes;
  EXPECT_GE(told, 4);
  subscription.reset();
  switch_loopback(true);
  EXPECT_TRUE(step_until({&loop}, [&] { return has_loopback(monitor->interfaces()); }));
  EXPECT_EQ(changes, told);
}

TEST(NetworkMonitor, TellsOfAddressesThatComeAndGo) {
  bool permitted = true;
  std::thread elsewhere([&] {
    permitted = ::unshare(CLONE_NEWNET) == 0;
    if (permitted) watch_loopback();
  });
  elsewhere.join();
  if (!permitted) GTEST_SKIP() << "a network namespace of its own wants root";
}
#endif

}  // namespace
}  // namespace kaon::io
