#include "kaon/router/forwarder.h"

#include <gtest/gtest.h>

#include "kaon/router/keyframe_gate.h"

namespace kaon::router {
namespace {

using namespace std::chrono_literals;
using packetizer::PayloadInfo;

constexpr Time kStart{};
const Forwarder::Start kNumbers{rtp::SequenceNumber(1000), rtp::Timestamp(500000)};

rtp::Packet packet(uint16_t sequence, uint32_t timestamp, uint32_t ssrc = 1) {
  static BufferPool pool;
  rtp::Header header{
      .sequence = rtp::SequenceNumber(sequence), .timestamp = rtp::Timestamp(timestamp), .ssrc = rtp::Ssrc(ssrc)};
  return rtp::Packet::from_payload(header, SharedBuffer(pool.copy(as_bytes("payload"))), kStart);
}

PayloadInfo key() { return PayloadInfo{.starts_frame = true, .keyframe = true}; }
PayloadInfo delta() { return PayloadInfo{.starts_frame = true}; }

TEST(Forwarder, VideoBeginsAtAKeyframeWithTheGivenNumbers) {
  Forwarder forwarder(true, 90000, kNumbers);
  EXPECT_TRUE(forwarder.needs_keyframe());
  EXPECT_FALSE(forwarder.forward(packet(7, 100), Layer(0), delta(), kStart));
  EXPECT_FALSE(forwarder.forward(packet(8, 100), Layer(0), std::nullopt, kStart))
      << "a malformed payload starts nothing";
  const auto first = forwarder.forward(packet(9, 3100), Layer(0), key(), kStart);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->sequence.value(), 1000);
  EXPECT_EQ(first->timestamp.value(), 500000u);
  EXPECT_FALSE(forwarder.needs_keyframe());
  const auto second = forwarder.forward(packet(10, 6100), Layer(0), delta(), kStart + 33ms);
  EXPECT_EQ(second->sequence.value(), 1001);
  EXPECT_EQ(second->timestamp.value(), 503000u);
}

TEST(Forwarder, AudioBeginsAtOnce) {
  Forwarder forwarder(false, 48000, kNumbers);
  EXPECT_FALSE(forwarder.needs_keyframe());
  EXPECT_TRUE(forwarder.forward(packet(7, 100), Layer(0), std::nullopt, kStart));
}

TEST(Forwarder, KeepsHolesAndPutsLatePacketsIntoThem) {
  Forwarder forwarder(true, 90000, kNumbers);
  forwarder.forward(packet(65534, 0), Layer(0), key(), kStart);
  EXPECT_EQ(forwarder.forward(packet(1, 0), Layer(0), delta(), kStart)->sequence.value(), 1003);
  EXPECT_EQ(forwarder.forward(packet(65535, 0), Layer(0), delta(), kStart)->sequence.value(), 1001)
      << "recovered by RTX";
  EXPECT_EQ(forwarder.forward(packet(2, 0), Layer(0), delta(), kStart)->sequence.value(), 1004);
  EXPECT_FALSE(forwarder.forward(packet(65530, 0), Layer(0), delta(), kStart)) << "older than the first key frame";
}

TEST(Forwarder, RunsOnWhenThePublisherRestarts) {
  Forwarder forwarder(true, 90000, kNumbers);
  forwarder.forward(packet(100, 9000), Layer(0), key(), kStart);
  forwarder.forward(packet(101, 12000), Layer(0), delta(), kStart + 33ms);
  EXPECT_FALSE(forwarder.forward(packet(5, 777, 2), Layer(0), delta(), kStart + 1s));
  const auto restarted = forwarder.forward(packet(6, 777, 2), Layer(0), key(), kStart + 1033ms);
  ASSERT_TRUE(restarted);
  EXPECT_EQ(restarted->sequence.value(), 1002) << "no hole that the viewer would ask for";
  EXPECT_EQ(restarted->timestamp.value(), 500000u + 3000 + 90000) << "a second has passed";
}

TEST(Forwarder, ChangesLayersAtAKeyframeOnly) {
  Forwarder forwarder(true, 90000, kNumbers);
  forwarder.forward(packet(100, 0, 1), Layer(0), key(), kStart);
  forwarder.select(Layer(1));
  EXPECT_TRUE(forwarder.needs_keyframe());
  EXPECT_FALSE(forwarder.forward(packet(50, 0, 2), Layer(1), delta(), kStart));
  EXPECT_TRUE(forwarder.forward(packet(101, 0, 1), Layer(0), delta(), kStart)) << "the old layer goes on until then";
  EXPECT_EQ(forwarder.forward(packet(51, 0, 2), Layer(1), key(), kStart)->sequence.value(), 1002);
  EXPECT_FALSE(forwarder.forward(packet(102, 0, 1), Layer(0), delta(), kStart));
  EXPECT_FALSE(forwarder.needs_keyframe());
}

TEST(Forwarder, WrapsItsOwnNumbers) {
  Forwarder forwarder(false, 48000, {rtp::SequenceNumber(65535), rtp::Timestamp(0xffffffff)});
  EXPECT_EQ(forwarder.forward(packet(1, 960), Layer(0), std::nullopt, kStart)->sequence.value(), 65535);
  const auto wrapped = forwarder.forward(packet(2, 1920), Layer(0), std::nullopt, kStart);
  EXPECT_EQ(wrapped->sequence.value(), 0);
  EXPECT_EQ(wrapped->timestamp.value(), 959u);
}

TEST(KeyframeGate, MergesRequestsAndRepeatsUntilAnswered) {
  KeyframeGate gate;
  EXPECT_EQ(gate.next_timeout(), kNever);
  for (int viewer = 0; viewer < 100; ++viewer) gate.request(kStart);
  EXPECT_TRUE(gate.poll(kStart));
  EXPECT_FALSE(gate.poll(kStart));
  EXPECT_FALSE(gate.poll(kStart + 499ms));
  EXPECT_TRUE(gate.poll(kStart + 500ms)) << "nothing came: ask again";
  gate.keyframe_arrived();
  EXPECT_EQ(gate.next_timeout(), kNever);
  gate.request(kStart + 600ms);
  EXPECT_FALSE(gate.poll(kStart + 600ms)) << "the last request is too fresh";
  EXPECT_TRUE(gate.poll(kStart + 1000ms));
  EXPECT_EQ(gate.requests(), 101u);
}

}  // namespace
}  // namespace kaon::router
