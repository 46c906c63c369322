// RTP payloads of one codec: looked at, put together to a frame, the frame cut into payloads and put together again.
#pragma once

#include "fuzz/fuzz.h"
#include "kaon/packetizer/depacketizer.h"
#include "kaon/packetizer/packetizer.h"
#include "kaon/packetizer/payload_info.h"

namespace kaon::fuzz {

/// Payloads of an input, each behind its length in two bytes as in testdata/media; the first byte of the input says
/// whether a sequence number is missing, and where the marker is.
inline std::vector<packetizer::ReceivedPayload> payloads_of(ByteView input, std::vector<std::vector<uint8_t>>& memory) {
  constexpr size_t kMaxPayloads = 64;
  Reader reader(input);
  const uint8_t flags = reader.u8();
  while (!reader.at_end() && memory.size() < kMaxPayloads) {
    const size_t size = reader.u16();
    memory.push_back(copy(reader.bytes(std::min(size, reader.remaining()))));
  }
  std::vector<packetizer::ReceivedPayload> payloads;
  uint16_t sequence = 0xfff0;
  for (const auto& bytes : memory) {
    const bool last = &bytes == &memory.back();
    payloads.push_back({.sequence_number = sequence, .marker = last && (flags & 1) == 0, .payload = bytes});
    sequence = static_cast<uint16_t>(sequence + ((flags & 2) != 0 && last ? 2 : 1));
  }
  return payloads;
}

/// What a frame becomes when it is sent and received. `canonical` frames must come out as they went in.
inline void send_and_receive(packetizer::Codec codec, ByteView frame, size_t max_payload, bool canonical) {
  packetizer::Packetizer packetizer({.codec = codec});
  const auto cut = packetizer.packetize(frame, {.max_payload = max_payload});
  if (!cut) return;
  std::vector<std::vector<uint8_t>> memory;
  std::vector<packetizer::ReceivedPayload> payloads;
  for (const packetizer::Payload& payload : *cut) {
    KAON_ASSERT(payload.size() <= max_payload);
    memory.emplace_back(payload.size());
    payload.write(memory.back());
  }
  if (memory.empty()) return;
  for (size_t i = 0; i < memory.size(); ++i) {
    const bool last = i + 1 == memory.size();
    payloads.push_back({.sequence_number = static_cast<uint16_t>(i), .marker = last, .payload = memory[i]});
  }
  packetizer::Depacketizer depacketizer(codec);
  const auto whole = depacketizer.assemble(payloads);
  KAON_ASSERT(whole.has_value() || !canonical);
  if (whole && canonical) KAON_ASSERT(std::ranges::equal(whole->data, frame));
}

/// H.264 and H.265 forbid zeros within NAL units that look like a start code; who sends them gets other units back.
inline bool has_start_codes_inside(const std::vector<packetizer::ReceivedPayload>& payloads) {
  constexpr std::array<uint8_t, 2> kZeros = {0, 0};
  return std::ranges::any_of(payloads, [&](const packetizer::ReceivedPayload& p) {
    return p.payload.empty() || p.payload.back() == 0 || !std::ranges::search(p.payload, kZeros).empty();
  });
}

inline void depacketize(packetizer::Codec codec, ByteView input) {
  std::vector<std::vector<uint8_t>> memory;
  const auto payloads = payloads_of(input, memory);
  for (const auto& payload : payloads) (void)packetizer::inspect(codec, payload.payload);
  packetizer::Depacketizer depacketizer(codec);
  const auto frame = depacketizer.assemble(payloads);
  if (frame) {
    (void)packetizer::inspect_frame(codec, frame->data);
    const std::vector<uint8_t> bytes = copy(frame->data);
    const bool nal_units = codec == packetizer::Codec::H264 || codec == packetizer::Codec::H265;
    const bool canonical = !nal_units || !has_start_codes_inside(payloads);
    send_and_receive(codec, bytes, 1200, canonical);
    send_and_receive(codec, bytes, 60, canonical && packetizer::is_video(codec));
  }
  // The input itself as a frame that a user hands in.
  const std::vector<uint8_t> raw = copy(input);
  (void)packetizer::inspect_frame(codec, raw);
  send_and_receive(codec, raw, 200, false);
}

}  // namespace kaon::fuzz
