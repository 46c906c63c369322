// Several loops on one port.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "kaon/io/internal/handover.h"
#include "kaon/io/internal/test_support.h"
#include "kaon/io/udp.h"

namespace kaon::io {
namespace {

net::Datagram datagram(std::string& text) {
  net::Datagram d;
  d.bytes = {reinterpret_cast<uint8_t*>(text.data()), text.size()};
  return d;
}

TEST(Handover, TakesAsManyAsItHasSlotsAndKeepsTheirOrder) {
  Handover ring(4);
  BufferPool pool;
  std::vector<net::Datagram> out;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 5; ++i) {
      std::string text = std::to_string(i);
      EXPECT_EQ(ring.push(datagram(text), pool), i < 4);
    }
    out.clear();
    ring.peek(out, 100);
    EXPECT_THAT(out, testing::IsEmpty());  // not published
    EXPECT_TRUE(ring.publish());
    EXPECT_FALSE(ring.publish());
    ring.peek(out, 3);
    ASSERT_THAT(out, testing::SizeIs(3));
    ring.release();
    ring.peek(out, 100);
    ASSERT_THAT(out, testing::SizeIs(4));
    EXPECT_EQ(as_text(out[3].bytes), "3");
    ring.release();
  }
}

TEST(Handover, CarriesEverythingBetweenTwoThreads) {
  Handover ring(64);
  constexpr uint32_t kCount = 100000;
  BufferPool pool;
  std::jthread producer([&] {
    for (uint32_t i = 0; i < kCount;) {
      std::string text(4, '\0');
      store_be32(reinterpret_cast<uint8_t*>(text.data()), i);
      i += ring.push(datagram(text), pool);
      ring.publish();
    }
  });
  std::vector<net::Datagram> out;
  for (uint32_t expected = 0; expected < kCount;) {
    out.clear();
    ring.peek(out, 16);
    for (const net::Datagram& d : out) ASSERT_EQ(load_be32(d.bytes.data()), expected++);
    ring.release();
  }
}

// The first byte of a datagram names its home, as an ufrag would.
class Routed : public UdpHandler {
 public:
  explicit Routed(uint8_t index) : index_(index) {}
  size_t route(const net::Datagram& d) override { return d.bytes[0]; }
  void receive(std::span<const net::Datagram> batch, Time) override {
    for (const net::Datagram& d : batch) {
      EXPECT_EQ(d.bytes[0], index_);
      if (d.bytes.size() == 2) {
        // An answer leaves by the home loop's socket.
        EXPECT_EQ(shard->send(transmit_to(d.remote, d.bytes.size()), d.bytes), UdpShard::SendResult::Sent);
      }
      ++received;
    }
  }
  void writable() override {}
  UdpShard* shard = nullptr;
  std::atomic<size_t> received{0};

 private:
  uint8_t index_;
};

struct FourLoops {
  explicit FourLoops(size_t slots) {
    for (uint8_t i = 0; i < 4; ++i) handlers.push_back(std::make_unique<Routed>(i));
    std::vector<UdpPort::Member> members;
    for (size_t i = 0; i < 4; ++i) members.push_back({&loops[i], handlers[i].get()});
    auto opened = UdpPort::open(members, {.bind = {endpoint("127.0.0.1:0")}, .handover_slots = slots});
    EXPECT_TRUE(opened);
    port = std::move(*opened);
    for (size_t i = 0; i < 4; ++i) handlers[i]->shard = &port->shard(i);
  }
  void start() {
    for (Loop& loop : loops) loop.start();
  }
  UdpStats stats(size_t i) {
    UdpStats copy;
    loops[i].invoke([&] { copy = port->shard(i).stats(); });
    return copy;
  }

  std::array<Loop, 4> loops;
  std::vector<std::unique_ptr<Routed>> handlers;
  std::unique_ptr<UdpPort> port;
};

