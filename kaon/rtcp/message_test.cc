#include "kaon/rtcp/message.h"

#include <gtest/gtest.h>

#include "kaon/base/random.h"

namespace kaon::rtcp {
namespace {

/// The bytes stay until the end of the program, because parsed messages borrow from them.
template <class Message>
const std::vector<uint8_t>& written(const Message& message) {
  static std::vector<std::unique_ptr<std::vector<uint8_t>>> kept;
  auto& bytes = *kept.emplace_back(std::make_unique<std::vector<uint8_t>>(message.size()));
  EXPECT_EQ(message.write(bytes), bytes.size());
  return bytes;
}

template <class Message>
std::optional<Message> reread(const std::vector<uint8_t>& bytes) {
  const auto compound = Compound::parse(bytes);
  if (!compound) return std::nullopt;
  return Message::parse(*compound->begin());
}

constexpr FeedbackHead kHead{.sender = Ssrc(0x01020304), .media = Ssrc(0xa0b0c0d0)};

// The expected bytes of these tests were decoded by tshark 4.0 to the values written.
TEST(Rtcp, WritesASenderReport) {
  const ReportBlock block{.source = Ssrc(7),
                          .fraction_lost = 64,
                          .cumulative_lost = -2,
                          .extended_highest_sequence = 0x00010005,
                          .jitter = 90,
                          .last_sender_report = 0x11223344,
                          .delay_since_last_sender_report = 65536};
  const std::array blocks{block};
  const SenderReport report{.sender = Ssrc(5),
                            .ntp_time = {0x0102030405060708},
                            .rtp_timestamp = Timestamp(9),
                            .packet_count = 10,
                            .octet_count = 11,
                            .reports = blocks};
  const auto bytes = written(report);
  EXPECT_EQ(to_hex(bytes),
            "81c8000c0000000501020304050607080000000900"
            "00000a0000000b0000000740fffffe000100050000005a1122334400010000");
  const auto back = reread<SenderReport>(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->ntp_time, report.ntp_time);
  EXPECT_EQ(back->octet_count, 11u);
  ASSERT_EQ(back->reports.size(), 1u);
  EXPECT_EQ(back->reports[0], block);
}

TEST(Rtcp, WritesAnEmptyReceiverReport) {
  EXPECT_EQ(to_hex(written(ReceiverReport{.sender = Ssrc(5), .reports = {}})), "80c9000100000005");
}

TEST(Rtcp, PadsADescriptionToWholeWords) {
  for (size_t size = 0; size < 9; ++size) {
    const std::string name(size, 'x');
    const auto back = reread<SourceDescription>(written(Cname{.source = Ssrc(3), .text = name}));
    ASSERT_TRUE(back) << size;
    EXPECT_EQ(back->find(Ssrc(3), SdesType::Cname), name);
    EXPECT_EQ(back->find(Ssrc(4), SdesType::Cname), std::nullopt);
  }
  EXPECT_EQ(to_hex(written(Cname{.source = Ssrc(3), .text = "ab"})), "81ca0003000000030102616200000000");
}

TEST(Rtcp, ReadsADescriptionOfManyChunksAndItems) {
  const std::vector<uint8_t> bytes = {0x82, 0xca, 0, 6, 0, 0, 0, 1, 1,   1,   'a', 2, 2, 'b',
                                      'c',  0,    0, 0, 0, 2, 1, 3, 'x', 'y', 'z', 0, 0, 0};
  const auto back = reread<SourceDescription>(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->find(Ssrc(1), SdesType::Cname), "a");
  EXPECT_EQ(back->find(Ssrc(1), SdesType::Name), "bc");
  EXPECT_EQ(back->find(Ssrc(2), SdesType::Cname), "xyz");
}

TEST(Rtcp, RefusesADescriptionWhoseChunksLie) {
  auto bytes = written(Cname{.source = Ssrc(3), .text = "ab"});
  bytes[0] = 0x82;
  EXPECT_FALSE(reread<SourceDescription>(bytes)) << "a chunk too many";
  bytes[0] = 0x81;
  bytes[9] = 9;
  EXPECT_FALSE(reread<SourceDescription>(bytes)) << "text past the end";
}

TEST(Rtcp, SaysByeWithAndWithoutAReason) {
  const std::array sources{SsrcItem{Ssrc(1)}, SsrcItem{Ssrc(2)}};
  const auto bytes = written(Bye{.sources = sources, .reason = "done"});
  EXPECT_EQ(to_hex(bytes), "82cb0004000000010000000204646f6e65000000");
  const auto back = reread<Bye>(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->sources.size(), 2u);
  EXPECT_EQ(back->reason, "done");
  EXPECT_EQ(to_hex(written(Bye{.sources = sources, .reason = {}})), "82cb00020000000100000002");
}

TEST(Rtcp, CarriesApplicationData) {
  const App app{.subtype = 3, .source = Ssrc(1), .name = {'K', 'A', 'O', 'N'}, .data = as_bytes("12345678")};
  const auto back = reread<App>(written(app));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->name, app.name);
  EXPECT_EQ(as_text(back->data), "12345678");
  EXPECT_EQ(back->subtype, 3);
}

TEST(Rtcp, PacksLostPacketsIntoNackItems) {
  const std::array lost{SequenceNumber(65534), SequenceNumber(65535), SequenceNumber(0),
                        SequenceNumber(14),    SequenceNumber(15),    SequenceNumber(100)};
  std::array<NackItem, 4> items;
  const size_t count = pack_nack_items(lost, items);
  ASSERT_EQ(count, 3u);
  const Nack nack{.head = kHead, .items = std::span(items).first(count)};
  const auto bytes = written(nack);
  EXPECT_EQ(to_hex(bytes), "81cd000501020304a0b0c0d0fffe8003000f000000640000");
  std::vector<SequenceNumber> back;
  const auto reread_nack = reread<Nack>(bytes);
  ASSERT_TRUE(reread_nack);
  reread_nack->for_each([&](SequenceNumber s) { back.push_back(s); });
  EXPECT_TRUE(std::ranges::equal(back, lost));
  EXPECT_EQ(pack_nack_items(lost, std::span(items).first(1)), 1u) << "stops when full";
}

TEST(Rtcp, WritesKeyframeRequests) {
  EXPECT_EQ(to_hex(written(PictureLossIndication{kHead})), "81ce000201020304a0b0c0d0");
  const std::array items{FullIntraItem{.media = Ssrc(6), .sequence = 250}};
  const auto bytes = written(FullIntraRequest{.head = {.sender = Ssrc(1), .media = {}}, .items = items});
  EXPECT_EQ(to_hex(bytes), "84ce0004000000010000000000000006fa000000");
  EXPECT_EQ(reread<FullIntraRequest>(bytes)->items[0], items[0]);
}

TEST(Rtcp, RoundsBandwidthsToTheirMantissas) {
  const std::array sources{SsrcItem{Ssrc(9)}};
  const auto remb = [&](int64_t bps) {
    return reread<ReceiverEstimatedMaxBitrate>(
               written(ReceiverEstimatedMaxBitrate{Ssrc(1), DataRate::bits_per_second(bps), sources}))
        ->bitrate.bits_per_second();
  };
  EXPECT_EQ(remb(0), 0);
  EXPECT_EQ(remb(262143), 262143);
  EXPECT_EQ(remb(262145), 262144) << "rounded down";
  EXPECT_LE(remb(5'000'001), 5'000'001);
  EXPECT_NEAR(static_cast<double>(remb(5'000'001)), 5e6, 64);
  EXPECT_EQ(to_hex(written(ReceiverEstimatedMaxBitrate{Ssrc(1), DataRate::bits_per_second(500'000), sources})),
            "8fce0005000000010000000052454d420107d09000000009");
  const std::array items{BitrateItem{.media = Ssrc(2), .limit = DataRate::bits_per_second(131073), .overhead = 40}};
  const auto back =
      reread<MaxBitrateRequest>(written(MaxBitrateRequest{.head = kHead, .notification = true, .items = items}));
  ASSERT_TRUE(back && back->notification);
  EXPECT_EQ(back->items[0].limit.bits_per_second(), 131074) << "rounded up";
  EXPECT_EQ(back->items[0].overhead, 40);
}

TEST(Rtcp, ReadsAnAbsurdBandwidthAsNoLimit) {
  std::vector<uint8_t> bytes = {0x8f, 0xce, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 0, 0xff, 0xff, 0xff};
  EXPECT_TRUE(reread<ReceiverEstimatedMaxBitrate>(bytes)->bitrate.is_infinite());
  bytes[16] = 1;
  EXPECT_FALSE(reread<ReceiverEstimatedMaxBitrate>(bytes)) << "a source that is not there";
}

TEST(Rtcp, CarriesTheRarerFeedback) {
  const std::array slices{SliceLossItem{.first = 100, .number = 8191, .picture_id = 63}};
  EXPECT_EQ(reread<SliceLossIndication>(written(SliceLossIndication{kHead, slices}))->items[0], slices[0]);
  const std::array layers{LayerRefreshItem{Ssrc(1), 2, true, 98, 1, 2, 3, 4}};
  EXPECT_EQ(reread<LayerRefreshRequest>(written(LayerRefreshRequest{kHead, layers}))->items[0], layers[0]);
  for (size_t size = 1; size < 8; ++size) {
    const std::vector<uint8_t> bits(size, 0x5a);
    const auto back = reread<ReferencePictureSelection>(written(ReferencePictureSelection{kHead, 96, bits}));
    ASSERT_TRUE(back);
    EXPECT_EQ(to_hex(back->bits), to_hex(bits));
  }
  EXPECT_EQ(reread<RapidResyncRequest>(written(RapidResyncRequest{kHead}))->head, kHead);
}

TEST(Rtcp, CarriesCongestionFeedbackOfOddAndEvenCounts) {
  for (size_t count : {0u, 1u, 2u, 5u}) {
    std::vector<PacketMetric> metrics(count, PacketMetric{.received = true, .ecn = 3, .arrival_offset = 0x123});
    if (count > 1) metrics[1] = {};
    const std::array streams{StreamMetrics{.media = Ssrc(8), .begin = SequenceNumber(65535), .packets = metrics},
                             StreamMetrics{.media = Ssrc(9), .begin = SequenceNumber(1), .packets = {}}};
    const auto bytes =
        written(CongestionFeedback{.sender = Ssrc(1), .report_time = 77, .blocks = {}, .streams = streams});
    const auto back = reread<CongestionFeedback>(bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->report_time, 77u);
    CongestionFeedback::Cursor cursor(*back);
    const auto first = cursor.next();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->begin.value(), 65535);
    EXPECT_TRUE(std::ranges::equal(first->packets, metrics));
    EXPECT_EQ(cursor.next()->media.value(), 9u);
    EXPECT_FALSE(cursor.next());
  }
}

TEST(Rtcp, CarriesExtendedReportsOfEveryKind) {
  const std::array dlrr{DlrrItem{Ssrc(1), 2, 3}};
  const std::array chunks{RleChunk{0x4005}, RleChunk{0xc0ff}, RleChunk{0x8001}};
  const std::array times{ReceiptTime{Timestamp(5)}};
  StatisticsSummary statistics;
  statistics.flags = 0xe0;
  statistics.deviation_jitter = 6;
  VoipMetrics voip;
  voip.jitter_buffer_absolute_maximum = 99;
  const std::vector<XrBlock> blocks = {
      ReceiverReferenceTime{{0x1122334455667788}},
      Dlrr{dlrr},
      RunLengths{.duplicates = true,
                 .thinning = 2,
                 .source = Ssrc(3),
                 .begin = SequenceNumber(1),
                 .end = SequenceNumber(9),
                 .chunks = chunks},
      PacketReceiptTimes{
          .thinning = 0, .source = Ssrc(3), .begin = SequenceNumber(1), .end = SequenceNumber(2), .times = times},
      statistics,
      voip,
      UnknownXrBlock{.type = 42, .type_specific = 1, .body = as_bytes("abcd")}};
  const auto bytes = written(ExtendedReport{.sender = Ssrc(1), .blocks = {}, .outgoing = blocks});
  const auto back = reread<ExtendedReport>(bytes);
  ASSERT_TRUE(back);
  std::vector<XrBlock> seen;
  ExtendedReport::Cursor cursor(*back);
  while (const auto block = cursor.next()) seen.push_back(*block);
  ASSERT_EQ(seen.size(), blocks.size());
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i].index(), blocks[i].index()) << i;
  EXPECT_EQ(std::get<Dlrr>(seen[1]).items[0], dlrr[0]);
  EXPECT_EQ(std::get<RunLengths>(seen[2]).chunks[2], chunks[2]);
  EXPECT_EQ(std::get<StatisticsSummary>(seen[4]).deviation_jitter, 6u);
  EXPECT_EQ(std::get<VoipMetrics>(seen[5]).jitter_buffer_absolute_maximum, 99);
  EXPECT_EQ(as_text(std::get<UnknownXrBlock>(seen[6]).body), "abcd");
}

TEST(Compound, AllowsReducedSizeAndKeepsUnknownPackets) {
  std::vector<uint8_t> bytes = written(PictureLossIndication{kHead});
  for (uint8_t byte : {0x80, 0xd2, 0, 1, 1, 2, 3, 4}) bytes.push_back(byte);
  const auto compound = Compound::parse(bytes);
  ASSERT_TRUE(compound);
  std::vector<size_t> kinds;
  for (const PacketView& packet : *compound) kinds.push_back(parse_message(packet)->index());
  EXPECT_EQ(kinds, (std::vector<size_t>{11, 0}));
}

TEST(Compound, WritesAnUnknownPacketWithThePaddingItHad) {
  // Without its padding it would be a whole REMB.
  const std::vector<uint8_t> bytes = {0xaf, 0xce, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 'R', 'E',
                                      'M',  'B',  0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,   11};
  const auto unknown = [](const std::vector<uint8_t>& packet) {
    return std::get<Unknown>(*parse_message(*Compound::parse(packet)->begin())).packet;
  };
  ASSERT_EQ(unknown(bytes).body.size(), 13u);
  const auto& again = written(Unknown{unknown(bytes)});
  EXPECT_EQ(to_hex(again), "afce0004000000010000000252454d4200000003");
  EXPECT_TRUE(std::ranges::equal(unknown(again).body, unknown(bytes).body));
}

TEST(Compound, RefusesLengthsThatLie) {
  const auto error_of = [](std::vector<uint8_t> bytes) { return Compound::parse(bytes).error(); };
  EXPECT_EQ(error_of({}), ParseError::TooShort);
  EXPECT_EQ(error_of({0x80, 201, 0, 0, 0x80}), ParseError::TooShort);
  EXPECT_EQ(error_of({0x40, 201, 0, 0}), ParseError::Version);
  EXPECT_EQ(error_of({0x80, 201, 0, 1}), ParseError::LengthPastEnd);
  EXPECT_EQ(error_of({0xa0, 201, 0, 1, 0, 0, 0, 0}), ParseError::Padding);
  EXPECT_EQ(error_of({0xa0, 201, 0, 1, 0, 0, 0, 5}), ParseError::Padding);
}

TEST(CompoundBuilder, RefusesWhatDoesNotFitAndStaysUsable) {
  std::array<uint8_t, 20> memory;
  CompoundBuilder builder(memory);
  EXPECT_TRUE(builder.add(ReceiverReport{.sender = Ssrc(1), .reports = {}}));
  EXPECT_FALSE(builder.add(Cname{.source = Ssrc(1), .text = "longer than the rest"}));
  EXPECT_TRUE(builder.add(PictureLossIndication{kHead}));
  EXPECT_EQ(builder.available(), 0u);
  EXPECT_TRUE(Compound::parse(builder.written()));
}

/// Parses as far as possible and reads everything, so that a sanitizer sees reads behind the end.
size_t read_everything(ByteView bytes) {
  const auto compound = Compound::parse(bytes);
  if (!compound) return 0;
  size_t read = 0;
  for (const PacketView& packet : *compound) {
    const auto message = parse_message(packet);
    if (!message) continue;
    std::visit([&](const auto& m) { read += m.to_string().size(); }, *message);
    if (const auto* xr = std::get_if<ExtendedReport>(&*message)) {
      ExtendedReport::Cursor cursor(*xr);
      while (cursor.next()) ++read;
    }
  }
  return read;
}

TEST(Rtcp, SurvivesRandomBodiesOfEveryType) {
  SeededRandom random(11);
  size_t read = 0;
  for (int i = 0; i < 60000; ++i) {
    std::vector<uint8_t> bytes((1 + random.below(12)) * 4);
    random.fill(bytes);
    bytes[0] = static_cast<uint8_t>(0x80 | (bytes[0] & (i % 8 == 0 ? 0x3f : 0x1f)));
    bytes[1] = static_cast<uint8_t>(200 + random.below(9));
    bytes[2] = 0;
    bytes[3] = static_cast<uint8_t>(bytes.size() / 4 - 1);
    read += read_everything(bytes);
  }
  EXPECT_GT(read, 10000u);
}

TEST(Rtcp, RefusesEveryShortenedMessage) {
  const std::array blocks{ReportBlock{}};
  const std::array items{NackItem{}};
  const std::array firs{FullIntraItem{}};
  const std::vector<std::vector<uint8_t>> messages = {
      written(SenderReport{
          .sender = {}, .ntp_time = {}, .rtp_timestamp = {}, .packet_count = 0, .octet_count = 0, .reports = blocks}),
      written(ReceiverReport{.sender = {}, .reports = blocks}),
      written(Nack{kHead, items}),
      written(PictureLossIndication{kHead}),
      written(FullIntraRequest{kHead, firs}),
  };
  for (const auto& whole : messages) {
    for (size_t size = 4; size < whole.size(); size += 4) {
      std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_FALSE(Compound::parse(cut)) << "the length is past the end";
      cut[3] = static_cast<uint8_t>(size / 4 - 1);
      EXPECT_FALSE(parse_message(*Compound::parse(cut)->begin())) << to_hex(cut);
    }
  }
}

}  // namespace
}  // namespace kaon::rtcp
