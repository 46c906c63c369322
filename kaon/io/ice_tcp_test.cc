// Strangers at the TCP port of ICE. Whole connections over TCP are tested in kaon/webrtc.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "kaon/crypto/system_random.h"
#include "kaon/io/loop.h"
#include "kaon/io/peer_port.h"
#include "kaon/stun/builder.h"

namespace kaon::io {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  Fixture() {
    for (Loop& loop : loops) loop.start();
    const std::array<Loop*, 2> both{&loops[0], &loops[1]};
    PeerPortOptions options;
    options.udp.bind = {{net::IpAddress::v4(127, 0, 0, 1), 0}};
    options.loopback = options.tcp_passive = true;
    auto opened = PeerPort::open(both, options, {random, log});
    EXPECT_TRUE(opened);
    port = std::move(*opened);
  }
  ~Fixture() {
    port.reset();
    for (Loop& loop : loops) {
      loop.stop();
      loop.join();
    }
  }
  int connect_to_it() const {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port->port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  /// True if the other end closes within `wait`.
  static bool closes(int fd, std::chrono::milliseconds wait) {
    pollfd entry{fd, POLLIN, 0};
    if (poll(&entry, 1, static_cast<int>(wait.count())) != 1) return false;
    std::array<char, 16> memory;
    return recv(fd, memory.data(), memory.size(), 0) <= 0;
  }

  std::array<Loop, 2> loops;
  crypto::SystemRandom random;
  NullLogger log;
  std::unique_ptr<PeerPort> port;
};

TEST(IceTcpPort, ClosesWhatDoesNotBeginWithACheck) {
  Fixture f;
  const std::vector<std::vector<uint8_t>> openings{
      {0, 4, 'a', 'b', 'c', 'd'}, {0, 0}, std::vector<uint8_t>(4000, 'G'), {0, 2, 0x16, 0xfe}};
  for (const auto& opening : openings) {
    const int fd = f.connect_to_it();
    send(fd, opening.data(), opening.size(), MSG_NOSIGNAL);
    EXPECT_TRUE(f.closes(fd, 5000ms)) << opening.size();
    close(fd);
  }
}

TEST(IceTcpPort, AFloodOfStrangersIsBoundedAndTheOldestGivesWay) {
  Fixture f;
  std::vector<int> all;
  for (int i = 0; i < 300; ++i) all.push_back(f.connect_to_it());
  EXPECT_TRUE(f.closes(all.front(), 5000ms));
  EXPECT_FALSE(f.closes(all.back(), 50ms));
  for (const int fd : all) close(fd);
}

// The first character of the ufrag names the loop: the connection moves there, and nobody answers it.
TEST(IceTcpPort, AConnectionGoesToTheLoopThatItsCheckNames) {
  Fixture f;
  for (const std::string_view user : {"Aaaaaaaa:x", "Baaaaaaa:x", "zzzzzzzz:x"}) {
    std::vector<uint8_t> packet(256);
    const Bytes message = Bytes(packet).subspan(2);
    const size_t size =
        stun::Builder(message, stun::Method::Binding, stun::Class::Request, stun::TransactionId::random(f.random))
            .add_text(stun::Attribute::Username, user)
            .add_fingerprint()
            .finish()
            .size();
    store_be16(packet.data(), static_cast<uint16_t>(size));
    const int fd = f.connect_to_it();
    send(fd, packet.data(), size + 2, MSG_NOSIGNAL);
    EXPECT_FALSE(f.closes(fd, 100ms));
    close(fd);
  }
  // Each loop has counted its own as unknown.
  uint64_t unknown[2] = {};
  for (size_t i = 0; i < 2; ++i) {
    f.loops[i].invoke([&] { unknown[i] = f.port->shard(i).drops()[ice::MuxDrop::UnknownUfrag]; });
  }
  EXPECT_EQ(unknown[0], 2u);
  EXPECT_EQ(unknown[1], 1u);
}

// The numbers of UDP and TCP are given out apart: one that is free here may be taken there.
TEST(IceTcpPort, APortThatSomebodyHoldsForTcpIsPassedOver) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  const uint16_t taken = ntohs(address.sin_port);

  Loop loop;
  loop.start();
  const std::array<Loop*, 1> loops{&loop};
  crypto::SystemRandom random;
  NullLogger log;
  PeerPortOptions options;
  options.udp.bind = {{net::IpAddress::v4(127, 0, 0, 1), 0}};
  options.udp.port_range = std::pair<uint16_t, uint16_t>(taken, taken + 3);
  options.loopback = options.tcp_passive = true;
  for (int i = 0; i < 30; ++i) {  // the range is entered anywhere
    const auto opened = PeerPort::open(loops, options, {random, log});
    ASSERT_TRUE(opened) << to_string(opened.error());
    EXPECT_NE((*opened)->port(), taken);
  }
  options.udp.port_range = std::pair(taken, taken);
  EXPECT_EQ(PeerPort::open(loops, options, {random, log}).error(), IoError::AddressInUse);
  close(fd);
  loop.stop();
  loop.join();
}

}  // namespace
}  // namespace kaon::io
