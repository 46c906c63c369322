#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kaon/io/internal/turn_site.h"

namespace kaon::io {
namespace {

// Without threads of our own somebody else waits for poll_fd(): without it, until the next timer.
class TurnOverTcp : public testing::Test {
 protected:
  static constexpr int kLong = 5000;

  void SetUp() override {
    loop_.step();
    ASSERT_TRUE(rest());
    client_ = socket(AF_INET, SOCK_STREAM, 0);
    const int little = 4096;
    setsockopt(client_, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(site_.at(net::Protocol::Tcp).port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(client_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_TRUE(readable(kLong)) << "somebody connects";
    ASSERT_TRUE(rest());
  }
  void TearDown() override { close(client_); }

  bool readable(int milliseconds) {
    pollfd fd{loop_.poll_fd(), POLLIN, 0};
    return poll(&fd, 1, milliseconds) == 1;
  }
  bool rest() {
    for (int steps = 0; steps < 100 && readable(0); ++steps) loop_.step();
    return !readable(0);
  }

  Loop loop_;
  TurnSite site_{loop_};
  int client_ = -1;
};

TEST_F(TurnOverTcp, WakesALoopThatIsStepped) {
  ASSERT_EQ(send(client_, "\0", 1, 0), 1);
  ASSERT_TRUE(readable(kLong)) << "somebody says something";
  EXPECT_TRUE(rest());
}

TEST_F(TurnOverTcp, WakesASteppedLoopWhenAClientThatDidNotReadReadsAgain) {
  // Binding requests one after the other, whose answers nobody reads.
  std::vector<uint8_t> requests;
  constexpr std::array<uint8_t, 20> kRequest{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
  for (int i = 0; i < 200; ++i) requests.insert(requests.end(), kRequest.begin(), kRequest.end());
  size_t at = 0;
  for (int i = 0; i < 100'000 && site_.host().stats().unsent == 0; ++i) {
    const ssize_t sent = send(client_, &requests[at], requests.size() - at, MSG_DONTWAIT);
    if (sent > 0) at = (at + static_cast<size_t>(sent)) % kRequest.size();
    loop_.step();
  }
  ASSERT_GT(site_.host().stats().unsent, 0u) << "no write was ever blocked";
  ASSERT_TRUE(rest()) << "a loop that waits for a client does not turn";
  std::vector<uint8_t> answers(1 << 16);
  pollfd there{client_, POLLIN, 0};
  while (!readable(0) && poll(&there, 1, kLong) == 1) ASSERT_GT(recv(client_, answers.data(), answers.size(), 0), 0);
  EXPECT_TRUE(readable(0)) << "the rest may be written";
}

}  // namespace
}  // namespace kaon::io
