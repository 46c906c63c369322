#include <gmock/gmock.h>

#include "kaon/base/crc.h"
#include "kaon/sctp/internal/data_chunk.h"
#include "kaon/sctp/internal/error_cause.h"
#include "kaon/sctp/internal/forward_tsn_chunk.h"
#include "kaon/sctp/internal/init_chunk.h"
#include "kaon/sctp/internal/reconfig_chunk.h"
#include "kaon/sctp/internal/sack_chunk.h"
#include "kaon/sctp/internal/state_cookie.h"
#include "kaon/sctp/internal/tsn_tracker.h"

namespace kaon::sctp {
namespace {

using testing::ElementsAre;

// The layout of Chromium's INIT value: 5 MiB window, all streams, FORWARD-TSN, RE-CONFIG and FORWARD-TSN as extensions.
std::vector<uint8_t> chromium_init() {
  return {0x12, 0x34, 0x56, 0x78, 0x00, 0x50, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0x9a, 0xbc,
          0xde, 0xf0, 0xc0, 0x00, 0x00, 0x04, 0x80, 0x08, 0x00, 0x06, 0x82, 0xc0, 0x00, 0x00};
}

TEST(InitChunk, ReadsWhatChromiumSends) {
  const auto init = InitChunk::parse(chromium_init());
  ASSERT_TRUE(init);
  EXPECT_EQ(init->initiate_tag, 0x12345678u);
  EXPECT_EQ(init->a_rwnd, 5242880u);
  EXPECT_EQ(init->outgoing_streams, 65535);
  EXPECT_EQ(init->initial_tsn, Tsn(0x9abcdef0));
  EXPECT_TRUE(init->capabilities.partial_reliability);
  EXPECT_TRUE(init->capabilities.stream_reset);
  std::vector<uint8_t> out(init->size());
  init->write(out);
  EXPECT_EQ(out, chromium_init());
}

TEST(InitChunk, RefusesEveryPrefixThatCutsAField) {
  const auto bytes = chromium_init();
  for (size_t size = 0; size < bytes.size() - 2; ++size) {
    // Whole parameters may be missing, halves of them not.
    const bool whole = size == 16 || size == 20;
    EXPECT_EQ(InitChunk::parse(ByteView(bytes).first(size)).has_value(), whole) << size;
  }
}

TEST(InitChunk, ParameterLengthsThatLieAreRefused) {
  for (const uint16_t length : {0, 1, 3, 5, 200, 0xffff}) {
    auto bytes = chromium_init();
    store_be16(&bytes[22], length);
    EXPECT_EQ(InitChunk::parse(bytes).has_value(), length == 5) << length;
  }
}

TEST(InitChunk, UnknownParametersAreTreatedByTheirHighestBits) {
  struct Case {
    uint16_t type;
    bool reported;
    bool rest_read;
  };
  for (const Case& c :
       {Case{0x3fff, false, false}, {0x7fff, true, false}, {0xbfff, false, true}, {0xffff, true, true}}) {
    auto bytes = chromium_init();
    bytes.resize(16);
    for (const uint8_t byte : {c.type >> 8, c.type & 255, 0, 5, 42, 0, 0, 0, 0xc0, 0x00, 0x00, 0x04})
      bytes.push_back(byte);
    const auto init = InitChunk::parse(bytes);
    ASSERT_TRUE(init);
    EXPECT_EQ(init->unrecognized.size(), c.reported ? 1u : 0u) << c.type;
    EXPECT_EQ(init->capabilities.partial_reliability, c.rest_read) << c.type;
  }
}

TEST(Packet, ChecksumIsThatOfRfc9260) {
  // "The quick..." has no SCTP in it; the known value of CRC-32C over "123456789" does.
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
  std::vector<uint8_t> out(64);
  PacketWriter writer(out, out.size());
  const uint8_t cookie[] = {1, 2, 3};
  writer.add(ChunkType::CookieEcho, 0, cookie);
  EXPECT_EQ(writer.finish({5000, 5001, 7}), 20u);
  out.resize(20);
  EXPECT_EQ(out[19], 0);  // padding
  auto copy = out;
  EXPECT_TRUE(crc_fits(copy));
  for (size_t bit = 0; bit < 160; ++bit) {
    copy = out;
    copy[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(crc_fits(copy)) << bit;
  }
  const CommonHeader header = CommonHeader::parse(out);
  EXPECT_EQ(header.source_port, 5000);
  EXPECT_EQ(header.destination_port, 5001);
  EXPECT_EQ(header.verification_tag, 7u);
}

TEST(Packet, ChunkLengthsAreChecked) {
  for (const size_t length : {0u, 1u, 2u, 3u, 13u, 0xffffu}) {
    std::vector<uint8_t> bytes(12);
    store_be16(&bytes[2], static_cast<uint16_t>(length));
    ChunkReader reader(bytes);
    EXPECT_FALSE(reader.next());
    EXPECT_TRUE(reader.malformed());
  }
  // An odd length is padded; a last chunk may lack its padding.
  const uint8_t two[] = {0, 0, 0, 5, 42, 0, 0, 0, 1, 0, 0, 5, 43};
  ChunkReader reader(two);
  const auto first = reader.next();
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->last);
  EXPECT_THAT(first->value, ElementsAre(42));
  const auto second = reader.next();
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->last);
  EXPECT_THAT(second->value, ElementsAre(43));
  EXPECT_FALSE(reader.next());
  EXPECT_FALSE(reader.malformed());
}

TEST(DataChunk, RoundTripAndPrefixes) {
  const uint8_t payload[] = {9, 8, 7};
  for (const DataFormat format : {DataFormat::Data, DataFormat::IData}) {
    for (const uint8_t flags : {uint8_t{DataChunk::kBeginning | DataChunk::kUnordered}, uint8_t{DataChunk::kEnd}}) {
      DataChunk data{format, Tsn(1), StreamId(2), Mid(3), 0, Ppid(4), flags, payload};
      if (!data.beginning() && format == DataFormat::IData) data.ppid = {}, data.fsn = 70'000;
      const size_t header = DataChunk::header_size(format);
      std::vector<uint8_t> out(header + 3);
      data.write(out);
      for (size_t size = 0; size <= out.size(); ++size) {
        Chunk chunk;
        chunk.type = DataChunk::type(format);
        chunk.flags = flags;
        chunk.value = ByteView(out).first(size);
        const auto back = DataChunk::parse(chunk);
        ASSERT_EQ(back.has_value(), size >= header);
        if (!back) continue;
        EXPECT_EQ(back->tsn, data.tsn);
        EXPECT_EQ(back->stream, data.stream);
        EXPECT_EQ(back->mid, data.mid);
        EXPECT_EQ(back->fsn, data.fsn);
        EXPECT_EQ(back->ppid, data.ppid);
        EXPECT_EQ(back->payload.size(), size - header);
      }
    }
  }
}

std::vector<uint8_t> sack_bytes(std::initializer_list<std::pair<int, int>> blocks, int duplicates = 0) {
  std::vector<uint8_t> out(12 + 4 * blocks.size() + 4 * static_cast<size_t>(duplicates));
  store_be32(&out[0], 100);
  store_be16(&out[8], static_cast<uint16_t>(blocks.size()));
  store_be16(&out[10], static_cast<uint16_t>(duplicates));
  size_t at = 12;
  for (const auto& [start, end] : blocks) {
    store_be16(&out[at], static_cast<uint16_t>(start));
    store_be16(&out[at + 2], static_cast<uint16_t>(end));
    at += 4;
  }
  return out;
}

TEST(SackChunk, BlocksMustBeInOrderAndApart) {
  EXPECT_TRUE(SackChunk::parse(sack_bytes({{2, 3}, {5, 9}}, 2)));
  EXPECT_FALSE(SackChunk::parse(sack_bytes({{0, 3}})));
  EXPECT_FALSE(SackChunk::parse(sack_bytes({{4, 3}})));
  EXPECT_FALSE(SackChunk::parse(sack_bytes({{2, 5}, {5, 9}})));
  EXPECT_FALSE(SackChunk::parse(sack_bytes({{5, 9}, {2, 3}})));
  const auto bytes = sack_bytes({{2, 3}, {5, 9}}, 1);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(SackChunk::parse(ByteView(bytes).first(size)));
}

TEST(ReConfig, RoundTripAndPrefixes) {
  OutgoingResetRequest request;
  request.request_sequence = 1;
  request.response_sequence = 2;
  request.last_assigned_tsn = Tsn(3);
  request.streams = {StreamId(7), StreamId(9)};
  std::vector<uint8_t> out(request.size());
  request.write(out);
  const auto back = OutgoingResetRequest::parse(out);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->streams, request.streams);
  for (size_t size = 0; size < out.size(); ++size) {
    EXPECT_EQ(OutgoingResetRequest::parse(ByteView(out).first(size)).has_value(), size >= 12 && size % 2 == 0);
  }
}

