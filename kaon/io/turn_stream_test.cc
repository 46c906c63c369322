#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kaon/io/internal/turn_site.h"

namespace kaon::io {
namespace {

// Without threads of our own somebody else waits for poll_fd(): without it, until the next timer.
TEST(TurnOverTcp, WakesALoopThatIsStepped) {
  Loop loop;
  const TurnSite site(loop);
  const auto readable = [&](int milliseconds) {
    pollfd fd{loop.poll_fd(), POLLIN, 0};
    return poll(&fd, 1, milliseconds) == 1;
  };
  const auto rest = [&] {
    for (int steps = 0; steps < 10 && readable(0); ++steps) loop.step();
    return !readable(0);
  };
  constexpr int kLong = 5000;
  loop.step();
  ASSERT_TRUE(rest());

  const int client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(site.at(net::Protocol::Tcp).port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_TRUE(readable(kLong)) << "somebody connects";
  ASSERT_TRUE(rest());
  ASSERT_EQ(send(client, "\0", 1, 0), 1);
  ASSERT_TRUE(readable(kLong)) << "somebody says something";
  EXPECT_TRUE(rest());
  close(client);
}

}  // namespace
}  // namespace kaon::io
