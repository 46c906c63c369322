// The way of `whip FILE` and `record`: file, frames, payloads, frames, file. What comes out is what went in, byte for
// byte.
#include <ostream>
#include <random>

#include "kaon/container/annex_b.h"
#include "kaon/container/internal/media_test_util.h"
#include "kaon/container/ivf.h"
#include "kaon/container/ogg_opus.h"
#include "kaon/packetizer/depacketizer.h"
#include "kaon/packetizer/packetizer.h"

namespace kaon::container {
namespace {

using namespace kaon::packetizer;

struct Sample {
  const char* file;
  Codec codec;
  size_t frames;
  std::vector<size_t> keyframes;
};

void PrintTo(const Sample& sample, std::ostream* out) { *out << sample.file; }

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = {
      {"x264.h264", Codec::H264, 15, {0, 8}},
      {"x264_slices_aud.h264", Codec::H264, 15, {0, 8}},
      {"x265.h265", Codec::H265, 15, {0, 8}},
      {"vp8.ivf", Codec::Vp8, 15, {0, 8}},
      {"vp9.ivf", Codec::Vp9, 15, {0, 8}},
      {"vp9_altref.ivf", Codec::Vp9, 15, {0, 12}},
      {"av1_aom_realtime.ivf", Codec::Av1, 15, {0, 8}},
      {"av1_aom.ivf", Codec::Av1, 15, {0, 12}},
      {"av1_svt.ivf", Codec::Av1, 15, {0, 8}},
      {"av1_rav1e.ivf", Codec::Av1, 15, {0, 8}},
  };
  return all;
}

std::vector<OwnedFrame> frames_of(const Sample& sample) {
  const auto file = read_sample(sample.file);
  std::vector<OwnedFrame> frames;
  if (sample.codec == Codec::H264 || sample.codec == Codec::H265) {
    AnnexBReader reader(sample.codec, {15, 1});
    EXPECT_FALSE(read_all(reader, file, 1000, frames));
  } else {
    IvfReader reader;
    EXPECT_FALSE(read_all(reader, file, 1000, frames));
  }
  return frames;
}

/// Payloads with memory of their own, as packets would have.
struct Packets {
  std::vector<std::vector<uint8_t>> payloads;
  std::vector<ReceivedPayload> received() const {
    std::vector<ReceivedPayload> views;
    for (size_t i = 0; i < payloads.size(); ++i) {
      views.push_back({static_cast<uint16_t>(65530 + i), i + 1 == payloads.size(), payloads[i]});
    }
    return views;
  }
};

Packets packets_of(Packetizer& packetizer, ByteView frame, const Limits& limits) {
  Packets packets;
  const auto payloads = packetizer.packetize(frame, limits);
  EXPECT_TRUE(payloads.has_value());
  if (!payloads) return packets;
  for (const Payload& payload : *payloads) {
    std::vector<uint8_t> bytes(payload.size());
    EXPECT_EQ(payload.write(bytes), bytes.size());
    packets.payloads.push_back(std::move(bytes));
  }
  return packets;
}

class RoundTrip : public testing::TestWithParam<Sample> {};

TEST_P(RoundTrip, the_reader_finds_the_frames_and_key_frames) {
  const auto frames = frames_of(GetParam());
  ASSERT_EQ(frames.size(), GetParam().frames);
  std::vector<size_t> keyframes;
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(frames[i].timestamp, static_cast<int64_t>(i) * 6000);
    if (frames[i].keyframe) keyframes.push_back(i);
    const FrameInfo info = inspect_frame(GetParam().codec, frames[i].data);
    EXPECT_EQ(info.keyframe, frames[i].keyframe);
    if (info.keyframe) {
      EXPECT_EQ(info.resolution, (Resolution{128, 96}));
    }
  }
  EXPECT_EQ(keyframes, GetParam().keyframes);
}

