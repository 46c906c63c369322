// A viewer's stream made of a publisher's layers, whatever numbers their packets have.
#include "fuzz/fuzz.h"
#include "kaon/router/forwarder.h"

namespace kaon::router {

KAON_FUZZ_TARGET(router_forwarder) {
  fuzz::Choices choices(input);
  const bool video = choices.flag();
  Forwarder forwarder(video, video ? 90000 : 48000,
                      {rtp::SequenceNumber(choices.u16()), rtp::Timestamp(choices.u32())});
  Time now{std::chrono::seconds(10)};
  std::array<uint16_t, 4> sequences{};
  std::array<uint32_t, 4> timestamps{};
  for (size_t i = 0; i < 2000 && !choices.empty(); ++i) {
    const uint8_t what = choices.u8();
    if (what < 16) now += std::max(choices.step(), Duration::zero());
    if (what >= 16 && what < 24) forwarder.select(Layer(static_cast<uint8_t>(what & 3)));
    if (what < 24) continue;
    const size_t source = what & 3;
    sequences[source] = static_cast<uint16_t>(sequences[source] + ((what & 4) != 0 ? choices.u16() : 1));
    timestamps[source] += (what & 8) != 0 ? choices.u32() : 3000;
    rtp::Packet packet;
    packet.header.sequence = rtp::SequenceNumber(sequences[source]);
    packet.header.timestamp = rtp::Timestamp(timestamps[source]);
    packet.header.ssrc = rtp::Ssrc(static_cast<uint32_t>(source) + ((what & 64) != 0 ? 100 : 0));
    std::optional<packetizer::PayloadInfo> info;
    if ((what & 128) != 0) info = packetizer::PayloadInfo{.starts_frame = true, .keyframe = (what & 32) != 0};
    (void)forwarder.forward(packet, Layer(static_cast<uint8_t>(source)), info, now);
    (void)forwarder.needs_keyframe();
  }
}

}  // namespace kaon::router
