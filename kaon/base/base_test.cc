#include <gtest/gtest.h>

#include <thread>

#include "kaon/base/base64.h"
#include "kaon/base/buffer.h"
#include "kaon/base/crc.h"
#include "kaon/base/function.h"
#include "kaon/base/random.h"
#include "kaon/base/reader.h"
#include "kaon/base/ring.h"
#include "kaon/base/strong.h"
#include "kaon/base/text.h"
#include "kaon/base/units.h"
#include "kaon/base/writer.h"

namespace kaon {
namespace {

TEST(Reader, FailsForGoodAfterReadingPastTheEnd) {
  const uint8_t bytes[] = {1, 2, 3};
  Reader reader(bytes);
  EXPECT_EQ(reader.u16(), 0x0102);
  EXPECT_EQ(reader.u16(), 0);
  EXPECT_EQ(reader.u8(), 0) << "a byte is left, but the reader has failed";
  EXPECT_FALSE(reader.ok());
}

TEST(Reader, ReadsBackWhatWriterWrote) {
  uint8_t memory[64];
  Writer writer(memory);
  writer.u8(0x12);
  writer.u16(0x3456);
  writer.u24(0x789abc);
  writer.u32(0xdeadbeef);
  writer.u48(0x0102030405ff);
  writer.u64(0x1122334455667788);
  writer.bytes(as_bytes("abc"));
  Reader reader(writer.written());
  EXPECT_EQ(reader.u8(), 0x12);
  EXPECT_EQ(reader.u16(), 0x3456);
  EXPECT_EQ(reader.u24(), 0x789abcu);
  EXPECT_EQ(reader.u32(), 0xdeadbeefu);
  EXPECT_EQ(reader.u48(), 0x0102030405ffu);
  EXPECT_EQ(reader.u64(), 0x1122334455667788u);
  EXPECT_EQ(as_text(reader.rest()), "abc");
  EXPECT_TRUE(reader.ok() && reader.at_end());
}

TEST(Crc, GivesTheCheckValuesOfTheCatalogue) {
  EXPECT_EQ(crc32(as_bytes("123456789")), 0xcbf43926u);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(crc32c(as_bytes("456789"), crc32c(as_bytes("123"))), 0xe3069283u) << "calls chain";
  std::vector<uint8_t> bytes(100);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(37 * i);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const ByteView part = ByteView(bytes).first(size);
    EXPECT_EQ(crc32c_portable(part), crc32c(part)) << size;
  }
}

TEST(Serial, OrdersAcrossTheWrap) {
  using Sequence = Serial<struct SequenceTag, uint16_t>;
  EXPECT_TRUE(Sequence(0).newer_than(Sequence(65535)));
  EXPECT_FALSE(Sequence(65535).newer_than(Sequence(0)));
  EXPECT_FALSE(Sequence(5).newer_than(Sequence(5)));
  EXPECT_EQ(Sequence(2).distance_from(Sequence(65534)), 4);
}

TEST(Unwrapper, CountsThroughWrapsInBothDirections) {
  Unwrapper<uint16_t> unwrapper;
  EXPECT_EQ(unwrapper.unwrap(65530), 65530);
  EXPECT_EQ(unwrapper.unwrap(3), 65539);
  EXPECT_EQ(unwrapper.peek(65535), 65535);
  EXPECT_EQ(unwrapper.unwrap(65535), 65535);
  EXPECT_EQ(unwrapper.unwrap(4), 65540);
}

TEST(Ring, KeepsOrderWhileItGrowsAndWraps) {
  Ring<int> ring;
  int next_in = 0;
  int next_out = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 7; ++i) ring.push_back(next_in++);
    for (int i = 0; i < 5; ++i) ASSERT_EQ(ring.pop_front(), next_out++);
  }
  EXPECT_EQ(ring.size(), 200u);
  EXPECT_EQ(ring[3], next_out + 3);
  ring.push_front(-1);
  EXPECT_EQ(ring.front(), -1);
}

TEST(BufferPool, ReusesFreedSlotsAndSurvivesItsOwner) {
  SharedBuffer survivor;
  {
    BufferPool pool;
    const uint8_t* first;
    {
      Buffer buffer = pool.copy(as_bytes("hello"));
      first = buffer.bytes().data();
    }
    Buffer again = pool.allocate(100);
    EXPECT_EQ(again.bytes().data(), first);
    survivor = SharedBuffer(pool.copy(as_bytes("still here")));
  }
  SharedBuffer copy = survivor;
  survivor = SharedBuffer();
  EXPECT_EQ(as_text(copy.view()), "still here");
}

TEST(BufferPool, TakesBackBuffersFreedByAnotherThread) {
  BufferPool pool;
  for (int round = 0; round < 100; ++round) {
    std::vector<SharedBuffer> buffers;
    for (int i = 0; i < 32; ++i) buffers.emplace_back(pool.allocate(1200));
    std::thread other([copies = buffers]() mutable { copies.clear(); });
    buffers.clear();
    other.join();
  }
  EXPECT_LT(pool.memory(), 40 * 2048u);
}

TEST(Function, OwnsACallableThatCannotBeCopied) {
  auto owned = std::make_unique<int>(41);
  Function<int(int)> add = [owned = std::move(owned)](int n) { return *owned + n; };
  Function<int(int)> moved = std::move(add);
  EXPECT_EQ(moved(1), 42);
  EXPECT_FALSE(add);  // NOLINT(bugprone-use-after-move): empty after the move is the promise
}

TEST(Random, SameSeedGivesTheSameBytes) {
  SeededRandom a(7);
  SeededRandom b(7);
  EXPECT_EQ(a.u64(), b.u64());
  for (int i = 0; i < 1000; ++i) EXPECT_LT(a.below(10), 10u);
}

TEST(Text, CatJoinsPartsOfManyTypes) {
  using namespace std::chrono_literals;
  EXPECT_EQ(cat("port ", uint16_t{8080}, ' ', true, ' ', Duration(1500us)), "port 8080 true 1.500ms");
  EXPECT_EQ(parse_number<uint8_t>("256"), std::nullopt);
  EXPECT_EQ(parse_number<int>("12x"), std::nullopt);
}

TEST(Base64, WritesAndReadsTheSamplesOfRfc4648) {
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(to_base64(as_bytes(bytes)), text);
    const auto decoded = from_base64(text);
    ASSERT_TRUE(decoded.has_value()) << text;
    EXPECT_EQ(as_text(*decoded), bytes);
  }
  for (const char* text : {"Z", "Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm9v\n", "Zm-v", " Zg="}) {
    EXPECT_FALSE(from_base64(text).has_value()) << text;
  }
}

TEST(Units, SizeRateAndTimeMultiplyOut) {
  using namespace std::chrono_literals;
  EXPECT_EQ(DataSize::bytes(1250) / DataRate::kilobits_per_second(1000), 10ms);
  EXPECT_EQ(DataRate::kilobits_per_second(8) * 2s, DataSize::bytes(2000));
  EXPECT_EQ((DataSize::bytes(1000) / Duration(1s)).bits_per_second(), 8000);
}

TEST(Ntp, TheEpochIs1900) {
  EXPECT_EQ(to_ntp(std::chrono::seconds(0)).value >> 32, 2208988800u);
  EXPECT_EQ(to_ntp(std::chrono::milliseconds(500)).value & 0xffffffff, 0x80000000u);
}

}  // namespace
}  // namespace kaon
