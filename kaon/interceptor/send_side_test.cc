#include <gtest/gtest.h>

#include "kaon/interceptor/internal/test_packets.h"
#include "kaon/interceptor/nack_responder.h"
#include "kaon/interceptor/reference_time.h"
#include "kaon/interceptor/sender_statistics.h"

namespace kaon::interceptor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::make_packet;

std::vector<rtcp::NackItem> items_for(std::initializer_list<int> sequences) {
  std::vector<rtcp::NackItem> items;
  for (int s : sequences) items.push_back({.first = rtp::SequenceNumber(static_cast<uint16_t>(s)), .following = 0});
  return items;
}

class NackResponderTest : public testing::Test {
 protected:
  void send(uint16_t first, size_t count, Time now = {}) {
    for (size_t i = 0; i < count; ++i) {
      history_.push(make_packet(pool_, {.sequence = static_cast<uint16_t>(first + i), .timestamp = 9, .marker = true}),
                    now);
    }
  }
  std::vector<rtp::Packet> nack(NackResponder& responder, const std::vector<rtcp::NackItem>& items, Time now) {
    std::vector<rtp::Packet> out;
    responder.on_nack(rtcp::Nack{.head = {}, .items = items}, history_, now,
                      [&](rtp::Packet p) { out.push_back(std::move(p)); });
    return out;
  }
  BufferPool pool_;
  SendHistory history_;
};

TEST_F(NackResponderTest, RestoresAtTheReceiverWhatTheSenderWrapped) {
  send(65530, 10);
  NackResponder responder(RtxStream{.ssrc = rtp::Ssrc(77), .payload_type = 97}, rtp::SequenceNumber(65535));
  auto sent = nack(responder, items_for({65535, 2}), Time(milliseconds(1)));
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].header.ssrc.value(), 77u);
  EXPECT_EQ(sent[0].header.payload_type, 97);
  EXPECT_EQ(sent[0].header.sequence.value(), 65535);
  EXPECT_EQ(sent[1].header.sequence.value(), 0) << "its own numbering";
  EXPECT_EQ(sent[1].original_sequence->value(), 2);

  // On the wire the original sequence number stands before the payload.
  Buffer wire = pool_.allocate(2 + sent[1].payload().size());
  store_be16(wire.bytes().data(), sent[1].original_sequence->value());
  std::ranges::copy(sent[1].payload(), wire.bytes().begin() + 2);
  const auto restored = restore_from_rtx(
      rtp::Packet::from_payload(sent[1].header, SharedBuffer(std::move(wire)), Time()), rtp::Ssrc(1), 96);
  ASSERT_TRUE(restored);
  EXPECT_EQ(restored->header.sequence.value(), 2);
  EXPECT_EQ(restored->header.ssrc.value(), 1u);
  EXPECT_EQ(restored->header.payload_type, 96);
  EXPECT_EQ(restored->header.timestamp.value(), 9u);
  EXPECT_TRUE(restored->header.marker);
  EXPECT_TRUE(restored->recovered);
  EXPECT_EQ(to_hex(restored->payload()), "02020202");
}

TEST_F(NackResponderTest, SendsTheOriginalWithoutARtxStream) {
  send(5, 1);
  NackResponder responder;
  const auto sent = nack(responder, items_for({5}), Time());
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].header.sequence.value(), 5);
  EXPECT_FALSE(sent[0].original_sequence);
}

TEST_F(NackResponderTest, SendsAPacketOncePerRoundTripAndNotForEver) {
  send(5, 1);
  NackResponder responder;
  responder.set_round_trip(milliseconds(50));
  size_t sent = 0;
  for (int ms = 0; ms < 5000; ++ms) sent += nack(responder, items_for({5}), Time(milliseconds(ms))).size();
  EXPECT_EQ(sent, NackResponder::kMaxRetransmissions);
  EXPECT_GT(responder.refused()[NackResponder::Refusal::TooSoon], 100u);
  EXPECT_GT(responder.refused()[NackResponder::Refusal::TooOften], 100u);
}

TEST_F(NackResponderTest, WithstandsAFloodOfNacks) {
  send(0, SendHistory::kMaxPackets);
  NackResponder responder(RtxStream{rtp::Ssrc(2), 97});
  responder.set_round_trip(milliseconds(1));
  std::vector<rtcp::NackItem> everything;
  for (int s = 0; s < 65536; s += 17)
    everything.push_back({.first = rtp::SequenceNumber(uint16_t(s)), .following = 0xffff});
  size_t sent = 0;
  for (int ms = 0; ms < 200; ++ms) sent += nack(responder, everything, Time(milliseconds(ms))).size();
  EXPECT_LE(sent, NackResponder::kMaxBurst + NackResponder::kMaxPerSecond / 5 + 1);
  EXPECT_GT(responder.refused()[NackResponder::Refusal::RateLimit], 1000u);
}

TEST_F(NackResponderTest, ProbesWithTheNewestPacketOnRtxOnly) {
  NackResponder responder(RtxStream{rtp::Ssrc(2), 97});
  EXPECT_FALSE(responder.probe(history_));
  send(5, 3);
  EXPECT_EQ(responder.probe(history_)->original_sequence->value(), 7);
  EXPECT_FALSE(NackResponder().probe(history_));
}