TEST(ForwardTsn, OnlyWholeEntries) {
  const std::vector<uint8_t> bytes(20);
  for (size_t size = 0; size <= 20; ++size) {
    const ByteView value = ByteView(bytes).first(size);
    EXPECT_EQ(ForwardTsnChunk::parse(DataFormat::Data, value).has_value(), size >= 4 && size % 4 == 0);
    EXPECT_EQ(ForwardTsnChunk::parse(DataFormat::IData, value).has_value(), size >= 4 && size % 8 == 4);
  }
}

TEST(StateCookieD1, AlteredInAnyBitItIsRefused) {
  SeededRandom random(1), other(2);
  const CookieJar jar(random), strange(other);
  StateCookie cookie;
  cookie.created = Time(std::chrono::seconds(5));
  cookie.local_tag = 1;
  cookie.peer_tie_tag = 2;
  cookie.peer_capabilities.stream_reset = true;
  auto sealed = jar.seal(cookie);
  const auto opened = jar.open(sealed);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->created, cookie.created);
  EXPECT_EQ(opened->peer_tie_tag, 2u);
  EXPECT_EQ(opened->peer_capabilities, cookie.peer_capabilities);
  EXPECT_FALSE(strange.open(sealed));
  for (size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    auto copy = sealed;
    copy[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    EXPECT_FALSE(jar.open(copy));
  }
  for (size_t size = 0; size < sealed.size(); ++size) EXPECT_FALSE(jar.open(ByteView(sealed).first(size)));
}

