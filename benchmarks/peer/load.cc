// What the sides send: messages as fast as they go, or frames of video thirty times a second.
#include <algorithm>
#include <charconv>
#include <chrono>

#include "benchmarks/peer/peer.h"
#include "kaon/base/random.h"
#include "kaon/base/text.h"

namespace kaon::bench {
namespace {

constexpr size_t kMostBuffered = size_t{4} << 20;
constexpr Duration kFrameInterval = std::chrono::microseconds(33'333);
constexpr uint32_t kTicksPerFrame = 3000;
constexpr uint8_t kIdr = 0x65;
constexpr uint8_t kFirstSlice = 0x88;  // first_mb_in_slice 0, slice_type 7
// Behind the start code, the NAL unit's header and its first byte stands when the frame was sent, in hexadecimal
// digits, of which none is a zero byte. The clock is the same in all processes of a machine.
constexpr size_t kStampAt = 6;
constexpr size_t kStampSize = 16;
// Delays kept between two samples.
constexpr size_t kMaxDelays = size_t{1} << 22;

void stamp(std::vector<uint8_t>& frame, Time now) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  const auto value = static_cast<uint64_t>(now.time_since_epoch().count());
  for (size_t i = 0; i < kStampSize; ++i) {
    frame[kStampAt + i] = static_cast<uint8_t>(kDigits[value >> (60 - 4 * i) & 15]);
  }
}

std::optional<Time> stamp_of(ByteView frame) {
  if (frame.size() < kStampAt + kStampSize) return std::nullopt;
  const auto* text = reinterpret_cast<const char*>(frame.data() + kStampAt);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text, text + kStampSize, value, 16);
  if (error != std::errc() || end != text + kStampSize) return std::nullopt;
  return Time(Duration(static_cast<int64_t>(value)));
}

// One IDR slice as a byte stream; each connection has its own bytes, none of which looks like a start code.
std::vector<uint8_t> make_frame(size_t size, size_t seed) {
  std::vector<uint8_t> frame(size);
  SeededRandom random(seed + 1);
  for (uint8_t& byte : frame) byte = static_cast<uint8_t>(1 + random.below(255));
  frame[0] = frame[1] = frame[2] = 0;
  frame[3] = 1;
  frame[4] = kIdr;
  frame[5] = kFirstSlice;
  return frame;
}

}  // namespace

void Peer::start_sending() {
  sending_ = true;
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
  while (sending_ && channel.buffered_amount() < kMostBuffered / options_.channels) {
    if (!channel.send(ByteView(message_))) return;  // there is room again with on_writable
    traffic_.sent_bytes += message_.size();
    ++traffic_.sent_units;
  }
}

// Frames of the connections are spread evenly over the interval.
void Peer::start_video(Link& link, size_t index) {
  link.frame = make_frame(options_.frame_size, index);
  link.timer = loop_.add_timer([this, &link, index](Time) { send_frame(link, index); });
  link.next_frame =
      io::Loop::now() + kFrameInterval * static_cast<int64_t>(index) / static_cast<int64_t>(links_.size());
  loop_.schedule(link.timer, link.next_frame);
}

void Peer::send_frame(Link& link, size_t index) {
  if (!sending_) return;
  stamp(link.frame, io::Loop::now());
  const auto sent =
      link.video->sender().send_frame(webrtc::Codec::H264, {.data = link.frame, .timestamp = link.timestamp});
  if (sent) {
    traffic_.sent_bytes += link.frame.size();
    ++traffic_.sent_units;
  } else if (sent.error() != webrtc::MediaError::QueueFull) {
    return failed(index, cat("a frame is refused: ", to_string(sent.error())));
  }
  link.timestamp += kTicksPerFrame;
  link.next_frame += kFrameInterval;
  loop_.schedule(link.timer, link.next_frame);
}

void Peer::receive_frame(ByteView frame) {
  traffic_.received_bytes += frame.size();
  ++traffic_.received_units;
  const auto sent = stamp_of(frame);
  if (!sent || delays_.size() == kMaxDelays) return;
  delays_.push_back(std::chrono::duration<float, std::milli>(io::Loop::now() - *sent).count());
}

// As members of the sample, and begins anew.
std::string Peer::delays() {
  if (delays_.empty()) return {};
  std::sort(delays_.begin(), delays_.end());
  const auto at = [&](double share) {
    return std::to_string(delays_[static_cast<size_t>(share * static_cast<double>(delays_.size() - 1))]);
  };
  std::string members = cat(R"(,"delay_ms_p50":)", at(0.5), R"(,"delay_ms_p99":)", at(0.99));
  delays_.clear();
  return members;
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