TEST(SendHistory, IsBoundedByCountBytesAndAge) {
  BufferPool pool;
  SendHistory history;
  for (size_t i = 0; i < 3 * SendHistory::kMaxPackets; ++i) {
    history.push(make_packet(pool, {.sequence = static_cast<uint16_t>(i)}), Time());
  }
  EXPECT_EQ(history.size(), SendHistory::kMaxPackets);
  EXPECT_EQ(history.find(rtp::SequenceNumber(1)), nullptr);
  EXPECT_NE(history.find(rtp::SequenceNumber(3 * SendHistory::kMaxPackets - 1)), nullptr);
  for (uint16_t i = 0; i < 200; ++i) {
    history.push(make_packet(pool, {.sequence = static_cast<uint16_t>(10000 + i), .size = 60000}), Time());
    ASSERT_LE(history.bytes(), SendHistory::kMaxSize);
  }
  history.push(make_packet(pool, {.sequence = 20000}), Time(seconds(5)));
  EXPECT_EQ(history.size(), 1u) << "the rest is too old";
  history.push(make_packet(pool, {.sequence = 19999}), Time(seconds(5)));
  EXPECT_EQ(history.size(), 1u) << "packets out of order are not kept";
}

TEST(SendHistory, FindsPacketsAcrossGapsAndWraps) {
  BufferPool pool;
  SendHistory history;
  for (uint16_t s : {65000, 65100, 65535, 3, 9}) history.push(make_packet(pool, {.sequence = s}), Time());
  for (uint16_t s : {65000, 65100, 65535, 3, 9}) {
    ASSERT_NE(history.find(rtp::SequenceNumber(s)), nullptr) << s;
    EXPECT_EQ(history.packet(*history.find(rtp::SequenceNumber(s))).header.sequence.value(), s);
  }
  for (uint16_t s : {64999, 65001, 0, 4, 10}) EXPECT_EQ(history.find(rtp::SequenceNumber(s)), nullptr) << s;
}

TEST(RestoreFromRtx, RefusesPaddingProbes) {
  BufferPool pool;
  for (size_t size : {0, 1}) {
    EXPECT_FALSE(restore_from_rtx(make_packet(pool, {.size = size}), rtp::Ssrc(1), 96));
  }
  EXPECT_TRUE(restore_from_rtx(make_packet(pool, {.size = 2}), rtp::Ssrc(1), 96)->payload().empty());
}

TEST(SenderStatistics, ExtrapolatesTheMediaClockToTheReport) {
  BufferPool pool;
  SenderStatistics statistics(rtp::Ssrc(1), 90000);
  EXPECT_FALSE(statistics.make_report(Time(), {}));
  statistics.on_sent(make_packet(pool, {.timestamp = 0xffffff00, .size = 100}), Time(seconds(1)));
  const auto report = statistics.make_report(Time(milliseconds(1500)), {42});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->rtp_timestamp.value(), static_cast<uint32_t>(0xffffff00 + 45000));
  EXPECT_EQ(report->ntp_time.value, 42u);
  EXPECT_EQ(report->packet_count, 1u);
  EXPECT_EQ(report->octet_count, 100u);
}

TEST(SenderStatistics, MeasuresTheRoundTripByTheReportsOfReceivers) {
  SenderStatistics statistics(rtp::Ssrc(1), 48000);
  const NtpTime now = to_ntp(seconds(1'700'000'000));
  rtcp::ReportBlock block;
  block.fraction_lost = 128;
  block.jitter = 480;
  block.last_sender_report = now.compact() - 65536;
  block.delay_since_last_sender_report = 65536 / 2;
  statistics.on_report_block(block, now);
  EXPECT_EQ(statistics.remote().round_trip_time, milliseconds(500));
  EXPECT_DOUBLE_EQ(statistics.remote().fraction_lost, 0.5);
  EXPECT_DOUBLE_EQ(statistics.remote().jitter, 0.01);
  block.last_sender_report = 0;
  statistics.on_report_block(block, now);
  block.last_sender_report = now.compact() + 65536 * 100;
  statistics.on_report_block(block, now);
  EXPECT_EQ(statistics.remote().round_trip_time_measurements, 1u) << "no report echoed, then nonsense";
}

TEST(ReferenceTime, GivesTheReceiverItsRoundTrip) {
  const NtpTime sent = to_ntp(seconds(1'700'000'000));
  ReferenceTimeResponder responder;
  responder.on_reference_time(rtp::Ssrc(5), {.ntp_time = sent}, Time(milliseconds(30)));
  const auto items = responder.take_items(Time(milliseconds(130)));
  ASSERT_EQ(items.size(), 1u);
  const rtcp::Dlrr dlrr{items};
  const auto rtt = round_trip_from(dlrr, rtp::Ssrc(5), to_ntp(seconds(1'700'000'000) + milliseconds(160)));
  ASSERT_TRUE(rtt);
  EXPECT_NEAR(static_cast<double>(rtt->count()), 60e6, 0.1e6);
  EXPECT_FALSE(round_trip_from(dlrr, rtp::Ssrc(6), sent));
  EXPECT_TRUE(responder.take_items(Time(milliseconds(200))).empty()) << "answered";
  for (uint32_t ssrc = 100; ssrc < 10100; ++ssrc) {
    responder.on_reference_time(rtp::Ssrc(ssrc), {}, Time(milliseconds(ssrc)));
  }
  const auto flood = responder.take_items(Time(seconds(20)));
  EXPECT_EQ(flood.size(), ReferenceTimeResponder::kMaxReceivers);
}

}  // namespace
}  // namespace kaon::interceptor