TEST_P(RoundTrip, every_frame_survives_packets_of_every_size) {
  const auto frames = frames_of(GetParam());
  Packetizer packetizer({.codec = GetParam().codec});
  Depacketizer depacketizer(GetParam().codec);
  for (size_t size = 100; size <= 1200; size += size < 300 ? 1 : 37) {
    for (const OwnedFrame& frame : frames) {
      const Packets packets = packets_of(packetizer, frame.data, {.max_payload = size});
      const auto received = packets.received();
      const auto assembled = depacketizer.assemble(received);
      ASSERT_TRUE(assembled.has_value()) << "size " << size << " error " << int(assembled.error());
      ASSERT_TRUE(std::ranges::equal(assembled->data, frame.data)) << "size " << size;
      EXPECT_EQ(assembled->info.keyframe, frame.keyframe);
      EXPECT_TRUE(assembled->first.starts_frame);
      EXPECT_EQ(inspect(GetParam().codec, packets.payloads[0])->keyframe, frame.keyframe);
    }
  }
}

/// True if packet i + 1 goes on with what packet i carries: always, but for NAL units that end.
bool continues(Codec codec, const Packets& packets, size_t i) {
  const auto& next = packets.payloads[i + 1];
  if (codec == Codec::H264) return h264::nal_type(next) == h264::kFuA && (next[1] & 0x80) == 0;
  if (codec == Codec::H265) return h265::nal_type(next) == h265::kFragmentation && (next[2] & 0x80) == 0;
  return true;
}

