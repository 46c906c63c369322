// Packets that Chromium sent, see testdata/rtp/README.md; the expected values are what tshark says about them.
#include <gtest/gtest.h>

#include <fstream>

#include "kaon/base/text.h"
#include "kaon/rtcp/message.h"
#include "kaon_testdata.h"

namespace kaon::rtcp {
namespace {

std::vector<uint8_t> from_hex(std::string_view hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes.push_back(*parse_number<uint8_t>(hex.substr(i, 2), 16));
  return bytes;
}

std::vector<std::vector<uint8_t>> recorded_compounds() {
  std::ifstream file(KAON_TESTDATA "/rtp/chromium.hex");
  std::vector<std::vector<uint8_t>> out;
  std::string kind, hex;
  while (file >> kind >> hex) {
    if (kind == "rtcp") out.push_back(from_hex(hex));
  }
  return out;
}

TEST(ChromiumRtcp, ParsesAllOfItIntoKnownMessages) {
  std::array<size_t, std::variant_size_v<Message>> seen{};
  for (const auto& bytes : recorded_compounds()) {
    const auto compound = Compound::parse(bytes);
    ASSERT_TRUE(compound) << to_hex(bytes);
    for (const PacketView& packet : *compound) {
      const auto message = parse_message(packet);
      ASSERT_TRUE(message) << to_hex(bytes);
      ++seen[message->index()];
    }
  }
  EXPECT_EQ(seen[0], 0u) << "unknown";
  EXPECT_EQ(seen[1], 5u) << "sender reports";
  EXPECT_EQ(seen[2], 4u) << "receiver reports";
  EXPECT_EQ(seen[3], 5u) << "descriptions";
  EXPECT_EQ(seen[9], 48u) << "transport feedback";
  EXPECT_EQ(seen[17], 8u) << "extended reports";
}

TEST(ChromiumRtcp, ReadsItsFirstReceiverReport) {
  for (const auto& bytes : recorded_compounds()) {
    const PacketView first = *Compound::parse(bytes)->begin();
    const auto report = ReceiverReport::parse(first);
    if (!report || report->reports.size() != 2) continue;
    EXPECT_EQ(report->sender.value(), 1u);
    EXPECT_EQ(report->reports[0].source.value(), 2512043538u);
    EXPECT_EQ(report->reports[0].extended_highest_sequence, 21941u);
    EXPECT_EQ(report->reports[0].jitter, 1824u);
    EXPECT_EQ(report->reports[1].source.value(), 1089773374u);
    EXPECT_EQ(report->reports[1].extended_highest_sequence, 22711u);
    return;
  }
  FAIL() << "not in the recording";
}

TEST(ChromiumRtcp, WritesTheSameTransportFeedback) {
  size_t compared = 0;
  for (const auto& bytes : recorded_compounds()) {
    const auto feedback = TransportFeedback::parse(*Compound::parse(bytes)->begin());
    if (!feedback) continue;
    std::vector<PacketArrival> arrivals;
    TransportFeedback::Cursor cursor(*feedback);
    while (const auto status = cursor.next()) {
      if (status->arrival) arrivals.push_back({.sequence = status->sequence.value(), .time = Time(*status->arrival)});
    }
    std::vector<uint8_t> out(1200);
    const auto written = write_transport_feedback(feedback->head, feedback->feedback_count, arrivals, out,
                                                  feedback->base_sequence.value());
    EXPECT_EQ(written.arrivals, arrivals.size());
    EXPECT_EQ(to_hex(ByteView(out).first(written.size)), to_hex(bytes));
    ++compared;
  }
  EXPECT_EQ(compared, 48u);
}

TEST(ChromiumRtcp, WritesTheSameReports) {
  for (const auto& bytes : recorded_compounds()) {
    std::vector<uint8_t> out(bytes.size() + 100);
    CompoundBuilder builder(out);
    const auto compound = Compound::parse(bytes);
    ASSERT_TRUE(compound);
    for (const PacketView& packet : *compound) {
      if (const auto sr = SenderReport::parse(packet)) {
        EXPECT_TRUE(builder.add(*sr));
      } else if (const auto rr = ReceiverReport::parse(packet)) {
        EXPECT_TRUE(builder.add(*rr));
      } else if (const auto sdes = SourceDescription::parse(packet)) {
        SourceDescription::Cursor cursor(*sdes);
        const auto item = cursor.next();
        EXPECT_TRUE(builder.add(Cname{.source = item->source, .text = item->text}));
      } else if (const auto xr = ExtendedReport::parse(packet)) {
        std::vector<XrBlock> blocks;
        ExtendedReport::Cursor cursor(*xr);
        while (const auto block = cursor.next()) blocks.push_back(*block);
        EXPECT_TRUE(builder.add(ExtendedReport{.sender = xr->sender, .blocks = {}, .outgoing = blocks}));
      }
    }
    if (!builder.empty()) {
      EXPECT_EQ(to_hex(builder.written()), to_hex(bytes));
    }
  }
}

}  // namespace
}  // namespace kaon::rtcp
