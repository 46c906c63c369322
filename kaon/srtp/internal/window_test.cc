#include <gtest/gtest.h>

#include <set>

#include "kaon/base/random.h"
#include "kaon/srtp/internal/packet_index.h"
#include "kaon/srtp/internal/replay_window.h"
#include "kaon/srtp/internal/sent_window.h"
#include "kaon/srtp/internal/stream_table.h"

namespace kaon::srtp::internal {
namespace {

/// RFC 3711 appendix A, word by word, for rollover counters above zero.
uint64_t index_of_rfc(uint32_t roc, uint16_t s_l, uint16_t seq) {
  uint64_t v = roc;
  if (s_l < 32768) {
    if (seq - s_l > 32768) v = roc - 1;
  } else {
    if (s_l - 32768 > seq) v = roc + 1;
  }
  return seq + v * 65536;
}

TEST(PacketIndex, IsEstimatedAsInTheAppendixOfRfc3711) {
  SeededRandom random(1);
  const auto check = [](uint16_t highest, uint16_t sequence) {
    ASSERT_EQ(estimate_index(0x70000u + highest, sequence), index_of_rfc(7, highest, sequence))
        << highest << " " << sequence;
  };
  for (int i = 0; i < 200'000; ++i) check(static_cast<uint16_t>(random.u32()), static_cast<uint16_t>(random.u32()));
  for (uint32_t highest = 0; highest <= 0xffff; ++highest) {
    for (int off : {-32769, -32768, -32767, -1, 0, 1, 32767, 32768, 32769}) {
      check(static_cast<uint16_t>(highest), static_cast<uint16_t>(static_cast<int>(highest) + off));
    }
  }
}

TEST(PacketIndex, DoesNotGoBelowTheFirstRollover) {
  EXPECT_EQ(estimate_index(5, 65530), 65530u);
  EXPECT_EQ(estimate_index(65535, 0), 65536u);
  EXPECT_EQ(estimate_index(65536, 65535), 65535u);
}

TEST(RtpHeader, SizeCountsSourcesAndExtensionAndStaysWithinThePacket) {
  std::vector<uint8_t> packet(12 + 15 * 4 + 4 + 8 + 5);
  packet[0] = 0x80 | 0x10 | 15;
  packet[12 + 60 + 3] = 2;
  EXPECT_EQ(rtp_header_size(packet), 84u);
  for (size_t size = 0; size < 84; ++size) EXPECT_FALSE(rtp_header_size(ByteView(packet).first(size))) << size;
  EXPECT_EQ(rtp_header_size(ByteView(packet).first(84)), 84u);
  packet[12 + 60 + 2] = 0xff;
  EXPECT_FALSE(rtp_header_size(packet)) << "the extension says it is larger than the packet";
  packet[0] = 0x40;
  EXPECT_FALSE(rtp_header_size(packet)) << "version 1";
}

TEST(ReplayWindow, AgreesWithASetOfAllThatWasAccepted) {
  constexpr size_t kSize = 128;
  SeededRandom random(2);
  for (uint64_t spread : {3u, 100u, 300u, 5000u}) {
    ReplayWindow<kSize> window;
    std::set<uint64_t> seen;
    uint64_t base = 1000;
    for (int i = 0; i < 20'000; ++i) {
      base += random.below(3);
      const uint64_t index = base + random.below(spread);
      const uint64_t highest = seen.empty() ? 0 : *seen.rbegin();
      Replay expected = Replay::New;
      if (seen.contains(index)) expected = Replay::Seen;
      if (!seen.empty() && index + kSize <= highest) expected = Replay::TooOld;
      ASSERT_EQ(window.check(index), expected) << index << " with highest " << highest;
      if (expected != Replay::New) continue;
      window.accept(index);
      seen.insert(index);
    }
  }
}

TEST(ReplayWindow, TakesIndexZeroOnce) {
  ReplayWindow<64> window;
  EXPECT_EQ(window.check(0), Replay::New);
  window.accept(0);
  EXPECT_EQ(window.check(0), Replay::Seen);
}

TEST(SentWindow, TellsTheSamePacketFromAnother) {
  SentWindow window;
  EXPECT_EQ(window.record(10, 0xabcd), Sent::Never);
  EXPECT_EQ(window.record(10, 0xabcd), Sent::Same);
  EXPECT_EQ(window.record(10, 0xabce), Sent::Different);
  window.advance(10, 12);
  EXPECT_EQ(window.record(11, 0), Sent::Never) << "jumped over";
  EXPECT_EQ(window.record(11, 0), Sent::Same) << "a tag of zeros is a tag";
  EXPECT_EQ(window.record(10, 0xabcd), Sent::Same);
  window.advance(12, 10 + kSendWindow);
  EXPECT_EQ(window.record(10 + kSendWindow, 7), Sent::Never) << "the slot is free again";
  window.advance(10 + kSendWindow, 100 * kSendWindow);
  EXPECT_EQ(window.record(100 * kSendWindow - 5, 1), Sent::Never);
}

TEST(StreamTable, FindsAllItHoldsAndRemovesTheOldest) {
  StreamTable<int> table;
  for (uint32_t i = 0; i < 100; ++i) table.add(i * 2654435761u).state = static_cast<int>(i);
  for (uint32_t i = 0; i < 100; ++i) {
    auto* entry = table.find(i * 2654435761u);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->state, static_cast<int>(i));
  }
  EXPECT_EQ(table.find(1), nullptr);
  table.touch(*table.find(0));
  table.remove_oldest();
  EXPECT_NE(table.find(0), nullptr) << "touched";
  EXPECT_EQ(table.find(2654435761u), nullptr);
  EXPECT_EQ(table.size(), 99u);
}

}  // namespace
}  // namespace kaon::srtp::internal
