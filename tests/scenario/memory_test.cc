// What a connection holds while nothing happens, and that strangers cannot make it hold more.
#include <gmock/gmock.h>

#include "allocations.h"
#include "kaon/peer/internal/connection_test_support.h"

namespace kaon::scenario {
namespace {

using namespace peer;
using namespace peer::test;

/// Both have a data channel, audio and video, and nothing to do.
void connect_everything(Pair& pair) {
  pair.start();
  ASSERT_TRUE(pair.a->open_channel({}, pair.now()));
  ASSERT_TRUE(pair.a->add_transceiver(sdp::MediaKind::Audio));
  ASSERT_TRUE(pair.a->add_transceiver(sdp::MediaKind::Video));
  ASSERT_TRUE(pair.connect());
  pair.pump.pass(40s);
}

TEST(Memory, AnIdleConnectionIsSmall) {
  Pair first(1);  // tables that libcrypto builds once
  connect_everything(first);
  Pair pair(2);
  connect_everything(pair);
  const size_t before = memory_in_use();
  pair.a.connection.reset();
  const size_t held = before - memory_in_use();
  std::printf("an idle connection with a data channel, audio and video holds %zu KiB\n", held / 1024);
  EXPECT_GT(held, 4u * 1024);
  EXPECT_LT(held, 56u * 1024);
}

TEST(Memory, TenThousandConnectionsLiveInOneProcess) {
  constexpr size_t kPairs = 5000;
  const auto connect = [](uint64_t seed) {
    auto pair = std::make_unique<Pair>(seed);
    pair->start();
    EXPECT_TRUE(pair->a->open_channel({}, pair->now()));
    EXPECT_TRUE(pair->connect());
    EXPECT_TRUE(pair->run([&] { return pair->channel_is_open(); }));
    pair->pump.pass(40s);
    return pair;
  };
  connect(1);
  const size_t before = memory_in_use();
  std::vector<std::unique_ptr<Pair>> pairs;
  for (uint64_t seed = 1; seed <= kPairs; ++seed) pairs.push_back(connect(seed));
  const size_t each = (memory_in_use() - before) / (2 * kPairs);
  std::printf("with a channel, each of 10,000 holds %zu KiB, its part of the simulated network among it\n",
              each / 1024);
  EXPECT_LT(each, 80u * 1024);  // 32 of them are scratch of the simulation
  for (const auto& pair : pairs) {
    EXPECT_TRUE(pair->b->send_text(pair->b.announced_channels.at(0), "still here", pair->now()));
    EXPECT_TRUE(pair->run([&] { return pair->a.messages.size() == 1; }));
  }
}

TEST(Memory, AMillionGarbagePacketsLeaveNothingBehind) {
  Pair pair(3);
  connect_everything(pair);
  SeededRandom random(4);
  const net::Endpoint stranger{net::IpAddress::v4(198, 51, 100, 66), 6666};
  std::vector<uint8_t> noise(4096);
  random.fill(noise);
  std::vector<uint8_t> packet;
  packet.reserve(1500);
  std::vector<uint8_t> out(Connection::kMaxTransmit);
  const auto attack = [&](int packets) {
    for (int i = 0; i < packets; ++i) {
      const size_t at = random.below(noise.size() - 200);
      packet.assign(noise.begin() + static_cast<ptrdiff_t>(at),
                    noise.begin() + static_cast<ptrdiff_t>(at + 40 + i % 160));
      packet[0] = static_cast<uint8_t>(i);
      const net::Endpoint& from = i % 3 == 0 ? stranger : pair.a.address;
      pair.b.handle_packet({.local = pair.b.address, .remote = from, .bytes = packet}, pair.now());
      if (i % 1000 == 0) {
        while (pair.b->poll_transmit(out)) {
        }
      }
    }
  };
  attack(10'000);
  const size_t before = memory_in_use();
  attack(1'000'000);
  EXPECT_LE(memory_in_use(), before + 1024);
  EXPECT_GE(pair.b->drops().total() + pair.b->media_drops().total(), 850'000u);
  pair.pump.pass(10s);
  EXPECT_TRUE(pair.a.connected() && pair.b.connected());
}

}  // namespace
}  // namespace kaon::scenario