TEST_P(RoundTrip, packets_are_equal_on_the_wire_but_for_the_last) {
  const auto frames = frames_of(GetParam());
  Packetizer packetizer({.codec = GetParam().codec});
  size_t compared = 0;
  for (size_t size = 100; size <= 1200; size += 11) {
    for (const OwnedFrame& frame : frames) {
      const Limits limits{.max_payload = size, .first_reduction = 19, .last_reduction = 5};
      const Packets packets = packets_of(packetizer, frame.data, limits);
      const size_t count = packets.payloads.size();
      std::vector<size_t> wire;
      for (size_t i = 0; i < count; ++i) {
        wire.push_back(packets.payloads[i].size() + (i == 0 ? 19 : 0) + (i + 1 == count ? 5 : 0));
        ASSERT_LE(wire[i], size);
      }
      for (size_t i = 0; i + 1 < count; ++i) {
        if (!continues(GetParam().codec, packets, i)) continue;
        const bool next_is_last = i + 2 == count || !continues(GetParam().codec, packets, i + 1);
        if (next_is_last) {
          ASSERT_LE(wire[i + 1], wire[i]) << "size " << size << " packet " << i + 1;
        } else {
          ASSERT_EQ(wire[i + 1], wire[i]) << "size " << size << " packet " << i + 1;
        }
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 500u);
}

TEST_P(RoundTrip, the_loss_of_any_packet_is_detected) {
  const auto frames = frames_of(GetParam());
  Packetizer packetizer({.codec = GetParam().codec});
  Depacketizer depacketizer(GetParam().codec);
  for (size_t size : {150u, 700u}) {
    for (const OwnedFrame& frame : frames) {
      const Packets packets = packets_of(packetizer, frame.data, {.max_payload = size});
      for (size_t lost = 0; lost < packets.payloads.size(); ++lost) {
        auto received = packets.received();
        received.erase(received.begin() + static_cast<ptrdiff_t>(lost));
        const auto assembled = depacketizer.assemble(received);
        // Parameter sets, delimiters and SEI in front of the slices: only the sequence number before tells.
        const bool non_slice_packet = (GetParam().codec == Codec::H264 || GetParam().codec == Codec::H265) &&
                                      lost == 0 && packets.payloads.size() > 1 &&
                                      inspect(GetParam().codec, packets.payloads[1])->starts_frame;
        if (!non_slice_packet) {
          ASSERT_FALSE(assembled.has_value()) << "packet " << lost << " of " << packets.payloads.size();
        }
      }
    }
  }
}

TEST_P(RoundTrip, the_file_comes_out_byte_for_byte) {
  const auto file = read_sample(GetParam().file);
  Packetizer packetizer({.codec = GetParam().codec, .vp9 = {.flexible = true}});
  Depacketizer depacketizer(GetParam().codec);
  const bool annex_b = GetParam().codec == Codec::H264 || GetParam().codec == Codec::H265;
  AnnexBWriter annex_b_writer;
  IvfWriter ivf_writer(
      {.codec = annex_b ? Codec::Vp8 : GetParam().codec, .timebase_denominator = 15, .timebase_numerator = 1});
  std::vector<uint8_t> out;
  for (const OwnedFrame& frame : frames_of(GetParam())) {
    const Packets packets = packets_of(packetizer, frame.data, {.max_payload = 1180});
    const auto received = packets.received();
    const auto assembled = depacketizer.assemble(received);
    ASSERT_TRUE(assembled.has_value());
    const Frame written{assembled->data, frame.timestamp, assembled->info.keyframe};
    if (annex_b) {
      annex_b_writer.write(written, out);
    } else {
      ivf_writer.write(written, out);
    }
  }
  if (!annex_b) {
    const Patch patch = ivf_writer.finish();
    std::ranges::copy(patch.bytes, out.begin() + static_cast<ptrdiff_t>(patch.offset));
  }
  EXPECT_TRUE(out == file);
}

TEST_P(RoundTrip, damaged_packets_never_crash_the_depacketizer) {
  const char* seed_text = std::getenv("KAON_SEED");
  const uint64_t seed = seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : 7;
  SCOPED_TRACE(cat("KAON_SEED=", seed));
  std::mt19937_64 random(seed);
  const auto frames = frames_of(GetParam());
  Packetizer packetizer({.codec = GetParam().codec});
  Depacketizer depacketizer(GetParam().codec);
  size_t refused = 0;
  for (int round = 0; round < 40; ++round) {
    for (const OwnedFrame& frame : frames) {
      Packets packets = packets_of(packetizer, frame.data, {.max_payload = 100 + random() % 1100});
      for (auto& payload : packets.payloads) {
        if (random() % 4 == 0) payload.resize(random() % (payload.size() + 1));
        for (size_t i = 0; i < payload.size() && i < 12; ++i) {
          if (random() % 16 == 0) payload[i] = static_cast<uint8_t>(random());
        }
        (void)inspect(GetParam().codec, payload);
      }
      const auto assembled = depacketizer.assemble(packets.received());
      if (!assembled) {
        ++refused;
      } else {
        (void)inspect_frame(GetParam().codec, assembled->data);
      }
    }
  }
  EXPECT_GT(refused, 0u);
}

INSTANTIATE_TEST_SUITE_P(Samples, RoundTrip, testing::ValuesIn(samples()), [](const auto& sample) {
  std::string name = sample.param.file;
  std::ranges::replace(name, '.', '_');
  return name;
});

TEST(RoundTripOpus, packets_and_their_times_come_out_of_ogg_as_they_went_in) {
  for (const char* name : {"opus.ogg", "opus_60ms_stereo.ogg"}) {
    std::vector<OwnedFrame> frames, again;
    OggOpusReader reader;
    ASSERT_FALSE(read_all(reader, read_sample(name), 777, frames));
    ASSERT_GT(frames.size(), 15u);

    Packetizer packetizer({.codec = Codec::Opus});
    Depacketizer depacketizer(Codec::Opus);
    OggOpusWriter writer({.head = *reader.head(), .serial = 42, .vendor = "test"});
    std::vector<uint8_t> file;
    for (const OwnedFrame& frame : frames) {
      const Packets packets = packets_of(packetizer, frame.data, {});
      ASSERT_EQ(packets.payloads.size(), 1u);
      const auto received = packets.received();
      const auto assembled = depacketizer.assemble(received);
      ASSERT_TRUE(assembled.has_value());
      ASSERT_TRUE(writer.write({assembled->data, frame.timestamp, true}, file));
    }
    writer.finish(file);

    OggOpusReader second;
    ASSERT_FALSE(read_all(second, file, 100000, again));
    ASSERT_EQ(again.size(), frames.size());
    EXPECT_EQ(second.head(), reader.head());
    for (size_t i = 0; i < frames.size(); ++i) {
      EXPECT_EQ(again[i].data, frames[i].data);
      EXPECT_EQ(again[i].timestamp, frames[i].timestamp);
    }
  }
}

}  // namespace
}  // namespace kaon::container
