// How much memory a connection holds and when it asks for more. Counts every allocation of this program and of
// libcrypto.
#include <gmock/gmock.h>
#include <malloc.h>
#include <openssl/crypto.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <new>

#include "kaon/dtls/cookie_gate.h"
#include "kaon/dtls/internal/testing.h"

namespace {

size_t live_bytes = 0;
size_t allocations = 0;
// All that is allocated while `remembers` is set, for who looks for something in it.
bool remembers = false;
size_t block_count = 0;
std::array<void*, 1 << 15> blocks;

void remember(void* memory) {
  if (remembers && memory != nullptr && block_count < blocks.size()) blocks[block_count++] = memory;
}
void forget(void* memory) {
  for (size_t i = block_count; memory != nullptr && i != 0; --i) {
    if (blocks[i - 1] != memory) continue;
    blocks[i - 1] = blocks[--block_count];
    return;
  }
}
void* counted_malloc(size_t size, const char* = nullptr, int = 0) {
  void* memory = std::malloc(size);
  ++allocations;
  live_bytes += malloc_usable_size(memory);
  remember(memory);
  return memory;
}
void counted_free(void* memory, const char* = nullptr, int = 0) {
  live_bytes -= malloc_usable_size(memory);
  forget(memory);
  std::free(memory);
}
void* counted_realloc(void* memory, size_t size, const char* = nullptr, int = 0) {
  live_bytes -= malloc_usable_size(memory);
  forget(memory);
  void* moved = std::realloc(memory, size);
  ++allocations;
  live_bytes += malloc_usable_size(moved);
  remember(moved);
  return moved;
}
/// Whether these bytes stand in a block.
bool is_in_memory(kaon::ByteView secret) {
  for (size_t i = 0; i < block_count; ++i)
    if (memmem(blocks[i], malloc_usable_size(blocks[i]), secret.data(), secret.size()) != nullptr) return true;
  return false;
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
using testing::Side;

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

// Not when it is destroyed, which may be much later.
class SecretsOfEveryVersion : public ::testing::TestWithParam<Version> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(libcrypto_is_counted);
    remembers = true;
  }
  void TearDown() override {
    remembers = false;
    block_count = 0;
  }
  static Config config(Role role) {
    Config made = GetParam() == Version::Dtls12 ? testing::config_of(role) : testing::config13_of(role);
    made.key_log = true;
    return made;
  }
  /// How many of the secrets in the key log can be found.
  static size_t secrets_in_memory(const Pair& pair) {
    size_t found = 0;
    for (const std::string& line : pair.client.key_log) {
      const std::string_view hex = std::string_view(line).substr(line.rfind(' ') + 1);
      std::array<uint8_t, 48> secret;
      const size_t size = std::min(hex.size() / 2, secret.size());
      for (size_t i = 0; i < size; ++i)
        secret[i] = static_cast<uint8_t>(std::stoul(std::string(hex.substr(2 * i, 2)), nullptr, 16));
      found += is_in_memory(ByteView(secret).first(size));
    }
    return found;
  }
  static void exchange(Pair& pair) {
    for (int turn = 0; turn < 4; ++turn) {
      for (Packet& packet : pair.client.take_packets()) pair.server.give(std::move(packet), pair.now);
      for (Packet& packet : pair.server.take_packets()) pair.client.give(std::move(packet), pair.now);
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Resources, SecretsOfEveryVersion, ::testing::Values(Version::Dtls12, Version::Dtls13),
                         [](const auto& test) { return test.param == Version::Dtls13 ? "Of13" : "Of12"; });

TEST_P(SecretsOfEveryVersion, AreWipedWhenAConnectionCloses) {
  Pair pair(config(Role::Client), config(Role::Server));
  ASSERT_TRUE(pair.run());
  ASSERT_TRUE(pair.both_connected());
  EXPECT_GE(secrets_in_memory(pair), 1u);
  pair.client.connection.close();
  pair.client.drain();
  exchange(pair);
  ASSERT_TRUE(pair.client.closed && pair.server.closed);
  EXPECT_EQ(pair.server.closed->reason, CloseReason::PeerClose);
  EXPECT_EQ(secrets_in_memory(pair), 0u);
  EXPECT_TRUE(pair.client.protect("x").empty());
  std::array<uint8_t, 56> keys;
  EXPECT_FALSE(pair.client.connection.export_keying_material(kSrtpExporterLabel, {}, keys));
}

TEST_P(SecretsOfEveryVersion, AreWipedWhenAHandshakeFails) {
  Pair pair(config(Role::Client), config(Role::Server), 1, false);
  // Whose certificate comes is seen last by the client of 1.2 and by the server of 1.3, when there are keys.
  Side& last = GetParam() == Version::Dtls12 ? pair.server : pair.client;
  last.connection.set_remote_fingerprints({testing::certificate(crypto::KeyType::EcdsaP384).fingerprint()});
  pair.run({}, testing::seconds(5));
  exchange(pair);
  Side& other = &last == &pair.client ? pair.server : pair.client;
  other.connection.close();
  other.drain();
  exchange(pair);
  ASSERT_TRUE(pair.client.closed && pair.server.closed);
  ASSERT_TRUE(last.closed);
  EXPECT_EQ(last.closed->reason, CloseReason::FingerprintMismatch);
  EXPECT_EQ(secrets_in_memory(pair), 0u);
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