TEST(SharedPort, DeliversEveryDatagramToItsHomeLoopAlsoWhenThePeerChangesItsAddress) {
  FourLoops server(1024);
  server.start();
  Loop loop;
  constexpr size_t kRounds = 16;  // each from an address of its own, which lands on another loop
  size_t sent = 0;
  for (size_t round = 0; round < kRounds; ++round) {
    Collector client;
    const UdpPort::Member member{&loop, &client};
    const auto port = UdpPort::open(std::span(&member, 1), {.bind = {endpoint("127.0.0.1:0")}});
    ASSERT_TRUE(port);
    for (uint8_t home = 0; home < 4; ++home) {
      const std::array<uint8_t, 2> bytes{home, static_cast<uint8_t>(round)};
      (*port)->shard(0).send(transmit_to(server.port->bound()[0], 2), bytes);
      ++sent;
    }
    ASSERT_TRUE(step_until({&loop}, [&] { return client.texts.size() == 4; }));
    for (const net::Datagram& d : client.datagrams) EXPECT_EQ(d.remote, server.port->bound()[0]);
  }
  uint64_t handed_over = 0, taken_over = 0, received = 0;
  for (size_t i = 0; i < 4; ++i) {
    // Asked on the loop, so that the turn which sent the last answer is over.
    const UdpStats stats = server.stats(i);
    EXPECT_EQ(server.handlers[i]->received, kRounds);
    handed_over += stats.handed_over;
    taken_over += stats.taken_over;
    received += stats.received;
  }
  EXPECT_EQ(received, sent);
  // Each address lands on one loop, which is home to a quarter of what comes from there.
  EXPECT_EQ(handed_over, sent * 3 / 4);
  EXPECT_EQ(taken_over, handed_over);
}

TEST(SharedPort, CountsWhatDoesNotFitIntoTheRingAndLosesNothingElse) {
  FourLoops server(8);  // stepped, one after the other: nobody takes anything over while the first loop reads
  Loop loop;
  Collector client;
  const UdpPort::Member member{&loop, &client};
  const auto port = UdpPort::open(std::span(&member, 1), {.bind = {endpoint("127.0.0.1:0")}});
  ASSERT_TRUE(port);
  constexpr uint64_t kCount = 400;
  for (uint64_t i = 0; i < kCount; ++i) {
    const std::array<uint8_t, 3> bytes{static_cast<uint8_t>(i % 4), 0, 0};
    (*port)->shard(0).send(transmit_to(server.port->bound()[0], 3), bytes);
  }
  const auto total = [&](auto member_of_stats) {
    uint64_t sum = 0;
    for (size_t i = 0; i < 4; ++i) sum += server.stats(i).*member_of_stats;
    return sum;
  };
  ASSERT_TRUE(step_until({&server.loops[0], &server.loops[1], &server.loops[2], &server.loops[3]}, [&] {
    return total(&UdpStats::received) == kCount && total(&UdpStats::taken_over) == total(&UdpStats::handed_over);
  }));
  EXPECT_GT(total(&UdpStats::handover_dropped), 0u);
  EXPECT_EQ(total(&UdpStats::handover_dropped) + total(&UdpStats::handed_over), kCount * 3 / 4);
  uint64_t received = 0;
  for (const auto& handler : server.handlers) received += handler->received;
  EXPECT_EQ(received, kCount - total(&UdpStats::handover_dropped));
}

TEST(SharedPort, IsNotSharedWithLoopsOfAnotherOwner) {
  const FourLoops first(16);
  std::array<Loop, 2> others;
  Collector sink;
  const std::array<UdpPort::Member, 2> members{{{&others[0], &sink}, {&others[1], &sink}}};
  const auto second = UdpPort::open(members, {.bind = {first.port->bound()[0]}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), IoError::AddressInUse);
}

TEST(SharedPort, ClosesWhileDatagramsAreOnTheirWay) {
  for (int round = 0; round < 20; ++round) {
    FourLoops server(64);
    server.start();
    Loop loop;
    Collector client;
    const UdpPort::Member member{&loop, &client};
    const auto port = UdpPort::open(std::span(&member, 1), {.bind = {endpoint("127.0.0.1:0")}});
    ASSERT_TRUE(port);
    for (uint8_t i = 0; i < 100; ++i) {
      const std::array<uint8_t, 2> bytes{static_cast<uint8_t>(i % 4), i};
      (*port)->shard(0).send(transmit_to(server.port->bound()[0], 2), bytes);
    }
    server.port.reset();
    const size_t after = server.handlers[0]->received;
    for (Loop& l : server.loops) l.invoke([] {});
    EXPECT_EQ(server.handlers[0]->received, after);
  }
}

}  // namespace
}  // namespace kaon::io
