// What a hostile peer may try; numbers D1 to D13 are those of the project's attack list. The peer holds the DTLS keys,
// so every packet here is well signed and aimed.
#include <gmock/gmock.h>

#include "kaon/base/crc.h"
#include "kaon/sctp/internal/attack_test_support.h"

namespace kaon::sctp {
namespace {

using namespace std::chrono_literals;
using test::Attack;
using test::kWhole;
using test::reset_request;
using test::Sent;

TEST(AttackD1, WrongVerificationTagsAreDropped) {
  Attack a;
  a.establish();
  for (const uint32_t wrong : {0u, a.tag + 1, 0xabcu}) {
    a.send(wrong, {{ChunkType::Abort, 0, {}}});
    a.send(wrong, {{ChunkType::Shutdown, 0, {0, 0, 0, 0}}});
  }
  a.send(a.tag, {{ChunkType::Abort, 1, {}}});  // the T bit with our own tag
  EXPECT_EQ(a.engine.state(), State::Established);
  EXPECT_EQ(a.drops(DropReason::BadVerificationTag), 7u);
  a.send(0xabc, {{ChunkType::Abort, 1, {}}});  // reflected, as a peer without association does
  a.events();
  EXPECT_EQ(a.closed->reason, CloseReason::AbortedByPeer);
}

TEST(AttackD1, AnInitInTheMiddleChangesNothing) {
  Attack a;
  a.establish();
  const uint32_t tag = a.tag;
  a.cookie_for(a.init(0x999));
  EXPECT_NE(a.tag, tag);
  a.tag = tag;
  a.data(100, kWhole);
  EXPECT_EQ(a.events(), 1u);
  a.send(tag, {{ChunkType::Data, kWhole, {}}, {ChunkType::Init, 0, a.init(1)}});
  a.send(0, {{ChunkType::Init, 0, a.init(1)}, {ChunkType::Data, 0, {}}});
  EXPECT_EQ(a.drops(DropReason::BadBundling), 2u);
}

// The table of RFC 9260 §5.2.4 by cookies that are older or newer than the association.
TEST(AttackD1, CookieForgedReplayedAndStale) {
  Attack a;
  const auto cookie = a.cookie_for(a.init(0xabc));
  auto forged = cookie;
  forged[40] ^= 1;
  a.send(ChunkType::CookieEcho, 0, forged);
  EXPECT_EQ(a.drops(DropReason::BadCookie), 1u);
  a.send(a.tag + 1, {{ChunkType::CookieEcho, 0, cookie}});
  EXPECT_EQ(a.drops(DropReason::BadCookie), 2u);
  a.now += 61s;
  a.send(ChunkType::CookieEcho, 0, cookie);
  EXPECT_EQ(a.drops(DropReason::StaleCookie), 1u);
  EXPECT_EQ(a.engine.state(), State::Idle);
  EXPECT_EQ(a.drain().at(0).type, ChunkType::Error);
  a.now -= 61s;  // time that goes backwards counts as none passed: still stale
  a.send(ChunkType::CookieEcho, 0, cookie);
  EXPECT_EQ(a.engine.state(), State::Idle);
}

TEST(AttackD1, ARepeatedCookieIsOnlyAcknowledged) {
  Attack a;
  const auto cookie = a.cookie_for(a.init(0xabc));
  a.send(ChunkType::CookieEcho, 0, cookie);
  a.data(100, kWhole);
  EXPECT_EQ(a.events(), 1u);
  a.drain();
  a.send(ChunkType::CookieEcho, 0, cookie);
  EXPECT_EQ(a.drain().at(0).type, ChunkType::CookieAck);
  a.data(101, kWhole, 10, 1, 1);  // the association went on where it was
  EXPECT_EQ(a.events(), 1u);
}

TEST(AttackD1, ALateCookieOfAnEarlierHandshakeIsIgnored) {
  Attack a;
  const auto old = a.cookie_for(a.init(0xabc));
  const uint32_t old_tag = a.tag;
  const auto cookie = a.cookie_for(a.init(0xabc));
  a.send(ChunkType::CookieEcho, 0, cookie);
  EXPECT_EQ(a.engine.state(), State::Established);
  a.drain();
  a.send(old_tag, {{ChunkType::CookieEcho, 0, old}});  // C: other local tag, same peer tag, no tie tags
  EXPECT_EQ(a.drops(DropReason::BadCookie), 1u);
  EXPECT_TRUE(a.drain().empty());
}

TEST(AttackD1, RestartsThatNobodyPollsAreBounded) {
  Attack a;
  a.establish();
  for (uint32_t i = 1; i <= 2 * kMaxQueuedEvents; ++i) {
    a.send(ChunkType::CookieEcho, 0, a.cookie_for(a.init(0xabc + i)));
    a.drain();
  }
  EXPECT_GT(a.drops(DropReason::QueueFull), 0u);
  size_t events = 0;
  while (a.engine.poll_event()) ++events;
  EXPECT_LE(events, kMaxQueuedEvents + 1);
  a.send(ChunkType::CookieEcho, 0, a.cookie_for(a.init(1)));
  EXPECT_TRUE(std::holds_alternative<Restarted>(*a.engine.poll_event()));
}

TEST(AttackD2, LengthsThatLieAndTruncatedPacketsDoNothing) {
  Attack a;
  a.establish();
  std::vector<uint8_t> packet(40);
  PacketWriter writer(packet, packet.size());
  writer.add(ChunkType::Sack, 0, 12);
  packet.resize(writer.finish({5000, 5000, a.tag}));
  for (size_t size = 0; size <= packet.size(); ++size) {
    for (int length = -1; length < 64; ++length) {
      auto copy = packet;
      copy.resize(size);
      if (length >= 0 && size >= 16) store_be16(&copy[14], static_cast<uint16_t>(length));
      if (size >= 12) {
        store_be32(&copy[8], 0);
        store_le32(&copy[8], crc32c(copy));
      }
      a.engine.handle_packet(copy, a.now);
    }
  }
  EXPECT_EQ(a.engine.state(), State::Established);
}

TEST(AttackD2, UnknownChunksAreTreatedByTheirHighestBits) {
  for (const int type : {0x30, 0x70, 0xb0, 0xf0}) {
    Attack a;
    a.establish();
    std::vector<uint8_t> data(DataChunk::header_size(DataFormat::Data) + 4);
    store_be32(&data[0], 100);
    a.send(a.tag, {{static_cast<ChunkType>(type), 0, {1, 2, 3}}, {ChunkType::Data, kWhole, data}});
    EXPECT_EQ(a.events(), type >= 0x80 ? 1u : 0u) << type;
    bool reported = false;
    for (const auto& chunk : a.drain()) reported = reported || chunk.type == ChunkType::Error;
    EXPECT_EQ(reported, (type & 0x40) != 0) << type;
  }
}

TEST(AttackD3, SacksForWhatWasNeverSentAreNotBelieved) {
  Attack a;
  a.establish();
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(a.engine.send(StreamId(0), Ppid(1), std::vector<uint8_t>(1000), {}, a.now));
  a.drain();
  const uint32_t first = a.engine_tsn.value();
  const size_t in_flight = a.engine.stats().bytes_in_flight;
  a.sack(first + 5);
  a.sack(first + 0x7fffffff);
  a.sack(first - 1, {{2, 6}});
  a.sack(first - 1, {{1, 65535}});
  a.sack(first - 1, {{3, 4}, {2, 2}});
  a.sack(first - 1, {{0, 1}});
  EXPECT_EQ(a.drops(DropReason::BadSack), 6u);
  EXPECT_EQ(a.engine.stats().bytes_in_flight, in_flight);
  a.sack(first + 1);
  a.sack(first);  // regress
  EXPECT_EQ(a.drops(DropReason::OldSack), 1u);
  a.sack(first + 4);
  EXPECT_EQ(a.engine.stats().bytes_in_flight, 0u);
  EXPECT_EQ(a.engine.stats().send_buffer_used, 0u);
}

TEST(AttackD3, MarksOfWhatWasNeverSentAreNotBelieved) {
  for (const bool agreed : {true, false}) {
    Attack a;
    a.ecn = agreed;
    a.establish();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(a.engine.send(StreamId(0), Ppid(1), std::vector<uint8_t>(1000), {}, a.now));
    a.drain();
    const auto echo = [&](uint32_t tsn) {
      std::vector<uint8_t> value(4);
      store_be32(value.data(), tsn);
      a.send(ChunkType::EcnEcho, 0, value);
    };
    const uint32_t first = a.engine_tsn.value();
    const size_t before = a.engine.stats().congestion_window;
    for (uint32_t i = 5; i < 100; ++i) echo(first + i);
    a.send(ChunkType::EcnEcho, 0, {1, 2, 3});
    EXPECT_EQ(a.drops(DropReason::BadEcn), 96u);
    EXPECT_EQ(a.engine.stats().congestion_window, before);
    // One that it sent counts, and again and again once.
    for (int i = 0; i < 100; ++i) echo(first + 4);
    EXPECT_EQ(a.engine.stats().marks_reported, agreed ? 1u : 0u);
    EXPECT_EQ(a.engine.stats().congestion_window < before, agreed);
  }
}

TEST(AttackD3, APeerThatRenegesGetsTheChunkAgain) {
  Attack a;
  a.establish();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(a.engine.send(StreamId(0), Ppid(1), std::vector<uint8_t>(1000), {}, a.now));
  a.drain();
  const uint32_t first = a.engine_tsn.value();
  a.sack(first - 1, {{2, 3}});
  a.sack(first - 1);  // takes it back
  a.now += 10s;
  a.engine.handle_timeout(a.now);
  std::vector<uint32_t> again;
  for (int round = 0; round < 5; ++round) {
    for (const auto& chunk : a.drain()) {
      if (chunk.type != ChunkType::Data) continue;
      again.push_back(load_be32(chunk.value.data()));
      a.sack(again.back());
    }
  }
  EXPECT_THAT(again, testing::ElementsAre(first, first + 1, first + 2));
}

TEST(AttackD4, AMessageWithoutEndIsAbortedAtTheLimit) {
  Attack a;
  a.establish();
  for (uint32_t i = 0; i < 300 && !a.closed; ++i) {
    a.data(100 + i, i == 0 ? DataChunk::kBeginning : 0, 1100);
    EXPECT_LE(a.engine.stats().receive_buffer_used, 2u << 20);
    a.drain();
    a.events();
  }
  ASSERT_TRUE(a.closed);
  EXPECT_EQ(a.closed->reason, CloseReason::ProtocolViolation);
}

TEST(AttackD4, MillionsOfHalvesStayWithinTheWindow) {
  for (const uint8_t flags : {uint8_t{0}, DataChunk::kBeginning, DataChunk::kEnd, DataChunk::kUnordered}) {
    Config config;
    config.receive_window = 600'000;
    Attack a(config);
    a.establish();
    for (uint32_t i = 0; i < 60'000; ++i) {
      a.data(102 + 2 * i, flags, 1, static_cast<uint16_t>(i % 1000));
      if (i % 64 == 0) a.drain();
    }
    EXPECT_LE(a.engine.stats().receive_buffer_used, 2'000'000u);
    EXPECT_EQ(a.engine.state(), State::Established);
  }
}

TEST(AttackD4, OrderedMessagesBehindAHoleStayWithinTheWindow) {
  Config config;
  config.max_message_size = 10'000;
  config.receive_window = 50'000;
  Attack a(config);
  a.establish();
  for (uint32_t i = 0; i < 3000; ++i) a.data(101 + i, kWhole, 100, 1, static_cast<uint16_t>(1 + i));
  EXPECT_LE(a.engine.stats().receive_buffer_used, 101'000u);
  EXPECT_GT(a.drops(DropReason::WindowFull), 1000u);
  a.data(100, kWhole, 100, 1, 0);  // the hole's filler is still let in
  EXPECT_GT(a.events(), 100u);
}

TEST(AttackD4, FragmentsThatDoNotFitTogetherAbort) {
  struct Case {
    uint8_t first, second;
    uint16_t stream;
  };
  for (const Case& c : {Case{DataChunk::kBeginning, DataChunk::kBeginning, 1},
                        {DataChunk::kBeginning, DataChunk::kEnd, 2},
                        {DataChunk::kBeginning, DataChunk::kEnd | DataChunk::kUnordered, 1}}) {
    for (const bool reversed : {false, true}) {
      Attack a;
      a.establish();
      if (!reversed) a.data(100, c.first);
      a.data(101, c.second, 10, c.stream);
      if (reversed) a.data(100, c.first);
      a.events();
      ASSERT_TRUE(a.closed);
      EXPECT_EQ(a.closed->reason, CloseReason::ProtocolViolation);
    }
  }
}

TEST(AttackD5, ForwardTsnWithoutNegotiationIsIgnored) {
  Attack a;
  a.establish(false);
  a.send(ChunkType::ForwardTsn, 0, {0, 0, 0, 200});
  EXPECT_EQ(a.drops(DropReason::BadForwardTsn), 1u);
  a.data(100, kWhole);
  EXPECT_EQ(a.events(), 1u);
}

TEST(AttackD5, ForwardTsnThatJumpsHurtsNobodyElse) {
  Attack a;
  a.establish();
  a.data(105, DataChunk::kBeginning);
  std::vector<uint8_t> value(4 + 4 * 2000);
  store_be32(&value[0], 100u + 0x7ffffff0u);
  for (size_t i = 0; i < 2000; ++i) store_be16(&value[4 + 4 * i], static_cast<uint16_t>(i * 31));
  a.send(ChunkType::ForwardTsn, 0, value);
  EXPECT_EQ(a.engine.stats().receive_buffer_used, 0u);
  a.data(100u + 0x7ffffff1u, kWhole, 10, 7, 1);
  a.data(100, kWhole);  // long gone
  EXPECT_EQ(a.drops(DropReason::DuplicateData), 1u);
  EXPECT_EQ(a.engine.state(), State::Established);
}

// They may be underway while the chunks before them are skipped; nothing would ever complete them.
TEST(AttackD5, LatePartsOfASkippedMessageAreForgotten) {
  for (const bool interleaving : {false, true}) {
    for (const uint8_t unordered : {uint8_t{0}, DataChunk::kUnordered}) {
      Attack a;
      a.interleaving = interleaving;
      a.establish();
      const auto part = [&](uint32_t tsn, uint8_t flags, uint32_t fsn) {
        flags |= unordered;
        interleaving ? a.idata(tsn, flags, 0, fsn) : a.data(tsn, flags);
      };
      part(100, DataChunk::kBeginning, 0);
      part(103, 0, 3);
      std::vector<uint8_t> skipped(interleaving ? 12 : 8);
      store_be32(&skipped[0], 101);
      store_be16(&skipped[4], 1);
      store_be16(&skipped[6], interleaving && unordered ? 1 : 0);
      a.send(interleaving ? ChunkType::IForwardTsn : ChunkType::ForwardTsn, 0, skipped);
      part(104, DataChunk::kEnd, 4);
      part(102, 0, 2);
      EXPECT_EQ(a.events(), 0u);
      EXPECT_EQ(a.engine.stats().receive_buffer_used, 0u);
      // A number used again after a reset of the stream means another message.
      a.send(ChunkType::ReConfig, 0, reset_request(100, 104, {StreamId(1)}));
      part(105, DataChunk::kBeginning, 0);
      for (uint32_t i = 1; i < 6; ++i) part(105 + i, i == 5 ? DataChunk::kEnd : 0, i);
      EXPECT_EQ(a.events(), 1u);
      EXPECT_FALSE(a.closed);
    }
  }
}

TEST(AttackD6, WhatWasNotAgreedIsAborted) {
  for (const ChunkType type : {ChunkType::IData, ChunkType::IForwardTsn}) {
    Attack a;
    a.establish();
    a.send(type, 3, std::vector<uint8_t>(20));
    a.events();
    ASSERT_TRUE(a.closed);
    EXPECT_EQ(a.closed->reason, CloseReason::ProtocolViolation);
    EXPECT_EQ(a.drain().at(0).type, ChunkType::Abort);
  }
  for (const ChunkType type : {ChunkType::Data, ChunkType::ForwardTsn}) {
    Attack a;
    a.interleaving = true;
    a.establish();
    a.send(type, 3, std::vector<uint8_t>(20));
    a.events();
    ASSERT_TRUE(a.closed);
    EXPECT_EQ(a.closed->reason, CloseReason::ProtocolViolation);
  }
}

TEST(AttackD6, CraftedMessageAndFragmentNumbersAreRefusedOrHarmless) {
  const auto after = [](auto attack) {
    Attack a;
    a.interleaving = true;
    a.establish();
    attack(a);
    a.events();
    return a.closed.has_value();
  };
  constexpr uint8_t kFirst = DataChunk::kBeginning;
  constexpr uint8_t kLast = DataChunk::kEnd;
  // The same fragment under two TSNs; the same beginning twice; a fragment behind the end.
  EXPECT_TRUE(after([](Attack& a) { a.idata(100, 0, 0, 5), a.idata(101, 0, 0, 5); }));
  EXPECT_TRUE(after([](Attack& a) { a.idata(101, 0, 0, 1), a.idata(100, kWhole, 0, 0); }));
  EXPECT_TRUE(after([](Attack& a) { a.idata(100, 0, 0, 2), a.idata(101, kLast, 0, 1), a.idata(102, kFirst, 0, 0); }));
  // Numbers from the whole circle, in any order.
  EXPECT_FALSE(after([](Attack& a) {
    for (uint32_t i = 0; i < 1000; ++i) a.idata(100 + i, 0, i * 0x9e3779b9u, i * 0x85ebca6bu, i % 7);
  }));
  // A message number that was delivered already.
  EXPECT_FALSE(after([](Attack& a) { a.idata(100, kWhole, 0, 0), a.idata(101, kWhole, 0, 0); }));
}

Config small_window() {
  Config config;
  config.receive_window = config.max_receive_window = 600'000;
  config.max_message_size = 100'000;
  return config;
}

TEST(AttackD6, HalvesOfManyMessagesStayWithinTheWindow) {
  Attack a(small_window());
  a.interleaving = true;
  a.establish();
  // Something is missing all the time.
  for (uint32_t i = 0; i < 20'000; ++i) a.idata(101 + i, DataChunk::kBeginning, i, 0, i % 900, 20);
  EXPECT_LE(a.engine.stats().receive_buffer_used, 700'000u);
  EXPECT_GT(a.drops(DropReason::WindowFull), 0u);
  EXPECT_EQ(a.engine.state(), State::Established);
}

TEST(AttackD6, HalvesThatCanNeverBeWholeEndTheAssociation) {
  Attack a(small_window());
  a.interleaving = true;
  a.establish();
  for (uint32_t i = 0; i < 20'000 && !a.closed; ++i) {
    a.idata(100 + i, DataChunk::kBeginning, i, 0, i % 900, 20);
    EXPECT_LE(a.engine.stats().receive_buffer_used, 700'000u);
    a.events();
  }
  ASSERT_TRUE(a.closed);
  EXPECT_EQ(a.closed->reason, CloseReason::ProtocolViolation);
}

std::optional<uint32_t> reset_result(const std::vector<Sent>& sent) {
  for (const auto& chunk : sent) {
    if (chunk.type == ChunkType::ReConfig && load_be16(chunk.value.data()) == 16) return load_be32(&chunk.value[8]);
  }
  return std::nullopt;
}

TEST(AttackD7, ResetsHaveTheRightResultCodes) {
  Attack a;
  a.establish();
  const auto result = [&](uint32_t sequence, uint32_t last_tsn) {
    a.send(ChunkType::ReConfig, 0, reset_request(sequence, last_tsn, {StreamId(1)}));
    return reset_result(a.drain());
  };
  EXPECT_EQ(result(105, 99), 5u);   // bad sequence number
  EXPECT_EQ(result(100, 101), 6u);  // data is missing: in progress
  EXPECT_EQ(result(100, 101), 6u);
  a.data(100, kWhole);
  a.data(101, kWhole, 10, 1, 1);
  EXPECT_EQ(result(100, 101), 1u);  // asked again with the same number: performed
  EXPECT_EQ(result(100, 101), 1u);  // and only once
  EXPECT_EQ(result(101, 101), 1u);
  EXPECT_EQ(result(99, 101), 5u);
  a.data(102, kWhole, 10, 1, 0);  // begins at zero again
  EXPECT_EQ(a.events(), 3u);
  // SSN/TSN reset and requests that we add streams are denied.
  a.send(ChunkType::ReConfig, 0, {0, 15, 0, 8, 0, 0, 0, 102});
  EXPECT_EQ(reset_result(a.drain()), 2u);
  a.send(ChunkType::ReConfig, 0, {0, 18, 0, 12, 0, 0, 0, 103, 0, 1, 0, 0});
  EXPECT_EQ(reset_result(a.drain()), 2u);
}

// "In progress", then the old request again (it was late), then the new one of a peer that has not heard of its
// success: one reset. The next one may follow without data in between.
TEST(AttackD7, WhatWasDoneUnderTheOldNumberIsNotDoneAgainUnderTheNewOne) {
  Attack a;
  a.establish();
  size_t resets = 0;
  const auto result = [&](uint32_t sequence) {
    a.send(ChunkType::ReConfig, 0, reset_request(sequence, 100, {StreamId(1)}));
    while (const auto event = a.engine.poll_event()) resets += std::holds_alternative<IncomingStreamsReset>(*event);
    return reset_result(a.drain());
  };
  EXPECT_EQ(result(100), 6u);
  a.data(100, kWhole);
  EXPECT_EQ(result(100), 1u);
  EXPECT_EQ(result(101), 1u);
  EXPECT_EQ(resets, 1u);
  EXPECT_EQ(result(102), 1u);
  EXPECT_EQ(resets, 2u);
}

TEST(AttackD7, StreamsAreAddedOnceAndUpToWhatWeOffered) {
  Config config;
  config.incoming_streams = 1200;
  Attack a(config);
  a.establish();  // with a thousand
  const auto added = [&](uint8_t sequence, uint8_t streams) {
    a.send(ChunkType::ReConfig, 0, {0, 17, 0, 12, 0, 0, 0, sequence, 0, streams, 0, 0});
    return reset_result(a.drain());
  };
  EXPECT_EQ(added(100, 201), 2u);
  EXPECT_EQ(added(101, 150), 1u);
  EXPECT_EQ(added(101, 150), 1u);  // the same again
  EXPECT_EQ(added(102, 51), 2u);
  a.data(100, kWhole, 4, 1149);
  EXPECT_EQ(a.events(), 1u);
  a.data(101, kWhole, 4, 1150);
  EXPECT_EQ(a.events(), 0u);
  EXPECT_EQ(added(103, 50), 1u);
  a.data(102, kWhole, 4, 1199);
  EXPECT_EQ(a.events(), 1u);
}

TEST(AttackD7, ResetFloodsAndMalformedOnesAreBounded) {
  Attack a;
  a.establish();
  for (uint32_t i = 0; i < 5000; ++i) a.send(ChunkType::ReConfig, 0, reset_request(100 + i, 99, {StreamId(1)}));
  EXPECT_LE(a.drain().size(), 4u);
  size_t events = 0;
  while (a.engine.poll_event()) ++events;
  EXPECT_LE(events, kMaxQueuedEvents);
  a.send(ChunkType::ReConfig, 0, {0, 13, 0, 7, 0, 0, 0});
  a.send(ChunkType::ReConfig, 0, {0, 99, 0, 4});
  a.send(ChunkType::ReConfig, 0, {0, 16, 0, 0});
  EXPECT_EQ(a.drops(DropReason::BadReconfig), 3u);
  EXPECT_EQ(a.engine.state(), State::Established);
}

TEST(AttackD8, HeartbeatsAreBoundedAndTheirNonceIsChecked) {
  Attack a;
  a.establish();
  a.send(ChunkType::Heartbeat, 0, std::vector<uint8_t>(8000, 1));
  EXPECT_TRUE(a.drain().empty());
  for (int i = 0; i < 1000; ++i) a.send(ChunkType::Heartbeat, 0, {0, 1, 0, 8, 1, 2, 3, 4});
  const auto acks = a.drain();
  EXPECT_LE(acks.size(), 16u);
  EXPECT_THAT(acks.at(0).value, testing::ElementsAre(0, 1, 0, 8, 1, 2, 3, 4));
  a.send(ChunkType::HeartbeatAck, 0, {0, 1, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0});
  a.send(ChunkType::HeartbeatAck, 0, {});
  EXPECT_EQ(a.drops(DropReason::BadHeartbeat), 3u);
}

TEST(AttackD13, APacketWithoutChecksumCountsOnlyIfWeSaidSo) {
  for (const bool announced : {false, true}) {
    Config config;
    config.zero_checksum = announced;
    Attack a(config);
    a.checksum = PacketWriter::Checksum::Zero;
    a.send(0, {{ChunkType::Init, 0, a.init(0xabc)}});
    EXPECT_EQ(a.drops(DropReason::BadChecksum), 1u) << "an INIT needs one in any case";
    a.checksum = PacketWriter::Checksum::Crc32c;
    a.establish();
    a.checksum = PacketWriter::Checksum::Zero;
    a.data(100, kWhole);
    EXPECT_EQ(a.events(), announced ? 1u : 0u);
    EXPECT_EQ(a.drops(DropReason::BadChecksum), announced ? 1u : 2u);
  }
}

TEST(AttackD11, AMessageAboveOurLimitIsAborted) {
  Config config;
  config.max_message_size = 500;
  Attack a(config);
  a.establish();
  a.data(100, kWhole, 501);
  a.events();
  ASSERT_TRUE(a.closed);
  EXPECT_EQ(a.closed->reason, CloseReason::ProtocolViolation);
}

TEST(Attack, DataWithoutAByteIsAborted) {
  Attack a;
  a.establish();
  a.data(100, kWhole, 0);
  a.events();
  EXPECT_EQ(a.closed->reason, CloseReason::ProtocolViolation);
}

TEST(Attack, DataOfAStreamThatWasNotAgreedIsReportedAndAcknowledged) {
  Attack a;
  a.establish();
  a.data(100, kWhole, 4, 1000);
  const auto sent = a.drain();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].type, ChunkType::Error);
  EXPECT_EQ(sent[1].type, ChunkType::Sack);
  EXPECT_EQ(load_be32(sent[1].value.data()), 100u);
  EXPECT_EQ(a.events(), 0u);
}

TEST(Attack, RandomChunksInEveryStateBreakNothing) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SeededRandom random(seed);
    Attack a;
    if (seed % 3 == 0) a.engine.connect(a.now);
    if (seed % 3 != 0) a.establish();
    if (seed % 5 == 0) a.engine.shutdown(a.now);
    constexpr uint8_t kTypes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 14, 130, 192};
    for (int i = 0; i < 200; ++i) {
      std::vector<uint8_t> value(random.below(60));
      random.fill(value);
      const auto type = static_cast<ChunkType>(kTypes[random.below(sizeof kTypes)]);
      if (value.size() >= 4 && random.below(2) == 0)
        store_be32(&value[0], 100 + static_cast<uint32_t>(random.below(50)));
      a.send(type == ChunkType::Init ? 0 : a.tag, {{type, static_cast<uint8_t>(random.below(16)), value}});
      if (random.below(4) == 0) (void)a.engine.send(StreamId(1), Ppid(1), std::vector<uint8_t>(3000), {}, a.now);
      if (random.below(4) == 0) a.drain();
      if (random.below(8) == 0) a.engine.handle_timeout(a.now += 300ms);
    }
    a.drain();
    a.events();
  }
}

}  // namespace
}  // namespace kaon::sctp
