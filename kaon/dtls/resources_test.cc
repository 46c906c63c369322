// How much memory a connection holds and when it asks for more. Counts every allocation of this program and of
// libcrypto.
#include <gmock/gmock.h>
#include <malloc.h>
#include <openssl/crypto.h>

#include <cstdlib>
#include <new>

#include "kaon/dtls/cookie_gate.h"
#include "kaon/dtls/internal/testing.h"

namespace {

size_t live_bytes = 0;
size_t allocations = 0;

void* counted_malloc(size_t size, const char* = nullptr, int = 0) {
  void* memory = std::malloc(size);
  ++allocations;
  live_bytes += malloc_usable_size(memory);
  return memory;
}
void counted_free(void* memory, const char* = nullptr, int = 0) {
  live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}
void* counted_realloc(void* memory, size_t size, const char* = nullptr, int = 0) {
  live_bytes -= malloc_usable_size(memory);
  void* moved = std::realloc(memory, size);
  ++allocations;
  live_bytes += malloc_usable_size(moved);
  return moved;
}
// Refused once libcrypto has allocated anything, hence before main().
const bool libcrypto_is_counted = CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) == 1;

}  // namespace

void* operator new(size_t size) { return counted_malloc(size); }
void operator delete(void* memory) noexcept { counted_free(memory); }
void operator delete(void* memory, size_t) noexcept { counted_free(memory); }

namespace kaon::dtls {
namespace {

using testing::Packet;
using testing::Pair;

class ResourcesOfEveryVersion : public ::testing::TestWithParam<Version> {
 protected:
  static Pair make_pair() {
    if (GetParam() == Version::Dtls12) return Pair();
    return Pair(testing::config13_of(Role::Client), testing::config13_of(Role::Server));
  }
};
INSTANTIATE_TEST_SUITE_P(Resources, ResourcesOfEveryVersion, ::testing::Values(Version::Dtls12, Version::Dtls13),
                         [](const auto& test) { return test.param == Version::Dtls13 ? "Of13" : "Of12"; });

TEST_P(ResourcesOfEveryVersion, DataPathAllocatesNothingAfterWarmUp) {
  ASSERT_TRUE(libcrypto_is_counted);
  Pair pair = make_pair();
  ASSERT_TRUE(pair.run());
  Connection& from = pair.client.connection;
  Connection& to = pair.server.connection;
  const Packet payload(1100, 7);
  Packet out(payload.size() + Connection::kMaxOverhead);
  size_t carried = 0;
  const auto carry = [&] {
    const size_t size = from.protect(payload, out);
    to.handle_packet(Bytes(out).first(size), pair.now);
    while (const auto data = to.poll_application_data()) carried += data->size();
  };
  carry();
  const size_t before = allocations;
  for (int i = 0; i < 1000; ++i) carry();
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(carried, 1001 * payload.size());
}

TEST_P(ResourcesOfEveryVersion, AnEstablishedConnectionHoldsLessThanEightKilobytes) {
  ASSERT_TRUE(libcrypto_is_counted);
  {
    Pair warm_up = make_pair();
    ASSERT_TRUE(warm_up.run());
  }
  constexpr size_t kPairs = 20;
  const size_t before = live_bytes;
  std::vector<std::unique_ptr<Pair>> pairs;
  for (size_t i = 0; i < kPairs; ++i) {
    pairs.emplace_back(new Pair(make_pair()));
    ASSERT_TRUE(pairs.back()->run());
    pairs.back()->sent = {};
    pairs.back()->client.connected.reset();
    pairs.back()->server.connected.reset();
  }
  const size_t each = (live_bytes - before) / (2 * kPairs);
  RecordProperty("bytes", static_cast<int>(each));
  EXPECT_LT(each, 8192u);
  EXPECT_GT(each, sizeof(Connection));
}

TEST(Resources, AHalfOpenServerIsBounded) {  // C12
  ASSERT_TRUE(libcrypto_is_counted);
  testing::Side client(testing::config_of(Role::Client), 1);
  client.connection.start(testing::kStart);
  const Packet hello = client.take_packets().at(0);
  constexpr size_t kServers = 50;
  const size_t before = live_bytes;
  std::vector<std::unique_ptr<testing::Side>> servers;
  for (size_t i = 0; i < kServers; ++i) {
    servers.push_back(std::make_unique<testing::Side>(testing::config_of(Role::Server), i));
    servers.back()->give(hello, testing::kStart);
  }
  EXPECT_LT((live_bytes - before) / kServers, 16u * 1024);
  EXPECT_GT((live_bytes - before) / kServers, hello.size());
}

TEST(Resources, AHundredThousandHalfOpenHandshakesBehindAGateCostNoMemory) {  // C12
  ASSERT_TRUE(libcrypto_is_counted);
  constexpr uint64_t kClients = 100'000;
  Config config = testing::config_of(Role::Server);
  config.max_version = Version::Dtls13;
  SeededRandom random(1);
  NullLogger log;
  std::array<Packet, 2> hellos;  // of 1.2 and 1.3
  for (size_t i = 0; i < hellos.size(); ++i) {
    testing::Side client(i == 0 ? testing::config_of(Role::Client) : testing::config13_of(Role::Client), i);
    client.connection.start(testing::kStart);
    hellos[i] = client.take_packets().at(0);
  }
  CookieGate gate({random, log}, config);
  Packet packet;
  Packet out(CookieGate::kMaxAnswer);
  const auto come = [&](uint64_t i) {
    packet = hellos[i % 2];
    const net::Endpoint from{net::IpAddress::v4(static_cast<uint32_t>(0x0a000000 + i / 8)),
                             static_cast<uint16_t>(1024 + i % 8)};
    const auto verdict = gate.handle_packet(packet, from, testing::kStart + testing::milliseconds(i), out);
    ASSERT_FALSE(verdict.hello);
    ASSERT_GT(verdict.answer, 0u);
    ASSERT_LE(verdict.answer, packet.size());
  };
  for (uint64_t i = 0; i < 100; ++i) come(i);
  const size_t before = live_bytes;
  const size_t allocated = allocations;
  for (uint64_t i = 100; i < kClients; ++i) come(i);
  // New keys come every 30 s of these hundred, and may take a little more or less than the ones before.
  EXPECT_LE(live_bytes, before + 1024);
  EXPECT_LE((allocations - allocated) / kClients, 40u);
  EXPECT_EQ(gate.stats().asked, kClients);
  EXPECT_EQ(gate.stats().macs, kClients);
  EXPECT_EQ(gate.stats().hashes, kClients / 2);
  EXPECT_EQ(gate.partial_bytes(), 0u);
}

}  // namespace
}  // namespace kaon::dtls
