#include "kaon/dtls/internal/reassembler.h"

#include <gmock/gmock.h>

#include "kaon/base/random.h"

namespace kaon::dtls {
namespace {

using Packet = std::vector<uint8_t>;

Packet body(size_t size, uint8_t seed = 0) {
  Packet bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 7 + seed);
  return bytes;
}

Fragment piece(const Packet& whole, uint16_t sequence, size_t offset, size_t size, uint16_t epoch = 0) {
  return {HandshakeType::Certificate,    static_cast<uint32_t>(whole.size()),   sequence,
          static_cast<uint32_t>(offset), ByteView(whole).subspan(offset, size), epoch};
}

TEST(Reassembler, PutsRandomOverlappingFragmentsTogether) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRandom random(seed);
    const Packet whole = body(1 + random.below(2000));
    Reassembler reassembler;
    std::optional<HandshakeMessage> message;
    for (int i = 0; i < 100'000 && !message; ++i) {
      const size_t offset = random.below(whole.size());
      const size_t size = random.below(std::min<size_t>(whole.size() - offset, 200) + 1);
      ASSERT_TRUE(reassembler.add(piece(whole, 0, offset, size)));
      message = reassembler.take();
    }
    ASSERT_TRUE(message);
    EXPECT_EQ(message->body, whole);
    EXPECT_EQ(reassembler.memory(), 0u);
  }
}

TEST(Reassembler, OneByteFragmentsInReverseOrder) {
  const Packet whole = body(300);
  Reassembler reassembler;
  for (size_t i = whole.size(); i-- > 0;) {
    EXPECT_FALSE(reassembler.take());
    ASSERT_TRUE(reassembler.add(piece(whole, 0, i, 1)));
  }
  EXPECT_EQ(reassembler.take()->body, whole);
}

TEST(Reassembler, MessagesComeOutInOrder) {
  Reassembler reassembler;
  for (const uint16_t sequence : {3, 1, 0, 2})
    ASSERT_TRUE(reassembler.add(piece(body(10, static_cast<uint8_t>(sequence)), sequence, 0, 10)));
  for (uint16_t sequence = 0; sequence < 4; ++sequence) {
    const auto message = reassembler.take();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->sequence, sequence);
    EXPECT_EQ(message->body, body(10, static_cast<uint8_t>(sequence)));
  }
  EXPECT_FALSE(reassembler.take());
}

TEST(Reassembler, AnEmptyMessageIsAMessage) {
  Reassembler reassembler;
  ASSERT_TRUE(reassembler.add(piece({}, 0, 0, 0)));
  EXPECT_TRUE(reassembler.take()->body.empty());
}

TEST(Reassembler, AContradictingFragmentStartsTheMessageAnew) {  // C5
  const Packet lie = body(100, 1);
  const Packet truth = body(100, 2);
  Reassembler reassembler;
  ASSERT_TRUE(reassembler.add(piece(lie, 0, 0, 60)));
  ASSERT_TRUE(reassembler.add(piece(truth, 0, 40, 60)));  // overlaps with other bytes
  EXPECT_FALSE(reassembler.take());
  ASSERT_TRUE(reassembler.add(piece(truth, 0, 0, 40)));
  EXPECT_EQ(reassembler.take()->body, truth);

  ASSERT_TRUE(reassembler.add(piece(body(5000, 1), 1, 0, 100)));
  ASSERT_TRUE(reassembler.add(piece(truth, 1, 0, 100)));  // another total length
  EXPECT_EQ(reassembler.take()->body, truth);
}

TEST(Reassembler, AuthenticatedFragmentsDisplaceOthersAndAreNotDisplaced) {
  const Packet lie = body(12, 1);
  const Packet truth = body(12, 2);
  Reassembler reassembler;
  ASSERT_TRUE(reassembler.add(piece(lie, 0, 0, 6)));
  ASSERT_TRUE(reassembler.add(piece(truth, 0, 0, 6, 1)));
  EXPECT_EQ(reassembler.add(piece(lie, 0, 6, 6)).error(), DropReason::BadFragment);
  ASSERT_TRUE(reassembler.add(piece(truth, 0, 6, 6, 1)));
  EXPECT_EQ(reassembler.take()->body, truth);
}

