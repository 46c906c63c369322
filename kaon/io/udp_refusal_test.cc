// What the kernel says when it does not want a packet. A socket on loopback is never full, so sendmmsg() stands here in
// front of the kernel's: it takes as many messages as it is told and then answers what it is told.
#ifdef __linux__
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "kaon/io/driver.h"
#include "kaon/io/internal/test_support.h"

namespace {

struct Kernel {
  int room = -1;            // messages taken until the next refusal; -1: all
  int refusal = EAGAIN;     // what it says then, once
  int room_after = -1;      // and what it takes from then on, until the same again
  bool segments = true;     // takes runs
  int segment_error = EIO;  // what it says to runs otherwise
  int refusals = 0;
} kernel;

bool is_run(const msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(const_cast<msghdr*>(&message), c)) {
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_SEGMENT) return true;
  }
  return false;
}

int refuse(int error) {
  ++kernel.refusals;
  errno = error;
  return -1;
}

}  // namespace

extern "C" int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  if (!kernel.segments && count > 0) {
    if (is_run(messages[0].msg_hdr)) return refuse(kernel.segment_error);
    unsigned singles = 1;
    while (singles < count && !is_run(messages[singles].msg_hdr)) ++singles;
    count = singles;
  }
  if (kernel.room == 0) {
    kernel.room = kernel.room_after;
    return refuse(kernel.refusal);
  }
  if (kernel.room > 0) count = std::min(count, static_cast<unsigned>(kernel.room));
  const auto sent = static_cast<int>(::syscall(SYS_sendmmsg, fd, messages, count, flags));
  if (kernel.room > 0 && sent > 0) kernel.room -= sent;
  return sent;
}

namespace kaon::io {
namespace {

// Says what it was given to say, in runs of packets of one size.
struct Runs {
  void handle_packet(const net::Datagram&, Time) {}
  void handle_timeout(Time) {}
  Time next_timeout() const { return kNever; }
  std::optional<net::Transmit> poll_transmit(Bytes out) {
    if (to_say.empty()) return std::nullopt;
    const std::string text = to_say.pop_front();
    std::copy(text.begin(), text.end(), out.begin());
    return transmit_to(remote, text.size(), segment_size);
  }
  std::optional<int> poll_event() { return std::nullopt; }
  net::Endpoint remote;
  size_t segment_size = 0;
  Ring<std::string> to_say;
};

struct Side : UdpHandler {
  void receive(std::span<const net::Datagram>, Time) override {}
  void writable() override {
    ++writable_calls;
    if (driver != nullptr) driver->writable();
  }
  Driver* driver = nullptr;
  int writable_calls = 0;
};

class UdpRefusal : public testing::Test {
 protected:
  void SetUp() override {
    kernel = {};
    const UdpPort::Member sink_member{&loop, &sink}, member{&loop, &side};
    to = *UdpPort::open(std::span(&sink_member, 1), {.bind = {endpoint("127.0.0.1:0")}});
    from = *UdpPort::open(std::span(&member, 1), {.bind = {endpoint("127.0.0.1:0")}});
    runs.remote = to->bound()[0];
  }
  void TearDown() override { kernel = {}; }

  // Packets of 3 bytes with their number; `per_run` of them in each run.
  void say(int packets, int per_run) {
    runs.segment_size = per_run > 1 ? 3 : 0;
    std::string run;
    for (int i = 0; i < packets; ++i) {
      const std::string packet = std::to_string(100 + i);
      expected.push_back(packet);
      run += packet;
      if ((i + 1) % per_run == 0 || i + 1 == packets) runs.to_say.push_back(std::exchange(run, ""));
    }
  }

  Loop loop;
  Collector sink;
  Side side;
  std::unique_ptr<UdpPort> to, from;
  Runs runs;
  std::vector<std::string> expected;
};

TEST_F(UdpRefusal, AFullSocketLosesAndReordersNothing) {
  for (const auto& [packets, per_run] : {std::pair(300, 1), std::pair(300, 7), std::pair(600, 150)}) {
    TearDown();
    Driver driver(loop, from->shard(0));
    side.driver = &driver;
    DrivenEngine driven(runs, [](int) {});
    driver.attach(driven);
    expected.clear();
    sink.texts.clear();
    say(packets, per_run);
    kernel.room = 0;
    kernel.room_after = 1;  // full again after each message
    const int before = side.writable_calls;
    EXPECT_TRUE(step_until({&loop}, [&] { return sink.texts.size() >= expected.size(); }));
    EXPECT_EQ(sink.texts, expected);
    EXPECT_GT(side.writable_calls, before);
    EXPECT_EQ(from->shard(0).stats().blocked, static_cast<uint64_t>(side.writable_calls));
    side.driver = nullptr;
  }
}

TEST_F(UdpRefusal, ASingleSendTellsThatTheSocketIsFull) {
  kernel.room = 0;
  const net::Transmit transmit = transmit_to(runs.remote, 1);
  EXPECT_EQ(from->shard(0).send(transmit, as_bytes("x")), UdpShard::SendResult::Blocked);
  EXPECT_EQ(from->shard(0).send(transmit, as_bytes("x")), UdpShard::SendResult::Blocked);  // until it is told otherwise
  EXPECT_EQ(kernel.refusals, 1);
  EXPECT_TRUE(step_until({&loop}, [&] { return side.writable_calls == 1; }));
  EXPECT_EQ(from->shard(0).send(transmit, as_bytes("x")), UdpShard::SendResult::Sent);
  kernel.room = 0;
  kernel.refusal = EPERM;
  EXPECT_EQ(from->shard(0).send(transmit, as_bytes("x")), UdpShard::SendResult::Dropped);
}

TEST_F(UdpRefusal, ADeviceWithoutSegmentationGetsPacketsOneByOneFromThenOn) {
  kernel.segments = false;
  say(100, 10);
  Driver driver(loop, from->shard(0));
  DrivenEngine driven(runs, [](int) {});
  driver.attach(driven);
  EXPECT_TRUE(step_until({&loop}, [&] { return sink.texts.size() >= expected.size(); }));
  EXPECT_EQ(sink.texts, expected);
  EXPECT_EQ(kernel.refusals, 1);
  EXPECT_FALSE(from->shard(0).segments());
  EXPECT_EQ(from->shard(0).stats().send_errors, 0u);
}

TEST_F(UdpRefusal, ARunAboveThePathsMtuIsSentOneByOneThisTimeOnly) {
  kernel.segments = false;
  kernel.segment_error = EINVAL;
  const std::string run = "100101102";
  expected = {"100", "101", "102", "100", "101", "102"};
  EXPECT_EQ(from->shard(0).send(transmit_to(runs.remote, 9, 3), as_bytes(run)), UdpShard::SendResult::Sent);
  EXPECT_TRUE(from->shard(0).segments());
  kernel.segments = true;
  EXPECT_EQ(from->shard(0).send(transmit_to(runs.remote, 9, 3), as_bytes(run)), UdpShard::SendResult::Sent);
  EXPECT_TRUE(step_until({&loop}, [&] { return sink.texts.size() >= expected.size(); }));
  EXPECT_EQ(sink.texts, expected);
  EXPECT_EQ(from->shard(0).stats().send_calls, 2u);
}

}  // namespace
}  // namespace kaon::io
#endif
