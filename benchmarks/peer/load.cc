// What the sides send: messages as fast as they go, or frames of video thirty times a second.
#include <chrono>

#include "benchmarks/peer/peer.h"
#include "kaon/base/random.h"

namespace kaon::bench {
namespace {

constexpr size_t kMostBuffered = size_t{4} << 20;
constexpr Duration kFrameInterval = std::chrono::microseconds(33'333);
constexpr uint32_t kTicksPerFrame = 3000;
constexpr uint8_t kIdr = 0x65;

// One IDR slice as a byte stream; each connection has its own bytes, none of which looks like a start code.
std::vector<uint8_t> make_frame(size_t size, size_t seed) {
  std::vector<uint8_t> frame(size);
  SeededRandom random(seed + 1);
  for (uint8_t& byte : frame) byte = static_cast<uint8_t>(1 + random.below(255));
  frame[0] = frame[1] = frame[2] = 0;
  frame[3] = 1;
  frame[4] = kIdr;
  return frame;
}

}  // namespace

void Peer::start_sending() {
  for (size_t i = 0; i < links_.size(); ++i) {
    if (options_.video) {
      start_video(*links_[i], i);
      continue;
    }
    for (const auto& channel : links_[i]->channels) {
      channel->set_buffered_amount_low_threshold(kMostBuffered / 2 / options_.channels);
      pour(*links_[i], *channel);
    }
  }
}

void Peer::pour(Link&, webrtc::DataChannel& channel) {
  while (!stopped_ && channel.buffered_amount() < kMostBuffered / options_.channels) {
    if (!channel.send(ByteView(message_))) return;  // there is room again with on_writable
    traffic_.sent_bytes += message_.size();
    ++traffic_.sent_units;
  }
}

// Frames of the connections are spread evenly over the interval.
void Peer::start_video(Link& link, size_t index) {
  link.frame = make_frame(options_.frame_size, index);
  link.timer = loop_.add_timer([this, &link](Time now) { send_frame(link, now); });
  link.next_frame =
      io::Loop::now() + kFrameInterval * static_cast<int64_t>(index) / static_cast<int64_t>(links_.size());
  loop_.schedule(link.timer, link.next_frame);
}

void Peer::send_frame(Link& link, Time) {
  if (stopped_) return;
  if (link.video->sender().send_frame(webrtc::Codec::H264, {.data = link.frame, .timestamp = link.timestamp})) {
    traffic_.sent_bytes += link.frame.size();
    ++traffic_.sent_units;
  }
  link.timestamp += kTicksPerFrame;
  link.next_frame += kFrameInterval;
  loop_.schedule(link.timer, link.next_frame);
}

uint64_t Peer::packets_of_video() const {
  uint64_t packets = 0;
  if (!options_.video) return packets;
  for (const auto& link : links_) {
    if (!link->connection) continue;
    const peer::Stats stats = link->connection->get_engine_stats();
    for (const auto& stream : stats.outbound) packets += stream.packets_sent;
    for (const auto& stream : stats.inbound) packets += stream.packets_received;
  }
  return packets;
}

}  // namespace kaon::bench
