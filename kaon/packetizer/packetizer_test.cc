#include "kaon/packetizer/packetizer.h"

#include <cstdlib>
#include <new>

#include "kaon/packetizer/depacketizer.h"
#include "kaon/packetizer/internal/split.h"
#include "kaon/packetizer/internal/test_util.h"
#include "kaon/packetizer/opus.h"

namespace {
size_t allocations = 0;
}

// GCC 12 inlines the delete below without the new above it, and takes them for a mismatched pair.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

// Counts every allocation of this test program.
void* operator new(size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace kaon::packetizer {
namespace {

TEST(Codec, is_known_by_its_sdp_name_in_any_case) {
  EXPECT_EQ(codec_from_name("vp8"), Codec::Vp8);
  EXPECT_EQ(codec_from_name("OPUS"), Codec::Opus);
  EXPECT_EQ(codec_from_name("H264"), Codec::H264);
  EXPECT_EQ(codec_from_name("H26"), std::nullopt);
  EXPECT_EQ(encoding_name(Codec::Pcmu), "PCMU");
  EXPECT_EQ(clock_rate(Codec::G722), 8000u);
  for (int i = 0; i <= static_cast<int>(Codec::G722); ++i) {
    const auto codec = static_cast<Codec>(i);
    EXPECT_EQ(codec_from_name(encoding_name(codec)), codec);
  }
}

TEST(Split, parts_are_equal_with_their_reductions_and_cover_everything) {
  for (size_t size = 1; size < 600; ++size) {
    for (size_t capacity : {60u, 61u, 100u}) {
      for (size_t first : {0u, 1u, 13u, 30u}) {
        for (size_t last : {0u, 1u, 5u, 20u}) {
          std::vector<size_t> wire;
          size_t offset = 0;
          bool ended = false;
          internal::split_evenly(size, capacity, first, last, [&](size_t at, size_t part, bool is_first, bool is_last) {
            ASSERT_EQ(at, offset);
            ASSERT_GT(part, 0u);
            ASSERT_EQ(is_first, at == 0);
            offset += part;
            ended = is_last;
            wire.push_back(part + (is_first ? first : 0) + (is_last ? last : 0));
          });
          ASSERT_TRUE(ended);
          ASSERT_EQ(offset, size);
          ASSERT_EQ(wire.size(), (size + first + last + capacity - 1) / capacity);
          for (size_t i = 0; i < wire.size(); ++i) ASSERT_LE(wire[i], capacity);
          for (size_t i = 1; i + 1 < wire.size(); ++i) ASSERT_EQ(wire[i], wire[0]);
        }
      }
    }
  }
}

TEST(Packetizer, refuses_limits_without_room_and_empty_frames) {
  for (Codec codec : {Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264, Codec::H265}) {
    Packetizer packetizer({.codec = codec});
    const auto frame = hex("00 00 00 01 41 9a 22");
    EXPECT_EQ(packetizer.packetize({}, {}).error(), PacketizeError::EmptyFrame);
    EXPECT_EQ(packetizer.packetize(frame, {.max_payload = 0}).error(), PacketizeError::LimitsTooSmall);
    EXPECT_EQ(packetizer.packetize(frame, {.max_payload = 100, .first_reduction = 90}).error(),
              PacketizeError::LimitsTooSmall);
    EXPECT_EQ(packetizer.packetize(frame, {.max_payload = 100, .first_reduction = 40, .last_reduction = 40}).error(),
              PacketizeError::LimitsTooSmall);
    EXPECT_EQ(packetizer.packetize(frame, {.max_payload = 100, .last_reduction = SIZE_MAX}).error(),
              PacketizeError::LimitsTooSmall);
  }
}

TEST(Packetizer, sends_audio_as_it_is_and_refuses_what_does_not_fit) {
  Packetizer packetizer({.codec = Codec::Opus});
  const auto packet = noise(100);
  const auto payloads = packetizer.packetize(packet, {});
  ASSERT_TRUE(payloads && payloads->size() == 1);
  EXPECT_EQ(bytes_of(payloads->front()), packet);
  EXPECT_EQ(packetizer.packetize(packet, {.max_payload = 99}).error(), PacketizeError::TooLarge);
}

std::vector<uint8_t> frame_of(Codec codec, size_t size) {
  std::vector<uint8_t> frame;
  if (codec == Codec::H264) frame = hex("00 00 00 01 67 42 c0 1e 00 00 00 01 68 ce 00 00 01 65 88");
  if (codec == Codec::H265) frame = hex("00 00 00 01 40 01 0c 00 00 00 01 26 01 af");
  if (codec == Codec::Av1) frame = hex("12 00 0a 03 01 02 04 30");
  const auto rest = noise(size);
  frame.insert(frame.end(), rest.begin(), rest.end());
  return frame;
}

TEST(Packetizer, allocates_nothing_after_warm_up) {
  for (Codec codec : {Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264, Codec::H265}) {
    Packetizer packetizer({.codec = codec});
    Depacketizer depacketizer(codec);
    const auto large = frame_of(codec, 20000), small = frame_of(codec, 900);
    std::vector<uint8_t> memory(64 * 1024);
    std::vector<ReceivedPayload> received;
    received.reserve(64);
    size_t whole = 0;
    const auto pass = [&](ByteView frame) {
      const auto payloads = packetizer.packetize(frame, {});
      received.clear();
      size_t at = 0;
      for (const Payload& payload : *payloads) {
        payload.write(Bytes(memory).subspan(at));
        received.push_back(
            {static_cast<uint16_t>(received.size()), false, ByteView(memory).subspan(at, payload.size())});
        at += payload.size();
      }
      received.back().marker = true;
      if (depacketizer.assemble(received)) ++whole;
    };
    pass(large);
    const size_t before = allocations;
    for (int i = 0; i < 10; ++i) {
      pass(large);
      pass(small);
    }
    EXPECT_EQ(allocations - before, 0u) << encoding_name(codec);
    EXPECT_EQ(whole, 21u) << encoding_name(codec);
  }
}

TEST(Inspect, survives_every_payload_of_two_bytes_and_noise_behind) {
  for (int codec = 0; codec <= static_cast<int>(Codec::G722); ++codec) {
    size_t accepted = 0;
    for (int start = 0; start < 65536; ++start) {
      auto payload = noise(20, static_cast<uint32_t>(start));
      store_be16(payload.data(), static_cast<uint16_t>(start));
      for (size_t size : {0u, 1u, 2u, 3u, 5u, 20u}) {
        accepted += inspect(static_cast<Codec>(codec), ByteView(payload).first(size)).has_value() ? 1 : 0;
      }
    }
    EXPECT_GT(accepted, 0u);
    EXPECT_LT(accepted, 65536u * 6);
  }
}

TEST(Opus, durations_follow_the_toc_byte) {
  EXPECT_EQ(opus_duration(hex("08")), 960u);             // SILK 20 ms
  EXPECT_EQ(opus_duration(hex("18 00")), 2880u);         // SILK 60 ms
  EXPECT_EQ(opus_duration(hex("68")), 960u);             // hybrid 20 ms
  EXPECT_EQ(opus_duration(hex("80")), 120u);             // CELT 2.5 ms
  EXPECT_EQ(opus_duration(hex("fc")), 960u);             // CELT 20 ms, stereo
  EXPECT_EQ(opus_duration(hex("fd")), 1920u);            // two frames
  EXPECT_EQ(opus_duration(hex("ff 03")), 2880u);         // three frames
  EXPECT_EQ(opus_duration(hex("83 30")), 5760u);         // 48 frames, 120 ms
  EXPECT_EQ(opus_duration(hex("fb 07")), std::nullopt);  // 140 ms
  EXPECT_EQ(opus_duration(hex("fb 00")), std::nullopt);
  EXPECT_EQ(opus_duration(hex("fb")), std::nullopt);
  EXPECT_EQ(opus_duration({}), std::nullopt);
  EXPECT_EQ(opus_channels(hex("fc")), 2);
  EXPECT_EQ(opus_channels(hex("f8")), 1);
}

}  // namespace
}  // namespace kaon::packetizer