TEST(Reassembler, MemoryIsBounded) {  // C5, C12
  Reassembler reassembler;
  const Packet large = body(kMaxHandshakeMessage);
  EXPECT_EQ(reassembler.add({HandshakeType::Certificate, kMaxHandshakeMessage + 1, 0, 0, {}, 0}).error(),
            DropReason::MessageTooLarge);
  EXPECT_EQ(reassembler.add({HandshakeType::Certificate, (1 << 24) - 1, 0, 0, {}, 0}).error(),
            DropReason::MessageTooLarge);
  size_t refused = 0;
  for (uint16_t sequence = 0; sequence < 100; ++sequence)
    if (!reassembler.add(piece(large, sequence, 0, 1))) ++refused;
  EXPECT_EQ(refused, 98u);
  EXPECT_LE(reassembler.memory(), Reassembler::kMaxBytes);
  ASSERT_TRUE(reassembler.add(piece(large, 0, 0, large.size())));
  EXPECT_EQ(reassembler.take()->body, large);
}

TEST(Reassembler, LiesAboutLaterMessagesDoNotKeepOutTheNextOne) {
  Reassembler reassembler;
  const Packet large = body(kMaxHandshakeMessage);
  for (const uint16_t sequence : {6, 7}) ASSERT_TRUE(reassembler.add(piece(large, sequence, 0, 1)));
  const Packet truth = body(500, 2);
  for (const uint16_t sequence : {0, 1, 2}) {
    ASSERT_TRUE(reassembler.add(piece(truth, sequence, 0, 500)));
    EXPECT_EQ(reassembler.take()->body, truth);
  }
  // What is authenticated does not give way to what is not.
  for (const uint16_t sequence : {6, 7}) ASSERT_TRUE(reassembler.add(piece(large, sequence, 0, 1, 1)));
  EXPECT_EQ(reassembler.add(piece(truth, 3, 0, 500)).error(), DropReason::ReassemblyFull);
  EXPECT_LE(reassembler.memory(), Reassembler::kMaxBytes);
}

TEST(Reassembler, KnowsWhatItHadAndMayBeToldToExpectItAgain) {
  Reassembler reassembler;
  ASSERT_TRUE(reassembler.add(piece(body(5), 0, 0, 5)));
  ASSERT_TRUE(reassembler.take());
  EXPECT_EQ(reassembler.add(piece(body(5), 0, 0, 5)).error(), DropReason::Retransmission);
  reassembler.expect_again();
  ASSERT_TRUE(reassembler.add(piece(body(6), 0, 0, 6)));
  EXPECT_EQ(reassembler.take()->body, body(6));
}

TEST(Fragment, EveryTruncationAndALengthBeyondTheMessageAreRefused) {
  const Packet good = {11, 0, 0, 4, 0, 7, 0, 0, 1, 0, 0, 3, 0xa, 0xb, 0xc};
  for (size_t size = 0; size < good.size(); ++size) {
    Reader reader(ByteView(good).first(size));
    EXPECT_FALSE(Fragment::parse(reader, 0));
  }
  Reader reader(good);
  const auto fragment = Fragment::parse(reader, 0);
  ASSERT_TRUE(fragment);
  EXPECT_EQ(fragment->sequence, 7);
  EXPECT_EQ(fragment->offset, 1u);
  EXPECT_TRUE(fragment->ends_message());
  Packet bad = good;
  bad[3] = 3;
  Reader bad_reader(bad);
  EXPECT_FALSE(Fragment::parse(bad_reader, 0));
}

}  // namespace
}  // namespace kaon::dtls
