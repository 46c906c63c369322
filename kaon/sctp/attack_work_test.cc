// What a peer makes us do stays in proportion to what it sends. No clock tells so here: where each chunk costs as many
// steps as there are parts, these take a hundred times as long.
#include <gtest/gtest.h>

#include "kaon/sctp/internal/attack_test_support.h"

namespace kaon::sctp {
namespace {

using test::Attack;
using test::kWhole;

constexpr uint32_t kParts = 32'000;
constexpr uint32_t kFirst = 100;       // the first TSN, which never comes
constexpr uint32_t kMissing = 33'000;  // so many of them

Config roomy() {
  Config config;
  config.receive_window = config.max_receive_window = 64 << 20;
  return config;
}

/// FORWARD-TSN to one TSN, or I-FORWARD-TSN that skips a message too.
void skip_to(Attack& a, uint32_t tsn, std::optional<std::pair<uint16_t, uint32_t>> message = {}) {
  std::vector<uint8_t> value(message ? 12 : 4);
  store_be32(&value[0], tsn);
  if (message) {
    store_be16(&value[4], message->first);
    store_be32(&value[8], message->second);
  }
  a.send(message ? ChunkType::IForwardTsn : ChunkType::ForwardTsn, 0, std::move(value));
}

TEST(AttackD4, MessagesInTheWorstOrderWaitForTheirTurn) {
  constexpr uint16_t kMessages = 30'000;
  Attack a(roomy());
  a.establish();
  uint32_t tsn = kFirst;
  a.data(tsn++, kWhole, 1, 1, kMessages);
  for (uint16_t i = 1; i < kMessages; ++i) a.data(tsn++, kWhole, 1, 1, i);
  EXPECT_EQ(a.events(), 0u);
  a.data(tsn++, kWhole, 1, 1, 0);
  EXPECT_EQ(a.events(), kMessages + 1u);
  EXPECT_EQ(a.engine.stats().receive_buffer_used, 0u);
}

TEST(AttackD5, SkippingOneByOneWhileThousandsOfPartsWait) {
  Attack a(roomy());
  a.establish();
  for (uint32_t i = 0; i < kParts; ++i) a.data(kFirst + kMissing + i, 0, 1);
  const size_t all = a.engine.stats().receive_buffer_used;
  for (uint32_t i = 0; i + 1 < kMissing; ++i) skip_to(a, kFirst + i);
  EXPECT_EQ(a.engine.stats().receive_buffer_used, all);
  for (uint32_t i = 0; i < kParts / 2; ++i) skip_to(a, kFirst + kMissing + i);
  // Of a message without its beginning nothing is kept.
  EXPECT_EQ(a.engine.stats().receive_buffer_used, 0u);
  a.data(kFirst + kMissing + kParts, kWhole);
  EXPECT_EQ(a.events(), 1u);
}

TEST(AttackD5, GivingUpOneByOneWhileThousandsOfPartsWait) {
  Attack a(roomy());
  a.interleaving = true;
  a.establish();
  for (uint32_t i = 0; i < kParts; ++i) a.idata(kFirst + kMissing + i, 0, kMissing + i, 7, 1, 1);
  for (uint32_t i = 0; i + 1 < kMissing; ++i) skip_to(a, kFirst + i, std::pair{uint16_t{1}, i});
  EXPECT_GT(a.engine.stats().receive_buffer_used, kParts * kMessageOverhead);
  // They are looked through as often as what comes pays for it.
  skip_to(a, kFirst + kMissing, std::pair{uint16_t{1}, kMissing + kParts});
  for (uint32_t i = 0; i < kParts / 100; ++i) a.idata(kFirst + kMissing + kParts + i, kWhole, i, 0, 2, 1);
  EXPECT_EQ(a.events(), kParts / 100);
  EXPECT_EQ(a.engine.stats().receive_buffer_used, 0u);
}

// Old parts of the new message 0 must not be here any more.
TEST(AttackD7, AStreamBeginsAnewOnceItsOldPartsAreGone) {
  Attack a(roomy());
  a.interleaving = true;
  a.establish();
  for (uint32_t i = 0; i < kParts; ++i) a.idata(kFirst + kMissing + i, 0, i, 7, 1, 1);
  skip_to(a, kFirst, std::pair{uint16_t{1}, 0u});                              // looks through all of them
  skip_to(a, kFirst + kMissing + kParts - 1, std::pair{uint16_t{1}, kParts});  // may not do so again
  a.send(ChunkType::ReConfig, 0, test::reset_request(100, kFirst + kMissing + kParts - 1, {StreamId(1)}));
  a.idata(kFirst + kMissing + kParts, DataChunk::kBeginning, 0, 0, 1, 1);
  EXPECT_EQ(a.events(), 0u);
  EXPECT_GT(a.engine.stats().receive_buffer_used, kParts * kMessageOverhead);
  for (uint32_t i = 0; i < 1000; ++i) a.idata(kFirst + kMissing + kParts + 1 + i, kWhole, i, 0, 2, 1);
  EXPECT_EQ(a.events(), 1000u);
  EXPECT_LT(a.engine.stats().receive_buffer_used, 10'000u);
  a.send(ChunkType::ReConfig, 0, test::reset_request(100, kFirst + kMissing + kParts - 1, {StreamId(1)}));
  a.idata(kFirst + kMissing + kParts + 1001, kWhole, 0, 0, 1, 1);
  EXPECT_EQ(a.events(), 1u);
}

TEST(AttackD7, ResettingAllStreamsAgainAndAgainIsCheap) {
  Attack a(roomy());
  a.establish();
  uint32_t tsn = kFirst;
  for (uint16_t stream = 0; stream < 1000; ++stream) a.data(tsn++, kWhole, 1, stream, 0);
  a.events();
  uint32_t sequence = 100;
  for (int i = 0; i < 20'000; ++i) {
    a.send(ChunkType::ReConfig, 0, test::reset_request(sequence++, tsn - 1, {}));
    if (i % 16 == 0) a.drain(), a.events();
  }
  a.data(tsn++, kWhole, 1, 5, 0);
  EXPECT_EQ(a.events(), 1u);
}

}  // namespace
}  // namespace kaon::sctp
