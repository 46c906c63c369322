// The packet path allocates nothing once it is warm, and how fast it is (printed, not asserted).
#include <gmock/gmock.h>

#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <new>

#include "kaon/sctp/association.h"

namespace {
std::atomic<uint64_t> allocations{0};
std::atomic<size_t> live_bytes{0};

void forget(void* p) {
  live_bytes.fetch_sub(malloc_usable_size(p), std::memory_order_relaxed);
  std::free(p);
}
}  // namespace

void* operator new(size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* p = std::malloc(size);
  if (p == nullptr) std::abort();
  live_bytes.fetch_add(malloc_usable_size(p), std::memory_order_relaxed);
  return p;
}
void operator delete(void* p) noexcept { forget(p); }
void operator delete(void* p, size_t) noexcept { forget(p); }

namespace kaon::sctp {
namespace {

struct Bench {
  Bench() : random_a(1), random_b(2), a({}, Env{random_a, log}), b({}, Env{random_b, log}) {
    a.set_remote_max_message_size(0);
    a.connect(now);
    b.connect(now);
    while (a.state() != State::Established || b.state() != State::Established) exchange();
  }
  // Everything that wants to move moves; 1 ms passes.
  void exchange() {
    now += std::chrono::milliseconds(1);
    for (int i = 0; i < 4; ++i) {
      while (const auto t = a.poll_transmit(out)) b.handle_packet(Bytes(out).first(t->size), now);
      while (const auto event = b.poll_event()) {
        if (const auto* m = std::get_if<Message>(&*event)) received += m->payload.size();
      }
      while (const auto t = b.poll_transmit(out)) a.handle_packet(Bytes(out).first(t->size), now);
      while (a.poll_event()) {
      }
    }
    if (a.next_timeout() <= now) a.handle_timeout(now);
    if (b.next_timeout() <= now) b.handle_timeout(now);
  }
  void move(size_t message_size, size_t total) {
    const std::vector<uint8_t> message(message_size, 7);
    const size_t goal = received + total;
    while (received < goal) {
      while (a.send(StreamId(1), Ppid(53), message, {}, now) && a.buffered_amount(StreamId(1)) < 4'000'000) {
      }
      exchange();
    }
    while (a.stats().send_buffer_used != 0) exchange();
  }

  SeededRandom random_a, random_b;
  NullLogger log;
  Time now{std::chrono::seconds(1)};
  Association a, b;
  std::vector<uint8_t> out = std::vector<uint8_t>(2048);
  size_t received = 0;
};

TEST(Allocation, SteadyTransferAllocatesNothing) {
  for (const size_t size : {100u, 1100u, 30'000u}) {
    Bench bench;
    bench.move(size, 40'000'000);
    const std::vector<uint8_t> message(size, 7);
    const uint64_t before = allocations.load();
    for (int i = 0; i < 1000; ++i) {
      ASSERT_TRUE(bench.a.send(StreamId(1), Ppid(53), message, {}, bench.now));
      bench.exchange();
    }
    EXPECT_EQ(allocations.load() - before, 0u) << size;
  }
}

TEST(Allocation, AnIdleAssociationIsSmall) {
  SeededRandom random(1);
  NullLogger log;
  // What operator new was asked for cannot be summed up here; how often it was can.
  const uint64_t before = allocations.load();
  const Association idle({}, Env{random, log});
  EXPECT_LE(allocations.load() - before, 4u);
}

TEST(Allocation, WhatABurstTookIsGivenBackAlsoWhereLittleGoesOn) {
  Bench bench;
  const size_t before = live_bytes.load();
  bench.move(10'000, 40'000'000);
  const size_t burst = live_bytes.load() - before;
  const std::vector<uint8_t> message(100, 7);
  // Two heartbeats, at each of which something is under way.
  for (int i = 0; i < 70'000; ++i) {
    if (i % 200 == 0) {
      ASSERT_TRUE(bench.a.send(StreamId(1), Ppid(53), message, {}, bench.now));
    }
    bench.now += std::chrono::milliseconds(1);
    if (bench.a.next_timeout() <= bench.now) bench.a.handle_timeout(bench.now);
    if (bench.b.next_timeout() <= bench.now) bench.b.handle_timeout(bench.now);
    if (i % 200 == 199) bench.exchange();
  }
  EXPECT_GT(burst, 1'000'000u);
  EXPECT_LT(live_bytes.load() - before, 100'000u);
}

TEST(Throughput, IsPrinted) {
  for (const size_t size : {1000u, 65'536u, 262'144u}) {
    Bench bench;
    const auto start = std::chrono::steady_clock::now();
    bench.move(size, 200'000'000);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf("%7zu-byte messages: %.0f MB/s, both ends on one core\n", size, 200.0 / took.count());
  }
}

}  // namespace
}  // namespace kaon::sctp