TEST(StateCookieD10, HoldsNothingButItsFields) {
  // The same fields and secret give the same bytes: nothing of the memory around gets in.
  SeededRandom one(1), two(1);
  EXPECT_EQ(CookieJar(one).seal({}), CookieJar(two).seal({}));
}

TEST(ErrorCause, AreDescribedWithoutUnprintableBytes) {
  const auto cause = make_cause(ErrorCause::ProtocolViolation, as_bytes("a\nb"));
  EXPECT_EQ(describe_causes(cause), "protocol violation: a?b");
  EXPECT_TRUE(has_cause(cause, ErrorCause::ProtocolViolation));
  const uint8_t lie[] = {0, 13, 0, 200};
  EXPECT_EQ(describe_causes(lie), "");
}

TEST(TsnTracker, AgreesWithASimpleSetAcrossTheWrap) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRandom random(seed);
    const Tsn initial(0xffffff80);
    TsnTracker tracker(initial);
    std::vector<bool> seen(512);
    size_t cumulative = 0;
    for (int i = 0; i < 800; ++i) {
      const auto offset = static_cast<uint32_t>(random.below(std::min<size_t>(512, cumulative + 60)));
      const Tsn tsn = initial + offset;
      const auto verdict = tracker.judge(tsn);
      ASSERT_EQ(verdict == TsnTracker::Verdict::New, !seen[offset]);
      if (verdict != TsnTracker::Verdict::New) continue;
      tracker.add(tsn);
      seen[offset] = true;
      while (cumulative < seen.size() && seen[cumulative]) ++cumulative;
      ASSERT_EQ(tracker.cumulative(), initial + static_cast<uint32_t>(cumulative) - 1);
      for (const auto& [start, end] : tracker.ranges()) {
        ASSERT_FALSE(seen[(start - 1).distance_from(initial)]);
        for (Tsn t = start; !t.newer_than(end); ++t) ASSERT_TRUE(seen[t.distance_from(initial)]);
        ASSERT_FALSE(seen[(end + 1).distance_from(initial)]);
      }
    }
  }
}

TEST(TsnTracker, BoundsItsRangesAndItsReach) {
  TsnTracker tracker{Tsn(1)};
  for (uint32_t i = 0; i < TsnTracker::kMaxRanges; ++i) {
    ASSERT_EQ(tracker.judge(Tsn(3 + 2 * i)), TsnTracker::Verdict::New);
    tracker.add(Tsn(3 + 2 * i));
  }
  EXPECT_EQ(tracker.judge(Tsn(3 + 2 * TsnTracker::kMaxRanges)), TsnTracker::Verdict::OutOfRange);
  EXPECT_EQ(tracker.judge(Tsn(4)), TsnTracker::Verdict::New);  // joins two
  EXPECT_EQ(tracker.judge(Tsn(1 + TsnTracker::kMaxAhead)), TsnTracker::Verdict::OutOfRange);
}

}  // namespace
}  // namespace kaon::sctp
